"""The batch: each view is answered as its own request would be, fails alone, and shows its dataset at one version."""

import asyncio
import gzip
import json

import pytest

from spot.clients import limits
from spot.clients.payments import payments
from spot.clients.plans import anonymous
from spot.dialects import batch
from spot.dialects.own import PREFIX
from spot.hub.hub import Hub
from tests.spot import asking
from tests.spot.asking import ADDRESS, Response
from tests.spot.rows import USD, coin, market
from tests.spot.sockets import Socket, eventually, put, put_everything, put_lists, put_market, run
from tests.spot.web.test_twins import get

PATH = f"/{PREFIX}/batch"
ORIGIN = "https://partner.example"
#: Views as a batch has them, with the query strings that ask for the same.
VIEWS = [
    ({"feed": "market", "params": {"page_size": 2, "sparkline": False}}, "page_size=2&sparkline=false"),
    (
        {"feed": "market", "params": {"envelope": True, "filters": {"price": {"gt": 1}}}},
        'envelope=1&filters={"price":{"gt":1}}',
    ),
    ({"feed": "ticker-tape", "params": {"coin_ids": ["bitcoin", "nosuchcoin"]}}, "coin_ids=bitcoin,nosuchcoin"),
    ({"feed": "most-active", "params": {"search": None, "min_volume": 0}}, "min_volume=0"),
    ({"feed": "coin-heatmap"}, ""),
    ({"feed": "historical-ohlcv", "params": {"coin_id": "bitcoin", "format": "json"}}, "coin_id=bitcoin"),
    ({"feed": "market", "params": {"vs_currency": "xyz"}}, "vs_currency=xyz"),
]
pytestmark = pytest.mark.usefixtures("redis")


async def post(*views: object, body: bytes | None = None, address: str = ADDRESS, **headers: str) -> Response:
    text = json.dumps({"views": views}).encode() if body is None else body
    return await asking.ask(PATH, "POST", body=text, address=address, headers=headers)


def test_each_view_is_answered_as_its_own_request_would_be() -> None:
    async def story() -> None:
        await put_everything()
        answer = await post(*(view for view, _ in VIEWS))
        assert (answer.status_code, answer["Content-Type"]) == (200, "application/json")
        assert answer["Cache-Control"] == "no-store"
        for part, (view, query) in zip(answer.json()["views"], VIEWS, strict=True):
            alone = await get(view["feed"], query)
            assert part["status"] == alone.status_code
            if alone.status_code == 200:
                assert alone.content in answer.content or "envelope" in query  # which numbers its pages
                assert {name for name in part["headers"] if "Age" not in name} <= set(alone.headers)
                assert part["headers"]["ETag"] == alone["ETag"]
                assert part["headers"]["X-Spot-Version"] == alone["X-Spot-Version"]
                assert part["headers"].get("X-Spot-Missing") == alone.get("X-Spot-Missing")
            else:
                assert part["body"]["code"] == alone.json()["code"]
        assert not Hub.current().groups

    run(story())


