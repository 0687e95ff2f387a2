"""CoinMarketCap's REST over a market of ours: shapes by version, numbers and slugs, sorting, errors, keys."""

import pytest

from providers.datasets import Dataset
from tests.spot.asking import ask
from tests.spot.keyed import given, plan_with
from tests.spot.rows import USD, coin, market
from tests.spot.sockets import put, put_lists, run

ROOT = "/compat/coinmarketcap/"
pytestmark = pytest.mark.usefixtures("redis")
QUOTES, LISTINGS = "cryptocurrency/quotes/latest", "cryptocurrency/listings/latest"
#: Bitcoin is 1, Ethereum 1027, Tether 825, Stellar 512; Solana's namesake has no number of theirs.
ROWS = [
    coin("bitcoin", symbol="BTC", name="Bitcoin", price=100_000.5, market_cap=900, volume_24h=5, market_cap_rank=1,
         price_change_24h=2.5, max_supply=21, last_updated=1_700_000_000_000),
    coin("ethereum", symbol="ETH", name="Ethereum", price=3000.0, market_cap=800, volume_24h=9, market_cap_rank=2),
    coin("ripple", symbol="XRP", name="XRP", price=2.0, market_cap=500, volume_24h=1, market_cap_rank=3),
    coin("fake-bitcoin", symbol="BTC", name="Bitcoin Fake", price=0.1, market_cap=1, market_cap_rank=4),
    coin("litecoin", symbol="BTC", name="Litecoin as BTC", price=70.0, market_cap=50, market_cap_rank=5),
]  # fmt: skip


async def get(target: str, **more):
    return await ask(ROOT + target, **more)


def story(check, rows=None) -> None:
    async def told() -> None:
        await put_lists(coins=tuple(row["id"] for row in ROWS))
        await put(USD, ROWS if rows is None else rows, interval=60)
        await check()

    run(told())


def data_of(answer):
    """The data of a success, whose status says so as programs check it."""
    assert answer.status_code == 200, answer.content
    status = answer.json()["status"]
    assert (status["error_code"], status["error_message"], status["notice"]) == (0, None, None)
    assert status["timestamp"].endswith("Z")
    return answer.json()["data"]


def test_quotes_of_version_1_have_one_object_a_symbol_the_largest() -> None:
    async def check() -> None:
        data = data_of(await get(f"v1/{QUOTES}?symbol=btc,ETH&convert=usd"))
        assert (data["BTC"]["id"], data["ETH"]["id"]) == (1, 1027)
        assert data["BTC"]["quote"]["USD"]["price"] == 100_000.5
        assert data["BTC"]["quote"]["USD"]["percent_change_24h"] == 2.5
        assert data["BTC"]["quote"]["USD"]["last_updated"] == "2023-11-14T22:13:20.000Z"
        assert (data["BTC"]["is_active"], data["BTC"]["is_fiat"], data["BTC"]["cmc_rank"]) == (1, 0, 1)

    story(check)


def test_quotes_of_version_2_have_all_namesakes_that_are_listed() -> None:
    async def check() -> None:
        data = data_of(await get(f"v2/{QUOTES}?symbol=BTC"))
        assert [one["id"] for one in data["BTC"]] == [1, 2]

    story(check)


@pytest.mark.parametrize("query", ["id=1,52", "id=1&id=52", "slug=bitcoin,XRP"])
def test_quotes_by_number_and_slug(query) -> None:
    async def check() -> None:
        data = data_of(await get(f"v1/{QUOTES}?{query}"))
        assert {number: one["slug"] for number, one in data.items()} == {"1": "bitcoin", "52": "xrp"}

    story(check)


def test_version_3_has_lists() -> None:
    async def check() -> None:
        [one] = data_of(await get(f"v3/{QUOTES}?id=1"))
        assert (one["quote"][0]["id"], one["quote"][0]["symbol"], one["quote"][0]["price"]) == (2781, "USD", 100_000.5)
        assert [row["id"] for row in data_of(await get(f"public-api/v3/{LISTINGS}?limit=2"))] == [1, 1027]

    story(check)


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ("", [1, 1027, 52, 2]),
        ("start=2&limit=2", [1027, 52]),
        ("sort=volume_24h", [1027, 1, 52, 2]),
        ("sort=name", [1, 1027, 2, 52]),
        ("sort=price&sort_dir=asc", [52, 2, 1027, 1]),
        ("start=100", []),
    ],
)
def test_listings_are_sorted_and_cut(query, numbers) -> None:
    async def check() -> None:
        answer = await get(f"v1/{LISTINGS}?{query}")
        assert [row["id"] for row in data_of(answer)] == numbers
        assert answer.json()["status"]["total_count"] == 4

    story(check)


