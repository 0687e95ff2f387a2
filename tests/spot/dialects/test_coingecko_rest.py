"""CoinGecko's REST beside prices and markets: lists, search, candles, charts, contracts, and what is passed on."""

import asyncio
import json

import pytest

from providers.datasets import COINS, Dataset
from providers.protocols.coingecko import request
from spot.hub.hub import Hub
from tests.spot.asking import ask
from tests.spot.keyed import given, plan_with
from tests.spot.rows import USD, candles, coin, market
from tests.spot.sockets import eventually, put, put_lists, run

ROOT = "/compat/coingecko/api/v3/"
TETHER = "0xdAC17F958D2ee523a2206206994597C13D831ec7"
TRON = "TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t"
LISTED = [
    {"id": "tether", "symbol": "USDT", "name": "Tether", "platforms": {"ethereum": TETHER, "tron": TRON}},
    {"id": "bitcoin", "symbol": "BTC", "name": "Bitcoin", "platforms": {"": ""}},
    {"id": "bitcoin-cash", "symbol": "BCH", "name": "Bitcoin Cash", "platforms": {}},
]
pytestmark = pytest.mark.usefixtures("redis")


async def get(target: str, **more):
    return await ask(ROOT + target, **more)


def story(check, *parts) -> None:
    """Run a check beside a market of ten coins, and these datasets with their rows and meta."""

    async def told() -> None:
        await put_lists()
        await put(USD, market(10), interval=60)
        for dataset, rows, meta in parts:
            await put(dataset, rows, interval=86_400, meta=meta)
        await check()

    run(told())


def passed(path: str, body, status: int = 200, **params: str):
    """A document in the store."""
    name = request(path, params).name
    return Dataset("document", topic=name), [{"id": name, "status": status, "body": json.dumps(body)}], {"lasts": 1e9}


# --- lists ------------------------------------------------------------------------------------------------------------


def test_lists_are_whole() -> None:
    async def check() -> None:
        assert (await get("simple/supported_vs_currencies")).json() == ["usd", "eur"]
        assert (await get("coins/list")).json()[0] == {"id": "tether", "symbol": "usdt", "name": "Tether"}
        [first, *_] = (await get("coins/list?include_platform=true")).json()
        assert first["platforms"] == {"ethereum": TETHER, "tron": TRON}
        assert (await get("coins/list?status=inactive")).status_code == 401

    story(check, (COINS, LISTED, {}))


def test_search_ranks_coins_by_market_cap_and_has_all_five_lists() -> None:
    async def check() -> None:
        found = (await get("search?query=BIT")).json()
        assert [one["id"] for one in found["coins"]] == ["bitcoin", "bitcoin-cash"]
        assert (found["coins"][0]["symbol"], found["coins"][0]["market_cap_rank"]) == ("BTC", 1)
        assert found["coins"][1]["market_cap_rank"] is None
        assert {name: found[name] for name in ("exchanges", "icos", "nfts")} == {
            "exchanges": [],
            "icos": [],
            "nfts": [],
        }
        assert (await get("search?query=meme")).json()["categories"] == [{"id": "meme-token", "name": "Memes"}]
        assert (await get("search")).json() == {"error": "Missing parameter query"}

    story(check, (COINS, LISTED, {}))


def test_key_tells_what_the_client_may_use() -> None:
    text, _ = given(plan_with(requests_per_minute=30, credits_per_month=1000))

    async def check() -> None:
        facts = (await get("key", headers={"x-cg-pro-api-key": text})).json()
        assert (facts["rate_limit_request_per_minute"], facts["monthly_call_credit"]) == (30, 1000)
        assert all(isinstance(value, int) for name, value in facts.items() if name != "plan")

    story(check)


def test_largest_movers_on_both_sides() -> None:
    async def check() -> None:
        moved = (await get("coins/top_gainers_losers?vs_currency=usd&top_coins=300")).json()
        assert [one["id"] for one in moved["top_gainers"]][:2] == ["uniswap", "stellar"]
        assert [one["id"] for one in moved["top_losers"]][:2] == ["maker", "chainlink"]
        assert moved["top_gainers"][0]["usd_24h_change"] == 10.25
        assert (await get("coins/top_gainers_losers?vs_currency=usd&duration=2h")).status_code == 422

    story(check)


