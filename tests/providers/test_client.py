import gzip
import logging
import socket
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

import providers
from providers import client
from providers.base import Call
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
from providers.sandbox import Sandbox
from tests.providers.conftest import KEY, Reply, Upstream, access_to
from tests.providers.test_adapters import sample

PING = Call("/ping")
ERRORS = {error.code: error for error in (RateLimited, Unauthorized, Unavailable, NotFound)}


def get(upstream: Upstream, call: Call = PING, **options):
    plan, key = options.pop("plan", "keyless"), options.pop("key", "")
    return client.fetch_json(access_to(upstream.url, plan=plan, key=key), call, **options)


def test_a_200_gives_the_payload_and_its_headers(upstream: Upstream) -> None:
    upstream.replies["/ping"] = Reply({"gecko_says": "hi"}, headers={"Total": "16989"})
    answer = get(upstream)
    assert answer.payload == {"gecko_says": "hi"}
    assert answer.headers["total"] == "16989"
    assert answer.size == len(b'{"gecko_says": "hi"}')


def test_parameters_arrive_as_they_were_meant(upstream: Upstream) -> None:
    upstream.replies["/coins/markets"] = Reply([])
    get(upstream, Call("/coins/markets", {"ids": "bitcoin,a&b=c#d", "price_change_percentage": "1h,24h"}))
    assert upstream.asked[0].query == {"ids": "bitcoin,a&b=c#d", "price_change_percentage": "1h,24h"}


def test_requests_name_us_ask_for_json_and_carry_no_cookies(upstream: Upstream) -> None:
    upstream.replies["/ping"] = Reply({}, headers={"Set-Cookie": "__cf_bm=visitor; Path=/"})
    get(upstream)
    get(upstream)
    for asked in upstream.asked:
        assert asked.headers["user-agent"].startswith("Spot/")
        assert asked.headers["accept"] == "application/json"
        assert "cookie" not in asked.headers


@pytest.mark.parametrize(("plan", "header"), [("demo", "x-cg-demo-api-key"), ("pro", "x-cg-pro-api-key")])
def test_the_key_travels_in_its_plans_header_and_nowhere_else(upstream: Upstream, plan: str, header: str) -> None:
    upstream.replies["/ping"] = Reply({})
    get(upstream, plan=plan, key=KEY)
    asked = upstream.asked[0]
    assert asked.headers[header] == KEY
    assert [name for name, value in asked.headers.items() if KEY in value] == [header]
    assert asked.query == {}


def test_without_a_key_no_key_header_is_sent(upstream: Upstream) -> None:
    upstream.replies["/ping"] = Reply({})
    get(upstream)
    assert not [name for name in upstream.asked[0].headers if name.startswith("x-cg")]


def test_a_netrc_file_adds_no_credentials(upstream: Upstream, monkeypatch, tmp_path) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login someone password else\n")
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    upstream.replies["/ping"] = Reply({})
    get(upstream)
    assert "authorization" not in upstream.asked[0].headers


