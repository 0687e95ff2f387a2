"""What rules remember in Redis between two evaluations. Losing it loses no alert that has fired and repeats none: the
newest rows are for the `before` of webhooks, and windows of changes fill again.

===================  ===================================================================================
`versions:DIGEST`    the versions that a view was last evaluated at
`view:DIGEST`        the same with its keys (JSON), and on the next line its rows as the feed writes them
`samples:RULE`       of a rule about changes: its signature, and the samples of each row (JSON)
===================  ===================================================================================
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from providers.stored import record_of
from spot.snapshots import connection

_PREFIX = "spot:alerts:"
_SECONDS = 8 * 86_400


@dataclass(frozen=True, slots=True)
class Seen:
    """A view as it was last evaluated. `keys` and `data`: its rows, the latter as the feed's JSON."""

    versions: str = ""
    keys: Sequence[str] = ()
    data: bytes = b"[]"

    def row(self, key: str) -> Any:
        """One row, those of a table with headers by its headers; None if it was not in the result."""
        if key not in self.keys:
            return None
        page = orjson.loads(self.data)
        if isinstance(page, list):
            return page[self.keys.index(key)]
        return dict(zip(page["headers"], page["rows"][self.keys.index(key)], strict=True))


def seen(digests: Iterable[str]) -> dict[str, str]:
    """By digest, the versions that each view was last evaluated at; "" for never."""
    names = list(digests)
    texts: Any = connection().mget([f"{_PREFIX}versions:{digest}" for digest in names]) if names else []
    return {digest: text.decode() if text else "" for digest, text in zip(names, texts, strict=True)}


def last(digest: str) -> Seen:
    """The view as it was last evaluated."""
    text: Any = connection().get(f"{_PREFIX}view:{digest}")
    if not text:
        return Seen()
    head, data = text.split(b"\n", 1)
    return record_of(Seen, orjson.loads(head), data=data)


def note(digest: str, view: Seen) -> None:
    """Store the view as it was just evaluated."""
    text = orjson.dumps({"versions": view.versions, "keys": view.keys}) + b"\n" + view.data
    with connection().pipeline() as pipe:
        pipe.set(f"{_PREFIX}view:{digest}", text, ex=_SECONDS)
        pipe.set(f"{_PREFIX}versions:{digest}", view.versions, ex=_SECONDS)
        pipe.execute()


def samples(rule: int, signature: str) -> Mapping[str, Any]:
    """The samples of a rule, unless it was another one then."""
    text = connection().get(f"{_PREFIX}samples:{rule}")
    stored = orjson.loads(text) if text else {}
    return stored["samples"] if stored.get("signature") == signature else {}


def note_samples(rule: int, signature: str, samples: Mapping[str, Any]) -> None:
    """Store the samples of a rule."""
    text = orjson.dumps({"signature": signature, "samples": samples})
    connection().set(f"{_PREFIX}samples:{rule}", text, ex=_SECONDS)