def test_a_view_that_is_refused_fails_alone_and_is_named() -> None:
    wrong = [
        ({"feed": "market", "params": {"page_size": 0}}, 400, "bad_value", "views[1].params.page_size"),
        ({"feed": "market", "params": {"bogus": 1}}, 400, "unknown_field", "views[2].params.bogus"),
        ({"feed": "market", "params": {"format": "csv"}}, 400, "bad_value", "views[3].params.format"),
        ({"feed": "market", "params": {"vs_currency": "xyz"}}, 404, "unknown_currency", "views[4].params.vs_currency"),
        ({"feed": "nothing"}, 404, "unknown_feed", "views[5].feed"),
        ({"params": {}}, 400, "missing_field", "views[6].feed"),
        ({"feed": "ticker-tape"}, 400, "missing_field", "views[7].params.coin_ids"),
        ({"feed": "market", "page_size": 1}, 400, "unknown_field", "views[8].page_size"),
        ({"feed": "market", "params": []}, 400, "bad_value", "views[9].params"),
        ("market", 400, "bad_value", "views[10]"),
        ({"feed": "market", "if_none_match": 1}, 400, "bad_value", "views[11].if_none_match"),
    ]

    async def story() -> None:
        await put_market(2)
        good = {"feed": "market", "params": {"page_size": 1}}
        parts = (await post(good, *(view for view, *_ in wrong), good)).json()["views"]
        assert [part["status"] for part in parts] == [200, *(status for _, status, _, _ in wrong), 200]
        for part, (_, _, code, field) in zip(parts[1:-1], wrong, strict=True):
            assert (part["body"]["code"], part["body"]["field"]) == (code, field)
            assert part["body"]["message"].startswith("views[")
        assert parts[1]["body"]["message"] == "views[1]: page_size must be a whole number from 1 to 500, not 0."

    run(story())


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        (b"{", "bad_message", None),
        (b"[]", "bad_message", None),
        (b"", "bad_message", None),
        (b'{"views": []}', "bad_value", "views"),
        (b'{"views": {}}', "bad_value", "views"),
        (b"{}", "bad_value", "views"),
        (b'{"views": [%s]}' % b",".join([b"{}"] * 21), "bad_value", "views"),
        (b'{"views": [{"feed": "market"}], "feed": "market"}', "unknown_field", "feed"),
    ],
)
def test_what_is_no_batch_is_refused_whole(body, code, field) -> None:
    async def story() -> None:
        answer = await post(body=body)
        assert (answer.status_code, answer.json()["code"], answer.json().get("field")) == (400, code, field)

    run(story())


def test_a_large_body_is_refused() -> None:
    async def story() -> None:
        answer = await post(body=b" " * (batch.MAX_REQUEST + 1))
        assert (answer.status_code, answer.json()["code"]) == (413, "body_refused")

    run(story())


def test_a_dataset_is_shown_at_one_version_also_while_it_is_being_published(monkeypatch) -> None:
    async def story() -> None:
        await put_market(3)
        async with Socket("market", "page_size=1") as socket:
            await socket.frame()
            hub, published = Hub.current(), asyncio.Event()
            monkeypatch.setattr(hub, "_reverify", lambda **_: published.wait())  # groups keep their old page meanwhile
            version = await put(USD, market(3, shift=1.0))
            await eventually(lambda: hub.topics[USD.name].version == version)
            views = ({"feed": "market", "params": {"page_size": size}} for size in (1, 2))
            old, new = (await post(*views)).json()["views"]
            published.set()
            assert old["headers"]["X-Spot-Version"] == new["headers"]["X-Spot-Version"]
            assert old["body"]["rows"] == new["body"]["rows"][:1]
            assert (await socket.frame())["rows"] == old["body"]["rows"]  # its members are told as ever

    run(story())


def test_a_page_that_still_stands_is_given_again_and_replaced_when_it_does_not(monkeypatch) -> None:
    async def story() -> None:
        await put_market(2)
        [first] = (await post({"feed": "market"})).json()["views"]
        joined = []
        monkeypatch.setattr(Hub, "join", lambda _hub, member, *_: joined.append(member))
        [again] = (await post({"feed": "market"})).json()["views"]
        assert (again["body"], joined) == (first["body"], [])
        monkeypatch.undo()
        version = await put(USD, market(2, shift=1.0))
        async with Socket("market", "page_size=1"):
            await eventually(lambda: Hub.current().topics[USD.name].version == version)
        [newer] = (await post({"feed": "market"})).json()["views"]
        assert newer["body"] != first["body"]

    run(story())


def test_an_answer_waits_for_all_its_views_and_names_what_did_not_come(settings) -> None:
    settings.SPOT_FIRST_ANSWER_SECONDS = 0.3

    async def story() -> None:
        await put_lists(("usd", "eur"), coins=("bitcoin", "rare"))
        await put(USD, [coin("bitcoin")])
        tape = {"feed": "ticker-tape", "params": {"coin_ids": "bitcoin,rare"}}
        euros = {"feed": "market", "params": {"vs_currency": "eur"}}
        dollars, missing, none = (await post({"feed": "market"}, tape, euros)).json()["views"]
        assert dollars["status"] == 200
        assert (missing["status"], missing["headers"]["X-Spot-Missing"]) == (200, "rare")
        assert (none["status"], none["body"]["code"]) == (503, "unavailable")
        assert "markets:eur" in none["body"]["message"]
        assert int(none["headers"]["Retry-After"]) > 0

    run(story())


