"""A made-up protocol, to prove that one file is enough: binary frames for single coins, acks and errors of its own, a
heartbeat, a close of the idle, and announcements that go on after the last one seen."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from spot.codes import Refused
from spot.dialects.base import Command, Dialect, Opening, Ping, Route, Subscribe, Unsubscribe, Which
from spot.dialects.values import Done, Events, Failed, Opened, Page, Tick, UnknownCoins, Value
from spot.feeds import FEEDS
from spot.feeds.view import view_of


def packed(**fields: Any) -> bytes:
    return json.dumps(fields).encode()


@dataclass(frozen=True)
class Trial(Dialect):
    """`{"do": "follow", "coins": ["bitcoin"], "id": 1}`, `{"do": "news", "after": 7}`, `{"do": "drop", "coin": …}`."""

    name: ClassVar[str] = "trial"
    binary: ClassVar[bool] = True
    events: ClassVar[bool] = True
    subscriptions: ClassVar[int] = 100
    heartbeat_seconds: ClassVar[float] = 0.2
    idle_seconds: ClassVar[float] = 5.0
    idle_close: ClassVar[int] = 4900
    ping_seconds: ClassVar[float] = 0.3
    pong_seconds: ClassVar[float] = 60.0

    def read(self, message: str | bytes, depth: int) -> Sequence[Command]:
        try:
            wish = json.loads(message)
            do, coin, tag = wish["do"], str(wish.get("coin")), wish.get("id")
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise Refused("bad_message", "A message is an object that says what to do.") from error
        match do:
            case "follow":
                views = {name: view_of(FEEDS["ticker-tape"], {"coin_ids": name}, depth) for name in wish["coins"]}
                return tuple(Subscribe(name, view, tag=tag) for name, view in views.items())
            case "news":
                return (Subscribe("news", view_of(FEEDS["listings"], {}, depth), wish.get("after"), tag),)
            case "drop":
                return (Unsubscribe(Which(frozenset({coin})), tag),)
            case "ping":
                return (Ping(tag),)
            case "raise":
                raise ZeroDivisionError
        raise Refused("bad_value", f"nothing to do for {do!r}")

    def write(self, value: Value) -> bytes | None:
        match value:
            case Page(answer=answer, seq=seq) if answer.view.feed.events:
                return packed(news=len(answer.keys()), last=seq)
            case Page(answer=answer):
                return packed(**{coin: row["price"] for coin, row in zip(answer.keys(), answer.cells(), strict=True)})
            case Events(page, rows, gap):
                return packed(titles=[row["title"] for row in rows], last=page.seq, gap=gap)
            case Opened(now_ms=now_ms, limit=limit):
                return packed(hello=now_ms, limit=limit)
            case Done(command, count, limit):
                return packed(ok=getattr(command, "tag", None), count=count, limit=limit)
            case Failed(command, refused):
                return packed(no=getattr(command, "tag", None), code=refused.code)
            case UnknownCoins(refused):
                return packed(no=None, code=refused.code)
            case Tick(now_ms):
                return packed(alive=now_ms)
        return None

    def close_code(self, refused: Refused) -> int:
        return 4901 if refused.fact.retry else 4902


ROUTES = (Route("trial", lambda *_: Opening(Trial()), Trial()),)
