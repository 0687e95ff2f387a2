from dataclasses import replace

import pytest

import providers
from providers.base import Call, Plan, base_url_problem
from tests.providers.test_client import HOSTILE

KEYLESS = Plan(name="free", base_url="https://api.example.com/v3", per_minute=5, per_month=0)


@pytest.mark.parametrize(
    "url",
    [
        "https://api.coingecko.com/api/v3",
        "http://127.0.0.1:8099/api/v3",
        "http://gecko",
        "https://[::1]:9/x",
        "https://a.b/~x/",
    ],
)
def test_an_address_with_scheme_and_host_is_fine(url: str) -> None:
    assert base_url_problem(url) == ""


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("", "full address"),
        ("api.coingecko.com", "full address"),
        ("ftp://x/y", "full address"),
        ("file:///etc/passwd", "full address"),
        ("https://", "full address"),
        ("https://x:0/", "full address"),
        ("https://x:99999/", "not a URL"),
        ("https://[::1", "not a URL"),
        ("https://user:secret@x/", "No user name or password"),
        ("https://x/?a=b", "no ? and no #"),
        ("https://x/#a", "no ? and no #"),
        ("https://x/a b", "Plain letters"),
        ("https://x/a\nb", "Plain letters"),
        ("https://x/%2e", "Plain letters"),
        ("https://x\\y", "Plain letters"),
        ("https://bücher.example", "Plain letters"),
        ("https://x/a/../b", "No . or .."),
    ],
)
def test_any_other_is_refused_in_a_sentence(url: str, said: str) -> None:
    problem = base_url_problem(url)
    assert said in problem
    assert "secret" not in problem


def test_a_plan_lacks_only_what_another_has() -> None:
    real = providers.get("coingecko")
    with pytest.raises(ValueError, match="no plan has listings"):
        replace(real, plans=(replace(KEYLESS, lacks=frozenset({"listings", "candles"})),))


@pytest.mark.parametrize("part", HOSTILE)
def test_a_part_cannot_leave_its_segment(part: str) -> None:
    path = Call("/coins/{coin}/ohlc", parts={"coin": part}).full_path
    assert path.count("/") == 3
    assert path.isascii()
    assert not set(path) & set("?# \r\n\0\\")


@pytest.mark.parametrize("changes", [{"base_url": "ftp://x"}, {"per_minute": -1}, {"per_month": -1}])
def test_a_plan_that_cannot_be_fails_when_it_is_declared(changes: dict) -> None:
    with pytest.raises(ValueError):
        Plan(**{"name": "x", "base_url": "https://x", "per_minute": 1, "per_month": 1, **changes})


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "Coin Gecko"},
        {"name": ""},
        {"plans": ()},
        {"plans": (KEYLESS, KEYLESS)},
    ],
)
def test_a_provider_that_cannot_be_fails_when_it_is_declared(changes: dict) -> None:
    from dataclasses import replace

    with pytest.raises(ValueError):
        replace(providers.get("coingecko"), **changes)


def test_each_kind_is_served_once() -> None:
    from dataclasses import replace

    real = providers.get("coingecko")
    with pytest.raises(ValueError, match="kind once"):
        replace(real, endpoints=real.endpoints * 2)
