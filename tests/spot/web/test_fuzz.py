"""Any input, at every door: no exception, no frame of another client, no silent close.

A short run by default; `--fuzz 100000` sends so many messages.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
import structlog
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spot.codes import CLOSES, ERRORS
from spot.dialects import rests
from spot.dialects.coingecko.rest import PATHS as GECKO
from spot.dialects.coinmarketcap.rest import PATHS as CAP
from spot.dialects.own import PREFIX
from spot.feeds import FEEDS
from spot.feeds.view import parameter_names
from spot.web import mcp
from spot_project.asgi import application
from tests.spot import keyed
from tests.spot.asking import Response, ask, scope_of
from tests.spot.dialects.test_coingecko_stream import messages as cable_messages
from tests.spot.dialects.test_coinmarketcap_stream import messages as latest_messages
from tests.spot.query.test_query import json_values
from tests.spot.sockets import Closed, Socket, put_everything, run
from tests.spot.web.test_stream import messages as stream_messages

pytestmark = pytest.mark.usefixtures("redis", "unlimited")
#: Messages in one example, which shares a hub.
TOGETHER = 20
#: The doors, and so the tests.
DOORS = 7
STATUSES = {200, 204, 304, 405} | {fact.status for fact in ERRORS.values()}


@pytest.fixture
def unlimited(settings) -> Iterator[None]:
    """No rate keeps a message from being read, and nobody waits for data that never come."""
    settings.SPOT_MESSAGES_PER_SECOND = settings.SPOT_REQUESTS_PER_MINUTE = settings.SPOT_NEW_DATASETS_PER_HOUR = 0
    settings.SPOT_FIRST_ANSWER_SECONDS = 0.01
    with structlog.testing.capture_logs() as logs:
        yield
    assert not [entry for entry in logs if entry["log_level"] in ("error", "critical")]


def examples(request: pytest.FixtureRequest) -> settings:
    """As many examples as the run asks for, whatever test they are of."""
    count = max(3, request.config.getoption("--fuzz") // DOORS // TOGETHER)
    quiet = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.large_base_example]
    return settings(max_examples=count, deadline=None, suppress_health_check=quiet, database=None)


names = sorted({name for feed in FEEDS.values() for name in parameter_names(feed, ("envelope", "status", "delta"))})
texts = st.one_of(
    st.sampled_from(
        [
            "",
            "1",
            "usd",
            "eur",
            "bitcoin",
            "bitcoin,ethereum",
            "nosuch",
            "desc",
            "24h",
            "Price",
            '{"price":{"gt":1}}',
            "-1",
        ]
    ),
    st.text(max_size=12),
    json_values.map(json.dumps),
)
queries = st.dictionaries(st.sampled_from(names) | st.text(max_size=6), texts, max_size=4).map(
    lambda pairs: "&".join(f"{quote(name, safe='')}={quote(text, safe='')}" for name, text in pairs.items())
)
raw_queries = queries | st.binary(max_size=30).map(lambda raw: raw.decode("latin-1"))
feeds = st.sampled_from([*FEEDS, "nosuch"])
header_values = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=30)
credentials = st.dictionaries(
    st.sampled_from(["x-api-key", "authorization", "origin", "if-none-match", "accept", "accept-encoding", "cookie"]),
    st.sampled_from(["Bearer x", "*", "text/event-stream", "https://partner.example"]) | header_values,
    max_size=2,
)
parameters = st.dictionaries(st.sampled_from(names), json_values, max_size=4)
bodies = st.one_of(
    st.binary(max_size=60),
    json_values.map(lambda value: json.dumps(value).encode()),
    st.lists(
        st.fixed_dictionaries(
            {"feed": feeds | json_values, "params": st.dictionaries(st.sampled_from(names), json_values)}
        ),
        max_size=4,
    ).map(lambda views: json.dumps({"views": views}).encode()),
)
requests = st.tuples(
    st.sampled_from(["GET", "GET", "GET", "POST", "HEAD", "OPTIONS", "PUT", "x"]),
    feeds | st.sampled_from(["batch", "ticket", "ws/market", "ws/stream", "%2e%2e/admin", ""]),
    raw_queries,
    credentials,
    bodies,
)


def test_every_request_gets_an_answer_of_its_door(request) -> None:
    @examples(request)
    @given(st.lists(requests, min_size=TOGETHER, max_size=TOGETHER))
    def fuzz(asked: list[tuple[str, str, str, dict[str, str], bytes]]) -> None:
        async def story() -> None:
            await put_everything()
            for method, path, query, headers, body in asked:
                target = f"/{PREFIX}/{path}?{query}"
                response = await ask(target, method, headers=headers, body=body if method == "POST" else b"")
                _check(response, method)

        run(story())

    fuzz()


def _check(response: Response, method: str) -> None:
    assert response.status_code in STATUSES, response.status_code
    refused = response.status_code >= 400 and response.status_code != 405
    if refused and method != "HEAD":
        assert response.json()["code"] in ERRORS


changes = st.dictionaries(st.sampled_from(names) | st.text(max_size=6), json_values | texts, max_size=4)
feed_messages = st.one_of(
    changes.map(json.dumps),
    st.text(max_size=40),
    json_values.map(json.dumps),
    st.sampled_from(['{"action":"ping"}', '{"action":"resync"}', '{"action":"export"}', "[", '{"action":1}']),
)


def test_every_message_of_a_feed_gets_an_answer(request) -> None:
    @examples(request)
    @given(feeds, raw_queries, st.lists(feed_messages, min_size=TOGETHER, max_size=TOGETHER))
    def fuzz(feed: str, query: str, said: list[str]) -> None:
        async def story() -> None:
            await put_everything()
            async with Socket(feed, query.encode("latin-1")) as socket:
                await _converse(socket, said, '{"action":"ping"}')

        run(story())

    fuzz()


async def _converse(socket: Socket, said: list[str], ping: str) -> None:
    """Say everything; the last answer is that to a ping, or the close that an error has explained."""
    pings = sum('"ping"' in text for text in said) + 1
    for text in (*said, ping):
        await socket.send(text)
    code = None
    try:
        while pings:
            pings -= '"pong"' in await socket.text()
    except Closed as closed:
        code = closed.code
    if code is not None:
        assert code in set(CLOSES)
        assert any('"error"' in text for text in socket.frames), "closed without a word"


def test_a_stream_answers_each_message_and_brings_nobody_elses(request) -> None:
    @examples(request)
    @given(st.lists(stream_messages, min_size=TOGETHER, max_size=TOGETHER))
    def fuzz(said: list[str]) -> None:
        mine, yours = keyed.made(), keyed.made()
        keyed.fill(mine[1], yours[1])

        async def story() -> None:
            await put_everything()
            async with (
                Socket("stream", headers={"x-api-key": mine[0]}) as socket,
                Socket("stream", headers={"x-api-key": yours[0]}) as other,
            ):
                theirs = {"id": "theirs", "method": "subscribe", "channel": "market", "params": {"page_size": 1}}
                await other.send(theirs)
                await _converse_by_ids(socket, said)
                await _converse_by_ids(other, [])
                assert all('"theirs"' not in text for text in socket.frames)
                assert {json.loads(text).get("id") for text in other.frames} <= {None, "theirs", "the end"}

        run(story())

    fuzz()


async def _converse_by_ids(socket: Socket, said: list[str]) -> None:
    for text in said:
        await socket.send(text)
    await socket.send({"id": "the end", "method": "ping"})
    answers = 0
    while True:
        frame = await socket.frame()
        answers += frame["type"] in ("ack", "error", "pong", "list", "export") and not frame.get("ended")
        if frame.get("id") == "the end" and frame["type"] == "pong":
            break
    assert answers > len(said)


def test_other_vendors_protocols_answer_each_message_in_frames_of_their_own(request, monkeypatch) -> None:
    monkeypatch.setattr("spot.web.awaited._PATIENCE", 0.01)  # no worker says who brings on-chain events
    end = json.dumps({"channel": "CGSimplePrice", "the": "end"})

    @examples(request)
    @given(
        st.lists(latest_messages, min_size=TOGETHER, max_size=TOGETHER),
        st.lists(cable_messages, min_size=TOGETHER, max_size=TOGETHER),
    )
    def fuzz(latest: list[str], cable: list[str]) -> None:
        async def story() -> None:
            await put_everything()
            async with Socket("", path="/compat/coinmarketcap/v1") as socket:
                await _converse_by_ids(socket, latest)
            async with Socket("", path="/compat/coingecko/stream/v1") as socket:
                for text in cable:
                    await socket.send(text)
                await socket.send({"command": "subscribe", "identifier": end})
                while (await socket.frame()) != {"type": "confirm_subscription", "identifier": end}:
                    pass

        run(story())

    fuzz()


RESTS = {rest.name: rest for rest in rests()}
FOREIGN_PATHS = {
    "coingecko": [path.format(id="bitcoin", platform="ethereum", address="0x" + "a" * 40) for path in GECKO],
    "coinmarketcap": [f"v{version}/{path}" for path, (versions, _read) in CAP.items() for version in versions],
    "coinapi": ["v1/exchangerate/BTC/USD", "v1/exchangerate/ETH/BTC", "v1/exchangerate/BTC", "v1", ""],
}
#: Parts of paths that mean something somewhere, and such as confuse those who take paths apart.
parts = st.one_of(
    st.sampled_from(sorted({part for paths in FOREIGN_PATHS.values() for path in paths for part in path.split("/")})),
    st.sampled_from([".", "..", "", "%", "%2e%2e", "%00", "\0", "\r\n", "\\", ";", "?", "*", "\ufffd", "a" * 5000]),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
)
foreign_names = st.sampled_from(
    [
        "vs_currency", "vs_currencies", "ids", "names", "symbols", "include_tokens", "order", "per_page", "page",
        "precision", "sparkline", "price_change_percentage", "days", "interval", "from", "to", "date", "query",
        "contract_addresses", "include_platform", "include_market_cap", "category", "id", "slug", "symbol", "start",
        "limit", "convert", "convert_id", "sort", "sort_dir", "aux", "skip_invalid", "cryptocurrency_type", "filter",
        "listing_status", "filter_asset_id", "invert", "x_cg_demo_api_key", "CMC_PRO_API_KEY", "apikey", "ticket",
    ]
)  # fmt: skip
foreign_texts = texts | st.sampled_from(
    ["1,1027", "BTC,ETH", "all", "true", "0", "1e99", "9" * 30, "30-12-2025", "2025-02-31", "max", ",", "\0", "bitcoin"]
)
foreign_queries = raw_queries | st.lists(st.tuples(foreign_names, foreign_texts), max_size=5).map(
    lambda pairs: "&".join(f"{name}={quote(text, safe='')}" for name, text in pairs)
)
key_headers = st.dictionaries(
    st.sampled_from(sorted({"x-api-key", *(name.lower() for rest in RESTS.values() for name in rest.key_headers)})),
    st.sampled_from(["anonymous", "CG-anonymous", ""]) | header_values,
    max_size=1,
)
foreign_requests = st.sampled_from(sorted(FOREIGN_PATHS)).flatmap(
    lambda name: st.tuples(
        st.just(name),
        st.sampled_from(["GET", "GET", "GET", "GET", "POST", "HEAD", "OPTIONS", "PUT", "DELETE", "x"]),
        st.one_of(
            st.sampled_from(FOREIGN_PATHS[name]),
            st.tuples(st.sampled_from(FOREIGN_PATHS[name]), parts).map("/".join),
            st.lists(parts, max_size=6).map("/".join),
        ),
        foreign_queries,
        st.tuples(credentials, st.just({}) | key_headers).map(lambda both: both[0] | both[1]),
        st.binary(max_size=60),
    )
)


def test_other_vendors_protocols_answer_each_request_in_their_words(request) -> None:
    @examples(request)
    @given(st.lists(foreign_requests, min_size=TOGETHER, max_size=TOGETHER))
    def fuzz(asked: list[tuple[str, str, str, str, dict[str, str], bytes]]) -> None:
        async def story() -> None:
            await put_everything()
            for name, method, path, query, headers, body in asked:
                root = f"/{RESTS[name].root}"
                place = {"path": f"{root}/{path}" if path else root, "query_string": query.encode("latin-1")}
                sent = body if method == "POST" else b""
                _check_foreign(name, method, await ask(root, method, headers=headers, body=sent, place=place))

        run(story())

    fuzz()


def _check_foreign(name: str, method: str, answer: Response) -> None:
    assert answer["Access-Control-Allow-Origin"] == "*"
    assert answer.status_code < 500 or answer.status_code in (503, 550), answer.status_code
    if method in ("HEAD", "OPTIONS") or answer.status_code == 304:
        assert not answer.content
    elif "Content-Encoding" not in answer:  # else it is of the same bytes
        assert answer["Content-Type"].startswith("application/json")
        told = answer.json()
        assert answer.status_code < 400 or _is_refusal(name, told), told
        assert answer.status_code < 400 or PREFIX not in answer.content.decode()


def _is_refusal(name: str, told: dict[str, Any]) -> bool:
    """Whether these are the fields that the vendor documents."""
    status = told.get("status", {})
    if told.get("type") == "error":  # at the path of its socket, whose errors these are
        return name == "coinmarketcap" and status["error_code"] == "5001"
    match name:
        case "coingecko":
            return told.keys() == {"error"} or status.keys() == {"timestamp", "error_code", "error_message"}
        case "coinmarketcap":
            facts = {"timestamp", "error_code", "error_message", "elapsed", "credit_count", "notice"}
            return told.keys() == {"statusCode", "error", "message"} or status.keys() == facts
    return told.keys() == {"error"}


addresses = st.tuples(
    feeds.map(lambda feed: f"sse/{feed}") | st.just("sse/stream"),
    raw_queries
    | st.lists(st.tuples(feeds, queries), max_size=3).map(
        lambda views: "&".join(f"subscribe={quote(f'{feed}?{query}', safe='')}" for feed, query in views)
    ),
    credentials,
)


def test_every_stream_of_events_begins_or_is_refused(request) -> None:
    @examples(request)
    @given(st.lists(addresses, min_size=TOGETHER, max_size=TOGETHER))
    def fuzz(opened: list[tuple[str, str, dict[str, str]]]) -> None:
        async def story() -> None:
            await put_everything()
            for path, query, headers in opened:
                await _open(f"/{PREFIX}/{path}?{query}", headers)

        run(story())

    fuzz()


tools = st.sampled_from([*(feed.replace("-", "_") for feed in FEEDS), "find_coins", "sources", "nosuch"])
calls = st.fixed_dictionaries(
    {
        "name": tools | json_values,
        "arguments": st.dictionaries(st.sampled_from([*names, "search"]), json_values, max_size=3),
    }
)
tool_messages = st.fixed_dictionaries(
    {
        "jsonrpc": st.just("2.0") | json_values,
        "method": st.sampled_from(
            ["tools/call", "tools/call", "tools/list", "initialize", "ping", "notifications/x", "x"]
        )
        | json_values,
    },
    optional={"id": st.integers(0, 9) | json_values, "params": calls | json_values},
)
tool_requests = st.tuples(
    st.sampled_from(["POST", "POST", "POST", "POST", "GET", "DELETE", "OPTIONS", "HEAD"]),
    st.fixed_dictionaries(
        {},
        optional={
            "accept": st.sampled_from(["application/json, text/event-stream", "application/json", "*/*"])
            | header_values,
            "content-type": st.sampled_from(["application/json", "text/plain"]) | header_values,
            "mcp-protocol-version": st.sampled_from(["2025-06-18", "2025-11-25", "1999-01-01"]) | header_values,
            "mcp-session-id": header_values,
            "origin": st.just("https://partner.example") | header_values,
            "authorization": st.just("Bearer x") | header_values,
        },
    ),
    st.one_of(tool_messages.map(lambda message: json.dumps(message).encode()), bodies),
)


def test_every_message_of_a_language_model_is_answered(request) -> None:
    @examples(request)
    @given(st.lists(tool_requests, min_size=TOGETHER, max_size=TOGETHER))
    def fuzz(asked: list[tuple[str, dict[str, str], bytes]]) -> None:
        async def story() -> None:
            await put_everything()
            for method, headers, body in asked:
                usual = {"accept": "application/json, text/event-stream", "content-type": "application/json"}
                response = await ask(mcp.PATH, method, headers=usual | headers, body=body if method == "POST" else b"")
                _check_tools(response, method, body)

        run(story())

    fuzz()


def _check_tools(response: Response, method: str, body: bytes) -> None:
    """Answers are declared; those to a request carry its id, and no error is one of the server's own."""
    assert response.status_code in {200, 202, 204, 400, 401, 403, 404, 405, 406, 415, 429}, response.status_code
    if not response.content or response.status_code == 405:
        return
    answer = response.json()
    if "jsonrpc" not in answer:
        assert answer["code"] in ERRORS
    elif "error" in answer:
        assert answer["error"]["code"] != -32603, answer  # an internal error
    else:
        assert answer["id"] == json.loads(body)["id"]


async def _open(target: str, headers: dict[str, str]) -> None:
    """Open a stream of events, and go away after its first bytes."""
    gone, events = asyncio.Event(), list[dict[str, Any]]()
    begun = iter([{"type": "http.request", "body": b"", "more_body": False}])

    async def receive() -> dict[str, Any]:
        if (first := next(begun, None)) is not None:
            return first
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(event: dict[str, Any]) -> None:
        events.append(event)
        if event["type"] == "http.response.body":
            gone.set()

    await application(scope_of(target, headers=headers), receive, send)
    start = events[0]
    assert start["status"] in STATUSES
    if start["status"] >= 400:
        body = b"".join(event.get("body", b"") for event in itertools.islice(events, 1, None))
        assert json.loads(body)["code"] in ERRORS
