"""The sandbox's API as a client meets it: over a socket, through requests."""

import http.client
import re
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import pytest
import requests

from providers.sandbox import Sandbox

NOW = 1_795_190_412_000
WINDOWS = ("1h", "24h", "7d", "14d", "30d", "200d", "1y")
FIELDS = {
    "id", "symbol", "name", "image", "current_price", "market_cap", "market_cap_rank", "fully_diluted_valuation",
    "total_volume", "high_24h", "low_24h", "price_change_24h", "price_change_percentage_24h", "market_cap_change_24h",
    "market_cap_change_percentage_24h", "circulating_supply", "total_supply", "max_supply", "ath",
    "ath_change_percentage", "ath_date", "atl", "atl_change_percentage", "atl_date", "roi", "last_updated",
}  # fmt: skip
DAY_FIELDS = [field for field in FIELDS if "24h" in field]


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox(seed=7, clock=lambda: NOW) as running:
        yield running


@pytest.fixture(autouse=True)
def as_new(sandbox):
    sandbox.clock.set(NOW)
    sandbox.requests.clear()


@pytest.fixture(scope="module")
def get(sandbox):
    with requests.Session() as session:
        yield lambda path, **options: session.get(sandbox.url + path, timeout=10, **options)


@pytest.fixture
def markets(get):
    def fetch(**params):
        answer = get("/coins/markets", params={"vs_currency": "usd", **params})
        assert answer.status_code == 200
        return answer.json()

    return fetch


@pytest.fixture
def whole_market(markets):
    return [row for page in (1, 2, 3) for row in markets(per_page=250, page=page)]


def epoch_ms(text: str) -> int:
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", text)
    return round(datetime.fromisoformat(text).timestamp() * 1000)


# --- pages of the market --------------------------------------------------------------------------
def test_a_row_has_the_documented_fields_and_no_others(markets):
    assert {frozenset(row) for row in markets(per_page=250)} == {frozenset(FIELDS)}


def test_windows_and_sparkline_come_when_asked_for(markets):
    row = markets(per_page=1, sparkline="true", price_change_percentage=",".join(WINDOWS))[0]
    assert row.keys() - FIELDS == {
        "sparkline_in_7d",
        *(f"price_change_percentage_{window}_in_currency" for window in WINDOWS),
    }
    assert len(row["sparkline_in_7d"]["price"]) == 168
    assert row["price_change_percentage_24h_in_currency"] == pytest.approx(row["price_change_percentage_24h"], abs=1e-4)


def test_a_window_that_does_not_exist_is_ignored(markets):
    assert markets(per_page=1, price_change_percentage="60d")[0].keys() == FIELDS


def test_pages_cover_the_market_once_largest_first(whole_market, get):
    ids = [row["id"] for row in whole_market]
    assert len(ids) == len(set(ids)) >= 600
    assert get("/coins/markets?vs_currency=usd&per_page=250").headers["total"] == str(len(ids))
    caps = [row["market_cap"] for row in whole_market]
    known = [cap for cap in caps if cap is not None]
    assert known == sorted(known, reverse=True)
    assert caps[len(known) :] == [None] * (len(caps) - len(known))
    assert ids[:2] == ["bitcoin", "ethereum"]


@pytest.mark.parametrize(
    ("asked", "given"), [(None, 100), ("1", 1), ("250", 250), ("300", 250), ("0", 100), ("x", 100)]
)
def test_a_page_has_at_most_250_rows(get, asked, given):
    answer = get("/coins/markets", params={"vs_currency": "usd", "per_page": asked})
    assert len(answer.json()) == given
    assert answer.headers["per-page"] == str(given)


def test_a_page_past_the_end_is_empty(markets):
    assert markets(page=100) == []


def test_ranks_are_whole_unique_and_missing_where_the_supply_is(whole_market):
    ranks = Counter(row["market_cap_rank"] for row in whole_market)
    assert max(count for rank, count in ranks.items() if rank) == 1
    unranked = [row for row in whole_market if row["market_cap_rank"] is None]
    assert len(unranked) >= 3
    assert all(row["market_cap"] is None and row["circulating_supply"] is None for row in unranked)


def test_the_24h_fields_are_null_together_and_then_the_row_is_old_or_young(whole_market):
    without = [row for row in whole_market if row["high_24h"] is None]
    assert 3 <= len(without) <= 30
    assert all(row[field] is None for row in without for field in DAY_FIELDS)
    assert all(
        row[field] is not None for row in whole_market if row not in without for field in ("high_24h", "low_24h")
    )
    stale = [row for row in without if NOW - epoch_ms(row["last_updated"]) > 86_400_000]
    assert len(stale) == 5
    assert all(row["current_price"] is not None for row in without)


