"""What the sandbox refuses of its own accord, if asked to: calls without the right key, and calls past a quota."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field

from providers.sandbox.errors import ApiError

_MINUTE_MS = 60_000
_HEADERS = {"demo": "x-cg-demo-api-key", "pro": "x-cg-pro-api-key"}


@dataclass
class Limits:
    """Without arguments nothing is refused.

    `plan` is "", "demo" or "pro": the host that the sandbox stands in for. `key` is the only key that it takes; a demo
    host also takes calls without one unless `key_required`. `per_minute` calls are answered in each minute of the
    sandbox's clock, 0 for no limit; every call counts, the refused ones too.
    """

    plan: str = ""
    key: str = ""
    key_required: bool = False
    per_minute: int = 0
    _minute: int = field(default=0, repr=False)
    _used: int = field(default=0, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def check(self, headers: Mapping[str, str], params: Mapping[str, str], now: int) -> None:
        """Raise the ApiError that a call with these (lower-case) headers and parameters meets, if any."""
        self._check_quota(now)
        given = {plan: headers.get(name) or params.get(name.replace("-", "_"), "") for plan, name in _HEADERS.items()}
        if self.plan == "pro":
            if given["demo"]:
                raise ApiError("demo_key_on_pro_host")
            if given["pro"] != self.key or not given["pro"]:
                raise ApiError("key_missing")
        elif self.plan == "demo":
            if given["pro"]:
                raise ApiError("pro_key_on_public_host")
            if (given["demo"] or self.key_required) and given["demo"] != self.key:
                raise ApiError("key_missing")

    def _check_quota(self, now: int) -> None:
        with self._lock:
            if now // _MINUTE_MS != self._minute:
                self._minute, self._used = now // _MINUTE_MS, 0
            self._used += 1
            over = self.per_minute and self._used > self.per_minute
        if over:
            raise ApiError("rate_limited", headers={"Retry-After": str(60 - now % _MINUTE_MS // 1000)})
