"""The same requests to the sandbox's own REST API and to CoinGecko's protocol over it, at one moment: equal bodies but
for the differences that are listed, each with its reason. `docs/compat-coingecko.md` lists the same."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase
from itertools import zip_longest
from math import isclose
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import requests
from django.conf import settings

from tests.live import LiveSite, wait_until


class Difference(NamedTuple):
    """Where answers differ: requests and places in bodies, with `*` for anything; why. `within`: numbers differ by at
    most this share. `always`: the simulated market shows it at any moment."""

    requests: str
    where: str
    reason: str
    within: float | None = None
    always: bool = True


_MARKET = (
    "Prices, changes and amounts have the digits of `/coins/markets` at the source, also where CoinGecko gives more."
)
DIFFERENCES = (
    Difference("/ping", "gecko_says", "`/ping` says that Spot answers."),
    Difference("/simple/price*include*", "*.*_*", _MARKET, 1e-6),
    Difference("*precision=*", "*", _MARKET, 5e-3),
    Difference(
        "/simple/price*vs_currencies=nosuch",
        "bitcoin",
        "`/simple/price` with unknown currencies alone is `{}`, without the coins.",
    ),
    Difference("/coins/*", "*.name", "Names come without invisible characters."),
    Difference(
        "/search*",
        "coins*",
        "`/search` knows ranks and pictures of the largest coins only, and sorts the others behind.",
    ),
    Difference("/search*", "exchanges.*", "`/search` finds no exchanges."),
    Difference("/coins/markets*", "*.total_volume", "A volume that cannot be true is null.", always=False),
    Difference("/no/such/path", "error", "Another text follows `Incorrect path.`."),
)

_ALL = "include_market_cap=true&include_24hr_vol=true&include_24hr_change=true&include_last_updated_at=true"
REQUESTS = (
    "/ping",
    "/simple/price?ids=bitcoin,ethereum&vs_currencies=usd",
    f"/simple/price?ids=bitcoin,tether,dogecoin&vs_currencies=usd,eur&{_ALL}",
    "/simple/price?ids=bitcoin,shiba-inu&vs_currencies=usd&precision=2",
    "/simple/price?ids=bitcoin,shiba-inu&vs_currencies=usd&precision=full",
    "/simple/price?ids=no-such-coin&vs_currencies=usd",
    "/simple/price?ids=bitcoin,no-such-coin&vs_currencies=usd",
    "/simple/price?ids=bitcoin&vs_currencies=nosuch",
    "/simple/price?symbols=btc,eth&vs_currencies=usd",
    "/simple/price?ids=bitcoin",
    "/simple/price?vs_currencies=usd",
    "/simple/supported_vs_currencies",
    "/simple/token_price/ethereum?contract_addresses=0x00&vs_currencies=usd",
    "/coins/list",
    "/coins/list?include_platform=true",
    "/coins/markets?vs_currency=usd",
    "/coins/markets?vs_currency=eur&per_page=250&page=2",
    "/coins/markets?vs_currency=usd&per_page=20&sparkline=true&price_change_percentage=1h,24h,7d,14d,30d,200d,1y",
    "/coins/markets?vs_currency=usd&ids=ethereum,bitcoin,no-such-coin",
    "/coins/markets?vs_currency=usd&ids=ethereum,bitcoin,tether&order=id_asc",
    "/coins/markets?vs_currency=usd&ids=ethereum,bitcoin,tether&per_page=2&page=2",
    "/coins/markets?vs_currency=usd&page=1000",
    "/coins/markets?vs_currency=usd&category=layer-1&per_page=10",
    "/coins/markets?vs_currency=usd&order=volume_desc&per_page=10",
    "/coins/markets?vs_currency=usd&per_page=5&precision=3",
    "/coins/markets?vs_currency=nosuch",
    "/coins/markets",
    "/coins/bitcoin",
    "/coins/bitcoin?localization=false&tickers=false&market_data=false",
    "/coins/no-such-coin",
    "/coins/bitcoin/tickers",
    "/coins/bitcoin/history?date=01-06-2026",
    "/coins/bitcoin/ohlc?vs_currency=usd&days=30",
    "/coins/bitcoin/ohlc?vs_currency=usd&days=7",
    "/coins/bitcoin/market_chart?vs_currency=usd&days=30",
    "/coins/bitcoin/market_chart?vs_currency=usd&days=1",
    "/coins/no-such-coin/ohlc?vs_currency=usd&days=30",
    "/coins/categories/list",
    "/coins/categories",
    "/search?query=bit",
    "/search/trending",
    "/global",
    "/exchange_rates",
    "/exchanges?per_page=10",
    "/asset_platforms",
    "/no/such/path",
)

pytestmark = pytest.mark.heavy


@pytest.fixture(scope="module")
def still(make_site: Callable[..., LiveSite]) -> LiveSite:
    """A site that has passed nothing on yet, and whose simulated market stands still."""
    site = make_site()
    site.sandbox.clock(frozen=True)
    return site


def answer(url: str) -> tuple[int, Any]:
    """Status and body."""
    with requests.Session() as session:
        session.trust_env = False
        found = session.get(url, timeout=30)
    return found.status_code, json.loads(found.content)


_ABSENT = object()


def differing(ours: Any, theirs: Any, where: str = "") -> Iterator[tuple[str, Any, Any]]:
    """The places at which two values differ, and what is there."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for name in {**theirs, **ours}:
            yield from differing(ours.get(name, _ABSENT), theirs.get(name, _ABSENT), f"{where}.{name}".strip("."))
    elif isinstance(ours, list) and isinstance(theirs, list):
        for index, (one, other) in enumerate(zip_longest(ours, theirs, fillvalue=_ABSENT)):
            yield from differing(one, other, f"{where}.{index}".strip("."))
    elif ours != theirs:
        yield where, ours, theirs


def explaining(request: str, where: str, ours: Any, theirs: Any) -> Difference | None:
    """The listed difference that this one is."""
    for difference in DIFFERENCES:
        if fnmatchcase(request, difference.requests) and fnmatchcase(where, difference.where):
            if difference.within is None:
                return difference
            numbers = isinstance(ours, int | float) and isinstance(theirs, int | float)
            if numbers and isclose(ours, theirs, rel_tol=difference.within):
                return difference
    return None


_met: set[Difference] = set()


@pytest.mark.parametrize("request_", REQUESTS)
def test_dialect_answers_as_its_source(still: LiveSite, request_: str) -> None:
    left: list[str] = []

    def none_left() -> bool:
        status, theirs = answer(still.sandbox.url + request_)
        own_status, ours = answer(f"{still.url}/compat/coingecko/api/v3{request_}")
        left[:] = [] if status == own_status else [f"status {own_status} for {status}"]
        for where, one, other in differing(ours, theirs):
            if (known := explaining(request_, where, one, other)) is None:
                left.append(f"{where}: {one!r} for {other!r}"[:200])
            else:
                _met.add(known)
        return not left

    try:
        wait_until(none_left, 10)  # until Spot has fetched the market that stands still
    except AssertionError:
        pytest.fail(f"{len(left)} differences: {left[:12]}")


def test_each_listed_difference_occurs_and_is_documented(request: pytest.FixtureRequest) -> None:
    document = " ".join((Path(settings.BASE_DIR) / "docs" / "compat-coingecko.md").read_text(encoding="utf-8").split())
    assert not [difference.reason for difference in DIFFERENCES if difference.reason not in document]
    if not request.config.option.keyword:
        assert not {difference for difference in DIFFERENCES if difference.always} - _met
