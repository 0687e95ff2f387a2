"""The client's side of the stream: many views on one socket. No input, no output.

Each view that somebody follows is a `Line`, which gets frames as a feed's own socket sends them. The server has equal
views of a connection once, so several lines may share one of its subscriptions. A line that asks for something else
then gets a subscription of its own.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from spot_client.address import given
from spot_client.errors import Refused, SpotError, from_frame
from spot_client.page import Clock

#: Frames of a subscription; others are answers.
_FRAMES = ("snapshot", "delta", "events", "status", "heartbeat", "notice")


class Line(Protocol):
    """The end of a view that is shown."""

    def take(self, frame: dict[str, Any]) -> None:
        """A frame has come; it may be changed."""

    def end(self, error: SpotError) -> None:
        """No frame comes any more."""


@dataclass(eq=False)
class _Subscription:
    """A subscription of the connection. `before`: the parameters before the last change. `replaces`: the one that its
    only line leaves when the server accepts this one."""

    id: int
    feed: str
    params: dict[str, Any]
    lines: list[Line] = field(default_factory=list)
    before: dict[str, Any] = field(default_factory=dict)
    replaces: _Subscription | None = None
    awaited: bool = True  # the answer to `subscribe` has not come
    leaving: int = 0  # answers to `unsubscribe` that have not come: frames until then are old


@dataclass(eq=False)
class _Asked:
    """A message whose answer has not come. `again`: it unsubscribes in order to subscribe anew."""

    subscription: _Subscription
    line: Line | None = None
    changes: Mapping[str, Any] = field(default_factory=dict)
    again: bool = False


class Multiplexer:
    """The subscriptions of one connection. `outgoing`: messages to send, in order."""

    def __init__(self, clock: Clock) -> None:
        self.outgoing: deque[str] = deque()
        self.refused: Refused | None = None  # an error of the connection itself; its close follows
        self._clock = clock
        self._subscriptions: dict[int, _Subscription] = {}
        self._asked: dict[str, _Asked] = {}
        self._messages = 0

    # --- what lines want ---------------------------------------------------------------------------------------------

    def join(self, line: Line, feed: str, params: Mapping[str, Any], resume: Mapping[str, Any]) -> None:
        """Follow a view. `resume`: what the line has of it, as `since` and `epoch`."""
        self._subscribe(self._new(line, feed, dict(params)), resume)

    def change(self, line: Line, changes: Mapping[str, Any]) -> None:
        """Change the parameters of a line's view; None clears one. The answer is a whole page or an `error`."""
        subscription = self._of(line)
        if subscription is None:
            return
        if len(subscription.lines) > 1:
            self._move(line, subscription, changes)
        else:
            asked = _Asked(subscription, line, changes)
            self._ask(asked, "update", subscription=subscription.id, params=dict(changes))

    def resync(self, line: Line) -> None:
        """Send the whole page of a line's view once more."""
        if (subscription := self._of(line)) is not None:
            self._restart(subscription)

    def ping(self, line: Line) -> None:
        """Answer a line's ping, once the server has answered what the line asked before."""
        if not self._is_changing(line):
            line.take({"type": "pong", "ts": self._clock.now_ms()})

    def leave(self, line: Line) -> None:
        """Follow a view no longer."""
        for subscription in list(self._subscriptions.values()):
            if line in subscription.lines:
                self._remove(line, subscription)

    # --- frames ------------------------------------------------------------------------------------------------------

    def heard(self, frame: dict[str, Any]) -> None:
        """Hand a frame to the lines that it is for."""
        tag = frame.pop("id", None)
        if isinstance(tag, str) and (asked := self._asked.pop(tag, None)) is not None:
            self._answered(asked, frame)
        elif (subscription := self._subscriptions.get(tag) if isinstance(tag, int) else None) is not None:
            self._told(subscription, frame)
        elif tag is None and frame["type"] == "error":
            self.refused = from_frame(frame)

    def _answered(self, asked: _Asked, frame: dict[str, Any]) -> None:
        subscription, line = asked.subscription, asked.line
        if line is None:  # a subscription has ended
            subscription.leaving -= 1
            if not asked.again:
                del self._subscriptions[subscription.id]
        elif line not in subscription.lines:
            return
        elif frame["type"] == "ack":
            subscription.before = subscription.params
            subscription.params = given({**subscription.params, **asked.changes})
        elif frame.get("field") is None and not frame.get("retry"):  # another line has a view like this one
            self._move(line, subscription, asked.changes)
        else:
            line.take(frame)

    def _told(self, subscription: _Subscription, frame: dict[str, Any]) -> None:
        kind = frame["type"]
        if subscription.leaving:
            return
        if subscription.awaited and kind in ("ack", "error"):
            subscription.awaited = False
            if kind == "ack":
                self._accepted(subscription, frame)
            else:
                self._refused(subscription, frame)
        elif kind == "error":
            if frame.get("ended"):
                self._refused(subscription, frame)
            else:
                if "ended" in frame:  # the server has gone back to the view before
                    subscription.params = subscription.before
                self._give(subscription, frame)
        elif kind in _FRAMES:
            self._give(subscription, frame)

    def _accepted(self, subscription: _Subscription, ack: dict[str, Any]) -> None:
        there = subscription
        if ack.get("duplicate") and ack.get("subscription") != subscription.id:
            other = self._subscriptions.get(ack["subscription"])
            if other is None or other.leaving:
                self._subscribe(subscription)
                return
            there = other
            del self._subscriptions[subscription.id]
            there.lines += subscription.lines
            self._restart(there)
        left, subscription.replaces = subscription.replaces, None
        if left is not None:
            for line in subscription.lines:
                self._remove(line, left)

    def _refused(self, subscription: _Subscription, frame: dict[str, Any]) -> None:
        """The server has none any more."""
        del self._subscriptions[subscription.id]
        if subscription.replaces is not None:
            self._give(subscription, frame)
            return
        for line in subscription.lines:
            line.end(from_frame(frame))

    # --- messages ----------------------------------------------------------------------------------------------------

    def _new(self, line: Line, feed: str, params: dict[str, Any]) -> _Subscription:
        """A subscription with the lowest id that is free: the server makes frames with equal ids once for all."""
        number = next(number for number in range(1, len(self._subscriptions) + 2) if number not in self._subscriptions)
        made = self._subscriptions[number] = _Subscription(number, feed, params, [line], params)
        return made

    def _subscribe(self, subscription: _Subscription, resume: Mapping[str, Any] | None = None) -> None:
        subscription.awaited = True
        wanted = {"channel": subscription.feed, "params": subscription.params, "delta": True}
        self._say({"id": subscription.id, "method": "subscribe", **wanted, **(resume or {})})

    def _restart(self, subscription: _Subscription) -> None:
        if not (subscription.awaited or subscription.leaving):
            self._unsubscribe(subscription, again=True)
            self._subscribe(subscription)

    def _unsubscribe(self, subscription: _Subscription, *, again: bool = False) -> None:
        subscription.leaving += 1
        self._ask(_Asked(subscription, again=again), "unsubscribe", subscription=subscription.id)

    def _move(self, line: Line, subscription: _Subscription, changes: Mapping[str, Any]) -> None:
        """Give a line a subscription of its own, once the server accepts it."""
        moved = self._new(line, subscription.feed, given({**subscription.params, **changes}))
        moved.replaces = subscription
        self._subscribe(moved)

    def _remove(self, line: Line, subscription: _Subscription) -> None:
        subscription.lines.remove(line)
        if not subscription.lines and self._subscriptions.get(subscription.id) is subscription:
            self._unsubscribe(subscription)

    def _ask(self, asked: _Asked, method: str, **fields: Any) -> None:
        self._messages += 1
        tag = f"m{self._messages}"
        self._asked[tag] = asked
        self._say({"id": tag, "method": method, **fields})

    def _say(self, message: Mapping[str, Any]) -> None:
        self.outgoing.append(json.dumps(message))

    def _of(self, line: Line) -> _Subscription | None:
        """The subscription whose frames a line gets; None after its end."""
        mine = (one for one in self._subscriptions.values() if line in one.lines and one.replaces is None)
        return next(mine, None)

    def _is_changing(self, line: Line) -> bool:
        """Whether the answer to a line's change has not come."""
        moving = (one for one in self._subscriptions.values() if one.replaces is not None)
        return any(asked.line is line for asked in self._asked.values()) or any(line in one.lines for one in moving)

    def _give(self, subscription: _Subscription, frame: dict[str, Any]) -> None:
        for line in subscription.lines:
            if frame["type"] != "snapshot" or not self._is_changing(line):  # one that comes before the answer is old
                line.take(dict(frame))
