"""Where clients of foreign protocols put their keys."""

import pytest

from spot.dialects.credentials import Asked, Credential, places

FIND = places(("x-cg-pro-api-key", "X-CG-Demo-API-Key"), ("x_cg_demo_api_key", "x-cg-pro-api-key"))


def asked(query: bytes = b"", **headers: bytes) -> Asked:
    return FIND({name.replace("_", "-").encode(): value for name, value in headers.items()}, Asked(query, ()))


@pytest.mark.parametrize(
    ("query", "headers"),
    [
        (b"", {"x_cg_demo_api_key": b"abc"}),
        (b"", {"x_cg_pro_api_key": b" abc "}),
        (b"", {"x_api_key": b"abc"}),
        (b"x_cg_demo_api_key=abc", {}),
        (b"X_CG_DEMO_API_KEY=abc", {}),
        (b"x%5Fcg%5Fdemo%5Fapi%5Fkey=%61bc", {}),
        (b"x-cg-pro-api-key=abc", {"x_cg_demo_api_key": b""}),
    ],
)
def test_key_is_found_wherever_clients_put_it(query: bytes, headers: dict[str, bytes]) -> None:
    assert asked(query, **headers) == Asked(b"", (), Credential("key", "abc"))


def test_key_is_taken_out_of_the_address() -> None:
    found = asked(b"ids=bitcoin%2Ceth&x_cg_demo_api_key=abc&&vs_currencies=usd")
    assert found.query_string == b"ids=bitcoin%2Ceth&&vs_currencies=usd"


@pytest.mark.parametrize("key", [b"", b"anonymous", b"CG-Anonymous", b"00000000-0000-0000-0000-000000000000"])
def test_program_that_insists_on_a_key_may_be_anonymous(key: bytes) -> None:
    assert asked(b"a=1", x_cg_pro_api_key=key).credential is None


def test_header_counts_before_the_address() -> None:
    assert asked(b"x_cg_demo_api_key=two", x_cg_pro_api_key=b"one").credential == Credential("key", "one")