def test_nulls_are_about_as_frequent_as_in_reality(whole_market, markets):
    def share(field, rows):
        return sum(row[field] is None for row in rows) / len(rows)

    assert 0.3 < share("max_supply", whole_market) < 0.6
    assert 0.85 < share("roi", whole_market) < 1
    year = [row for page in (1, 2, 3) for row in markets(per_page=250, page=page, price_change_percentage="30d,1y")]
    assert 0.05 < share("price_change_percentage_1y_in_currency", year) < 0.4
    assert 0 < share("price_change_percentage_30d_in_currency", year) < 0.1


def test_last_updated_is_close_to_the_clock_and_follows_it(sandbox, markets):
    before = epoch_ms(markets(per_page=1)[0]["last_updated"])
    sandbox.clock.advance(60_000)
    after = epoch_ms(markets(per_page=1)[0]["last_updated"])
    assert 0 <= NOW - before < 3000
    assert after - before == 60_000


def test_prices_are_rounded_as_the_provider_rounds(whole_market):
    prices = {row["id"]: row["current_price"] for row in whole_market}
    assert isinstance(prices["bitcoin"], int)
    assert prices["solana"] == round(prices["solana"], 2)
    assert 0 < prices["kishu-inu"] < 1e-9
    assert all(isinstance(row["market_cap"], int) for row in whole_market if (row["market_cap"] or 0) > 1e6)


def test_precision_says_how_prices_are_rounded(markets):
    full, two = markets(ids="ripple", precision="full")[0], markets(ids="ripple", precision="2")[0]
    assert len(str(full["current_price"])) > 8
    assert two["current_price"] == round(full["current_price"], 2)


def test_values_of_a_row_agree_with_each_other(markets):
    for row in markets(per_page=100, precision="full"):
        if row["high_24h"] is not None:
            assert row["atl"] <= row["low_24h"] <= row["current_price"] <= row["high_24h"] <= row["ath"]
            change = row["price_change_24h"] / (row["current_price"] - row["price_change_24h"]) * 100
            assert change == pytest.approx(row["price_change_percentage_24h"], abs=1e-4)
        assert row["market_cap"] == pytest.approx(row["current_price"] * row["circulating_supply"], rel=1e-6)


def test_prices_in_another_currency_are_the_same_prices(markets):
    dollars, yen = (markets(ids="ethereum", vs_currency=currency, precision="full")[0] for currency in ("usd", "jpy"))
    bitcoin = markets(ids="bitcoin", vs_currency="btc")[0]
    assert yen["current_price"] / dollars["current_price"] == pytest.approx(154)
    assert yen["price_change_percentage_24h"] == dollars["price_change_percentage_24h"]
    assert (bitcoin["current_price"], bitcoin["price_change_percentage_24h"]) == (1, 0)


# --- which coins ----------------------------------------------------------------------------------
def ids(rows):
    return [row["id"] for row in rows]


def test_ids_are_found_with_blanks_between_and_unknown_ones_are_absent(markets):
    assert ids(markets(ids="pepe, bitcoin ,nonsense,bitcoin")) == ["bitcoin", "pepe"]


def test_ids_nobody_has_give_an_empty_page(markets):
    assert markets(ids="nonsense") == []


def test_category_goes_before_ids_before_names_before_symbols(markets):
    assert "bitcoin" not in ids(markets(category="meme-token", ids="bitcoin"))
    assert ids(markets(ids="bitcoin", names="Ethereum")) == ["bitcoin"]
    assert ids(markets(names="Ethereum", symbols="btc")) == ["ethereum"]