def test_a_proxy_for_the_world_is_not_asked_for_this_machine(upstream: Upstream, monkeypatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    upstream.replies["/ping"] = Reply({"direct": True})
    assert get(upstream).payload == {"direct": True}


# --- errors ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("case", sample(providers.get("coingecko"), "errors"), ids=lambda case: case["message"][:40])
def test_every_shape_of_error_body_becomes_its_error(upstream: Upstream, case: dict) -> None:
    upstream.replies["/ping"] = Reply(case["body"], case["status"], case.get("headers", {}))
    with pytest.raises(ERRORS[case["error"]]) as caught:
        get(upstream, tries=1)
    assert caught.value.message == case["message"]


@pytest.mark.parametrize(
    ("status", "error", "permanent"),
    [
        (301, BadPayload, False),
        (304, BadPayload, False),
        (204, BadPayload, False),
        (400, NotFound, True),
        (401, Unauthorized, True),
        (403, RateLimited, False),
        (404, NotFound, True),
        (408, Unavailable, False),
        (418, NotFound, True),
        (429, RateLimited, False),
        (500, Unavailable, False),
        (503, Unavailable, False),
        (520, Unavailable, False),
    ],
)
@pytest.mark.parametrize("body", [b"", b"<html>Access denied</html>", b"null", b"[1]", b"{", b'"\xff"'])
def test_a_status_is_an_error_whatever_its_body(
    upstream, status: int, error: type, permanent: bool, body: bytes
) -> None:
    upstream.replies["/ping"] = Reply(body, status, type="text/html")
    with pytest.raises(error) as caught:
        get(upstream, tries=1)
    assert caught.value.permanent is permanent
    assert str(status) in caught.value.message
    assert "<" not in caught.value.message


def test_a_429_is_not_asked_again_and_says_when(upstream: Upstream) -> None:
    upstream.replies["/ping"] = Reply({}, 429, {"Retry-After": "119"})
    with pytest.raises(RateLimited) as caught:
        get(upstream)
    assert caught.value.retry_after == 119
    assert len(upstream.asked) == 1


def test_a_429_may_say_when_as_a_date(upstream: Upstream) -> None:
    later = datetime.now(UTC) + timedelta(seconds=90)
    upstream.replies["/ping"] = Reply({}, 429, {"Retry-After": format_datetime(later, usegmt=True)})
    with pytest.raises(RateLimited) as caught:
        get(upstream)
    assert 85 < caught.value.retry_after <= 90


def test_a_503_that_says_when_is_left_alone_until_then(upstream: Upstream) -> None:
    upstream.replies["/ping"] = Reply({}, 503, {"Retry-After": "30"})
    with pytest.raises(RateLimited) as caught:
        get(upstream)
    assert caught.value.retry_after == 30
    assert len(upstream.asked) == 1


NOON = datetime(2026, 10, 7, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120),
        (" 7 ", 7),
        ("0", 1),
        ("Wed, 07 Oct 2026 12:01:30 GMT", 90),
        ("Wed, 07 Oct 2026 11:00:00 GMT", 1),
        ("Wednesday, 07-Oct-26 12:00:10 GMT", 10),
        ("9" * 400, 999_999_999),
        ("-5", None),
        ("1.5", None),
        ("٣", None),
        ("soon", None),
        ("", None),
        ("Wed, 99 Oct 2026", None),
    ],
)
def test_retry_after_is_a_count_or_a_date_or_nothing(value: str, seconds: float | None) -> None:
    assert client.retry_after(value, lambda: NOON) == seconds


# --- what passes by itself ------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "bad",
    [
        Reply({}, 500),
        Reply({}, 502),
        Reply({"a": 1}, length=500),
        Reply(b"<html>checking your browser</html>", type="text/html"),
    ],
    ids=["500", "502", "cut off", "a page"],
)
def test_what_may_pass_is_asked_again_at_most_twice(upstream: Upstream, bad: Reply) -> None:
    upstream.replies["/ping"] = [bad, bad, Reply({"ok": 1})]
    assert get(upstream).payload == {"ok": 1}
    assert len(upstream.asked) == 3
    upstream.replies["/ping"], upstream.asked = bad, []
    with pytest.raises(Unavailable):
        get(upstream)
    assert len(upstream.asked) == 3


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422, 301])
def test_what_does_not_pass_is_asked_once(upstream: Upstream, status: int) -> None:
    upstream.replies["/ping"] = Reply({}, status)
    with pytest.raises(ProviderError):
        get(upstream)
    assert len(upstream.asked) == 1


def test_another_try_that_is_not_affordable_leaves_the_failure_itself(upstream: Upstream) -> None:
    def refuse() -> None:
        raise OutOfBudget("no", retry_after=9, reason="minute")

    upstream.replies["/ping"] = Reply({"error": "down"}, 500)
    with pytest.raises(Unavailable, match="500: down") as caught:
        get(upstream, may_retry=refuse)
    assert not caught.value.permanent
    assert len(upstream.asked) == 1


def test_every_try_after_the_first_is_asked_for(upstream: Upstream) -> None:
    asked = []
    upstream.replies["/ping"] = [Reply({}, 500), Reply({}, 500), Reply({})]
    get(upstream, may_retry=lambda: asked.append(1))
    assert len(asked) == 2


