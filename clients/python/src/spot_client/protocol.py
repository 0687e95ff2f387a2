"""The client's side of a feed's socket: the envelope with deltas. No input, no output; time is an argument.

`Follow` keeps one view through any number of connections. It is told what happens (`opened`, `heard`, `lost`) and
answers with what to send and what to show.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple, cast

from spot_client.address import given
from spot_client.errors import Refused, Unreachable, from_frame
from spot_client.feeds import FEEDS
from spot_client.models import Head
from spot_client.page import Clock, Page, Table

#: Seconds of silence after which the server is pinged (it sends a heartbeat every 30), and seconds for every answer.
SILENCE_SECONDS = 40.0
ANSWER_SECONDS = 10.0
#: Seconds without a page after which a change of parameters is asked about.
QUIET_SECONDS = 2.0

#: Parameters without which a page of events is the newest ones, newest first.
_OTHER_ORDER = ("sort_by", "sort_order", "page")


class Heard(NamedTuple):
    """What a frame brings: a message to send, a page to show, a refusal, a notice; and whether the change of parameters
    that is under way has been accepted."""

    send: str | None = None
    page: Page[Any] | None = None
    refused: Refused | None = None
    notice: str | None = None
    accepted: bool = False


class Follow:
    """A view of a feed, followed through its connections."""

    def __init__(self, feed: str, params: Mapping[str, Any], clock: Clock) -> None:
        self.feed = feed
        self.clock = clock
        self.wanted = given(params)
        self.accepted = dict(self.wanted)  # those of the newest whole page
        self.page: Page[Any] | None = None
        self.status: Mapping[str, Any] | None = None  # the newest status since the last page
        self._table = Table()
        self._seq: int | None = None
        self._changed = False  # whether a change of parameters is under way
        self._late: dict[str, Any] = {}  # changes since the address of the present connection was made
        self._open = False
        self._heard_at = self._pinged_at = self._pinged_ms = 0.0
        self._unanswered = False  # whether nothing has been heard since the last ping
        self._resync_at: float | None = None
        self._changed_at: float | None = None

    # --- the connection ----------------------------------------------------------------------------------------------

    def dial(self) -> dict[str, Any]:
        """The parameters of the next connection, which begins with a whole page."""
        self._open, self._seq, self._resync_at, self._late = False, None, None, {}
        return dict(self.wanted)

    def resume(self) -> dict[str, Any]:
        """The point from which the next connection goes on instead of with a whole page, in the words of the stream;
        empty where it cannot."""
        page, seq = self.page, self._seq
        if page is None or seq is None or self._resync_at is not None or self.wanted != self.accepted:
            return {}
        if not self._has_events:
            return {"since": seq, "epoch": page.head["epoch"]}
        return {"since": str(page.rows[0]["id"])} if page.rows and self._is_newest_first else {}

    def resumed(self) -> None:
        """The connection goes on after the page that is there."""
        if self.page is not None:
            self._seq = self.page.head["seq"]

    def opened(self, now: float, now_ms: float) -> list[str]:
        """The messages to send on a new connection."""
        self._open = True
        self._heard_at = now
        self._changed_at = now if self._changed else None
        return [*([json.dumps(self._late)] if self._late else ()), self._ping(now, now_ms)]

    def change(self, changes: Mapping[str, Any], now: float) -> str | None:
        """Want other parameters; the message that says so, if there is a connection. None clears a parameter."""
        news = {name: given({name: value}).get(name) for name, value in changes.items()}
        self.wanted = given({**self.wanted, **news})
        self._changed = True
        self._changed_at = now
        if not self._open:
            self._late |= news
            return None
        return json.dumps(news)

    def revert(self) -> None:
        """Want again what the server accepted last."""
        self.wanted = dict(self.accepted)
        self._changed = False

    def due(self) -> float:
        """When `tick` has something to do, at the latest."""
        times = [self._pinged_at + ANSWER_SECONDS if self._unanswered else self._heard_at + SILENCE_SECONDS]
        if self._resync_at is not None:
            times.append(self._resync_at + ANSWER_SECONDS)
        if self._changed and self._changed_at is not None:
            times.append(self._changed_at + QUIET_SECONDS)
        return min(times)

    def tick(self, now: float, now_ms: float) -> str | None:
        """The message that is due. Raises `Unreachable` when the server has not answered the one before."""
        if self._unanswered and now - self._pinged_at >= ANSWER_SECONDS:
            raise Unreachable("The server has stopped answering.")
        if self._resync_at is not None and now - self._resync_at >= ANSWER_SECONDS:
            raise Unreachable("The server does not send the whole page that was asked for.")
        if self._changed and self._changed_at is not None and now - self._changed_at >= QUIET_SECONDS:
            self._changed_at = None  # a pong tells that the change has been heard
            return self._ping(now, now_ms)
        if now - self._heard_at >= SILENCE_SECONDS and not self._unanswered:
            return self._ping(now, now_ms)
        return None

    def _ping(self, now: float, now_ms: float) -> str:
        self._pinged_at, self._pinged_ms, self._unanswered = now, now_ms, True
        return '{"action":"ping"}'

    # --- frames ------------------------------------------------------------------------------------------------------

    def heard(self, text: str | bytes | dict[str, Any], now: float, now_ms: float) -> Heard:
        """What a frame means, as text or parsed. Raises `Unreachable` for one that no Spot server sends."""
        self._heard_at, self._unanswered = now, False
        try:
            frame = text if isinstance(text, dict) else json.loads(text)
            return self._meaning(frame["type"], frame, now, now_ms)
        except (ValueError, KeyError, TypeError, IndexError) as error:
            raise Unreachable("The server sends frames that are not those of Spot's envelope.") from error

    def _meaning(self, kind: str, frame: dict[str, Any], now: float, now_ms: float) -> Heard:
        heard = Heard()
        if kind == "snapshot":
            heard = self._snapshot(frame)
        elif kind == "delta":
            heard = self._delta(frame, now)
        elif kind == "events":
            heard = self._events(frame, now)
        elif kind in ("status", "heartbeat"):
            heard = self._aged(kind, frame)
        elif kind == "pong":
            heard = self._pong(frame, now_ms)
        elif kind == "error":
            heard = Heard(refused=from_frame(frame))
        elif kind == "notice":
            heard = Heard(notice=str(frame["message"]))
        return heard

    def _snapshot(self, frame: dict[str, Any]) -> Heard:
        self._table.replace(frame.pop("data"))
        self._resync_at = None
        self.accepted = dict(self.wanted)
        changed, self._changed = self._changed, False
        return Heard(page=self._shown(frame), accepted=changed)

    def _delta(self, frame: dict[str, Any], now: float) -> Heard:
        if self._resync_at is not None:
            return Heard()
        page = self.page
        if page is None or frame["base"] != self._seq or not self._table.apply(frame):
            return self._resync(now)
        for name in ("base", "changed", "entered", "left", "order"):
            frame.pop(name, None)
        return Heard(page=self._shown({**frame, "params": page.params}))

    def _events(self, frame: dict[str, Any], now: float) -> Heard:
        """Events that have entered, as the stream sends them after the first page. The whole page is asked for where
        some are lost, or where it does not begin with the newest."""
        if self._resync_at is not None:
            return Heard()
        page, rows, gap = self.page, frame.pop("data"), frame.pop("gap")
        most = min(frame["total"], int(self.wanted.get("page_size") or frame["total"]))
        if page is None or gap or not self._is_newest_first or not self._table.enter(rows, most):
            return self._resync(now)
        return Heard(page=self._shown({**frame, "params": page.params}))

    @property
    def _has_events(self) -> bool:
        return self.feed in FEEDS and FEEDS[self.feed].events

    @property
    def _is_newest_first(self) -> bool:
        return not any(name in self.wanted for name in _OTHER_ORDER)

    def _resync(self, now: float) -> Heard:
        self._resync_at = now
        return Heard(send='{"action":"resync"}')

    def _shown(self, head: dict[str, Any]) -> Page[Any]:
        self._seq = head["seq"]
        self.status = None
        rows = list(self._table.rows.values())
        self.page = Page(rows, cast("Head", head), self._table.headers, self.clock)
        return self.page

    def _aged(self, kind: str, frame: dict[str, Any]) -> Heard:
        """The age of the page by a status or a heartbeat: shown once more if it has become stale or fresh again."""
        if kind == "status":
            self.status = frame
        page = self.page
        if page is None:
            return Heard()
        stale = frame["stale"] if kind == "heartbeat" else frame["state"] in ("stale", "unavailable")
        times = {name: frame[name] for name in ("as_of", "fetched_at") if frame.get(name) is not None}
        was = page.head["stale"]
        self.page = Page(page.rows, cast("Head", {**page.head, **times, "stale": stale}), page.headers, self.clock)
        return Heard(page=self.page if stale != was else None)

    def _pong(self, frame: dict[str, Any], now_ms: float) -> Heard:
        self.clock.learn(frame["ts"], self._pinged_ms, now_ms)
        heard = self._changed and self._changed_at is None
        if heard:
            self._changed = False
        return Heard(accepted=heard)
