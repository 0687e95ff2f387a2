"""The interface of the feeds' own paths: channels and bodies with their names. Pure."""

from __future__ import annotations

from typing import NamedTuple

from spot.codes import ERRORS
from spot.dialects.base import Dialect
from spot.dialects.documented import Documented
from spot.dialects.envelope import ENVELOPE, Envelope
from spot.dialects.interface import CSV, Channel, Form, Payload, pascal
from spot.dialects.schema import (
    ERROR,
    FILTERS,
    answer_schema,
    frame_schemas,
    message_schemas,
    parameters_schema,
    row_schemas,
)
from spot.feeds import Feed
from spot.feeds.params import CoinId, CoinIds, Currency, Schema

REFUSED = Payload("Error", ERROR, "what is wrong, in which field, and what is allowed")
CSV_TEXT = Payload("Csv", {"type": "string"}, "the whole range as CSV", CSV)
_PLAIN, _ENVELOPE = Documented(), Envelope()


class _Form(NamedTuple):
    name: str
    summary: str
    query: dict[str, str]
    dialect: Dialect


FORMS = (
    _Form("plain", "bare rows, as documented; the only other frames are errors", {}, _PLAIN),
    _Form("status", "bare rows, and frames of status and heartbeat", {"status": "1"}, Documented(statuses=True)),
    _Form("envelope", "each page with its snapshot, its age and its source", {"envelope": "1"}, _ENVELOPE),
    _Form("delta", "one snapshot, then what has changed", {"envelope": "1", "delta": "1"}, Envelope(deltas=True)),
)
#: The frames by their `type`: whether they differ from feed to feed, and what they are.
_FRAMES = {
    "error": (False, REFUSED.summary),
    "pong": (False, "the answer to a ping"),
    "notice": (False, "something a person should read once, such as a change of source"),
    "export": (False, "the whole range as CSV"),
    "rows": (True, "the documented shape"),
    "snapshot": (True, "one whole page, with its facts"),
    "events": (True, "what has entered since the last message, oldest first"),
    "delta": (True, "the changes since the page before"),
    "status": (True, "how the data are doing; sent when that changes"),
    "heartbeat": (True, "proof that the server lives, after 30 seconds without other frames"),
}
_MESSAGES = {
    "export": "send the whole range as CSV",
    "ping": "answer with the server's time",
    "resync": "send the whole page again",
    "change": "change these parameters; null clears one",
}


def frames(feed: Feed, dialect: Dialect) -> tuple[Payload, ...]:
    """The frames of a feed in a dialect."""
    schemas = frame_schemas(feed, dialect)
    messages = []
    for kind, schema in schemas.items():
        own, summary = _FRAMES[kind]
        messages.append(Payload(pascal(f"{feed.channel}-{kind}" if own else kind), schema, summary))
    return (*messages, *(() if dialect.extended else (CSV_TEXT,)))


def messages(feed: Feed) -> tuple[Payload, ...]:
    """The messages of clients."""
    named = {"export": "ExportRequest", "change": pascal(f"{feed.channel}-change")}
    return tuple(
        Payload(named.get(kind, pascal(kind)), schema, _MESSAGES[kind])
        for kind, schema in message_schemas(feed).items()
    )


def bodies(feed: Feed) -> tuple[Payload, ...]:
    """The bodies of an answer over HTTP: rows, rows in the envelope, CSV."""
    name = feed.channel
    return (
        Payload(pascal(f"{name}-rows"), answer_schema(feed, _PLAIN), "the documented shape"),
        Payload(pascal(f"{name}-snapshot"), answer_schema(feed, _ENVELOPE), "with envelope=1"),
        CSV_TEXT,
    )


def channel(feed: Feed, path: str) -> Channel:
    """The socket of a feed."""
    forms = tuple(Form(form.name, form.summary, form.query, frames(feed, form.dialect)) for form in FORMS)
    return Channel(
        id=pascal(feed.channel),
        path=path,
        summary=feed.purpose,
        forms=forms,
        parameters=parameters_schema(feed),
        messages=messages(feed),
        subprotocols=(ENVELOPE,),
    )


def parts(feed: Feed) -> dict[str, Schema]:
    """The named parts of its messages."""
    row, full_row = row_schemas(feed)
    return {
        "Filters": FILTERS,
        pascal(f"{feed.channel}-row"): row,
        **({} if full_row == row else {pascal(f"{feed.channel}-full-row"): full_row}),
    }


def errors(feed: Feed) -> tuple[str, ...]:
    """The codes with which a question to a feed may be refused."""
    kinds = {type(param.kind) for param in feed.params}
    possible = {
        "missing_field": any(param.required for param in feed.params),
        "unknown_coin": bool(kinds & {CoinId, CoinIds}),
        "unknown_currency": Currency in kinds,
    }
    usual = (
        "bad_message",
        "unknown_field",
        "bad_value",
        "key_required",
        "forbidden_channel",
        *possible,
        "too_many_datasets",
        "too_many_queries",
        "unavailable",
    )
    return tuple(code for code in ERRORS if code in usual and possible.get(code, True))