def test_a_refused_connection_is_out_of_reach_and_not_tried_again() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/api/v3"
    tries = []
    with pytest.raises(Unreachable, match="cannot connect to 127"):
        client.fetch_json(access_to(url), PING, may_retry=lambda: tries.append(1))
    assert tries == []


def test_a_name_that_does_not_exist_is_out_of_reach() -> None:
    with pytest.raises(Unreachable):
        client.fetch_json(access_to("http://nowhere.invalid/api/v3"), PING)


# --- time and size --------------------------------------------------------------------------------------------------
def test_an_answer_that_never_comes_ends_at_the_deadline(upstream: Upstream) -> None:
    upstream.replies["/ping"] = Reply(hang=True)
    with pytest.raises(Unavailable, match="the response timed out"):
        get(upstream, seconds=0.3)


def test_an_answer_that_drips_ends_at_the_deadline_however_steadily_it_does(upstream: Upstream) -> None:
    upstream.replies["/ping"] = Reply({"a": "x" * 10_000}, drip=0.02)
    started = time.monotonic()
    with pytest.raises(Unavailable, match=r"took too long|timed out"):
        get(upstream, seconds=0.5, tries=1)
    assert time.monotonic() - started < 30  # the whole would take 200 s


def test_headers_that_drip_end_at_the_deadline_too(upstream: Upstream) -> None:
    upstream.replies["/ping"] = Reply({}, drip=0.02, slow_head=True)
    started = time.monotonic()
    with pytest.raises(Unavailable, match="the response timed out"):
        get(upstream, seconds=0.5, tries=1)
    assert time.monotonic() - started < 30  # the headers would take 200 s


def test_a_connection_that_is_kept_has_the_next_requests_time_not_the_last_ones() -> None:
    with Sandbox(cache_seconds=1) as sandbox:
        entry = access_to(sandbox.url)
        client.fetch_json(entry, PING, seconds=0.2)
        sandbox.faults.add("/ping", "slow", seconds=0.5)
        assert client.fetch_json(entry, PING, seconds=20, tries=1).payload


def test_an_answer_is_no_larger_than_the_cap(upstream: Upstream) -> None:
    upstream.replies["/ping"] = Reply(["x" * 1000] * 100)
    with pytest.raises(BadPayload, match="larger than 50000 bytes"):
        get(upstream, max_bytes=50_000)
    assert len(upstream.asked) == 1


def test_the_cap_counts_what_comes_out_of_the_compression(upstream: Upstream, monkeypatch) -> None:
    bomb = gzip.compress(b"[" + b" " * 50_000_000 + b"]")
    assert len(bomb) < 100_000
    taken = []
    real = client._body
    monkeypatch.setattr(client, "_body", lambda response, *rest: real(_Counting(response, taken), *rest))
    upstream.replies["/ping"] = Reply(bomb, headers={"content-encoding": "gzip"})
    with pytest.raises(BadPayload, match="larger"):
        get(upstream, max_bytes=1_000_000)
    assert sum(taken) < 2_000_000


class _Counting:
    """A response whose raw stream notes the size of every chunk that it hands out."""

    def __init__(self, response, taken: list[int]) -> None:
        self.raw, self._raw, self._taken, self.status_code = self, response.raw, taken, response.status_code

    def read1(self, *args, **kwargs) -> bytes:
        chunk = self._raw.read1(*args, **kwargs)
        self._taken.append(len(chunk))
        return chunk


def test_compressed_answers_are_read(upstream: Upstream) -> None:
    upstream.replies["/ping"] = Reply({"a": 1}, gzip=True)
    assert get(upstream).payload == {"a": 1}


def test_a_broken_compression_is_a_bad_payload(upstream: Upstream) -> None:
    upstream.replies["/ping"] = Reply(b"not gzip at all", headers={"content-encoding": "gzip"})
    with pytest.raises(BadPayload):
        get(upstream)


