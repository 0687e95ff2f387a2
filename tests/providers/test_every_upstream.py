"""The contract of every provider that is polled, over loopback sockets: its stand-in in good and in bad health."""

import math
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import numpy as np
import orjson
import pytest
from redis import Redis
from structlog.testing import capture_logs

import standins
from providers import access, client
from providers.base import Provider
from providers.budget import wall_ms
from providers.datasets import (
    ASSET_FIELDS,
    CANDLE_FIELDS,
    COIN_FIELDS,
    Fetched,
    Kind,
    is_coin_id,
    is_currency,
)
from providers.errors import (
    BadPayload,
    NotFound,
    OutOfBudget,
    ProviderError,
    RateLimited,
    Unauthorized,
    Unavailable,
    Unreachable,
)
from tests.providers.upstreams import CANARY, REAL, SERVED, Upstreams, Wire, known

pytestmark = pytest.mark.django_db
FIELDS = {"markets": COIN_FIELDS, "quotes": COIN_FIELDS, "candles": CANDLE_FIELDS, "assets": ASSET_FIELDS}
each = pytest.mark.parametrize(("provider", "kind"), SERVED)


@pytest.fixture(scope="module")
def upstreams(redis_url: str, django_db_setup: None, django_db_blocker: Any) -> Iterator[Upstreams]:
    with known(Upstreams(frozen=True), redis_url, django_db_blocker) as made:
        yield made


@pytest.fixture
def wire(upstreams: Upstreams, settings: Any, redis: Redis) -> Iterator[Wire]:
    with ExitStack() as stack:
        yield lambda provider: stack.enter_context(upstreams.wired(provider, settings, redis))


def believable(fetched: Fetched, kind: Kind) -> None:
    """Whatever an upstream says, this holds for what is stored."""
    assert fetched.rows
    for row in fetched.rows:
        if kind in FIELDS:
            assert set(row) == set(FIELDS[kind])
        if kind in ("markets", "quotes", "category"):
            assert is_coin_id(row["id"])
        if kind in ("markets", "quotes"):
            assert row["symbol"]
            assert row["symbol"] == row["symbol"].upper()
            numbers = {name: value for name, value in row.items() if isinstance(value, (int, float))}
            amounts = [value for name, value in numbers.items() if not {"change", "difference"} & set(name.split("_"))]
            assert all(amount >= 0 for amount in amounts)
        if kind == "candles":
            assert row["low"] <= min(row["open"], row["close"]) <= max(row["open"], row["close"]) <= row["high"]
            assert row["low"] >= 0
        if kind == "currencies":
            assert is_currency(row["id"])
        numbers = [value for value in row.values() if isinstance(value, float)]
        assert all(math.isfinite(number) for number in numbers)
    assert fetched.as_of is None or fetched.as_of <= fetched.fetched_at
    orjson.dumps(fetched.rows)


@pytest.mark.parametrize("provider", REAL, ids=lambda provider: provider.name)
def test_every_provider_has_a_standin(provider: Provider) -> None:
    assert provider.name in standins.names()


@each
def test_it_brings_rows_by_our_ids(provider: Provider, kind: Kind, wire: Wire) -> None:
    wired = wire(provider)
    fetched = wired.fetch(kind)
    believable(fetched, kind)
    assert (fetched.source, fetched.label, fetched.simulated) == (provider.name, provider.label, False)
    assert fetched.calls == len(wired.standin.requests)
    if kind == "quotes":
        assert {row["id"] for row in fetched.rows} == {"bitcoin", "ethereum"}
    if kind == "markets":
        assert {"bitcoin", "ethereum", "tether"} <= {row["id"] for row in fetched.rows}
        assert len({row["id"] for row in fetched.rows}) == len(fetched.rows)
    if kind == "candles":
        stamps = [row["timestamp"] for row in fetched.rows]
        assert stamps == sorted(set(stamps))
        assert fetched.meta["interval_ms"] > 0


@pytest.mark.parametrize(
    "provider", [one for one in REAL if one.endpoint("quotes") or one.endpoint("markets")], ids=lambda one: one.name
)
def test_all_agree_on_prices_because_all_stand_in_one_market(
    provider: Provider, wire: Wire, upstreams: Upstreams
) -> None:
    wired = wire(provider)
    kind: Kind = "quotes" if provider.endpoint("quotes") else "markets"
    found = {row["id"]: row for row in wired.fetch(kind).rows}
    for coin, symbol in (("bitcoin", "BTC"), ("ethereum", "ETH")):
        expected = upstreams.standin(provider.name).market
        at = wired.standin.clock.now()
        price = float(expected.prices([at], np.array([expected.index[coin]]), "usd")[0][0])
        assert found[coin]["price"] == pytest.approx(price, rel=0.02)
        assert found[coin]["symbol"] == symbol


