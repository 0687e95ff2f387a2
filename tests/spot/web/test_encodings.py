"""Content codings: which one a client prefers, and that a body is compressed once."""

import asyncio
import gzip

import brotli
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spot.web.encodings import CODINGS, LEAST_BYTES, Shelf, preferred


@pytest.mark.parametrize(
    ("header", "coding"),
    [
        (None, None),
        ("", None),
        ("gzip", "gzip"),
        ("x-gzip", "gzip"),
        ("br", "br"),
        ("gzip, deflate, br, zstd", "br"),
        ("GZIP ; Q=1.0", "gzip"),
        ("br;q=0.5, gzip;q=0.8", "gzip"),
        ("br;q=0, gzip", "gzip"),
        ("gzip;q=0, br;q=0", None),
        ("identity", None),
        ("identity;q=1, gzip;q=0.5", None),
        ("identity;q=0.5, gzip;q=0.5", "gzip"),
        ("identity;q=0", None),
        ("identity;q=0, gzip;q=0.1", "gzip"),
        ("*", "br"),
        ("*;q=0", None),
        ("gzip, *;q=0", "gzip"),
        ("br;q=0, *", "gzip"),
        ("deflate", None),
        ("gzip;q=nonsense", None),
        ("gzip;q=inf", None),
        ("gzip;q=-1, br;q=7", None),
        (",;,;q=1,", None),
    ],
)
def test_the_coding_that_the_client_prefers_is_taken(header, coding) -> None:
    assert preferred(header) == coding


def test_a_tiny_body_is_sent_as_it_is_unless_that_is_forbidden() -> None:
    assert preferred("gzip, br", LEAST_BYTES - 1) is None
    assert preferred("gzip, identity;q=0", 1) == "gzip"
    assert preferred("gzip, *;q=0", 1) == "gzip"


@given(st.text(max_size=2000))
def test_no_header_breaks_it(header) -> None:
    assert preferred(header) in (None, *CODINGS)


def test_each_coding_is_undone_by_its_own_decoder() -> None:
    body = b"spot " * 5000
    assert gzip.decompress(CODINGS["gzip"](body)) == body
    assert brotli.decompress(CODINGS["br"](body)) == body


def test_a_body_is_made_once_and_the_shelf_stays_small() -> None:
    async def story() -> None:
        shelf, made = Shelf(1000), []

        async def make(size: int) -> bytes:
            made.append(size)
            await asyncio.sleep(0)
            return bytes(size)

        await asyncio.gather(*(shelf.get("a", lambda: make(100)) for _ in range(20)))
        assert made == [100]
        for number in range(50):
            await shelf.get(number, lambda: make(200))
            assert shelf.bytes <= 1000
        await shelf.get("huge", lambda: make(999))
        assert shelf.bytes <= 1000
        await shelf.get("a", lambda: make(100))
        assert made.count(100) == 2  # the oldest had gone

    asyncio.run(story())


def test_who_gives_up_waiting_leaves_the_others_their_body() -> None:
    async def story() -> None:
        shelf, go = Shelf(), asyncio.Event()

        async def make() -> bytes:
            await go.wait()
            return b"made"

        first, second = (asyncio.create_task(shelf.get("a", make)) for _ in range(2))
        await asyncio.sleep(0)
        first.cancel()
        go.set()
        assert await second == b"made"

    asyncio.run(story())
