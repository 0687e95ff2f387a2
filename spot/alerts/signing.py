"""Signatures of webhooks: HMAC-SHA256 over the time and the body, as `t=…,v1=…`. Pure."""

from __future__ import annotations

import hashlib
import hmac

HEADER = "X-Spot-Signature"


def signature(secret: bytes, at_s: int, body: bytes) -> str:
    """The value of the header for a body that is sent at that time (epoch seconds)."""
    digest = hmac.new(secret, f"{at_s}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at_s},v1={digest}"
