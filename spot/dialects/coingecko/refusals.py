"""Refusals in CoinGecko's words: the statuses, codes and shapes of its REST API. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from spot.codes import Refused
from spot.dialects.rest import Reply, retry_headers
from spot.query.jsontext import dumps

#: Clients of the vendor's ignore longer pauses, and ask again at once.
_LONGEST_PAUSE = 60
_KEYS = ("key_required", "bad_key", "key_revoked", "key_expired", "bad_ticket")
#: The status, and the code in the body, of refusals whose own are others.
_STATUSES = {"missing_field": 422, "unknown_currency": 400, "forbidden_channel": 401, "bad_value": 422}
_CODES = {"forbidden_channel": 10005, **dict.fromkeys(_KEYS, 10002)}
#: Refusals that are a bare text, which clients compare.
_TEXTS = {
    "missing_field": "Missing parameter {field}",
    "unknown_currency": "invalid vs_currency",
    "unknown_coin": "coin not found",
    "unknown_feed": "Incorrect path. Please check the documentation of this site for the endpoints that it serves.",
}


def reply(refused: Refused, now_ms: int) -> Reply:
    """A refusal as CoinGecko writes it: a bare text for mistakes in a request, else a status with code and text."""
    status = _STATUSES.get(refused.code, refused.fact.status)
    headers = retry_headers(refused, now_ms, _LONGEST_PAUSE)
    body: dict[str, Any]
    if refused.code in _TEXTS:
        body = {"error": _TEXTS[refused.code].format(field=refused.field)}
    elif refused.fact.status == 400:
        body = {"error": refused.message}
    else:
        stamp = datetime.fromtimestamp(now_ms / 1000, UTC).isoformat(timespec="milliseconds")
        code = _CODES.get(refused.code, status)
        body = {"status": {"timestamp": stamp, "error_code": code, "error_message": refused.message}}
    return Reply(dumps(body), status, headers)
