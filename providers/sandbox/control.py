"""The control API for tests in other processes: the interface of `Sandbox` over HTTP at /_sandbox/.

=======================  ======================================================================================
POST /_sandbox/faults    {"path_prefix", "kind", "times"?, "after"?, "params"?, and the kind's own options}
GET, DELETE              all faults; remove them all
POST /_sandbox/clock     any of {"now_ms", "advance_ms", "rate", "frozen": true}
GET                      {"now_ms"}
GET /_sandbox/requests   the recorded calls, oldest first; DELETE removes them
POST /_sandbox/limits    any of {"plan", "key", "key_required", "per_minute"}
=======================  ======================================================================================
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import orjson

from providers.sandbox.limits import Limits
from providers.sandbox.reply import Reply

if TYPE_CHECKING:
    from providers.sandbox.server import Sandbox

ROOT = "/_sandbox/"
Body = dict[str, Any]


def reply(sandbox: Sandbox, method: str, target: str, body: bytes) -> Reply:
    """The reply of the control API; 400 with the error of an invalid body."""
    name = urlsplit(target).path.removeprefix(ROOT)
    handler = _HANDLERS.get((method, name))
    if handler is None:
        return Reply.of({"error": f"there is no {method} {name}"}, 404)
    try:
        return Reply.of(handler(sandbox, _parsed(body)))
    except (ValueError, TypeError) as error:
        return Reply.of({"error": str(error)}, 400)


def _parsed(body: bytes) -> Body:
    request = orjson.loads(body) if body else {}
    if not isinstance(request, dict):
        raise TypeError("the body must be a JSON object")
    return request


def _add_fault(sandbox: Sandbox, body: Body) -> Any:
    return asdict(sandbox.faults.add(**body))


def _clear_faults(sandbox: Sandbox, _body: Body) -> Any:
    sandbox.faults.clear()
    return []


def _set_clock(sandbox: Sandbox, body: Body) -> Any:
    if unknown := body.keys() - {"now_ms", "advance_ms", "rate", "frozen"}:
        raise ValueError(f"the clock takes now_ms, advance_ms, rate and frozen, not {sorted(unknown)}")
    if "now_ms" in body:
        sandbox.clock.set(int(body["now_ms"]))
    if "advance_ms" in body:
        sandbox.clock.advance(int(body["advance_ms"]))
    if "rate" in body or "frozen" in body:
        sandbox.clock.run(0.0 if body.get("frozen") else float(body.get("rate", 1.0)))
    return _clock(sandbox, body)


def _clock(sandbox: Sandbox, _body: Body) -> Any:
    return {"now_ms": sandbox.clock.now()}


def _forget_requests(sandbox: Sandbox, _body: Body) -> Any:
    sandbox.requests.clear()
    return []


def _set_limits(sandbox: Sandbox, body: Body) -> Any:
    sandbox.limits = Limits(**body)
    return body


_HANDLERS: dict[tuple[str, str], Callable[[Sandbox, Body], Any]] = {
    ("GET", "faults"): lambda sandbox, _body: [asdict(fault) for fault in sandbox.faults.all()],
    ("POST", "faults"): _add_fault,
    ("DELETE", "faults"): _clear_faults,
    ("GET", "clock"): _clock,
    ("POST", "clock"): _set_clock,
    ("GET", "requests"): lambda sandbox, _body: [asdict(request) for request in list(sandbox.requests)],
    ("DELETE", "requests"): _forget_requests,
    ("POST", "limits"): _set_limits,
}