# --- contracts --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("platform", "asked", "keys"),
    [
        ("ethereum", TETHER, [TETHER.lower()]),
        ("ethereum", f"{TETHER.lower()},0x0", [TETHER.lower()]),
        ("tron", TRON, [TRON]),
        ("tron", TRON.lower(), []),
        ("nothing", TETHER, []),
    ],
)
def test_prices_by_contract(platform, asked, keys) -> None:
    async def check() -> None:
        prices = await get(f"simple/token_price/{platform}?contract_addresses={asked}&vs_currencies=usd")
        assert (prices.status_code, list(prices.json())) == (200, keys)
        if keys:
            assert set(prices.json()[keys[0]]) == {"usd"}

    story(check, (COINS, LISTED, {}))


def test_coin_by_contract_is_the_coin() -> None:
    body = {"id": "tether", "market_data": {"sparkline_7d": {}}, "tickers": [1], "description": {"en": "x", "de": "y"}}

    async def check() -> None:
        one = await get(f"coins/ethereum/contract/{TETHER.lower()}?tickers=false")
        assert (one.json()["id"], "tickers" in one.json()) == ("tether", False)
        assert one.json()["contract_address"] == TETHER.lower()
        assert (await get("coins/ethereum/contract/0x00")).json() == {"error": "coin not found"}

    story(check, (COINS, LISTED, {}), passed("coins/tether", body))


# --- candles and charts -----------------------------------------------------------------------------------------------


def test_candles_have_the_time_of_their_end() -> None:
    async def check() -> None:
        [first, *_] = (await get("coins/bitcoin/ohlc?vs_currency=usd&days=1&precision=0")).json()
        assert first == [1_720_000_000_000 - 3 * 1_800_000 + 1_800_000, 100.0, 110.0, 90.0, 105.0]

    story(check, (Dataset("candles", "usd", "bitcoin", 1), candles(4), {"interval_ms": 1_800_000}))


@pytest.mark.parametrize(
    ("query", "status", "said"),
    [
        ("vs_currency=usd&days=5", 422, "1, 7, 14, 30, 90, 180, 365"),
        ("vs_currency=usd&days=max", 401, "paid"),
        ("vs_currency=usd&days=7&interval=hourly", 401, "paid"),
        ("vs_currency=usd", 422, "Missing parameter days"),
        ("days=7", 422, "Missing parameter vs_currency"),
        ("vs_currency=nope&days=7", 400, "invalid vs_currency"),
    ],
)
def test_mistakes_about_candles(query, status, said) -> None:
    async def check() -> None:
        answer = await get(f"coins/bitcoin/ohlc?{query}")
        assert answer.status_code == status
        assert said in answer.content.decode()

    story(check)


def test_chart_comes_from_what_is_stored_with_the_candles() -> None:
    rows = [
        {**row, "points": [[row["timestamp"], 100.25 + n, 5e9 + n, None]]}
        for n, row in enumerate(candles(3, 86_400_000))
    ]

    async def check() -> None:
        chart = (await get("coins/bitcoin/market_chart?vs_currency=usd&days=180&precision=1")).json()
        assert [point[1] for point in chart["prices"]] == [100.2, 101.2, 102.2]
        assert chart["market_caps"][0] == [rows[0]["timestamp"], 5e9]
        assert chart["total_volumes"][0][1] is None
        some = (await get("coins/bitcoin/market_chart?vs_currency=usd&days=91&interval=daily")).json()
        assert len(some["prices"]) == 3

    story(check, (Dataset("candles", "usd", "bitcoin", 180), rows, {"interval_ms": 86_400_000}))


# --- passed on --------------------------------------------------------------------------------------------------------


def test_answer_is_passed_on_as_it_is_with_its_status() -> None:
    async def check() -> None:
        assert (await get("global")).json() == {"data": {"markets": 1}}
        refused = await get("coins/bitcoin/market_chart?vs_currency=EUR&days=max")
        assert (refused.status_code, refused.json()["error"]["status"]["error_code"]) == (401, 10012)

    old = {"error": {"status": {"error_code": 10012, "error_message": "too old"}}}
    story(
        check,
        passed("global", {"data": {"markets": 1}}),
        passed("coins/bitcoin/market_chart", old, 401, vs_currency="eur", days="max"),
    )


@pytest.mark.parametrize(
    ("query", "there", "gone"),
    [
        ("", {"localization", "tickers", "market_data"}, {"categories_details"}),
        ("?localization=false&tickers=false", {"market_data"}, {"localization", "tickers"}),
        ("?market_data=False&include_categories_details=true", {"categories_details"}, {"market_data"}),
    ],
)
def test_coin_is_cut_to_what_is_wanted(query, there, gone) -> None:
    body = {"id": "bitcoin", "localization": {}, "tickers": [], "market_data": {}, "categories_details": []}

    async def check() -> None:
        one = (await get(f"coins/bitcoin{query}")).json()
        assert there <= set(one)
        assert not gone & set(one)

    story(check, passed("coins/bitcoin", body))