#: What goes wrong, and what becomes of it.
BROKEN: list[tuple[str, dict[str, Any], tuple[type[ProviderError], ...]]] = [
    ("status", {"status": 401}, (Unauthorized,)),
    ("status", {"status": 403}, (RateLimited, Unauthorized, NotFound)),
    ("rate_limited", {"retry_after": 7}, (RateLimited,)),
    ("status", {"status": 404}, (NotFound,)),
    ("status", {"status": 500}, (Unavailable,)),
    ("status", {"status": 502}, (Unavailable,)),
    ("status", {"status": 503}, (Unavailable,)),
    ("html", {"status": 200}, (Unavailable,)),
    ("html", {"status": 403}, (RateLimited, Unauthorized)),
    ("redirect", {}, (BadPayload,)),
    ("hang", {}, (Unavailable,)),
    ("disconnect", {}, (Unavailable, Unreachable)),
    ("truncated", {}, (Unavailable, BadPayload)),
    ("oversize", {}, (BadPayload,)),
    ("empty_body", {}, (BadPayload,)),
    ("broken_json", {}, (BadPayload,)),
    ("empty", {}, (BadPayload, NotFound)),
    ("wrong_shape", {}, (BadPayload, NotFound)),
]


@each
@pytest.mark.parametrize(
    ("fault", "options", "errors"), BROKEN, ids=[f"{k}{o.get('status', '')}" for k, o, _ in BROKEN]
)
def test_what_breaks_is_one_error_and_never_a_part_of_a_dataset(
    provider: Provider, kind: Kind, fault: str, options: dict[str, Any], errors: Any, wire: Wire, monkeypatch: Any
) -> None:
    wired = wire(provider)
    if fault == "hang":
        monkeypatch.setattr(client, "READ_SECONDS", 0.3)
    wired.standin.faults.add("", fault, **options)
    with capture_logs() as logs, pytest.raises(errors) as raised:
        wired.fetch(kind)
    assert raised.value.message
    assert CANARY not in f"{raised.value!r} {raised.value.message} {logs}"
    if fault == "rate_limited":
        assert raised.value.retry_after == pytest.approx(7, abs=1)
    lines = [entry for entry in logs if entry["event"] == "fetch"]
    assert [entry["outcome"] for entry in lines] == [raised.value.code]


@each
@pytest.mark.parametrize("fault", ["nan", "nulls", "strings", "negative", "markup"])
@pytest.mark.parametrize("every", [1, 7])
def test_values_that_cannot_be_are_never_passed_on(
    provider: Provider, kind: Kind, fault: str, every: int, wire: Wire
) -> None:
    wired = wire(provider)
    wired.standin.faults.add("", fault, every=every)
    try:
        fetched = wired.fetch(kind)
    except (BadPayload, NotFound):
        return
    believable(fetched, kind)


@each
def test_a_clock_that_is_wrong_makes_no_data_look_fresh(provider: Provider, kind: Kind, wire: Wire) -> None:
    wired = wire(provider)
    before = wired.fetch(kind)
    wired.standin.clock.advance(86_400_000)
    try:
        fetched = wired.fetch(kind)
    finally:
        wired.standin.clock.set(wall_ms())
    believable(fetched, kind)
    assert fetched.fetched_at - before.fetched_at < 60_000


@each
@pytest.mark.parametrize(
    ("fault", "options"), [("status", {"status": 401}), ("rate_limited", {"retry_after": 30})], ids=["401", "429"]
)
def test_what_is_refused_is_not_asked_again_until_it_may_be(
    provider: Provider, kind: Kind, fault: str, options: dict[str, Any], wire: Wire
) -> None:
    wired = wire(provider)
    wired.standin.faults.add("", fault, **options)
    with pytest.raises((Unauthorized, RateLimited)):
        wired.fetch(kind, tries=3)
    for _ in range(5):
        with pytest.raises(OutOfBudget) as raised:
            wired.fetch(kind, tries=3)
        assert raised.value.retry_after > 0
    assert len(wired.standin.requests) == 1


@pytest.mark.parametrize("provider", [one for one in REAL if one.endpoints], ids=lambda one: one.name)
def test_a_wrong_key_is_told_once_in_words_and_a_new_one_is_tried_at_once(
    provider: Provider, wire: Wire, settings: Any
) -> None:
    wired = wire(provider)
    kind = provider.endpoints[0].kind
    wrong = f"wrong-{CANARY[::-1]}"
    setattr(settings, f"{provider.name.upper()}_API_KEY", wrong)
    with capture_logs() as logs, pytest.raises(Unauthorized) as raised:
        wired.fetch(kind)
    for _ in range(3):
        with pytest.raises(OutOfBudget):
            wired.fetch(kind)
    assert len(wired.standin.requests) == 1
    assert wrong not in f"{raised.value!r} {logs}"
    setattr(settings, f"{provider.name.upper()}_API_KEY", CANARY)
    assert wired.fetch(kind).rows
    assert access.of(provider).key.reveal() == CANARY
