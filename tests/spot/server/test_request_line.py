"""The repair of request lines that carry raw JSON and spaces."""

import pytest

from spot.server.request_line import repair


@pytest.mark.parametrize(
    ("line", "mended"),
    [
        (b"GET /ws/market HTTP/1.1", b"GET /ws/market HTTP/1.1"),
        (b"GET /m?sort_by=Market Cap HTTP/1.1", b"GET /m?sort_by=Market%20Cap HTTP/1.1"),
        (b"GET /m?sort_by=Market Cap HTTP/1.1\r", b"GET /m?sort_by=Market%20Cap HTTP/1.1\r"),
        (b'GET /m?filters={"Symbol":"BTC"} HTTP/1.0', b"GET /m?filters=%7B%22Symbol%22:%22BTC%22%7D HTTP/1.0"),
        (b"GET /m?search=\xc3\xa9 HTTP/1.1", b"GET /m?search=%C3%A9 HTTP/1.1"),
        (b"GET /m?q= HTTP/1.1 HTTP/1.1", b"GET /m?q=%20HTTP/1.1 HTTP/1.1"),
        (b"GET /m?sort_by=24h Change (%) HTTP/1.1", b"GET /m?sort_by=24h%20Change%20(%) HTTP/1.1"),
        (b"GET /m?sort_by=Market%20Cap&x=%22 HTTP/1.1", b"GET /m?sort_by=Market%20Cap&x=%22 HTTP/1.1"),
    ],
)
def test_raw_characters_of_the_target_are_encoded_and_the_rest_is_kept(line: bytes, mended: bytes) -> None:
    assert repair(line) == mended


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"Host: a b HTTP/1.1",
        b"X-Note: GET / a HTTP/1.1",
        b" folded header HTTP/1.1",
        b"get /a b HTTP/1.1",
        b"GET /a b",
        b"GET /a b HTTP/2.0",
        b"GET  HTTP/1.1",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
)
def test_what_is_no_request_line_is_left_to_the_parser(line: bytes) -> None:
    assert repair(line) == line


def test_control_characters_are_left_for_the_parser_to_refuse() -> None:
    assert b"\t" in repair(b"GET /a\tb c HTTP/1.1")


def test_mending_twice_changes_nothing_more() -> None:
    once = repair(b'GET /m?filters={"a":"b c"} HTTP/1.1')
    assert repair(once) == once
