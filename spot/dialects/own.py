"""The feeds' own paths: which dialect an address asks for, and its view. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from urllib.parse import parse_qsl

from spot.codes import Refused, bad_value
from spot.dialects import own_interface
from spot.dialects.base import Dialect, Opening, Route, Subscribe
from spot.dialects.documented import Documented
from spot.dialects.envelope import ENVELOPE, Envelope
from spot.dialects.messages import MODES
from spot.feeds import FEEDS, Feed
from spot.feeds.view import View, check_names, view_of

PREFIX = "tzone_apis/services/spot"
#: The longest query string, in bytes.
MAX_QUERY_STRING = 16 * 1024


def read_address(
    feed: Feed, query_string: bytes, depth: int, *, envelope: bool = False, extra: Sequence[str] = ()
) -> tuple[View, Dialect]:
    """The view and the dialect that a URL's query string asks for; raw and percent-encoded JSON and spaces are both
    understood.

    `envelope` switches the envelope on whatever the string says (the `spot.v2` sub-protocol). `extra` names parameters
    that the caller reads itself. Raises `Refused`.
    """
    if len(query_string) > MAX_QUERY_STRING:
        raise Refused("bad_message", f"The query string is longer than {MAX_QUERY_STRING} bytes.")
    try:
        pairs = parse_qsl(
            query_string.decode("latin-1"),
            keep_blank_values=True,
            encoding="utf-8",
            errors="strict",
            max_num_fields=100,
        )
    except ValueError as error:
        raise Refused("bad_message", "The query string is not UTF-8, or has more than 100 fields.") from error
    raw = _values(feed, [(name, value) for name, value in pairs if value != "" and name not in extra])
    return read_parameters(feed, raw, depth, envelope=envelope)


def read_parameters(feed: Feed, raw: dict[str, object], depth: int, *, envelope: bool = False) -> tuple[View, Dialect]:
    """The view and the dialect that parameters ask for, as text or as JSON has them. Raises `Refused`."""
    check_names(feed, raw, MODES)
    modes = {name: _flag(name, raw.pop(name, "false")) for name in MODES}
    envelope = envelope or modes["envelope"]
    if modes["delta"] and not envelope:
        raise bad_value("delta", "asked for together with envelope=1: the documented shapes know no deltas")
    dialect = Envelope(modes["delta"]) if envelope else Documented(modes["status"])
    return view_of(feed, raw, depth), dialect


def _values(feed: Feed, pairs: Sequence[tuple[str, str]]) -> dict[str, object]:
    """The values by name. Some programs write a list as a name for each item; of other names the last value counts."""
    raw: dict[str, object] = {}
    for name, value in pairs:
        raw[name] = f"{raw[name]},{value}" if name in raw and name in feed.lists else value
    return raw


def _flag(name: str, raw: object) -> bool:
    value = {"1": True, "true": True, "0": False, "false": False}.get(str(raw).casefold())
    if value is None:
        raise bad_value(name, "1 or 0", raw)
    return value


def _open(feed: Feed, query_string: bytes, subprotocols: tuple[str, ...], depth: int) -> Opening:
    view, dialect = read_address(feed, query_string, depth, envelope=ENVELOPE in subprotocols)
    return Opening(dialect, (Subscribe("", view),))


def _route(feed: Feed) -> Route:
    path = f"{PREFIX}/ws/{feed.channel}"
    interface = partial(own_interface.channel, feed, f"/{path}")
    return Route(path, partial(_open, feed), Documented(), (ENVELOPE,), interface)


ROUTES = tuple(_route(feed) for feed in FEEDS.values())
