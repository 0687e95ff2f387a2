"""Records of the store: dataclasses as JSON objects, which an older and a newer version read side by side. Pure.

A newer version may add fields: an older one ignores them. A field that is added needs a default, for records that an
older version writes. Fields are neither renamed nor removed without a release in between that does without them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Protocol, TypeVar


class _Dataclass(Protocol):
    __dataclass_fields__: ClassVar[dict[str, Any]]


T = TypeVar("T", bound=_Dataclass)


def record_of(kind: type[T], stored: Mapping[str, Any], **more: Any) -> T:
    """A dataclass of these fields and of `more`; fields that this version does not have are ignored."""
    known = kind.__dataclass_fields__
    return kind(**{name: value for name, value in stored.items() if name in known}, **more)
