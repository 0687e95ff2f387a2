"""Frames as bytes, and messages from bytes. Pure.

The plain dialect sends the documented shapes and nothing else of its own accord. The envelope wraps the same rows in
what a careful client needs: which snapshot, how old, from whom, how many. Control frames are objects with a `type`.
"""

from __future__ import annotations

import csv
import io
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Literal, NamedTuple

import orjson

from providers.clean import ahead
from spot.codes import Refused, bad_value
from spot.feeds.subscription import Answer, Subscription
from spot.query.jsontext import JsonText, dumps

#: The largest message that a client may send, in bytes.
MAX_MESSAGE = 64 * 1024
ACTIONS = ("export", "ping", "resync")


class Facts(NamedTuple):
    """Where data come from and how old they are; every time in epoch milliseconds.

    Of an answer drawn from several snapshots these are the facts of its oldest part. `meta` holds what only its kind
    has.
    """

    epoch: str
    version: int
    as_of: int | None
    fetched_at: int
    max_age_ms: int
    source: str
    label: str
    simulated: bool
    meta: dict[str, Any]
    url: str = ""  # the site of the source

    def age_ms(self, now_ms: int) -> int | None:
        """How old the data are by their provider's time, by ours where the provider gives none. None when nobody
        knows, because the clock has been set back since."""
        if ahead(self.fetched_at, now_ms):
            return None
        return max(0, now_ms - (self.fetched_at if self.as_of is None else min(self.as_of, self.fetched_at)))

    def stale(self, now_ms: int) -> bool:
        """Whether the data are older than this feed's limit, or of an unknown age."""
        age = self.age_ms(now_ms)
        return age is None or age > self.max_age_ms


# --- out -------------------------------------------------------------------------------------------------------------


class Missing(NamedTuple):
    """Why a coin that was asked for is not in the answer. `pending`: it may come at any moment."""

    code: str
    message: str
    pending: bool = False


def snapshot_frame(
    answer: Answer, facts: Facts, seq: int, *, stale: bool, missing: Mapping[str, Missing] | None = None
) -> bytes:
    """The envelope around one whole page."""
    head = _head("snapshot", answer, facts, seq, stale, answer.subscription.asked, missing)
    return head + b',"data":' + answer.data + b"}"


def delta_frame(
    old: Answer,
    new: Answer,
    facts: Facts,
    base: int,
    seq: int,
    *,
    stale: bool,
    missing: Mapping[str, Missing] | None = None,
) -> bytes:
    """What changed between two pages: cells, entered and left rows, and the order when it is another."""
    before = {key: index for index, key in enumerate(old.keys())}
    keys = new.keys()
    body: dict[str, Any] = {"base": base, "changed": _changed(old, new, before)}
    entered = [index for index, key in enumerate(keys) if key not in before]
    if entered:
        body["entered"] = {str(keys[index]): cells for index, cells in zip(entered, new.cells(entered), strict=True)}
    now = set(keys)
    left = [str(key) for key in before if key not in now]
    if left:
        body["left"] = left
    if keys != list(before):
        body["order"] = [str(key) for key in keys]
    return _head("delta", new, facts, seq, stale, None, missing) + b"," + dumps(body)[1:]


def _changed(old: Answer, new: Answer, before: dict[Any, int]) -> dict[str, dict[str, Any]]:
    old_fragments, new_fragments = old.fragments(), new.fragments()
    old_places, new_places = old.places(), new.places()
    placed = new.subscription.shape.openings is not None
    old_beside, new_beside = _by_row(old), _by_row(new)
    keys = new.keys()
    differ = [
        (index, was)
        for index, key in enumerate(keys)
        if (was := before.get(key)) is not None
        and (
            new_fragments[index] != old_fragments[was]
            or (placed and new_places[index] != old_places[was])
            or (bool(new_beside) and new_beside[index] != old_beside[was])
        )
    ]
    then, now = old.cells([was for _, was in differ]), new.cells([index for index, _ in differ])
    return {
        str(keys[index]): {name: value for name, value in cells.items() if earlier[name] != value}
        for (index, _), earlier, cells in zip(differ, then, now, strict=True)
    }