def test_coin_is_told_by_the_market_where_upstream_cannot_be_asked(settings) -> None:
    settings.SPOT_FIRST_ANSWER_SECONDS = 0.3

    async def check() -> None:
        answer = await get("coins/ethereum")
        one = answer.json()
        assert (answer.status_code, answer["x-spot-partial"], one["symbol"]) == (200, "market", "eth")
        prices = one["market_data"]["current_price"]
        assert (prices["usd"], prices["btc"], prices["eth"]) == (50_000.0, 0.5, 1.0)
        assert one["market_data"]["price_change_percentage_24h_in_currency"] == {"usd": -1.25}
        assert (await get("coins/nope")).json() == {"error": "coin not found"}

    story(check)


@pytest.mark.parametrize("date", ["30-12-2025", "2025-12-30"])
def test_date_of_history_in_both_forms(date) -> None:
    async def check() -> None:
        assert (await get(f"coins/bitcoin/history?date={date}&localization=false")).json() == {"id": "bitcoin"}
        assert (await get("coins/bitcoin/history?date=2025-31-31")).status_code == 422
        assert (await get("coins/bitcoin/history")).json() == {"error": "Missing parameter date"}

    story(check, passed("coins/bitcoin/history", {"id": "bitcoin", "localization": {}}, date="30-12-2025"))


def test_pages_below_the_market_are_passed_on_and_end(settings) -> None:
    settings.SPOT_DEPTH = 500
    deep = passed("coins/markets", [{"id": "deep"}], vs_currency="usd", per_page="250", page="3")

    async def check() -> None:
        assert (await get("coins/markets?vs_currency=usd&per_page=250&page=3")).json() == [{"id": "deep"}]
        assert (await get("coins/markets?vs_currency=usd&per_page=250&page=4")).json() == []

    async def told() -> None:
        await put_lists()
        await put(USD, market(10), interval=60, meta={"universe": 700})
        dataset, rows, meta = deep
        await put(dataset, rows, interval=86_400, meta=meta)
        await check()

    run(told())


def test_category_is_its_whole_list_in_market_order() -> None:
    members = [{"id": name} for name in ("bitcoin", "ethereum", "tether")]

    async def check() -> None:
        answer = await get("coins/markets?vs_currency=usd&category=layer-1&per_page=2")
        assert ([row["id"] for row in answer.json()], answer["total"]) == (["bitcoin", "ethereum"], "3")
        second = await get("coins/markets?vs_currency=usd&category=layer-1&per_page=2&page=2")
        assert [row["id"] for row in second.json()] == ["tether"]
        assert (await get("coins/markets?vs_currency=usd&category=layer-1&per_page=2&page=3")).json() == []

    story(check, (Dataset("category", topic="layer-1"), members, {"total": 3}))


@pytest.mark.parametrize("path", ["coins/list/new", "coins/bitcoin/ohlc/range", "nfts/list", "onchain/networks"])
def test_endpoints_of_paid_plans_say_so(path) -> None:
    async def check() -> None:
        answer = await get(path)
        assert (answer.status_code, answer.json()["status"]["error_code"]) == (401, 10005)

    story(check)


def test_smaller_coin_is_a_coin_too() -> None:
    async def check() -> None:
        assert (await get("simple/price?ids=small&vs_currencies=usd")).json() == {"small": {"usd": 0.5}}

    story(
        check,
        (COINS, [{"id": "small", "symbol": "S", "name": "Small", "platforms": {}}], {}),
        (Dataset("quotes", "usd"), [coin("small", price=0.5)], {"asked": ["small"]}),
    )


def test_answer_that_holds_no_more_is_asked_for_again_and_served_old_where_none_comes(settings) -> None:
    settings.SPOT_FIRST_ANSWER_SECONDS = 0.5
    dataset, rows, _ = passed("global", {"data": 1})
    _, newer, _ = passed("global", {"data": 2})

    async def check() -> None:
        await put(dataset, rows, interval=1, age_ms=10_000)
        old = await get("global")
        assert (old.json(), old["x-spot-source"]) == ({"data": 1}, "acme")
        asking = asyncio.create_task(get("global"))
        await eventually(lambda: Hub.current().topics[dataset.name].groups)
        await put(dataset, newer, interval=600)
        assert (await asking).json() == {"data": 2}
        assert (await get("global")).json() == {"data": 2}

    story(check)
