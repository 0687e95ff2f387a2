"""The frames of the stream. Pure.

The frames of a group come without their first brace, which the label of each subscription has (`label`).
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import orjson

from spot.dialects.base import Amend, Follow, Ping, Unsubscribe
from spot.dialects.csv_export import export_name
from spot.dialects.documented import error_fields, heartbeat_fields, status_fields
from spot.dialects.envelope import delta, events, missing_fields, snapshot
from spot.dialects.messages import MAX_MESSAGE
from spot.dialects.values import (
    Delta,
    Done,
    Drain,
    Entry,
    Events,
    Exported,
    Failed,
    Heartbeat,
    Lapsed,
    Notice,
    Opened,
    Page,
    Status,
    Subscriptions,
    UnknownCoins,
    Value,
    epoch_of,
)
from spot.feeds import FEEDS, Feed
from spot.feeds.price import PRICE
from spot.query.jsontext import dumps

#: Its channels: every feed, and single coins.
CHANNELS: dict[str, Feed] = {**FEEDS, PRICE.channel: PRICE}
#: The fields of each message beside `id` and `method`.
METHODS: dict[str, tuple[str, ...]] = {
    "subscribe": ("channel", "params", "delta", "max_rate", "since", "epoch"),
    "unsubscribe": ("subscription", "channel", "params", "all"),
    "replace": ("subscriptions",),
    "update": ("subscription", "params", "delta", "max_rate"),
    "list": (),
    "export": ("subscription", "format"),
    "ping": (),
}
#: Subscriptions of one connection, at most.
MOST = 500
#: Characters of an `id`, and its largest number: what a JavaScript number holds exactly.
LONGEST_ID, SAFE = 64, 2**53 - 1
#: Frames a second that a subscription may ask for.
SLOWEST, FASTEST = 0.01, 100
#: A ping in this interval shows a client early that its connection is dead.
PING_INTERVAL_MS = 10_000

Fields = dict[str, Any]


def write(value: Value) -> bytes | None:
    """The frame that tells a value."""
    told = _to_members(value)
    return _to_client(value) if told is None else told[1:]


def _to_members(value: Value) -> bytes | None:  # noqa: PLR0911 - a row for each value
    """What a group tells its members."""
    match value:
        case Page():
            return _page(value)
        case Delta(before, page):
            return _page(page) if page.answer.view.feed is PRICE else delta(before, page, page.epoch)
        case Events(page):
            return events(value, page.epoch)
        case Status():
            return orjson.dumps(status_fields(value))
        case Heartbeat():
            return orjson.dumps(heartbeat_fields(value) | {"epoch": epoch_of(value.facts, value.run)})
        case Notice(code, message):
            return orjson.dumps({"type": "notice", "code": code, "message": message})
        case UnknownCoins(refused):
            return orjson.dumps(error_fields(refused))
    return None


def _to_client(value: Value) -> bytes | None:  # noqa: PLR0911 - a row for each value
    """What a connection tells its client."""
    match value:
        case Opened():
            return orjson.dumps(_welcome(value))
        case Drain(now_ms, after_ms):
            return orjson.dumps({"type": "drain", "ts": now_ms, "closes_in_ms": after_ms, "code": 1012})
        case Done():
            return _done(value)
        case Failed(command, refused):
            return orjson.dumps(_named("error", getattr(command, "tag", None)) | error_fields(refused))
        case Lapsed():
            return orjson.dumps(_lapsed(value))
        case Subscriptions():
            return _listed(value)
        case Exported(answer, text, command):
            named = _named("export", getattr(command, "tag", None))
            filename = export_name(answer.view)
            return orjson.dumps(named | {"format": "csv", "filename": filename, "data": text.decode()})
    return None


def _page(page: Page) -> bytes:
    return _price(page) if page.answer.view.feed is PRICE else snapshot(page, page.epoch)


@lru_cache(maxsize=4096)
def label(tag: int | str | None, coin: str | None) -> bytes:
    """The beginning of a subscription's frames, up to where its group's begin."""
    fields = ({} if tag is None else {"id": tag}) | ({} if coin is None else {"coin_id": coin})
    return orjson.dumps(fields)[:-1] + b"," if fields else b"{"


def _price(page: Page) -> bytes:
    """One coin: the row, and as much of the envelope as says whether it can be believed."""
    facts, answer = page.facts, page.answer
    fields: Fields = {
        "type": "price",
        "channel": PRICE.channel,
        "vs_currency": answer.view.params["vs_currency"],
        "seq": page.seq,
        "epoch": page.epoch,
        "source": facts.source,
        "simulated": facts.simulated,
        "stale": page.stale,
    }
    if page.missing:
        fields["missing"] = missing_fields(page)
    return orjson.dumps(fields)[:-1] + b',"data":' + (answer.data[1:-1] or b"null") + b"}"


def _named(kind: str, tag: Any) -> Fields:
    return {"type": kind} | ({} if tag is None else {"id": tag})


def _welcome(opened: Opened) -> Fields:
    return {
        "type": "welcome",
        "session": opened.session,
        "ts": opened.now_ms,
        "ping_interval_ms": PING_INTERVAL_MS,
        "sub_limit": opened.limit,
        "message_bytes": MAX_MESSAGE,
        "messages_per_second": opened.rate_in,
        "messages_out_per_second": opened.rate_out,
        "methods": list(METHODS),
        "channels": list(CHANNELS),
    }


def _done(done: Done) -> bytes | None:
    command, outcome = done.command, done.outcome
    tag = getattr(command, "tag", None)
    match command:
        case Ping():
            return orjson.dumps(_named("pong", tag) | {"ts": done.now_ms})
        case Follow(wishes, instead):
            fields: Fields = {"method": "replace" if instead else "subscribe"}
            if not instead:
                fields["channel"] = wishes[0].view.feed.channel
                if len(outcome.duplicates) == len({wish.name for wish in wishes}):
                    fields["duplicate"] = True
                    fields["subscription"] = outcome.duplicates[wishes[0].name]
            if outcome.missing:
                missing = outcome.missing.items()
                fields["missing"] = {coin: {"code": why.code, "message": why.message} for coin, why in missing}
            if instead:
                fields["left"] = outcome.left
        case Unsubscribe(which):
            channel: Fields = {} if which.channel is None else {"channel": which.channel}
            fields = {"method": "unsubscribe", **channel, "left": outcome.left}
        case Amend():
            fields = {"method": "update"}
        case _:
            return None
    counts = {"sub_count": done.subscriptions, "sub_limit": done.limit}
    return orjson.dumps(_named("ack", tag) | fields | counts)


def _lapsed(lapsed: Lapsed) -> Fields:
    view = lapsed.view
    named = _named("error", lapsed.tag) | {"channel": view.feed.channel}
    if view.feed is PRICE:
        named["coin_id"] = view.params["coin_ids"][0]
    counts = {"ended": lapsed.ended, "sub_count": lapsed.subscriptions, "sub_limit": lapsed.limit}
    return named | error_fields(lapsed.refused) | counts


def _listed(listed: Subscriptions) -> bytes:
    fields = _named("list", getattr(listed.command, "tag", None))
    entries = [_entry(entry, listed.now_ms) for entry in listed.entries]
    return dumps(fields | {"sub_count": len(entries), "sub_limit": listed.limit, "subscriptions": entries})


def _entry(entry: Entry, now_ms: int) -> Fields:
    page = entry.page
    return {
        "id": entry.tag,
        "channel": entry.view.feed.channel,
        "params": entry.view.asked,
        "delta": entry.dialect.deltas,
        "max_rate": entry.max_rate or None,
        "state": entry.state,
        "seq": None if page is None else page.seq,
        "epoch": None if page is None else page.epoch,
        "as_of": None if page is None else page.facts.as_of,
        "age_ms": None if page is None else page.facts.age_ms(now_ms),
        "stale": None if page is None else page.facts.stale(now_ms),
    }