def test_map_has_the_numbers_of_coins() -> None:
    async def check() -> None:
        data = data_of(await get("v1/cryptocurrency/map?symbol=BTC"))
        assert [(one["id"], one["symbol"], one["is_active"]) for one in data] == [(1, "BTC", 1), (2, "BTC", 1)]

    story(check)


@pytest.mark.parametrize(
    ("target", "status", "code", "said"),
    [
        (f"v1/{QUOTES}", 400, 400, '"value" must contain at least one of [id, slug, symbol]'),
        (f"v1/{QUOTES}?symbol=NOPE", 400, 400, 'Invalid value for "symbol": "NOPE"'),
        (f"v1/{QUOTES}?id=99999999", 400, 400, 'Invalid value for "id": "99999999"'),
        (f"v1/{QUOTES}?id=x", 400, 400, 'Invalid value for "id": "x"'),
        (f"v1/{QUOTES}?id=1&convert=???", 400, 400, 'Invalid value for "convert": "???"'),
        (f"v1/{QUOTES}?id=1&convert=NOPE", 400, 400, "NOPE"),
        (f"v1/{LISTINGS}?limit=0", 400, 400, "limit"),
        (f"v1/{LISTINGS}?limit=5001", 400, 400, "5000"),
        (f"v1/{LISTINGS}?sort=nope", 400, 400, "market_cap"),
        (f"v1/{LISTINGS}?sort_dir=up", 400, 400, "asc"),
    ],
)
def test_mistakes_name_the_value(target, status, code, said) -> None:
    async def check() -> None:
        answer = await get(target)
        told = answer.json()["status"]
        assert (answer.status_code, told["error_code"]) == (status, code)
        assert said.lower() in told["error_message"].lower()

    story(check)


def test_unknown_values_are_left_out_where_that_is_asked_for() -> None:
    async def check() -> None:
        data = data_of(await get(f"v2/{QUOTES}?symbol=ETH,NOPE&skip_invalid=true"))
        assert list(data) == ["ETH"]

    story(check)


@pytest.mark.parametrize("path", ["v1/nothing", "v2/cryptocurrency/map", "v9/key/info", ""])
def test_unknown_path_is_answered_as_by_their_gateway(path) -> None:
    async def check() -> None:
        answer = await get(path)
        assert answer.status_code == 404
        assert answer.json() == {"statusCode": 404, "error": "Not Found", "message": "Not Found"}

    story(check)


def test_key_info_tells_the_plan_and_its_use() -> None:
    text, _ = given(plan_with(requests_per_minute=30, credits_per_month=1000))

    async def check() -> None:
        for more in ({"headers": {"X-CMC_PRO_API_KEY": text}}, {}):
            query = "" if more else f"?cmc_pro_api_key={text}"
            data = data_of(await get(f"v1/key/info{query}", **more))
            assert (data["plan"]["rate_limit_minute"], data["plan"]["credit_limit_monthly"]) == (30, 1000)

    story(check)


def test_wrong_key_has_their_code() -> None:
    async def check() -> None:
        answer = await get(f"v1/{QUOTES}?id=1", headers={"X-CMC_PRO_API_KEY": "wrong"})
        assert (answer.status_code, answer.json()["status"]["error_code"]) == (401, 1001)

    story(check)


def test_market_without_their_coins_is_empty_and_no_error() -> None:
    async def check() -> None:
        assert data_of(await get(f"v1/{LISTINGS}")) == []

    story(check, [coin("fake-bitcoin", price=1.0, market_cap=1)])


def test_no_data_are_a_503(settings) -> None:
    settings.SPOT_FIRST_ANSWER_SECONDS = 0.1

    async def told() -> None:
        await put_lists()
        answer = await get(f"v1/{LISTINGS}")
        assert (answer.status_code, answer.json()["status"]["error_code"]) == (503, 503)
        assert answer["Retry-After"]

    run(told())


def test_several_currencies_are_one_quote_each() -> None:
    async def check() -> None:
        await put(Dataset("markets", "eur"), market(2), interval=60)
        data = data_of(await get(f"v2/{QUOTES}?id=1&convert=USD,EUR"))
        prices = {code: quote["price"] for code, quote in data["1"]["quote"].items()}
        assert prices == {"USD": 100_000.5, "EUR": 100_000.0}

    story(check)


def test_path_of_the_socket_asked_without_one_tells_the_time() -> None:
    async def check() -> None:
        answer = await get("v1")
        assert answer.status_code == 426
        assert not answer.json()["status"]["timestamp"].startswith("1970")

    story(check)
