"""The errors of the sandbox's API. Their bodies have one of four shapes, as recorded from the provider. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Body = dict[str, Any]
_STAMP = "2026-05-17T01:39:44.892+00:00"

#: The four shapes: (code, message) -> body.
SHAPES: dict[str, Callable[[int, str], Body]] = {
    "status": lambda code, text: {"status": {"error_code": code, "error_message": text}},
    "split": lambda code, text: {"timestamp": _STAMP, "error_code": code, "status": {"error_message": text}},
    "nested": lambda code, text: {
        "error": {"status": {"timestamp": _STAMP, "error_code": code, "error_message": text}}
    },
    "text": lambda _code, text: {"error": text},
}
#: name: (HTTP status, error code, shape, message)
ERRORS: dict[str, tuple[int, int, str, str]] = {
    "rate_limited": (
        429,
        429,
        "status",
        "You've exceeded the Rate Limit. Please wait, or use a plan with a higher one.",
    ),
    "key_missing": (
        401,
        10002,
        "status",
        "API Key Missing. Please make sure you're using the right authentication method.",
    ),
    "plan_restricted": (401, 10005, "status", "This request is limited to PRO API subscribers."),
    "pro_key_on_public_host": (400, 10010, "split", "If you are using Pro API key, please change your root URL."),
    "demo_key_on_pro_host": (400, 10011, "split", "If you are using Demo API key, please change your root URL."),
    "too_old": (
        401,
        10012,
        "nested",
        "Your request exceeds the allowed time range: public API users may read the past 365 days.",
    ),
    "unknown_coin": (404, 404, "text", "coin not found"),
    "unknown_path": (404, 404, "text", "Incorrect path. Please check the reference."),
    "unknown_currency": (400, 400, "text", "invalid vs_currency"),
    "bad_date": (422, 422, "text", "Invalid date"),
    "bad_days": (422, 422, "text", "Invalid days parameter"),
    "missing": (422, 422, "text", "Missing parameter {detail}"),
    "broken": (500, 500, "text", "Internal Server Error"),
}


class ApiError(Exception):
    """An error response; the server sends `status`, `body` and `headers`."""

    def __init__(self, name: str, detail: str = "", headers: dict[str, str] | None = None) -> None:
        """Raises `KeyError` for an unknown name."""
        self.status, code, shape, message = ERRORS[name]
        self.body = SHAPES[shape](code, message.format(detail=detail))
        self.headers = headers or {}
        super().__init__(name)
