"""An HTTP answer before it is written to a socket, and the ways to spoil one. Pure.

Each function of `SPOILERS` takes the reply and a fault's options and returns the reply to send instead. Those that
change numbers work on the decoded body, so that they fit any path.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import cycle
from typing import Any

import orjson

from providers.sandbox.errors import SHAPES, ApiError

JSON = "application/json; charset=utf-8"
_PAGE = "<!DOCTYPE html><html><head><title>Just a moment...</title></head><body>Checking your browser</body></html>"
MARKUP = "<img src=x onerror=alert(1)>\"'&amp;"
Options = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Reply:
    """Status, headers without Content-Length, and the body as it goes over the wire."""

    status: int
    headers: dict[str, str]
    body: bytes
    zipped: bytes | None = field(default=None, repr=False)

    @classmethod
    def of(cls, body: Any, status: int = 200, headers: dict[str, str] | None = None) -> Reply:
        """A reply with that body as JSON; numpy arrays may be in it."""
        return cls(
            status, {"Content-Type": JSON, **(headers or {})}, orjson.dumps(body, option=orjson.OPT_SERIALIZE_NUMPY)
        )

    @classmethod
    def of_error(cls, error: ApiError) -> Reply:
        """The reply of an error."""
        return cls.of(
            error.body, error.status, {"Cache-Control": "no-cache", "CF-Cache-Status": "MISS", **error.headers}
        )

    @property
    def weight(self) -> int:
        """The bytes of its bodies."""
        return len(self.body) + len(self.zipped or b"")

    def with_body(self, body: bytes) -> Reply:
        """The same reply with another body, without the ETag of the old one."""
        headers = {name: value for name, value in self.headers.items() if name != "ETag"}
        return replace(self, headers=headers, body=body, zipped=None)


def _status(_reply: Reply, options: Options) -> Reply:
    status = options["status"]
    return Reply.of(SHAPES[options["shape"]](status, options["message"]), status)


def _error(_reply: Reply, options: Options) -> Reply:
    return Reply.of_error(ApiError(options["name"], options["detail"]))


def _rate_limited(_reply: Reply, options: Options) -> Reply:
    seconds, form = options["retry_after"], options["form"]
    headers = {}
    if seconds is not None:
        # By the machine's clock, which the client uses too.
        date = format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)
        headers["Retry-After"] = date if form == "date" else str(seconds)
    return Reply.of_error(ApiError("rate_limited", headers=headers))


def _html(_reply: Reply, options: Options) -> Reply:
    return Reply(options["status"], {"Content-Type": "text/html; charset=utf-8"}, _PAGE.encode())


def _redirect(_reply: Reply, options: Options) -> Reply:
    return Reply(options["status"], {"Content-Type": "text/html", "Location": options["location"]}, b"")


def _changed(change: Callable[[Reply], Callable[[Any], Any]]) -> Callable[[Reply, Options], Reply]:
    """A spoiler that applies `change` to the numbers of every n-th row."""

    def spoil(reply: Reply, options: Options) -> Reply:
        alter = change(reply)
        body = orjson.loads(reply.body)
        if isinstance(body, list):
            spoilt: Any = [_leaves(row, alter) if n % options["every"] == 0 else row for n, row in enumerate(body)]
        else:
            spoilt = _leaves(body, alter)
        return reply.with_body(json.dumps(spoilt, ensure_ascii=False).encode())

    return spoil


def _leaves(value: Any, alter: Callable[[Any], Any]) -> Any:
    """The value with all numbers altered, except the stamps of candles and chart points."""
    if isinstance(value, dict):
        return {name: _leaves(part, alter) for name, part in value.items()}
    if isinstance(value, list):
        is_point = value and all(isinstance(part, int | float | None) for part in value) and _is_stamp(value[0])
        return [part if is_point and n == 0 else _leaves(part, alter) for n, part in enumerate(value)]
    return alter(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def _is_stamp(value: Any) -> bool:
    return isinstance(value, int) and value > 10**12


def _odd_numbers(_reply: Reply) -> Callable[[Any], Any]:
    odd = cycle((math.nan, math.inf, -math.inf))
    return lambda _value: next(odd)


def _markup(reply: Reply, options: Options) -> Reply:
    body = orjson.loads(reply.body)
    rows = body[:: options["every"]] if isinstance(body, list) else []
    for row in rows:
        if isinstance(row, dict):
            row |= {"name": MARKUP, "symbol": "<b>x</b>"}
    return reply.with_body(orjson.dumps(body))


def _emptied(reply: Reply, _options: Options) -> Reply:
    body = orjson.loads(reply.body)
    return reply.with_body(
        b"[]" if isinstance(body, list) else orjson.dumps({name: type(part)() for name, part in body.items()})
    )


#: Fault kinds that change a reply before it is sent: options with their defaults, and the function.
SPOILERS: dict[str, tuple[Options, Callable[[Reply, Options], Reply]]] = {
    "status": ({"status": 503, "shape": "text", "message": "Service Unavailable"}, _status),
    "error": ({"name": "broken", "detail": ""}, _error),
    "rate_limited": ({"retry_after": 119, "form": "seconds"}, _rate_limited),
    "html": ({"status": 200}, _html),
    "redirect": ({"status": 302, "location": "http://sandbox.invalid/api/v3/ping"}, _redirect),
    "empty": ({}, _emptied),
    "empty_body": ({}, lambda reply, _options: reply.with_body(b"")),
    "broken_json": ({}, lambda reply, _options: reply.with_body(reply.body[: len(reply.body) // 2])),
    "wrong_shape": ({}, lambda reply, _options: reply.with_body(b'{"data":' + reply.body + b"}")),
    "nan": ({"every": 1}, _changed(_odd_numbers)),
    "nulls": ({"every": 1}, _changed(lambda _reply: lambda _value: None)),
    "strings": ({"every": 1}, _changed(lambda _reply: str)),
    "negative": ({"every": 1}, _changed(lambda _reply: lambda value: -abs(value))),
    "markup": ({"every": 1}, _markup),
}