@pytest.mark.parametrize(
    ("category", "members", "others"),
    [
        ("layer-1", {"bitcoin", "ethereum", "solana", "binancecoin"}, {"arbitrum", "tether", "uniswap"}),
        ("layer-2", {"arbitrum", "optimism", "mantle"}, {"bitcoin", "solana"}),
        ("stablecoins", {"tether", "usd-coin", "dai"}, {"tether-gold", "bitcoin"}),
        ("meme-token", {"dogecoin", "shiba-inu", "pepe"}, {"litecoin"}),
        ("decentralized-finance-defi", {"uniswap", "aave", "chainlink"}, {"tether"}),
        ("oracle", {"chainlink", "pyth-network", "band-protocol"}, {"uniswap"}),
        ("exchange-based-tokens", {"binancecoin", "okb", "leo-token"}, {"celsius-degree-token"}),
        ("artificial-intelligence", {"bittensor", "render-token"}, {"bitcoin"}),
        ("gaming", {"axie-infinity", "the-sandbox"}, {"zcash"}),
        ("privacy-coins", {"monero", "zcash"}, {"bitcoin"}),
        ("real-world-assets-rwa", {"tether-gold", "ondo-finance"}, {"tether"}),
    ],
)
def test_a_category_has_the_coins_that_everybody_knows_it_for(markets, category, members, others):
    found = ids(markets(category=category, per_page=250))
    assert members <= set(found)
    assert not others & set(found)
    assert len(found) == len(set(found))


def test_a_category_that_there_is_not_has_nothing_in_it(markets):
    assert markets(category="nonsense") == []


def test_a_symbol_gives_its_largest_coin_or_all_of_them(markets):
    assert ids(markets(symbols="usdt")) == ["tether"]
    assert len(markets(symbols="usdt", include_tokens="all")) == 3


def test_claims_on_other_coins_come_only_when_asked_for(markets, whole_market):
    assert "wrapped-steth" not in ids(whole_market)
    assert markets(ids="wrapped-steth")[0]["market_cap_rank"] is None
    rows = markets(include_rehypothecated="true")
    place = ids(rows).index("wrapped-steth")
    assert rows[place]["market_cap_rank"] is None
    assert [row["market_cap_rank_with_rehypothecated"] for row in rows] == list(range(1, 101))


@pytest.mark.parametrize(
    "order", ["market_cap_desc", "market_cap_asc", "volume_desc", "volume_asc", "id_asc", "id_desc"]
)
def test_rows_come_in_the_order_asked_for(markets, order):
    field, _, direction = order.rpartition("_")
    rows = markets(order=order, per_page=100)
    values = [row[{"volume": "total_volume"}.get(field, field)] for row in rows]
    assert values == sorted(values, reverse=direction == "desc")


# --- other paths ----------------------------------------------------------------------------------
def test_ping(get):
    assert get("/ping").json() == {"gecko_says": "(V3) To the Moon!"}


def test_currencies_are_the_63_of_the_provider(get):
    currencies = get("/simple/supported_vs_currencies").json()
    assert len(currencies) == 63
    assert {"usd", "eur", "jpy", "btc", "eth", "sats", "xau"} <= set(currencies)


def test_the_list_has_every_coin_also_those_that_pages_leave_out(get):
    rows = get("/coins/list").json()
    assert {frozenset(row) for row in rows} == {frozenset(("id", "symbol", "name"))}
    assert {"bitcoin", "weth", "escoin-token"} <= set(ids(rows))
    placed = {row["id"]: row["platforms"] for row in get("/coins/list?include_platform=true").json()}
    assert placed["bitcoin"] == {}
    assert placed["chainlink"]["ethereum"].startswith("0x")
    assert placed["dogwifcoin"]["solana"] != placed["dogwifcoin"]["solana"].lower()


def test_simple_prices_are_those_of_the_pages(get, markets):
    answer = get(
        "/simple/price?ids=bitcoin,pepe,nonsense&vs_currencies=usd,eth,xyz&include_market_cap=true&include_24hr_vol=true"
        "&include_24hr_change=true&include_last_updated_at=true"
    ).json()
    assert answer.keys() == {"bitcoin", "pepe"}
    row = markets(ids="bitcoin")[0]
    quoted = answer["bitcoin"]
    assert quoted["usd"] == row["current_price"]
    assert quoted["usd_market_cap"] == pytest.approx(row["market_cap"])
    assert quoted["usd_24h_vol"] == pytest.approx(row["total_volume"])
    assert quoted["usd_24h_change"] == pytest.approx(row["price_change_percentage_24h"], abs=1e-4)
    assert quoted["last_updated_at"] == epoch_ms(row["last_updated"]) // 1000
    assert "eth" in quoted
    assert "xyz" not in quoted


def test_candles_and_chart_end_at_the_price_of_the_page(get, markets):
    row = markets(ids="solana", precision="full")[0]
    candles = get("/coins/solana/ohlc?vs_currency=usd&days=7&precision=full").json()
    chart = get("/coins/solana/market_chart?vs_currency=usd&days=1").json()
    assert candles[-1][4] == row["current_price"]
    assert chart.keys() == {"prices", "market_caps", "total_volumes"}
    assert len({tuple(stamp for stamp, _ in series) for series in chart.values()}) == 1
    assert chart["prices"][-1][1] == pytest.approx(row["current_price"], rel=0.002)
    assert chart["total_volumes"][-1][1] == pytest.approx(row["total_volume"], rel=0.01)
    assert chart["market_caps"][-1][1] == pytest.approx(row["market_cap"], rel=0.002)


