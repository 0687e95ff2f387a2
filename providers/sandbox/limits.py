"""Optional limits of the sandbox: the key, and a quota of calls."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field

from providers.sandbox.errors import ApiError

_MINUTE_MS = 60_000
_HEADERS = {"demo": "x-cg-demo-api-key", "pro": "x-cg-pro-api-key"}


@dataclass
class Limits:
    """The default allows everything.

    `plan` is "", "demo" or "pro": the host that the sandbox simulates. `key` is the only valid key; a demo host also
    accepts calls without one unless `key_required`. `per_minute` calls are allowed in each minute of the sandbox's
    clock, 0 for no limit; every call counts, rejected ones too.
    """

    plan: str = ""
    key: str = ""
    key_required: bool = False
    per_minute: int = 0
    _minute: int = field(default=0, repr=False)
    _used: int = field(default=0, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def check(self, headers: Mapping[str, str], params: Mapping[str, str], now: int) -> None:
        """Raise the `ApiError` of a call with these (lower-case) headers and parameters, if any."""
        self._check_quota(now)
        keys = {plan: headers.get(name) or params.get(name.replace("-", "_"), "") for plan, name in _HEADERS.items()}
        if self.plan == "pro":
            if keys["demo"]:
                raise ApiError("demo_key_on_pro_host")
            if keys["pro"] != self.key or not keys["pro"]:
                raise ApiError("key_missing")
        elif self.plan == "demo":
            if keys["pro"]:
                raise ApiError("pro_key_on_public_host")
            if (keys["demo"] or self.key_required) and keys["demo"] != self.key:
                raise ApiError("key_missing")

    def _check_quota(self, now: int) -> None:
        with self._lock:
            if now // _MINUTE_MS != self._minute:
                self._minute, self._used = now // _MINUTE_MS, 0
            self._used += 1
            over = self.per_minute and self._used > self.per_minute
        if over:
            raise ApiError("rate_limited", headers={"Retry-After": str(60 - now % _MINUTE_MS // 1000)})
