"""A member of the hub that keeps what it is given."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any

from spot.dialects.base import Dialect
from spot.dialects.documented import Documented
from spot.feeds.view import View
from spot.hub.groups import Group
from spot.hub.hub import Hub
from spot.hub.update import Update


@dataclass(eq=False)
class Watcher(Hashable):
    """Neither a socket nor a request: pages and control messages end here."""

    dialect: Dialect = field(default_factory=Documented)
    client: str = "192.0.2.1"
    group: Group | None = None
    seq: int | None = None
    pages: dict[Any, Update] = field(default_factory=dict)
    frames: list[bytes] = field(default_factory=list)
    frame_slot: None = None
    label: bytes = b""
    updates: list[Update] = field(default_factory=list)
    said: list[type] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)

    __hash__ = object.__hash__

    @property
    def outbox(self) -> Watcher:
        return self

    def lend(self) -> None: ...

    def withdraw(self, _member: Any) -> bool:
        return self.pages.pop(self, None) is not None

    def flush(self) -> None:
        self.updates += [self.pages.pop(self)] if self.pages else []

    def say(self, _message: Any, kind: type) -> None:
        self.said.append(kind)

    def refuse_later(self, refused: Any) -> None:
        self.refusals.append(refused.code)

    def join(self, address: tuple[View, Dialect]) -> Watcher:
        """Follow what an address asks for."""
        view, self.dialect = address
        Hub.current().join(self, view)
        return self