def _by_row(answer: Answer) -> list[tuple[Any, ...]]:
    """What stands beside each row of the page; empty where nothing does."""
    return list(zip(*answer.beside().values(), strict=True))


def _head(
    kind: str,
    answer: Answer,
    facts: Facts,
    seq: int,
    stale: bool,
    asked: JsonText | None,
    missing: Mapping[str, Missing] | None,
) -> bytes:
    page = answer.page
    head: dict[str, Any] = {
        "type": kind,
        "channel": answer.subscription.feed.channel,
        **({} if asked is None else {"params": asked}),
        "seq": seq,
        "epoch": facts.epoch,
        "version": facts.version,
        "as_of": facts.as_of,
        "fetched_at": facts.fetched_at,
        "max_age_ms": facts.max_age_ms,
        "source": facts.source,
        "source_label": facts.label,
        "source_url": facts.url or None,
        "simulated": facts.simulated,
        "stale": stale,
        "total": page.total,
        "page": page.page,
        "pages": page.pages,
        **facts.meta,
    }
    if missing:
        head["missing"] = {coin: {"code": why.code, "message": why.message} for coin, why in missing.items()}
    return dumps(head)[:-1]


State = Literal["waiting", "live", "stale", "unavailable"]


def status_frame(
    channel: str,
    state: State,
    facts: Facts | None,
    now_ms: int,
    reason: str | None = None,
    next_try_ms: int | None = None,
) -> bytes:
    """How a feed's data are doing, for clients that asked to be told."""
    known = None if facts is None else facts.as_of
    return orjson.dumps(
        {
            "type": "status",
            "channel": channel,
            "state": state,
            "reason": reason,
            "as_of": known,
            "fetched_at": None if facts is None else facts.fetched_at,
            "age_ms": None if facts is None else facts.age_ms(now_ms),
            "source": None if facts is None else facts.source,
            "next_try_ms": next_try_ms,
        }
    )


def heartbeat_frame(channel: str, facts: Facts, seq: int, now_ms: int) -> bytes:
    """Proof that the server lives, with the age of what it last sent."""
    return orjson.dumps(
        {
            "type": "heartbeat",
            "channel": channel,
            "ts": now_ms,
            "seq": seq,
            "epoch": facts.epoch,
            "version": facts.version,
            "as_of": facts.as_of,
            "age_ms": facts.age_ms(now_ms),
            "stale": facts.stale(now_ms),
        }
    )


def notice_frame(code: str, message: str) -> bytes:
    """Something a person should read once, such as a change of source."""
    return orjson.dumps({"type": "notice", "code": code, "message": message})


def error_frame(refused: Refused) -> bytes:
    """The answer to a client's mistake: what is wrong, in which field, and what is allowed."""
    body = {"type": "error", "code": refused.code, "message": refused.message, "retry": refused.fact.retry}
    if refused.field is not None:
        body["field"] = refused.field
    if refused.allowed is not None:
        body["allowed"] = refused.allowed
    if refused.next_try is not None:
        body["next_try_ms"] = refused.next_try
    return orjson.dumps(body)


def pong_frame(now_ms: int) -> bytes:
    """The answer to `{"action": "ping"}`."""
    return orjson.dumps({"type": "pong", "ts": now_ms})


def export_frame(answer: Answer, text: str) -> bytes:
    """An export for envelope clients, with a file name to save it under."""
    return orjson.dumps({"type": "export", "format": "csv", "filename": export_name(answer.subscription), "data": text})


# --- CSV -------------------------------------------------------------------------------------------------------------


def export_name(subscription: Subscription) -> str:
    """`historical-ohlcv-bitcoin-usd-30d.csv`, `market-usd.csv`."""
    params = subscription.params
    parts = [
        subscription.feed.channel,
        params.get("coin_id"),
        params.get("vs_currency"),
        f"{params['days']}d" if "days" in params else None,
        params.get("channel"),
        params.get("address"),
    ]
    return "-".join(part for part in parts if part) + ".csv"


#: Rows written between two breaks of `csv_parts`: some milliseconds' worth.
_CSV_ROWS = 25


