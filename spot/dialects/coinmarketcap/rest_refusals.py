"""Refusals in the words of CoinMarketCap's REST: statuses, codes and the status object. Pure."""

from __future__ import annotations

from typing import Any

from spot.codes import Refused
from spot.dialects.rest import Reply, retry_headers
from spot.dialects.times import iso
from spot.query.jsontext import dumps

#: Our refusal: their HTTP status and code, and their text where they have one. Others repeat the HTTP status as code.
_FACTS: dict[str, tuple[int, int, str]] = {
    "key_required": (401, 1002, "API key missing."),
    "bad_key": (401, 1001, "This API Key is invalid."),
    "bad_ticket": (401, 1001, "This API Key is invalid."),
    "key_expired": (402, 1004, "Your API Key subscription plan has expired."),
    "key_revoked": (403, 1007, "This API Key has been disabled. Please contact support."),
    "forbidden_channel": (403, 1006, "Your API Key subscription plan doesn't support this endpoint."),
    "forbidden_origin": (403, 1006, ""),
    "forbidden_network": (403, 1006, ""),
    "too_many_requests": (429, 1008, ""),
    "too_many_attempts": (429, 1011, ""),
    "out_of_credits": (429, 1010, ""),
}
_NO_PATH = {"statusCode": 404, "error": "Not Found", "message": "Not Found"}


def reply(refused: Refused, now_ms: int) -> Reply:
    """A refusal: a status object without data; for an unknown path the answer of their gateway."""
    headers = retry_headers(refused, now_ms)
    if refused.code == "unknown_feed":
        return Reply(dumps(_NO_PATH), 404, headers)
    usual = 400 if refused.fact.status == 404 else refused.fact.status
    status, code, text = _FACTS.get(refused.code, (usual, usual, ""))
    told: dict[str, Any] = {
        "timestamp": iso(now_ms),
        "error_code": code,
        "error_message": text or refused.message,
        "elapsed": 0,
        "credit_count": 0,
        "notice": None,
    }
    return Reply(dumps({"status": told}), status, headers)
