"""Every fault that the sandbox can have, met by a real client."""

import gzip
import json
import math
import re
import socket
import threading
import time
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest
import requests

from providers.sandbox import Sandbox
from providers.sandbox.faults import KINDS

NOW = 1_795_190_412_000
PAGE = "/coins/markets?vs_currency=usd&per_page=20"


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox(seed=7, clock=lambda: NOW) as running:
        yield running


@pytest.fixture(autouse=True)
def as_new(sandbox):
    sandbox.clock.set(NOW)
    yield
    sandbox.faults.clear()


@pytest.fixture
def get(sandbox):
    """A call that follows no redirects and gives up after half a second of silence."""
    with requests.Session() as session:
        yield lambda path=PAGE, **options: session.get(
            sandbox.url + path, **{"timeout": (2, 0.5), "allow_redirects": False, **options}
        )


@pytest.fixture
def fault(sandbox):
    return lambda kind, **options: sandbox.faults.add("/", kind, **options)


def kinds_with_a_test() -> set[str]:
    text = Path(__file__).read_text(encoding="utf-8")
    return set(re.findall(r'fault\("(\w+)"', text)) | set(re.findall(r'faults\.add\("[^"]*", "(\w+)"', text))


def test_every_kind_of_fault_has_a_test():
    assert kinds_with_a_test() >= set(KINDS)


# --- when and where -------------------------------------------------------------------------------
def test_a_fault_happens_as_often_as_it_was_told_to(fault, get):
    fault("status", status=500, times=2)
    assert [get().status_code for _ in range(4)] == [500, 500, 200, 200]


def test_a_fault_without_a_number_lasts_until_it_is_removed(sandbox, fault, get):
    fault("status")
    assert [get().status_code for _ in range(3)] == [503, 503, 503]
    sandbox.faults.clear()
    assert get().status_code == 200


def test_a_fault_can_leave_the_first_calls_alone(fault, get):
    fault("status", times=1, after=2)
    assert [get().status_code for _ in range(4)] == [200, 200, 503, 200]


def test_a_fault_concerns_its_path_only(sandbox, get):
    sandbox.faults.add("/coins/markets", "status")
    assert (get().status_code, get("/ping").status_code, get("/coins/list").status_code) == (503, 200, 200)


def test_a_fault_can_concern_one_page_only(sandbox, get):
    sandbox.faults.add("/coins/markets", "status", params={"page": "2"})
    assert (get(PAGE + "&page=1").status_code, get(PAGE + "&page=2").status_code) == (200, 503)


def test_faults_happen_one_after_the_other_in_the_order_they_were_added(fault, get):
    fault("status", status=500, times=1)
    fault("status", status=502, times=1)
    assert [get().status_code for _ in range(3)] == [500, 502, 200]


def test_a_fault_counts_how_often_it_happened(fault, get):
    added = fault("status", times=5)
    get()
    get()
    assert added.hits == 2


@pytest.mark.parametrize("wrong", [{"kind": "nonsense"}, {"kind": "hang", "minutes": 3}, {"kind": "empty", "every": 2}])
def test_a_kind_or_option_that_does_not_exist_is_refused(sandbox, wrong):
    with pytest.raises(ValueError, match=r"nonsense|minutes|every"):
        sandbox.faults.add("/", **wrong)


# --- refusals -------------------------------------------------------------------------------------
@pytest.mark.parametrize("status", [400, 403, 408, 500, 502, 503, 504])
def test_any_status_can_be_answered(fault, get, status):
    fault("status", status=status, message="so it is")
    answer = get()
    assert (answer.status_code, answer.json()) == (status, {"error": "so it is"})


@pytest.mark.parametrize(
    ("shape", "find"),
    [
        ("status", lambda body: body["status"]["error_message"]),
        ("split", lambda body: body["status"]["error_message"]),
        ("nested", lambda body: body["error"]["status"]["error_message"]),
        ("text", lambda body: body["error"]),
    ],
)
def test_refusals_come_in_four_shapes(fault, get, shape, find):
    fault("status", status=503, shape=shape, message="not now")
    assert find(get().json()) == "not now"


def test_the_split_shape_has_its_code_outside_the_status(fault, get):
    fault("status", status=503, shape="split")
    body = get().json()
    assert body["error_code"] == 503
    assert "error_code" not in body["status"]