def test_the_whole_market_is_the_sum_of_its_coins(get, whole_market):
    data = get("/global").json()["data"]
    assert data["total_market_cap"]["usd"] == pytest.approx(
        sum(row["market_cap"] or 0 for row in whole_market), rel=1e-6
    )
    assert len(data["total_market_cap"]) == 63
    assert data["market_cap_percentage"]["btc"] > 35


def test_trending_names_fifteen_coins(get):
    assert len({entry["item"]["id"] for entry in get("/search/trending").json()["coins"]}) == 15


# --- refusals -------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("path", "status", "message"),
    [
        ("/coins/markets", 422, "Missing parameter vs_currency"),
        ("/coins/markets?vs_currency=xyz", 400, "invalid vs_currency"),
        ("/simple/price?vs_currencies=usd", 422, "Missing parameter ids"),
        ("/simple/price?ids=bitcoin", 422, "Missing parameter vs_currencies"),
        ("/coins/bitcoin/ohlc?days=1", 422, "Missing parameter vs_currency"),
        ("/coins/bitcoin/ohlc?vs_currency=usd", 422, "Missing parameter days"),
        ("/coins/bitcoin/ohlc?vs_currency=usd&days=5", 422, "Invalid days parameter"),
        ("/coins/bitcoin/market_chart?vs_currency=usd&days=0", 422, "Invalid days parameter"),
        ("/coins/bitcoin/ohlc?vs_currency=xyz&days=1", 400, "invalid vs_currency"),
        ("/coins/nonsense/ohlc?vs_currency=usd&days=1", 404, "coin not found"),
        ("/coins/..%2f..%2fping/ohlc?vs_currency=usd&days=1", 404, "coin not found"),
        ("/nonsense", 404, "Incorrect path. Please check the reference."),
    ],
)
def test_what_is_wrong_with_a_call_is_said(get, path, status, message):
    answer = get(path)
    assert (answer.status_code, answer.json()) == (status, {"error": message})


def test_history_of_more_than_a_year_is_refused_as_a_whole(get):
    answer = get("/coins/bitcoin/market_chart?vs_currency=usd&days=366")
    assert (answer.status_code, answer.json()["error"]["status"]["error_code"]) == (401, 10012)


def test_finer_candles_are_for_paying_clients(get):
    answer = get("/coins/bitcoin/ohlc?vs_currency=usd&days=1&interval=hourly")
    assert (answer.status_code, answer.json()["status"]["error_code"]) == (401, 10005)


# --- HTTP -----------------------------------------------------------------------------------------
@pytest.mark.parametrize("path", ["/ping", "/coins/markets", "/coins/list", "/nonsense"])
def test_every_answer_says_that_it_is_simulated(get, path):
    assert get(path).headers["x-spot-simulated"] == "1"


def test_a_client_that_has_the_body_gets_none(get):
    first = get("/coins/list")
    second = get("/coins/list", headers={"If-None-Match": first.headers["ETag"]})
    assert re.fullmatch(r'W/"[0-9a-f]{32}"', first.headers["ETag"])
    assert (second.status_code, second.content) == (304, b"")
    assert get("/ping").status_code == 200  # the connection is still good


def test_large_bodies_are_compressed_for_those_who_take_it(get):
    zipped, plain = (get("/coins/list", headers={"Accept-Encoding": kind}) for kind in ("gzip", "identity"))
    assert zipped.headers["Content-Encoding"] == "gzip"
    assert "Content-Encoding" not in plain.headers
    assert zipped.json() == plain.json()


def test_a_connection_serves_many_calls(sandbox):
    connection = http.client.HTTPConnection("127.0.0.1", sandbox.port, timeout=10)
    connection.connect()
    port = connection.sock.getsockname()[1]
    for _ in range(3):
        connection.request("GET", "/api/v3/ping")
        assert connection.getresponse().read()
        assert connection.sock.getsockname()[1] == port
    connection.close()


