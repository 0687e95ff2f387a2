"""Records of the store: dataclasses as JSON objects, which an older and a newer version read side by side. Pure.

A newer version may add fields: an older one ignores them. A field that is added needs a default, for records that an
older version writes. Fields are neither renamed nor removed without a release in between that does without them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from functools import cache
from typing import Any, TypeVar

T = TypeVar("T")


def record_of(kind: type[T], fields_stored: Mapping[str, Any], **more: Any) -> T:
    """A dataclass of these fields and of `more`; fields that this version does not have are ignored."""
    known = _names(kind)
    return kind(**{name: value for name, value in fields_stored.items() if name in known}, **more)


@cache
def _names(kind: type[Any]) -> frozenset[str]:
    return frozenset(field.name for field in fields(kind))
