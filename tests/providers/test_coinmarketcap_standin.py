"""CoinMarketCap against its stand-in: the adapter through the client, the session over a real WebSocket."""

import asyncio
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from redis import Redis
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

import providers
from providers import client, fetching
from providers.access import Access
from providers.base import Answer, Call, Normalised
from providers.budget import Budget
from providers.datasets import ASSET_FIELDS, COIN_FIELDS, ONCHAIN_CHANNELS, Dataset, Kind
from providers.errors import BadPayload, NotFound, ProviderError, RateLimited, Unauthorized, Unavailable
from providers.models import Asset, AssetAlias, Chain
from providers.protocols.coinmarketcap import KEY_HEADER, STREAM
from providers.stream import Alive, Channel, Dropped, Event, OnchainEvent, Rejected, Session, Tick
from providers.vault import Secret
from standins.coinmarketcap import Coinmarketcap

KEY = "canary-7f3a9c1e-aaaa-bbbb-cccc-000000000001"
PROVIDER = providers.get("coinmarketcap")
NOW = 1_793_610_900_000
HOUR, DAY = 3_600_000, 86_400_000
TOKEN = "0x8ac76a51cc950d9822d68b83fe1ad97b32cd580d"


@pytest.fixture
def standin() -> Iterator[Coinmarketcap]:
    with Coinmarketcap(key=KEY, clock=lambda: NOW, pulse_seconds=0) as running:
        yield running


def access_to(standin: Coinmarketcap, key: str = KEY, plan: str = "startup") -> Access:
    """An access made by hand, without a database."""
    url = standin.url if key else standin.keyless_url
    return Access(PROVIDER, PROVIDER.plan(plan if key else "keyless"), url, Secret(key), 0, 0)


def asked(standin: Coinmarketcap, call: Call, key: str = KEY) -> Answer:
    answer = client.fetch_json(access_to(standin, key), call, tries=1)
    if problem := PROVIDER.fault(answer):
        raise problem
    return answer


def fetched(standin: Coinmarketcap, dataset: Dataset, *ids: str, key: str = KEY) -> tuple[Normalised, int]:
    """The rows, and what the answers say they cost."""
    endpoint, answers = PROVIDER.endpoint(dataset.kind), []
    for call in endpoint.calls(dataset, ids, 0):
        answers.append(asked(standin, call, key))
        if endpoint.ended(call, answers[-1]):
            break
    return endpoint.normalise(dataset, answers), sum(PROVIDER.charged(answer) for answer in answers)


