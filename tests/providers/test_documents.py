"""The documents of CoinGecko: a closed table, canonical names, and their share of the budget."""

import contextlib

import pytest
from redis import Redis

from providers.budget import Budget
from providers.datasets import Dataset
from providers.errors import OutOfBudget
from providers.protocols.coingecko import DOCUMENTS, FINAL_SECONDS, named, request
from tests.providers.conftest import Clock, access_to

DAY = 86_400


@pytest.mark.parametrize(
    ("path", "params", "name"),
    [
        ("/global/", {}, "global"),
        ("coins/bitcoin", {"dex_pair_format": "contract_address"}, "coins/bitcoin"),
        ("/coins/bitcoin/tickers", {"page": "2", "depth": "False"}, "coins/bitcoin/tickers?page=2"),
        ("coins/bitcoin/tickers", {"exchange_ids": "gdax, binance,gdax", "page": "1"}, "coins/bitcoin/tickers?exchange_ids=binance,gdax"),  # noqa: E501
        ("search", {"query": "Shiba Inu & Co"}, "search?query=shiba%20inu%20%26%20co"),
        ("simple/token_price/solana", {"contract_addresses": "So1B,So1A", "vs_currencies": "USD"}, "simple/token_price/solana?contract_addresses=So1A,So1B&vs_currencies=usd"),  # noqa: E501
        ("coins/sui/contract/0x2::sui::SUI", {}, "coins/sui/contract/0x2%3A%3Asui%3A%3ASUI"),
    ],
)  # fmt: skip
def test_equal_requests_have_one_name(path: str, params: dict, name: str) -> None:
    asked = request(path, params)
    assert asked.name == name
    assert named(name) == asked
    assert Dataset.parse(f"document:{name}").topic == name


@pytest.mark.parametrize(
    ("path", "params"),
    [
        ("coins/list", {}), ("nonsense", {}), ("coins/../key", {}), ("coins/bitcoin/ohlc", {}), ("", {}),
        ("global", {"page": "2"}), ("search", {}), ("coins/bitcoin/history", {"date": "31-02-2026"}),
        ("coins/bitcoin/history", {"date": "2026-02-01"}), ("coins/bitcoin/tickers", {"page": "0"}),
        ("coins/markets", {"vs_currency": "usd", "per_page": "251"}), ("search", {"query": "a" * 101}),
        ("simple/token_price/eth", {"contract_addresses": ",".join(f"0x{n:040}" for n in range(200)), "vs_currencies": "usd"}),  # noqa: E501
    ],
)  # fmt: skip
def test_nothing_else_is_a_document(path: str, params: dict) -> None:
    with pytest.raises(ValueError, match=r"."):
        request(path, params)


@pytest.mark.parametrize(
    "name", ["global?x=1", "coins/bitcoin?", "coins/bitcoin/tickers?page=1", "coins%2Flist", "a/b"]
)
def test_a_name_in_another_form_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        named(name)


def test_what_cannot_change_any_more_holds_for_long() -> None:
    history, now = request("coins/bitcoin/history", {"date": "03-05-2026"}), 1_777_766_400
    assert history.lasts(200, now + DAY + 60, paid=False) == 1800
    assert history.lasts(200, now + 3 * DAY, paid=False) == FINAL_SECONDS
    assert history.lasts(404, now + 3 * DAY, paid=False) == 60
    price = request("simple/token_price/eth", {"contract_addresses": "0xa", "vs_currencies": "usd"})
    assert (price.lasts(200, now, paid=False), price.lasts(200, now, paid=True)) == (60, 20)


def test_every_document_needs_what_it_takes() -> None:
    for document in DOCUMENTS:
        assert set(document.needs) <= set(document.takes), document.path
        assert not set(document.takes) & set(document.always), document.path


# --- their share of the budget ----------------------------------------------------------------------------------------
def taken(budget: Budget, tries: int, rate: float) -> int:
    entry, count = access_to("http://127.0.0.1:9/api/v3", per_minute=1000), 0
    for _ in range(tries):
        with contextlib.suppress(OutOfBudget):
            budget.spend(entry, 1, urgent=False, rate=rate)
            count += 1
    return count


def test_a_share_may_be_saved_up_for_an_hour_and_refills_evenly(redis: Redis) -> None:
    clock = Clock(1_775_001_600_000)
    budget = Budget(redis, clock)
    assert taken(budget, 30, rate=12 / 3600) == 12
    with pytest.raises(OutOfBudget, match="share") as refused:
        budget.spend(access_to("http://127.0.0.1:9/api/v3"), 1, urgent=False, rate=12 / 3600)
    assert (refused.value.reason, refused.value.retry_after) == ("share", 300)
    clock.forward(299)
    assert taken(budget, 3, rate=12 / 3600) == 0
    clock.forward(2)
    assert taken(budget, 3, rate=12 / 3600) == 1
    clock.forward(DAY)
    assert taken(budget, 30, rate=12 / 3600) == 12


def test_less_than_a_call_an_hour_is_one_now_and_then(redis: Redis) -> None:
    clock = Clock(1_775_001_600_000)
    budget = Budget(redis, clock)
    assert [taken(budget, 1, rate=0.25 / 3600), clock.forward(3 * 3600), taken(budget, 1, rate=0.25 / 3600)] == [
        1,
        None,
        0,
    ]
    clock.forward(3601)
    assert taken(budget, 2, rate=0.25 / 3600) == 1


def test_without_a_share_there_are_no_calls(redis: Redis) -> None:
    assert taken(Budget(redis, Clock(1_775_001_600_000)), 3, rate=0.0) == 0


def test_a_call_that_the_month_refuses_costs_no_share(redis: Redis) -> None:
    budget, poor = Budget(redis, Clock(1_775_001_600_000)), access_to("http://127.0.0.1:9/api/v3", per_month=12)
    for _ in range(9):
        with pytest.raises(OutOfBudget, match="month"):
            budget.spend(poor, 20, urgent=False, rate=1 / 60)
    assert taken(budget, 100, rate=1 / 60) == 60
