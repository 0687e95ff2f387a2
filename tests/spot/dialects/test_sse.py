"""Addresses of streams, whatever stands in them, and where clients go on."""

from __future__ import annotations

from contextlib import suppress
from urllib.parse import quote, urlencode

from hypothesis import given
from hypothesis import strategies as st

from spot.codes import Refused
from spot.dialects.base import Since
from spot.dialects.sse import Chunk, go_on, position, read_feed, read_several
from spot.feeds import FEEDS

TEXTS = st.one_of(
    st.text(max_size=60),
    st.tuples(st.sampled_from([*FEEDS, "stream", ""]), st.text(max_size=40)).map("?".join),
)


@given(st.one_of(st.binary(max_size=200), st.lists(TEXTS, max_size=4).map(lambda texts: urlencode(
    [("subscribe", text) for text in texts]).encode())))  # fmt: skip
def test_an_address_is_read_or_refused_and_no_name_breaks_an_event(query: bytes) -> None:
    with suppress(Refused):
        for wish in read_several(query, 1000):
            label = wish.dialect.label(wish)
            assert label.endswith(b"\n")
            assert len(label.splitlines()) == 1
    for feed in FEEDS.values():
        with suppress(Refused):
            assert read_feed(query, feed, 1000)[0].dialect.label(read_feed(query, feed, 1000)[0]) == b""


@given(st.text(max_size=200))
def test_any_last_event_id_is_taken(last_event_id: str) -> None:
    several = read_several(b"subscribe=market&subscribe=listings&subscribe=market?page=2", 1000)
    assert [wish.since for wish in go_on(several, last_event_id)][::2] == [None, None]
    one = read_feed(b"", FEEDS["listings"], 1000)
    assert [wish.since is None for wish in go_on(one, last_event_id)] == [not last_event_id]


@given(st.text(min_size=1, max_size=40))
def test_a_client_goes_on_where_it_was_told_to(key: str) -> None:
    several = read_several(b"subscribe=market&subscribe=listings", 1000)
    told = position({1: quote(key)}).decode()
    assert (told[:4], told[-2:], told.count("\n")) == ("id: ", "\n\n", 2)
    assert go_on(several, told[4:-2])[1].since == Since(key=key)
    assert go_on(read_feed(b"", FEEDS["listings"], 1000), quote(key))[0].since == Since(key=key)


@given(st.binary(min_size=1, max_size=70_000))
def test_a_chunk_says_how_long_it_is(payload: bytes) -> None:
    size, _, rest = Chunk(payload).frame.partition(b"\r\n")
    assert (int(size, 16), rest) == (len(payload), payload + b"\r\n")