def csv_text(answer: Answer, source: str = "") -> str:
    """The answer's rows as CSV: the documented columns, full precision; then the id and the source of rows that are
    coins, and the time in UTC and ISO 8601 of rows that have one.

    A text cell that a spreadsheet would take for a formula gets an apostrophe before it; numbers are never touched.
    """
    return "".join(csv_parts(answer, source))


def csv_parts(answer: Answer, source: str = "") -> Iterator[str]:
    """The same text in parts, so that whoever writes a long one can give way to others in between."""
    timed, key = answer.subscription.feed.time_field, answer.table.key
    columns, keys = _columns(answer), answer.keys()
    named = key not in columns
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow([*columns, *((key, "source") if named else ()), *(("time_utc",) if timed else ())])
    yield out.getvalue()
    for start in range(0, len(keys), _CSV_ROWS):
        out.seek(0)
        out.truncate()
        rows = keys[start : start + _CSV_ROWS]
        for name, row in zip(rows, answer.cells(range(start, start + len(rows))), strict=True):
            cells = [_cell(value) for value in row.values()]
            cells += [_cell(name), _cell(source)] if named else []
            writer.writerow([*cells, _utc(row[timed])] if timed else cells)
        yield out.getvalue()


def _utc(at: int | None) -> str:
    return "" if at is None else datetime.fromtimestamp(at / 1000, UTC).isoformat()


def _columns(answer: Answer) -> list[str]:
    """The columns' names, which an answer without rows has too."""
    feed, shape = answer.subscription.feed, answer.subscription.shape
    if feed.headers is not None:
        return feed.headers(answer.subscription.params)
    return list(shape.cells(dict.fromkeys(shape.reads), 0))  # a row without values has every column


def _cell(value: object) -> object:
    if isinstance(value, list) and value and all(isinstance(one, str) for one in value):
        value = ",".join(value)
    if isinstance(value, list | dict):
        return orjson.dumps(value).decode()
    if isinstance(value, str) and _runs(value):
        return "'" + value
    if isinstance(value, float) and "e" in repr(value):
        return f"{Decimal(repr(value)):f}"  # 0.00000514, not 5.14e-06: the same number, as a person writes it
    return "" if value is None else value


def _runs(text: str) -> bool:
    """Whether a spreadsheet may take the text for a formula: what nobody sees (blanks, controls, marks) is skipped."""
    seen = next((sign for sign in text if unicodedata.category(sign)[0] not in "ZC"), " ")
    return seen in "=+-@\uff1d\uff0b\uff0d\uff20" or text[:1] in ("\t", "\r", "\n")


# --- in --------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Message:
    """A client's message: an action, or the parameters it changes."""

    action: str | None
    changes: dict[str, object]


def parse_message(text: str | None) -> Message:
    """What a client's text frame says. Raises `Refused`; no input raises anything else."""
    if text is None:
        raise Refused("bad_message", "Messages are JSON text; binary frames are not understood.")
    if len(text) > MAX_MESSAGE or len(text.encode("utf-8", "surrogatepass")) > MAX_MESSAGE:
        raise Refused("bad_message", f"A message may have at most {MAX_MESSAGE} bytes.")
    try:
        raw = orjson.loads(text)
    except (orjson.JSONDecodeError, UnicodeEncodeError) as error:
        raise Refused("bad_message", "The message is not valid JSON.") from error
    if not isinstance(raw, dict):
        raise Refused("bad_message", 'The message must be a JSON object such as {"search": "btc", "page": 1}.')
    return _action(raw) if "action" in raw else Message(None, raw)


def _action(raw: dict[str, object]) -> Message:
    action = raw.pop("action")
    if action not in ACTIONS:
        raise bad_value("action", f"one of {', '.join(ACTIONS)}", action)
    if action == "export" and raw.pop("format", "csv") != "csv":
        raise bad_value("format", '"csv"')
    if raw:
        raise Refused("unknown_field", f"{action} takes no {next(iter(raw))[:40]!r}.", next(iter(raw))[:40])
    return Message(str(action), {})