@pytest.mark.parametrize("body", [b"", b"{", b"[1,", b"nothing", b"[" * 100_000, b"\xff\xfe", b'{"a":1}x'])
def test_a_body_that_is_no_json_is_a_bad_payload(upstream: Upstream, body: bytes) -> None:
    upstream.replies["/ping"] = Reply(body)
    with pytest.raises(BadPayload):
        get(upstream, tries=1)


def test_numbers_that_json_does_not_have_cost_only_themselves() -> None:
    assert client.parse(b"[1, NaN, Infinity, -Infinity, 2.7452e-7]") == [1, None, None, None, 2.7452e-7]
    assert client.parse(b"[1e999]") == [float("inf")]


def test_a_redirect_is_not_followed_and_its_target_hears_nothing(upstream: Upstream) -> None:
    elsewhere = Upstream()
    try:
        elsewhere.replies["/stolen"] = Reply({})
        upstream.replies["/ping"] = Reply(b"", 302, {"Location": f"{elsewhere.url}/stolen"})
        with pytest.raises(BadPayload, match="302"):
            get(upstream, plan="demo", key=KEY)
        assert elsewhere.asked == []
    finally:
        elsewhere.stop()


# --- nothing leads anywhere else ------------------------------------------------------------------------------------
HOSTILE = [
    "../../ping",
    "..",
    ".",
    "%2e%2e",
    "%2e%2e/%2e%2e/ping",
    "..%2f",
    "bitcoin/../x",
    "bitcoin?x=1",
    "bitcoin#",
    "//evil",
    "@evil",
    "\\evil",
    "bitcoin\r\nX-Injected: 1",
    "bitcoin\0",
    "\uff0e\uff0e",  # fullwidth dots
    "x" * 10_240,
    "",
    " ",
]


@pytest.mark.parametrize("part", ["..", ".", "%2e%2e", "../../ping"])
def test_a_part_that_would_leave_its_segment_is_not_sent_or_stays_in_it(upstream: Upstream, part: str) -> None:
    """The callers refuse all of HOSTILE before it gets here; the client alone must not be led astray either."""
    with pytest.raises(NotFound):
        get(upstream, Call("/coins/{coin}/ohlc", parts={"coin": part}))
    assert all(path.startswith("/coins/") and path.endswith("/ohlc") for path in upstream.paths)


@pytest.mark.parametrize("url", ["ftp://x/y", "http://", "http://u:p@x/", "http://x/a?b", "nonsense", "http://[::1"])
def test_a_base_address_that_is_none_is_not_asked(url: str) -> None:
    with pytest.raises(Unreachable, match="base URL is wrong") as caught:
        client.fetch_json(access_to(url), PING)
    assert caught.value.permanent


# --- the key stays where it is --------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "reply",
    [
        Reply({"error": f"bad key {KEY}"}, 401),
        Reply({"status": {"error_code": 10002, "error_message": KEY}}, 401),
        Reply(f"<html>{KEY}</html>".encode(), type=f"text/{KEY}"),
        Reply(b"", 302, {"Location": f"http://127.0.0.1:9/?key={KEY}"}),
        Reply({"a": 1}, length=999),
        Reply({}, 500),
    ],
)
def test_no_exception_and_no_log_holds_the_key_even_if_it_is_echoed(upstream, reply: Reply, caplog, capsys) -> None:
    caplog.set_level(logging.DEBUG)
    upstream.replies["/ping"] = reply
    with pytest.raises(ProviderError) as caught:
        get(upstream, plan="demo", key=KEY)
    told = [str(caught.value), repr(caught.value), caught.value.message, str(caught.getrepr(style="native"))]
    assert caught.value.__cause__ is None
    assert KEY not in "".join([*told, caplog.text, *capsys.readouterr()])


def test_a_key_that_no_header_can_hold_is_refused_without_being_told(upstream: Upstream) -> None:
    with pytest.raises(Unauthorized) as caught:
        get(upstream, plan="demo", key=f"{KEY}\r\nX-Injected: 1")
    assert KEY not in str(caught.getrepr(style="native"))
    assert upstream.asked == []


def test_an_access_shows_no_key() -> None:
    assert KEY not in repr(access_to("http://127.0.0.1:9", plan="demo", key=KEY))