@pytest.mark.parametrize(
    ("name", "status", "code"),
    [
        ("key_missing", 401, 10002),
        ("plan_restricted", 401, 10005),
        ("pro_key_on_public_host", 400, 10010),
        ("too_old", 401, 10012),
    ],
)
def test_a_refusal_of_the_provider_can_be_had_by_its_name(fault, get, name, status, code):
    fault("error", name=name)
    answer = get()
    assert (answer.status_code, f'"error_code":{code}' in answer.text) == (status, True)


def test_too_many_calls_come_with_the_time_to_wait(fault, get):
    fault("rate_limited", retry_after=7)
    answer = get()
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "7")
    assert answer.json()["status"]["error_message"].startswith("You've exceeded the Rate Limit")


def test_the_time_to_wait_can_be_a_date(fault, get):
    fault("rate_limited", retry_after=90, form="date")
    wait = parsedate_to_datetime(get().headers["Retry-After"]).timestamp() - time.time()
    assert 80 < wait < 91


def test_the_time_to_wait_can_be_missing(fault, get):
    fault("rate_limited", retry_after=None)
    answer = get()
    assert answer.status_code == 429
    assert "Retry-After" not in answer.headers


def test_a_redirect_names_another_host(fault, get):
    fault("redirect")
    answer = get()
    assert (answer.status_code, answer.headers["Location"]) == (302, "http://sandbox.invalid/api/v3/ping")


def test_a_redirect_names_the_host_that_it_is_given(fault, get):
    fault("redirect", location="http://127.0.0.1:1/", status=307)
    assert (get().status_code, get().headers["Location"]) == (307, "http://127.0.0.1:1/")


# --- bodies ---------------------------------------------------------------------------------------
def test_a_page_for_people_comes_with_status_200(fault, get):
    fault("html")
    answer = get()
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert answer.text.startswith("<!DOCTYPE html>")


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (PAGE, []),
        ("/coins/bitcoin/market_chart?vs_currency=usd&days=1", {"prices": [], "market_caps": [], "total_volumes": []}),
    ],
)
def test_a_list_can_be_empty(fault, get, path, body):
    fault("empty")
    assert get(path).json() == body


def test_a_body_can_be_missing(fault, get):
    fault("empty_body")
    answer = get()
    assert (answer.status_code, answer.content) == (200, b"")


def test_json_can_break_off_in_a_body_of_the_right_length(fault, get):
    fault("broken_json")
    answer = get()
    assert len(answer.content) == int(answer.headers["Content-Length"])
    with pytest.raises(requests.JSONDecodeError):
        answer.json()


def test_a_list_can_come_wrapped_in_an_object(fault, get):
    fault("wrong_shape")
    assert len(get().json()["data"]) == 20


def test_numbers_can_be_none_at_all(fault, get):
    fault("nan")
    text = get().text
    assert {"NaN", "Infinity", "-Infinity"} <= set(re.findall(r"-?\b(?:NaN|Infinity)\b", text))
    assert not math.isfinite(json.loads(text)[0]["current_price"])


def test_numbers_can_be_null(fault, get):
    fault("nulls")
    rows = get().json()
    assert all(row["current_price"] is None and row["market_cap"] is None and row["id"] for row in rows)


def test_only_some_rows_can_be_spoilt(fault, get):
    fault("nulls", every=4)
    assert [n for n, row in enumerate(get().json()) if row["current_price"] is None] == [0, 4, 8, 12, 16]


def test_stamps_of_candles_and_charts_survive_their_numbers(fault, get):
    fault("nulls")
    candle = get("/coins/bitcoin/ohlc?vs_currency=usd&days=1").json()[0]
    point = get("/coins/bitcoin/market_chart?vs_currency=usd&days=1").json()["prices"][0]
    assert candle[0] > 10**12
    assert candle[1:] == [None] * 4
    assert point[0] > 10**12
    assert point[1] is None


def test_numbers_can_be_strings(fault, get):
    fault("strings")
    assert isinstance(get().json()[0]["current_price"], str)


def test_prices_can_be_negative(fault, get):
    fault("negative")
    assert all(row["current_price"] < 0 for row in get().json())


def test_names_can_be_markup(fault, get):
    fault("markup", every=2)
    rows = get().json()
    assert [row["name"].startswith("<img") for row in rows[:4]] == [True, False, True, False]


def test_a_spoilt_body_is_never_taken_for_the_one_the_client_has(fault, get):
    etag = get().headers["ETag"]
    fault("nulls")
    assert get(headers={"If-None-Match": etag}).status_code == 200


