"""The envelope around the documented rows: which snapshot, how old, from whom, how many; or what changed. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import orjson

from spot.dialects.base import Ping
from spot.dialects.csv_export import export_name
from spot.dialects.documented import control, error, pong
from spot.dialects.messages import Own
from spot.dialects.values import Delta, Done, Events, Exported, Failed, Heartbeat, Notice, Page, Status, Value
from spot.feeds.answer import Answer
from spot.query.jsontext import dumps

#: The sub-protocol that asks for it.
ENVELOPE = "spot.v2"


@dataclass(frozen=True)
class Envelope(Own):
    """Whole pages, or with `deltas` the changes since the one before."""

    name: ClassVar[str] = "envelope"
    extended: ClassVar[bool] = True
    numbered: ClassVar[bool] = True
    statuses: ClassVar[bool] = True  # type: ignore[misc]
    deltas: bool = False

    def write(self, value: Value) -> bytes | None:  # noqa: PLR0911 - a row for each value
        """Every value but those that its pages and statuses hold already."""
        match value:
            case Page():
                return snapshot(value, value.facts.epoch)
            case Delta(before, page):
                return delta(before, page, page.facts.epoch)
            case Events():
                return events(value, value.page.facts.epoch)
            case Status() | Heartbeat():
                return control(value)
            case Notice(code, message):
                return orjson.dumps({"type": "notice", "code": code, "message": message})
            case Failed(_, refused):
                return error(refused)
            case Done(Ping()):
                return pong(value.now_ms)
            case Exported(answer, text):
                name = export_name(answer.view)
                return orjson.dumps({"type": "export", "format": "csv", "filename": name, "data": text.decode()})
        return None

    def same(self, before: Page, page: Page) -> bool:
        """Whether nothing that the envelope says has changed."""
        return (before.facts, before.stale, before.missing) == (page.facts, page.stale, page.missing)


def snapshot(page: Page, epoch: str) -> bytes:
    """The envelope around one whole page."""
    return head("snapshot", page, epoch, params=page.answer.view.asked) + b',"data":' + page.answer.data + b"}"


def events(missed: Events, epoch: str) -> bytes:
    """What has entered a feed of events, oldest first."""
    return head("events", missed.page, epoch, gap=missed.gap) + b',"data":' + dumps(list(missed.rows)) + b"}"


def delta(before: Page, page: Page, epoch: str) -> bytes:
    """The changes between two pages: cells, entered and left rows, and the order when it is another."""
    old, new = before.answer, page.answer
    places = {key: index for index, key in enumerate(old.keys())}
    keys = new.keys()
    body: dict[str, Any] = {"base": before.seq, "changed": _changed(old, new, places)}
    entered = [index for index, key in enumerate(keys) if key not in places]
    if entered:
        body["entered"] = {str(keys[index]): cells for index, cells in zip(entered, new.cells(entered), strict=True)}
    present = set(keys)
    left = [str(key) for key in places if key not in present]
    if left:
        body["left"] = left
    if keys != list(places):
        body["order"] = [str(key) for key in keys]
    return head("delta", page, epoch) + b"," + dumps(body)[1:]


def _changed(old: Answer, new: Answer, places: dict[Any, int]) -> dict[str, dict[str, Any]]:
    old_fragments, new_fragments = old.fragments(), new.fragments()
    old_places, new_places = old.places(), new.places()
    placed = new.shape.openings is not None
    old_beside, new_beside = _by_row(old), _by_row(new)
    keys = new.keys()
    differ = [
        (index, was)
        for index, key in enumerate(keys)
        if (was := places.get(key)) is not None
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
    """The values beside each row of the page; empty where there are none."""
    return list(zip(*answer.beside().values(), strict=True))


def head(kind: str, page: Page, epoch: str, **more: Any) -> bytes:
    """What the envelope says of a page, as JSON without the last brace. `epoch`: in which `seq` and `version` count."""
    facts, extent = page.facts, page.answer.page
    fields: dict[str, Any] = {
        "type": kind,
        "channel": page.answer.view.feed.channel,
        **more,
        "seq": page.seq,
        "epoch": epoch,
        "version": facts.version,
        "as_of": facts.as_of,
        "fetched_at": facts.fetched_at,
        "max_age_ms": facts.max_age_ms,
        "source": facts.source,
        "source_label": facts.label,
        "source_url": facts.url or None,
        "simulated": facts.simulated,
        "stale": page.stale,
        "total": extent.total,
        "page": extent.page,
        "pages": extent.pages,
        **facts.meta,
    }
    if page.missing:
        fields["missing"] = missing_fields(page)
    return dumps(fields)[:-1]


def missing_fields(page: Page) -> dict[str, dict[str, str]]:
    """Why each coin that was asked for is not in the page."""
    return {coin: {"code": why.code, "message": why.message} for coin, why in page.missing.items()}