def test_it_costs_as_much_as_its_parts(settings, monkeypatch) -> None:
    monkeypatch.setattr(limits.requests, "_clock", lambda: 1000.0)
    settings.SPOT_REQUESTS_PER_MINUTE = 60  # 15 at once

    async def story() -> None:
        await put_market(2)
        new, wrong = {"feed": "market", "params": {"search": "never asked"}}, {"feed": "nothing"}
        assert (await post(new, wrong, new))["RateLimit-Remaining"] == "9"  # 4, 1, and 1 for what has been asked
        others = [{"feed": "market", "params": {"search": f"nor {number}"}} for number in range(4)]
        statuses = [part["status"] for part in (await post(*others)).json()["views"]]
        assert statuses == [200, 200, 429, 429]
        assert limits.requests.balance(anonymous(ADDRESS)).remaining == 1

    run(story())


def test_new_data_are_paid_for_by_each_view(settings, monkeypatch) -> None:
    monkeypatch.setattr(limits.novelties, "_clock", lambda: 1000.0)
    payments.forget()
    settings.SPOT_NEW_DATASETS_PER_HOUR = 80  # two currencies at once
    settings.SPOT_FIRST_ANSWER_SECONDS = 0.2

    async def story() -> None:
        await put_lists(("usd", "eur", "gbp", "jpy"))
        views = [{"feed": "market", "params": {"vs_currency": currency}} for currency in ("eur", "gbp", "jpy", "eur")]
        codes = [part["body"]["code"] for part in (await post(*views)).json()["views"]]
        assert codes == ["unavailable", "unavailable", "too_many_datasets", "unavailable"]

    run(story())


def test_answers_that_are_too_large_together_are_named(monkeypatch) -> None:
    monkeypatch.setattr(batch, "MAX_ANSWER", 2000)

    async def story() -> None:
        await put_market(20)
        small = {"feed": "market", "params": {"page_size": 1}}
        parts = (await post(small, {"feed": "market"}, small)).json()["views"]
        assert [part["status"] for part in parts] == [200, 400, 200]
        assert parts[1]["body"]["field"] == "views[1].params.page_size"

    run(story())


def test_an_unchanged_answer_is_not_sent_again() -> None:
    async def story() -> None:
        await put_market(2)
        [first] = (await post({"feed": "market"})).json()["views"]
        tag = first["headers"]["ETag"]
        [again] = (await post({"feed": "market", "if_none_match": tag})).json()["views"]
        assert (again["status"], again["headers"]["ETag"], "body" in again) == (304, tag, False)

    run(story())


def test_it_is_compressed_as_other_answers_are() -> None:
    async def story() -> None:
        await put_market(20)
        plain = await post({"feed": "market"})
        packed = await post({"feed": "market"}, **{"accept-encoding": "gzip"})
        assert packed["Content-Encoding"] == "gzip"
        assert json.loads(gzip.decompress(packed.content))["views"][0]["body"] == plain.json()["views"][0]["body"]

    run(story())


def test_pages_of_other_sites_may_post(settings) -> None:
    settings.SPOT_ALLOWED_ORIGINS = [ORIGIN]

    async def story() -> None:
        wish = {"origin": ORIGIN, "access-control-request-method": "POST"}
        allowed = await asking.ask(PATH, "OPTIONS", headers=wish)
        assert "POST" in allowed["Access-Control-Allow-Methods"]
        assert "Content-Type" in allowed["Access-Control-Allow-Headers"]
        for body, status in ((b"{", 400), (b"x" * 70_000, 413)):
            refused = await post(body=body, origin=ORIGIN)
            assert (refused.status_code, refused["Access-Control-Allow-Origin"]) == (status, ORIGIN)
        assert (await asking.ask(PATH, headers={"origin": ORIGIN})).status_code == 405

    run(story())