def test_many_clients_at_once_get_the_same_page(sandbox):
    url = sandbox.url + "/coins/markets?vs_currency=chf&per_page=250&sparkline=true"
    with ThreadPoolExecutor(8) as clients:
        pages = list(clients.map(lambda _: requests.get(url, timeout=30).content, range(24)))
    assert len(set(pages)) == 1
    assert len(pages[0]) > 500_000


def test_answers_change_with_the_second(sandbox, get):
    path = "/simple/price?ids=bitcoin&vs_currencies=usd&precision=full"
    now = get(path).json()
    sandbox.clock.advance(999)
    assert get(path).json() == now
    sandbox.clock.advance(1)
    assert get(path).json() != now


def test_answers_can_change_as_rarely_as_the_providers_do():
    with Sandbox(seed=7, clock=lambda: NOW - NOW % 60_000, cache_seconds=60) as slow:
        path = slow.url + "/simple/price?ids=bitcoin&vs_currencies=usd&precision=full"
        first = requests.get(path, timeout=10)
        slow.clock.advance(59_000)
        second = requests.get(path, timeout=10)
        slow.clock.advance(1000)
        third = requests.get(path, timeout=10)
    assert first.json() == second.json() != third.json()
    assert (first.headers["CF-Cache-Status"], second.headers["CF-Cache-Status"], second.headers["Age"]) == (
        "MISS",
        "HIT",
        "59",
    )
    assert "s-maxage=60" in first.headers["Cache-Control"]


def test_calls_are_written_down(sandbox, get):
    get("/coins/markets?vs_currency=usd&ids=bitcoin,pepe", headers={"x-cg-demo-api-key": "CG-secret"})
    call = sandbox.requests[-1]
    assert (call.path, call.params, call.at) == ("/coins/markets", {"vs_currency": "usd", "ids": "bitcoin,pepe"}, NOW)
    assert call.headers["x-cg-demo-api-key"] == "CG-secret"


def test_markup_in_names_comes_only_when_it_is_asked_for(get):
    with Sandbox(seed=7, clock=lambda: NOW, hostile_names=True) as hostile:
        rows = requests.get(hostile.url + "/coins/list", timeout=10).json()
    assert {row["name"] for row in rows if "<" in row["name"]} == {
        "<img src=x onerror=alert(1)>",
        "</script><script>alert(2)</script>\"'",
    }
    assert not any("<" in row["name"] for row in get("/coins/list").json())


def test_two_sandboxes_of_one_seed_answer_alike(get):
    with Sandbox(seed=7, clock=lambda: NOW) as other:
        assert (
            requests.get(other.url + "/coins/markets?vs_currency=usd", timeout=10).content
            == get("/coins/markets?vs_currency=usd").content
        )


def test_a_stopped_sandbox_is_gone_and_another_can_have_its_port():
    first = Sandbox(seed=7).start()
    port, url = first.port, first.url
    assert requests.get(url + "/ping", timeout=10).ok
    first.stop()
    with pytest.raises(requests.ConnectionError):
        requests.get(url + "/ping", timeout=10)
    with Sandbox(seed=7, port=port) as second:
        assert requests.get(second.url + "/ping", timeout=10).ok


def test_a_taken_port_is_an_error_at_the_start(sandbox):
    with pytest.raises(OSError, match="in use"):
        Sandbox(seed=7, port=sandbox.port).start()


@pytest.mark.parametrize(
    "path",
    [
        "/global", "/global/decentralized_finance_defi", "/search?query=bit", "/search/trending", "/exchange_rates",
        "/exchanges", "/exchanges/list", "/asset_platforms", "/coins/categories", "/coins/categories/list",
        "/coins/bitcoin", "/coins/bitcoin/tickers",
        "/coins/bitcoin/market_chart/range?vs_currency=usd&from={week}&to={now}",
    ],
)  # fmt: skip
def test_every_further_path_has_an_answer(path: str, sandbox, get) -> None:
    now = sandbox.clock.now() // 1000
    answer = get(path.format(now=now, week=now - 7 * 86_400))
    assert answer.status_code == 200
    assert answer.json()


def test_a_coin_is_found_by_its_address(get) -> None:
    address = next(row for row in get("/coins/list?include_platform=true").json() if row["id"] == "chainlink")
    address = address["platforms"]["ethereum"]
    assert get(f"/coins/ethereum/contract/{address}").json()["id"] == "chainlink"
    prices = get(f"/simple/token_price/ethereum?contract_addresses={address},0x0&vs_currencies=usd").json()
    assert prices.keys() == {address}
    assert get("/coins/ethereum/contract/0x0").status_code == 404
    assert get("/coins/nothing").status_code == 404
