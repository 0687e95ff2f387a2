"""Token Metrics' adapter: its list of tokens, what it makes of errors; and the same against the stand-in."""

from collections.abc import Iterator

import pytest
import requests

import providers
from providers import client
from providers.access import Access
from providers.adapters import tokenmetrics
from providers.base import Answer, Call
from providers.datasets import Dataset
from providers.errors import BadPayload, NotFound, ProviderError, RateLimited, Unauthorized
from providers.vault import Secret
from standins.tokenmetrics import Tokenmetrics

KEY = "tm-canary-0000-4444-8888-cccccccccccc"
PROVIDER = providers.get("tokenmetrics")
ASSETS = Dataset("assets", topic="tokenmetrics")


def access_to(standin: Tokenmetrics, key: str = KEY) -> Access:
    return Access(
        provider=PROVIDER,
        plan=PROVIDER.plans[0],
        base_url=standin.url,
        stream_url="",
        key=Secret(key),
        per_minute=0,
        per_month=0,
    )


@pytest.fixture
def standin() -> Iterator[Tokenmetrics]:
    with Tokenmetrics(key=KEY, pulse_seconds=0) as running:
        yield running


def token(**changes: object) -> dict:
    return {"TOKEN_ID": 1, "TOKEN_NAME": "Bitcoin", "TOKEN_SYMBOL": "BTC", "TOKEN_SLUG": "bitcoin", **changes}


def listed(*tokens: object) -> list[dict]:
    return tokenmetrics.normalise_assets(ASSETS, [Answer({"success": True, "data": list(tokens)})]).rows


# --- rows -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "bad",
    [None, 3, [], {}, token(TOKEN_SLUG=None), token(TOKEN_SLUG=3), token(TOKEN_SLUG="a b")],
)  # fmt: skip
def test_a_token_without_slug_is_dropped_and_counted(bad: object) -> None:
    made = tokenmetrics.normalise_assets(ASSETS, [Answer({"data": [bad, token()]})])
    assert [row["foreign_id"] for row in made.rows] == ["bitcoin"]
    assert made.dropped == 1


@pytest.mark.parametrize(
    ("said", "contracts"),
    [(None, []), ({}, []), ("0xAB", ["0xab"]), (["0xAB", None, 3], ["0xab"]),
     ({"ethereum": "0xAB", "base": 1}, ["0xab"]), (7, [])],
)  # fmt: skip
def test_addresses_are_read_in_any_of_the_forms_they_may_have(said: object, contracts: list[str]) -> None:
    assert listed(token(CONTRACT_ADDRESS=said))[0]["contracts"] == contracts


def test_pages_end_with_the_first_that_is_not_full() -> None:
    call = tokenmetrics.asset_calls(ASSETS, ())[0]
    assert call.params == {"limit": "1000", "page": "1"}
    assert tokenmetrics.asset_ended(call, Answer({"data": [{}] * 999}))
    assert not tokenmetrics.asset_ended(call, Answer({"data": [{}] * 1000}))


def test_the_whole_list_once_a_day_stays_within_the_month_even_if_no_page_ever_ends() -> None:
    assert len(tokenmetrics.asset_calls(ASSETS, ())) * 31 < min(plan.per_month for plan in PROVIDER.plans)


# --- errors ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"success": False, "message": "Invalid API key"}, Unauthorized),
        ({"success": False, "message": "Monthly credit limit reached"}, RateLimited),
        ({"success": False, "error": {"message": "No data"}}, BadPayload),
        ({"success": False}, BadPayload),
        ({"success": True, "data": []}, type(None)),
        ([], type(None)),
    ],
)
def test_a_200_that_says_no_is_an_error(body: object, kind: type) -> None:
    assert type(PROVIDER.fault(Answer(body))) is kind


@pytest.mark.parametrize("body", [None, [], 3, "", {}, {"message": None}, {"message": {"a": 1}}, {"error": []}])
def test_a_body_without_words_yields_nothing(body: object) -> None:
    assert PROVIDER.explain(body) == (None, "")


# --- against the stand-in -------------------------------------------------------------------------------------------
def test_the_tokens_are_the_coins_of_the_market_by_slugs_of_its_own(standin: Tokenmetrics) -> None:
    endpoint = PROVIDER.endpoint("assets")
    answers = []
    for call in endpoint.calls(ASSETS, (), 0):
        answers.append(client.fetch_json(access_to(standin), call, tries=1))
        if endpoint.ended(call, answers[-1]):
            break
    rows = {row["foreign_id"]: row for row in endpoint.normalise(ASSETS, answers).rows}
    assert len(answers) == 1 + len(standin.market.coins) // 1000
    assert set(rows) == set(standin.tokens)
    assert rows["avalanche"] == {
        "foreign_id": "avalanche",
        "symbol": "AVAX",
        "name": "Avalanche",
        "slug": "avalanche",
        "coin": "",
        "contracts": [],
    }
    assert "avalanche-2" not in rows


def test_the_standin_takes_the_key_in_both_spellings_and_filters(standin: Tokenmetrics) -> None:
    for header in ("x-api-key", "api_key"):
        answer = requests.get(f"{standin.url}/tokens?symbol=BTC,ETH", headers={header: KEY}, timeout=10).json()
        assert {row["TOKEN_SYMBOL"] for row in answer["data"]} == {"BTC", "ETH"}
    second = requests.get(f"{standin.url}/tokens?limit=2&page=2", headers={"x-api-key": KEY}, timeout=10).json()
    assert [row["TOKEN_ID"] for row in second["data"]] == [3002, 3003]
    assert requests.get(f"{standin.url}/price", headers={"x-api-key": KEY}, timeout=10).status_code == 404


def test_the_right_key_is_proven_by_one_token(standin: Tokenmetrics) -> None:
    answer = client.fetch_json(access_to(standin), PROVIDER.probe(PROVIDER.plans[0]), tries=1)
    assert PROVIDER.proven(answer.payload) == "accepted"
    assert len(answer.payload["data"]) == 1
    with pytest.raises(BadPayload):
        PROVIDER.proven(["anything"])


@pytest.mark.parametrize(("key", "sentence"), [("", "Missing API key"), ("other", "Invalid API key")])
def test_a_wrong_key_is_a_permanent_error_in_words(standin: Tokenmetrics, key: str, sentence: str) -> None:
    with pytest.raises(Unauthorized, match=sentence) as refusal:
        client.fetch_json(access_to(standin, key), PROVIDER.probe(PROVIDER.plans[0]), tries=1)
    assert refusal.value.permanent


@pytest.mark.parametrize(
    ("fault", "options", "kind"),
    [
        ("status", {"status": 403, "message": "Forbidden"}, Unauthorized),
        ("status", {"status": 403, "message": "Plan limit exceeded"}, RateLimited),
        ("status", {"status": 400, "message": "wrong parameter"}, NotFound),
        ("rate_limited", {"retry_after": 9}, RateLimited),
        ("broken_json", {}, BadPayload),
    ],
)
def test_errors_are_told_by_their_words(standin: Tokenmetrics, fault: str, options: dict, kind: type) -> None:
    standin.faults.add("/tokens", fault, **options)
    with pytest.raises(ProviderError) as failure:
        client.fetch_json(access_to(standin), Call("/tokens"), tries=1)
    assert type(failure.value) is kind
    assert KEY not in str(failure.value)