# --- REST -----------------------------------------------------------------------------------------------------------
def test_the_market_comes_whole_by_market_cap_with_the_prices_of_the_simulated_market(standin: Coinmarketcap) -> None:
    made, cost = fetched(standin, Dataset("markets", "usd"))
    assert (len(made.rows), made.dropped, made.blanked, cost) == (500, 0, 0, 3)
    assert made.rows[0]["id"] == "1"
    assert made.rows[0]["price"] == pytest.approx(standin.price("bitcoin", at=NOW // 60_000 * 60_000))
    assert all(tuple(row) == COIN_FIELDS for row in made.rows)
    assert made.meta["universe"] > 500
    assert NOW - 120_000 <= made.as_of <= NOW
    caps = [row["market_cap"] for row in made.rows]
    assert all(earlier >= later for earlier, later in pairwise(caps))


def test_the_last_block_is_short_and_the_one_after_does_not_exist(standin: Coinmarketcap) -> None:
    universe = fetched(standin, Dataset("markets", "usd"))[0].meta["universe"]
    assert len(fetched(standin, Dataset("markets", "usd", block=2))[0].rows) == universe - 500
    with pytest.raises(NotFound, match=f"only {universe} coins"):
        fetched(standin, Dataset("markets", "usd", block=3))


def test_quotes_come_by_id_in_the_currency_and_unknown_ids_are_absent(standin: Coinmarketcap) -> None:
    made, cost = fetched(standin, Dataset("quotes", "eur"), "1027", "1", "4000000")
    assert ([row["id"] for row in made.rows], cost) == (["1", "1027"], 1)
    assert made.rows[0]["price"] == pytest.approx(standin.price("bitcoin", "eur", at=NOW // 60_000 * 60_000))


@pytest.mark.parametrize(("days", "count", "step", "cost"), [(1, 24, HOUR, 1), (7, 168, HOUR, 2), (90, 90, DAY, 1)])
def test_candles_are_a_grid_of_finished_ones(
    standin: Coinmarketcap, days: int, count: int, step: int, cost: int
) -> None:
    made, paid = fetched(standin, Dataset("candles", "usd", coin="1", days=days))
    stamps = [row["timestamp"] for row in made.rows]
    assert (len(stamps), made.meta["interval_ms"], paid) == (count, step, cost)
    assert {later - earlier for earlier, later in pairwise(stamps)} == {step}
    assert NOW - 2 * step - 900_000 < stamps[-1] <= NOW - step
    assert made.as_of == NOW
    last = made.rows[-1]
    assert last["open"] == pytest.approx(standin.price("bitcoin", at=stamps[-1]))
    assert last["close"] == pytest.approx(standin.price("bitcoin", at=stamps[-1] + step))
    assert last["volume"] > 0


def test_the_map_lists_every_coin_for_nothing(standin: Coinmarketcap) -> None:
    made, cost = fetched(standin, Dataset("assets", topic="coinmarketcap"))
    assert (len(made.rows), cost) == (len(standin.market.coins), 0)
    assert all(tuple(row) == ASSET_FIELDS for row in made.rows)
    bitcoin = next(row for row in made.rows if row["slug"] == "bitcoin")
    assert (bitcoin["foreign_id"], bitcoin["symbol"], bitcoin["name"]) == ("1", "BTC", "Bitcoin")


def test_a_key_says_what_is_left_of_it(standin: Coinmarketcap) -> None:
    fetched(standin, Dataset("markets", "usd"))
    call = PROVIDER.probe(PROVIDER.plan("startup"))
    assert PROVIDER.proven(asked(standin, call).payload) == (
        "accepted: 449997 of 450000 credits left this month, 120 calls a minute"
    )


def test_without_a_key_there_are_prices_and_no_candles(standin: Coinmarketcap) -> None:
    answer = asked(standin, PROVIDER.probe(PROVIDER.plan("keyless")), key="")
    assert answer.payload["status"]["error_code"] == "0"
    assert PROVIDER.proven(answer.payload) == "accepted"
    assert len(fetched(standin, Dataset("markets", "usd"), key="")[0].rows) == 500
    with pytest.raises(NotFound, match="An API Key is required"):
        fetched(standin, Dataset("candles", "usd", coin="1", days=7), key="")
    assert standin.millicredits == 0


@pytest.mark.django_db
@pytest.mark.parametrize("key", [KEY, ""])
def test_what_a_plan_lacks_is_no_fault_of_the_account(standin: Coinmarketcap, redis: Redis, key: str) -> None:
    standin.plan, entry, budget = "basic", access_to(standin, key), Budget(redis, lambda: NOW)
    with pytest.raises(NotFound) as caught:
        fetched(standin, Dataset("candles", "usd", coin="1", days=7), key=key)
    assert budget.failed(entry, caught.value) == 0
    assert budget.usage(entry).rest_until == 0


@pytest.mark.django_db
@pytest.mark.parametrize("plan", ["", "keyless", "basic", "hobbyist"])
def test_a_plan_without_candles_is_never_asked_for_any(
    standin: Coinmarketcap, redis: Redis, settings: Any, plan: str
) -> None:
    settings.COINMARKETCAP_BASE_URL, settings.COINMARKETCAP_PLAN = standin.url, plan
    settings.COINMARKETCAP_API_KEY = "" if plan == "keyless" else KEY
    Chain.objects.update_or_create(kind="candles", defaults={"order": "coinmarketcap"})
    with pytest.raises(NotFound, match=f"CoinMarketCap has no candles with plan {plan or 'basic'}"):
        fetching.fetch(Dataset("candles", "usd", coin="bitcoin", days=7), redis=redis, now_ms=lambda: NOW)
    assert not standin.requests


@pytest.mark.parametrize(
    ("code", "kind", "wait"),
    [
        (1001, Unauthorized, None),
        (1003, Unauthorized, None),
        (1006, NotFound, None),
        (1007, Unauthorized, None),
        (1008, RateLimited, 60),
        (1009, RateLimited, 3_600),
        (1010, RateLimited, 21_600),
        (1011, RateLimited, 120),
    ],
)
def test_a_refusal_is_what_its_code_says_whatever_the_status(
    standin: Coinmarketcap, code: int, kind: type[ProviderError], wait: float | None
) -> None:
    standin.code = code
    with pytest.raises(kind) as caught:
        fetched(standin, Dataset("markets", "usd"))
    assert caught.value.retry_after == wait
    assert KEY not in caught.value.message


def test_another_key_is_refused(standin: Coinmarketcap) -> None:
    with pytest.raises(Unauthorized, match="This API Key is invalid"):
        fetched(standin, Dataset("markets", "usd"), key="another-key-altogether")


def test_a_header_that_says_when_beats_the_wait_of_the_code(standin: Coinmarketcap) -> None:
    body = {"status": {"error_code": 1008, "error_message": "Slow down."}}
    standin.faults.add("/v3/", "rate_limited", retry_after=7)
    standin.refused = lambda _status, _message: body
    with pytest.raises(RateLimited) as caught:
        fetched(standin, Dataset("markets", "usd"))
    assert caught.value.retry_after == 7


def test_the_minute_and_the_month_are_counted(standin: Coinmarketcap) -> None:
    standin.per_minute, standin.per_month = 3, 6
    for _ in range(2):
        fetched(standin, Dataset("markets", "usd"))
    with pytest.raises(RateLimited, match="monthly"):
        fetched(standin, Dataset("markets", "usd"))
    with pytest.raises(RateLimited, match="every minute"):
        fetched(standin, Dataset("markets", "usd"))
    standin.clock.advance(60_000)
    assert PROVIDER.proven(asked(standin, Call("/v1/key/info")).payload).startswith("accepted: 0 of 6 credits left")


@pytest.mark.parametrize(
    ("kind", "params", "currency"),
    [("candles", {"coin": "4000000", "days": 7}, "usd"), ("markets", {}, "xxx"), ("quotes", {}, "xxx")],
)
def test_what_it_does_not_know_is_not_found(
    standin: Coinmarketcap, kind: Kind, params: dict[str, Any], currency: str
) -> None:
    with pytest.raises(NotFound, match="400: Invalid value"):
        fetched(standin, Dataset(kind, currency, **params), "1")


@pytest.mark.parametrize(
    ("fault", "options", "kind"),
    [
        ("status", {"status": 500}, Unavailable),
        ("html", {}, Unavailable),
        ("truncated", {}, Unavailable),
        ("broken_json", {}, BadPayload),
        ("wrong_shape", {}, BadPayload),
    ],
)
def test_faults_are_errors_of_the_one_tree(standin: Coinmarketcap, fault: str, options: dict, kind: type) -> None:
    standin.faults.add("/v3/cryptocurrency/listings/latest", fault, **options)
    with pytest.raises(kind):
        fetched(standin, Dataset("markets", "usd"))


def test_a_lie_about_a_price_is_told_by_both_interfaces(standin: Coinmarketcap) -> None:
    truth, honest = fetched(standin, Dataset("quotes", "usd"), "1")[0].rows[0]["price"], standin.price("bitcoin")
    standin.lies["bitcoin"] = 2.0
    assert fetched(standin, Dataset("quotes", "usd"), "1")[0].rows[0]["price"] == pytest.approx(2 * truth)
    [tick] = of(Tick, talk(standin, [Channel(coin="1")], lambda events: bool(of(Tick, events))))
    assert tick.values["price"] == pytest.approx(2 * honest)


# --- the stream -----------------------------------------------------------------------------------------------------
def of(kind: type, events: list[Event]) -> list[Any]:
    return [event for event in events if isinstance(event, kind)]


class Line:
    """A session on a real connection, driven by hand."""

    def __init__(self, socket: ClientConnection, session: Session) -> None:
        self.socket, self.session = socket, session
        self.events: list[Event] = []

    async def send(self, messages: list[str]) -> None:
        for message in messages:
            await self.socket.send(message)

    async def hear(self, enough: Callable[[list[Event]], bool]) -> list[Event]:
        """What was heard until it is enough; answers of the session's own go out meanwhile."""
        while not enough(self.events):
            message = await asyncio.wait_for(self.socket.recv(), 10)
            self.events += self.session.receive(message, NOW)
            await self.send(self.session.pending())
        return self.events


async def call_up(standin: Coinmarketcap, key: str = KEY) -> Line:
    socket = await connect(standin.stream_url, additional_headers=STREAM.headers(key), proxy=None, ping_interval=None)
    line = Line(socket, STREAM.session(key))
    await line.send(line.session.opened())
    return line


def held_by(standin: Coinmarketcap) -> int:
    """How many subscriptions its peers have."""
    return sum(len(peer.memory.get("held", ())) for peer in list(standin.peers))


def talk(
    standin: Coinmarketcap, channels: list[Channel], enough: Callable[[list[Event]], bool], pulses: int = 1
) -> list[Event]:
    """Follow the channels, wait until they are held, push so many times, and hear until it is enough."""

    async def run() -> list[Event]:
        line = await call_up(standin)
        async with line.socket:
            await line.send(line.session.subscribe(channels))
            await asyncio.to_thread(standin.until, lambda: held_by(standin) == len(channels))
            for _ in range(pulses):
                await asyncio.to_thread(standin.pulse_now)
            return await line.hear(enough)

    return asyncio.run(run())


def test_prices_of_the_coins_followed_arrive(standin: Coinmarketcap) -> None:
    events = talk(standin, [Channel(coin="1"), Channel(coin="1027")], lambda events: len(of(Tick, events)) == 2)
    assert not of(Dropped, events)
    ticks = {tick.coin: tick for tick in of(Tick, events)}
    assert ticks["1"].values["price"] == pytest.approx(standin.price("bitcoin"))
    assert ticks["1"].values["market_cap"] > ticks["1027"].values["market_cap"]
    assert ticks["1"].at == NOW
    assert {"price_change_24h", "price_change_7d", "price_change_30d", "price_change_1y"} <= ticks["1"].values.keys()
    assert standin.millicredits == 2 * STREAM.millicredits


def test_every_on_chain_channel_is_relayed_under_its_topic(standin: Coinmarketcap) -> None:
    timed = ("kline", "unique_trader")
    channels = [Channel(onchain=f"{name}.14.{TOKEN}" + (".1m" if name in timed else "")) for name in ONCHAIN_CHANNELS]
    events = talk(standin, channels, lambda events: len(of(OnchainEvent, events)) == 2 * len(channels), pulses=2)
    assert not of(Dropped, events) + of(Rejected, events)
    happened = of(OnchainEvent, events)
    assert {event.topic for event in happened} == {channel.onchain for channel in channels}
    assert len({event.row["id"] for event in happened}) == len(
        channels
    )  # the clock stands: the second time is a repetition


def test_what_is_followed_can_change_on_the_open_connection(standin: Coinmarketcap) -> None:
    async def run() -> list[Event]:
        line = await call_up(standin)
        async with line.socket:
            await line.send(line.session.subscribe([Channel(coin="1"), Channel(coin="52")]))
            await line.send(line.session.subscribe([Channel(coin="52"), Channel(coin="74")]))
            held = {("market@crypto_latest_price", 0, "", number) for number in ("52", "74")}
            await asyncio.to_thread(standin.until, lambda: set(standin.peers[0].memory.get("held", ())) == held)
            await asyncio.to_thread(standin.pulse_now)
            return await line.hear(lambda events: len(of(Tick, events)) == 2)

    assert {tick.coin for tick in of(Tick, asyncio.run(run()))} == {"52", "74"}


def test_one_unknown_coin_does_not_cost_the_others(standin: Coinmarketcap) -> None:
    async def run() -> list[Event]:
        line = await call_up(standin)
        async with line.socket:
            await line.send(line.session.subscribe([Channel(coin="1"), Channel(coin="4000000"), Channel(coin="52")]))
            await line.hear(lambda events: len(of(Rejected, events)) == 2)
            await asyncio.to_thread(standin.until, lambda: len(standin.peers[0].memory["held"]) == 2)
            await asyncio.to_thread(standin.pulse_now)
            return await line.hear(lambda events: len(of(Tick, events)) == 2)

    events = asyncio.run(run())
    assert not any(refused.fatal for refused in of(Rejected, events))
    assert {tick.coin for tick in of(Tick, events)} == {"1", "52"}


def test_pings_are_answered_at_the_pace_of_the_welcome(standin: Coinmarketcap) -> None:
    standin.channels.ping_ms = 2_000

    async def run() -> list[Event]:
        line = await call_up(standin)
        async with line.socket:
            await line.hear(lambda events: len(of(Alive, events)) == 1)
            line.session.beat(NOW)
            pings = line.session.beat(NOW + 2_000)
            assert [json.loads(ping)["method"] for ping in pings] == ["ping"]
            await line.send(pings)
            return await line.hear(lambda events: len(of(Alive, events)) == 2)

    assert asyncio.run(run())[-1] == Alive(NOW)


@pytest.mark.parametrize(
    ("change", "key", "code", "kind"),
    [
        ({}, "another-key", 4100, Unauthorized),
        ({"code": 1007}, KEY, 4101, Unauthorized),
        ({"plan": "basic"}, KEY, 4102, NotFound),
    ],
)
def test_who_may_not_stream_is_told_by_the_close(
    standin: Coinmarketcap, change: dict[str, Any], key: str, code: int, kind: type[ProviderError]
) -> None:
    for name, value in change.items():
        setattr(standin, name, value)

    async def run() -> ConnectionClosed:
        line = await call_up(standin, key)
        with pytest.raises(ConnectionClosed) as caught:
            await line.hear(lambda _events: False)
        return caught.value

    closed = asyncio.run(run())
    assert closed.rcvd is not None
    assert closed.rcvd.code == code
    problem = STREAM.closed(closed.rcvd.code, closed.rcvd.reason)
    assert isinstance(problem, kind)
    assert problem.permanent
    assert key not in problem.message


def test_one_connection_too_many_is_sent_away_for_a_while(standin: Coinmarketcap) -> None:
    standin.channels.connections = 1

    async def run() -> int:
        first, second = await call_up(standin), await call_up(standin)
        async with first.socket, second.socket:
            with pytest.raises(ConnectionClosed) as caught:
                await second.hear(lambda _events: False)
            await first.hear(lambda events: bool(of(Alive, events)))
            return caught.value.rcvd.code

    problem = STREAM.closed(asyncio.run(run()), "")
    assert isinstance(problem, RateLimited)
    assert problem.retry_after == 300


def test_a_refused_handshake_is_read_like_any_refusal(standin: Coinmarketcap) -> None:
    standin.faults.add("/v1", "status", status=429)

    async def run() -> InvalidStatus:
        with pytest.raises(InvalidStatus) as caught:
            await call_up(standin)
        return caught.value

    response = asyncio.run(run()).response
    assert isinstance(STREAM.refused(response.status_code, bytes(response.body)), RateLimited)


def test_nonsense_duplicates_and_late_messages_do_no_harm(standin: Coinmarketcap) -> None:
    odd = {
        "type": "data",
        "channel": "market@crypto_latest_price",
        "params": {"crypto_ids": 1},
        "data": {"cid": 1, "p": -1},
    }
    standin.spoil = lambda message: [message, "{", message, odd]
    events = talk(standin, [Channel(coin="1")], lambda events: len(of(Tick, events) + of(Dropped, events)) == 4)
    assert [type(event) for event in events[-4:]] == [Tick, Dropped, Tick, Dropped]


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        ("{", "2201"),
        ("[]", "2201"),
        ("x" * 20_000, "2203"),
        ({"id": 9}, "2204"),
        ({"id": 9, "method": "SUBSCRIBE"}, "2202"),
        ({"id": 9, "method": "subscribe"}, "2204"),
        ({"id": 9, "method": "subscribe", "channel": "market@nothing"}, "2301"),
        ({"id": 9, "method": "subscribe", "channel": "market@crypto_latest_price", "params": []}, "2401"),
        (
            {"id": 9, "method": "subscribe", "channel": "market@crypto_latest_price", "params": {"crypto_ids": []}},
            "2402",
        ),
        ({"id": 9, "method": "subscribe", "channel": "onchain@kline", "params": {"address": TOKEN}}, "2401"),
        (
            {
                "id": 9,
                "method": "subscribe",
                "channel": "onchain@kline",
                "params": {"platform_id": 14, "address": TOKEN},
            },
            "2401",
        ),
        (
            {"id": 9, "method": "subscribe", "channel": "onchain@transaction", "params": {"platform_id": "x"}},
            "2402",
        ),
        (
            {
                "id": 9,
                "method": "subscribe",
                "channel": "market@crypto_latest_price",
                "params": {"crypto_ids": [1, 52, 74]},
            },
            "2303",
        ),
    ],
)
def test_the_standin_refuses_what_the_documents_say(standin: Coinmarketcap, request_: Any, code: str) -> None:
    standin.channels.subscriptions = 2

    async def run() -> dict[str, Any]:
        line = await call_up(standin)
        async with line.socket:
            await line.socket.recv()
            await line.socket.send(request_ if isinstance(request_, str) else json.dumps(request_))
            return json.loads(await asyncio.wait_for(line.socket.recv(), 10))

    answer = asyncio.run(run())
    assert (answer["type"], answer["status"]["error_code"]) == ("error", code)
    assert answer.get("id") == (9 if isinstance(request_, dict) else None)


def test_the_standin_ends_subscriptions_one_by_one_by_channel_and_altogether(standin: Coinmarketcap) -> None:
    prices, swaps = "market@crypto_latest_price", "onchain@transaction"
    requests = [
        {"method": "subscribe", "channel": prices, "params": {"crypto_ids": [1, 52]}},
        {"method": "subscribe", "channel": prices, "params": {"crypto_ids": 52}},
        {"method": "subscribe", "channel": swaps, "params": {"platform_id": 14, "address": TOKEN}},
        {"method": "unsubscribe", "channel": prices, "params": {"crypto_ids": [1]}},
        {"method": "unsubscribe", "channel": swaps},
        {"method": "unsubscribe_all"},
    ]

    async def run() -> list[dict[str, Any]]:
        line = await call_up(standin)
        async with line.socket:
            await line.socket.recv()
            answers = []
            for number, request in enumerate(requests):
                await line.socket.send(json.dumps({"id": number, **request}))
                answers.append(json.loads(await asyncio.wait_for(line.socket.recv(), 10)))
            return answers

    answers = asyncio.run(run())
    assert [(answer["type"], answer["id"], answer["code"]) for answer in answers] == [("ack", n, 0) for n in range(6)]
    assert [answer["sub_count"] for answer in answers] == [2, 2, 3, 2, 1, 0]
    assert [answer.get("duplicate", False) for answer in answers] == [False, True, False, False, False, False]


def test_an_idle_peer_is_sent_away(standin: Coinmarketcap) -> None:
    async def run() -> int:
        line = await call_up(standin)
        await line.hear(lambda events: bool(of(Alive, events)))
        standin.clock.advance(61_000)
        await asyncio.to_thread(standin.pulse_now)
        with pytest.raises(ConnectionClosed) as caught:
            await line.hear(lambda _events: False)
        return caught.value.rcvd.code

    code = asyncio.run(run())
    assert code == 1001
    assert STREAM.closed(code, "") is None


def test_a_month_that_is_used_up_ends_the_stream(standin: Coinmarketcap) -> None:
    standin.per_month = 0
    events = asyncio.run(_refused(standin))
    assert isinstance(of(Rejected, events)[0].error, RateLimited)
    assert of(Rejected, events)[0].fatal


async def _refused(standin: Coinmarketcap) -> list[Event]:
    line = await call_up(standin)
    async with line.socket:
        await line.send(line.session.subscribe([Channel(coin="1")]))
        return await line.hear(lambda events: bool(of(Rejected, events)))


def test_the_key_is_sent_in_its_header_only(standin: Coinmarketcap) -> None:
    fetched(standin, Dataset("markets", "usd"))
    talk(standin, [Channel(coin="1")], lambda events: bool(of(Tick, events)))
    for request in standin.requests:
        assert request.headers[KEY_HEADER.lower()] == KEY
        rest = replace(
            request, headers={name: value for name, value in request.headers.items() if name != KEY_HEADER.lower()}
        )
        assert KEY not in repr(rest)


# --- through a fetch ------------------------------------------------------------------------------------------------
@pytest.mark.django_db
def test_a_fetch_brings_rows_and_candles_by_our_ids(standin: Coinmarketcap, redis: Redis, settings: Any) -> None:
    settings.COINMARKETCAP_BASE_URL, settings.COINMARKETCAP_API_KEY = standin.url, KEY
    settings.COINMARKETCAP_PLAN = "startup"
    for coin in ("bitcoin", "ethereum"):
        asset = Asset.objects.create(id=coin, symbol=coin[:3].upper(), name=coin.title())
        AssetAlias.objects.create(provider="coinmarketcap", foreign_id=str(standin.id_of(coin)), asset=asset)
    for kind in ("markets", "quotes", "candles"):
        Chain.objects.update_or_create(kind=kind, defaults={"order": "coinmarketcap"})
    made = fetching.fetch(Dataset("markets", "usd"), redis=redis, now_ms=lambda: NOW)
    assert [row["id"] for row in made.rows] == ["bitcoin", "ethereum"]
    assert (made.source, made.label, made.calls) == ("coinmarketcap", "CoinMarketCap", 1)
    quotes = fetching.fetch(Dataset("quotes", "usd"), ["ethereum"], redis=redis, now_ms=lambda: NOW)
    assert [row["id"] for row in quotes.rows] == ["ethereum"]
    week = fetching.fetch(Dataset("candles", "usd", coin="bitcoin", days=7), redis=redis, now_ms=lambda: NOW)
    assert (len(week.rows), week.meta["volume_basis"]) == (168, "interval")
    assert standin.requests[-1].params["id"] == "1"
    assert standin.millicredits == 1000 * (3 + 1 + 2)
