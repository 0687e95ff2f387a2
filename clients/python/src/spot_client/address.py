"""Where a server is, and how parameters stand in an address. No input, no output."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlencode, urlsplit

_PREFIX = "/tzone_apis/services/spot/"


class Server:
    """A server's address and the key for it, which never shows in a `repr`."""

    def __init__(self, url: str, key: str | None = None) -> None:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        scheme = {"http": "http", "ws": "http", "https": "https", "wss": "https"}.get(parts.scheme)
        if scheme is None or not parts.netloc or "@" in parts.netloc:
            raise ValueError(f"url must be the address of a server, such as https://spot.example.org, not {url!r}")
        if key is not None and (not key or not key.isascii() or not key.isprintable() or " " in key):
            raise ValueError("key must be a text of visible ASCII characters")
        self.url = f"{scheme}://{parts.netloc}{parts.path.rstrip('/')}"
        self.headers = {"User-Agent": "spot-client/0.1.0", **({"X-API-Key": key} if key else {})}

    def __repr__(self) -> str:
        return f"Server({self.url!r})"

    def http(self, feed: str, params: Mapping[str, Any]) -> str:
        """The address of a feed over HTTP."""
        return f"{self.url}{_PREFIX}{feed}{_query(params)}"

    @property
    def batch(self) -> str:
        """The address for several views in one request."""
        return f"{self.url}{_PREFIX}batch"

    def socket(self, feed: str, params: Mapping[str, Any]) -> str:
        """The address of a feed's socket."""
        return f"ws{self.url[4:]}{_PREFIX}ws/{feed}{_query(params)}"


def wire(value: Any) -> Any:
    """A parameter's value as JSON has it: sets, tuples and times have no place there."""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, (set, frozenset, tuple)):
        return list(value)
    return value


def given(params: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters that have a value, as JSON has them."""
    return {name: wire(value) for name, value in params.items() if value is not None}


def _query(params: Mapping[str, Any]) -> str:
    texts = {name: _text(value) for name, value in given(params).items()}
    return f"?{urlencode(texts)}" if texts else ""


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return ",".join(map(str, value))
    if isinstance(value, Mapping):
        return json.dumps(value, separators=(",", ":"))
    return str(value)