# --- what the data are ----------------------------------------------------------------------------
def test_data_can_stand_still(sandbox, fault, get):
    fault("frozen")
    before = get()
    sandbox.clock.advance(3_600_000)
    assert get().json() == before.json()
    sandbox.faults.clear()
    assert get().json()[0]["last_updated"] > before.json()[0]["last_updated"]


def test_pages_can_overlap(fault, get):
    fault("overlap", rows=3)
    first, second = get(PAGE + "&page=1").json(), get(PAGE + "&page=2").json()
    assert first[-3:] == second[:3]


# --- the line -------------------------------------------------------------------------------------
def test_an_answer_can_be_late(fault, get):
    fault("slow", seconds=1.5)
    with pytest.raises(requests.ReadTimeout):
        get()
    assert get(timeout=10).status_code == 200


def test_an_answer_can_fail_to_come(fault, get):
    fault("hang")
    with pytest.raises(requests.ReadTimeout):
        get()


def test_a_body_can_fail_to_come_after_its_headers(fault, get):
    fault("hang", headers=True)
    answer = get(stream=True)
    assert answer.status_code == 200
    with pytest.raises(requests.ConnectionError, match="timed out"):
        answer.json()


def test_a_hanging_answer_can_end_by_itself(fault, get):
    fault("hang", seconds=0.05)
    with pytest.raises(requests.ConnectionError):
        get(timeout=10)


def test_a_body_can_come_in_drops_that_no_read_timeout_notices(fault, get):
    fault("drip", bytes=200, seconds=0.02)
    answer = get("/ping", stream=True)
    assert json.loads(b"".join(answer.iter_content(None))) == {"gecko_says": "(V3) To the Moon!"}


def test_a_body_can_be_cut_off(fault, get):
    fault("truncated")
    with pytest.raises(requests.exceptions.ChunkedEncodingError, match="IncompleteRead"):
        get()


def test_a_length_can_be_too_short(fault, get):
    fault("wrong_length", by=-10)
    with pytest.raises(requests.JSONDecodeError):
        get().json()


def test_a_length_can_be_too_long(fault, get):
    fault("wrong_length", by=10)
    with pytest.raises(requests.exceptions.ChunkedEncodingError, match="IncompleteRead"):
        get()


def test_a_connection_can_be_reset(fault, get):
    fault("disconnect")
    with pytest.raises(requests.ConnectionError):
        get()


@pytest.mark.parametrize("announced", [True, False])
def test_a_body_can_be_larger_than_anyone_wants(fault, get, announced):
    fault("oversize", bytes=3_000_000, announced=announced)
    answer = get(stream=True)
    assert ("Content-Length" in answer.headers) is announced
    assert sum(len(part) for part in answer.iter_content(100_000)) == 3_000_000


def test_a_client_may_stop_reading_what_is_too_large(fault, get):
    fault("oversize", times=1)
    with get(stream=True) as answer:
        assert len(next(answer.iter_content(1000))) == 1000
    assert get().status_code == 200


def test_a_small_body_can_unpack_to_a_huge_one(fault, sandbox):
    fault("gzip_bomb", bytes=64 * 1024 * 1024)
    answer = requests.get(sandbox.url + PAGE, stream=True, timeout=10)
    packed = answer.raw.read(decode_content=False)
    assert len(packed) < 100_000
    assert len(gzip.decompress(packed)) > 64 * 1024 * 1024


def test_the_bomb_unpacks_as_it_is_read(fault, get):
    fault("gzip_bomb")
    with get(stream=True) as answer:
        read = 0
        for part in answer.iter_content(65_536):
            read += len(part)
            if read > 2_000_000:
                break
    assert read > 2_000_000


def test_a_stop_ends_what_hangs():
    sandbox = Sandbox(seed=7).start()
    sandbox.faults.add("/", "hang")
    ended = threading.Event()

    def call() -> None:
        try:
            requests.get(sandbox.url + "/ping", timeout=60)
        except requests.ConnectionError:
            ended.set()

    caller = threading.Thread(target=call)
    caller.start()
    while not sandbox.faults.all()[0].hits:
        time.sleep(0.005)
    sandbox.stop()
    caller.join(20)
    assert ended.is_set()


def test_a_request_that_is_none_is_answered_with_400(sandbox):
    with socket.create_connection(("127.0.0.1", sandbox.port), timeout=10) as line:
        line.sendall(b"nonsense\r\n\r\n")
        assert b"400" in line.recv(1000)
