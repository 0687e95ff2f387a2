"""Who is who: symbols are no identity, evidence is weighed, and what is not certain is nobody."""

import pytest

from providers.datasets import Row
from providers.matching import Match, match


def asset(foreign_id: str, symbol: str, name: str, *, slug: str = "", coin: str = "", contracts: tuple = ()) -> Row:
    return {
        "foreign_id": foreign_id, "symbol": symbol, "name": name, "slug": slug, "coin": coin,
        "contracts": list(contracts),
    }  # fmt: skip


TETHER = "0xdac17f958d2ee523a2206206994597c13d831ec7"
OURS = [
    asset("bitcoin", "BTC", "Bitcoin"),
    asset("batcat", "BTC", "batcat"),
    asset("ripple", "XRP", "XRP"),
    asset("tether", "USDT", "Tether", contracts=(TETHER, "tr7nhq")),
    asset("avalanche-2", "AVAX", "Avalanche"),
    asset("one-one", "ONE", "One"),
    asset("one-two", "ONE", "One"),
    asset("shared-a", "SHA", "Shared A", contracts=("0xshared",)),
    asset("shared-b", "SHB", "Shared B", contracts=("0xshared",)),
]


def one(row: Row, **options: object) -> Match:
    return match([row], OURS, **options)[0]


@pytest.mark.parametrize(
    ("row", "coin", "how"),
    [
        (asset("1", "btc", "Bitcoin", slug="bitcoin"), "bitcoin", "slug"),
        (asset("1", "BTC", "Bitcoin", slug="something-else"), "bitcoin", "name"),
        (asset("1", "BTC", "  BITCOIN ", slug=""), "bitcoin", "name"),
        (asset("52", "XRP", "XRP", slug="xrp"), "ripple", "name"),
        (asset("825", "USDT", "Tether USDt", slug="tether-usdt", contracts=(TETHER,)), "tether", "contract"),
        (asset("825", "USD₮", "Renamed", contracts=("0xother", TETHER)), "tether", "contract"),
        (asset("7", "AVAX", "Avalanche", coin="avalanche-2"), "avalanche-2", "stated"),
        (asset("7", "ODD", "Odd", coin="avalanche-2"), "avalanche-2", "stated"),
        (asset("7", "AVAX", "Avalanche", coin="no-such-coin"), "avalanche-2", "name"),
        (asset("9", "SHA", "Shared A", contracts=("0xshared",)), "shared-a", "contract"),
    ],
)
def test_a_coin_is_recognised_by_the_strongest_evidence(row: Row, coin: str, how: str) -> None:
    assert one(row) == Match(row["foreign_id"], coin, how)


@pytest.mark.parametrize(
    "row",
    [
        asset("1", "BTC", "Bitcoin Something"),  # a symbol alone is nothing
        asset("1", "BTC", ""),
        asset("1", "DOGE", "Bitcoin", slug="bitcoin"),  # a slug with another symbol is another coin
        asset("1", "ONE", "One"),  # two of ours fit
        asset("9", "SHC", "Shared C", contracts=("0xshared",)),  # one address, two coins
        asset("1", "", ""),
    ],
)
def test_what_is_not_certain_is_nobody(row: Row) -> None:
    assert one(row) == Match(row["foreign_id"], None, "")


def test_what_the_provider_states_outweighs_a_contract_and_a_contract_a_slug() -> None:
    assert one(asset("1", "BTC", "Bitcoin", slug="bitcoin", contracts=(TETHER,))).coin == "tether"
    assert one(asset("1", "BTC", "Bitcoin", coin="ripple", contracts=(TETHER,))).coin == "ripple"


def test_of_two_claims_on_a_coin_the_stronger_wins_whatever_the_order() -> None:
    real, fake = asset("1", "BTC", "Bitcoin", slug="bitcoin"), asset("99999", "BTC", "Bitcoin", slug="bitcoin-clone")
    for listed in ([real, fake], [fake, real]):
        assert {found.foreign_id: found.coin for found in match(listed, OURS)} == {"1": "bitcoin", "99999": None}


def test_two_equal_claims_on_a_coin_are_both_refused() -> None:
    listed = [asset("1", "XRP", "XRP", slug="xrp"), asset("2", "XRP", "XRP", slug="xrp-clone")]
    assert [found.coin for found in match(listed, OURS)] == [None, None]


def test_a_newcomer_of_the_same_name_takes_nothing_away() -> None:
    listed = [asset("1", "XRP", "XRP", slug="xrp"), asset("2", "XRP", "XRP", slug="xrp-clone")]
    assert [found.coin for found in match(listed, OURS, before={"1": "ripple"})] == ["ripple", None]
    assert one(asset("1", "ONE", "One"), before={"1": "one-two"}) == Match("1", "one-two", "name")


def test_what_was_found_before_gives_way_to_better_evidence_and_needs_some() -> None:
    assert one(asset("1", "BTC", "Bitcoin", slug="bitcoin"), before={"1": "batcat"}).coin == "bitcoin"
    assert one(asset("1", "LUNA", "Terra"), before={"1": "bitcoin"}).coin is None


def test_a_coin_that_is_taken_is_given_to_nobody() -> None:
    assert one(asset("1", "BTC", "Bitcoin", slug="bitcoin"), taken={"bitcoin"}).coin is None


def test_seventeen_thousand_coins_are_matched_one_to_one() -> None:
    ours = [asset(f"coin-{n}", f"C{n % 9000}", f"Coin {n}") for n in range(17_000)]
    listed = [asset(str(n), f"c{n % 9000}", f"coin {n}") for n in range(17_000)]
    found = match(listed, ours)
    assert [one.coin for one in found] == [f"coin-{n}" for n in range(17_000)]
