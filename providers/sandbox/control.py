"""The control API, for tests in other processes: what `Sandbox` offers as a library, over HTTP at /_sandbox/.

=======================  ======================================================================================
POST /_sandbox/faults    {"path_prefix", "kind", "times"?, "after"?, "params"?, and the kind's own options}
GET, DELETE              the faults there are; remove them all
POST /_sandbox/clock     any of {"now_ms", "advance_ms", "rate", "frozen": true}
GET                      {"now_ms"}
GET /_sandbox/requests   the calls that arrived, oldest first; DELETE forgets them
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
    """What the control API answers; 400 says what was wrong with the body."""
    name = urlsplit(target).path.removeprefix(ROOT)
    handler = _HANDLERS.get((method, name))
    if handler is None:
        return Reply.of({"error": f"there is no {method} {name}"}, 404)
    try:
        return Reply.of(handler(sandbox, _wish(body)))
    except (ValueError, TypeError) as error:
        return Reply.of({"error": str(error)}, 400)


def _wish(body: bytes) -> Body:
    wish = orjson.loads(body) if body else {}
    if not isinstance(wish, dict):
        raise TypeError("the body must be a JSON object")
    return wish


def _add_fault(sandbox: Sandbox, wish: Body) -> Any:
    return asdict(sandbox.faults.add(**wish))


def _clear_faults(sandbox: Sandbox, _wish: Body) -> Any:
    sandbox.faults.clear()
    return []


def _set_clock(sandbox: Sandbox, wish: Body) -> Any:
    if unknown := wish.keys() - {"now_ms", "advance_ms", "rate", "frozen"}:
        raise ValueError(f"the clock takes now_ms, advance_ms, rate and frozen, not {sorted(unknown)}")
    if "now_ms" in wish:
        sandbox.clock.set(int(wish["now_ms"]))
    if "advance_ms" in wish:
        sandbox.clock.advance(int(wish["advance_ms"]))
    if "rate" in wish or "frozen" in wish:
        sandbox.clock.run(0.0 if wish.get("frozen") else float(wish.get("rate", 1.0)))
    return _clock(sandbox, wish)


def _clock(sandbox: Sandbox, _wish: Body) -> Any:
    return {"now_ms": sandbox.clock.now()}


def _forget_requests(sandbox: Sandbox, _wish: Body) -> Any:
    sandbox.requests.clear()
    return []


def _set_limits(sandbox: Sandbox, wish: Body) -> Any:
    sandbox.limits = Limits(**wish)
    return wish


_HANDLERS: dict[tuple[str, str], Callable[[Sandbox, Body], Any]] = {
    ("GET", "faults"): lambda sandbox, _wish: [asdict(fault) for fault in sandbox.faults.all()],
    ("POST", "faults"): _add_fault,
    ("DELETE", "faults"): _clear_faults,
    ("GET", "clock"): _clock,
    ("POST", "clock"): _set_clock,
    ("GET", "requests"): lambda sandbox, _wish: [asdict(request) for request in list(sandbox.requests)],
    ("DELETE", "requests"): _forget_requests,
    ("POST", "limits"): _set_limits,
}
