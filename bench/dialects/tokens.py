"""Token Metrics' stream for measuring: the tokens stand in the address, and frames have equal length."""

from __future__ import annotations

from dataclasses import dataclass

from bench.coins import TOKEN_BYTES, followed
from spot.dialects.base import Opening, Route
from spot.dialects.tokenmetrics import TokenMetrics
from spot.dialects.values import Page, Value


@dataclass(frozen=True)
class Measured(TokenMetrics):
    """Blanks behind the frames."""

    def write(self, value: Value) -> bytes | None:
        """The protocol's message."""
        payload = super().write(value)
        return payload.ljust(TOKEN_BYTES) if payload is not None and isinstance(value, Page) else payload


def _open(query_string: bytes, _subprotocols: tuple[str, ...], depth: int) -> Opening:
    """`/tokens?CLIENT`: that client's tokens, by the message that asks for them."""
    names = '", "'.join(followed(int(query_string)))
    dialect = Measured()
    return Opening(dialect, tuple(dialect.read(f'{{"is_append": 0, "tokens": ["{names}"]}}', depth)))


ROUTES = (Route("tokens", _open, Measured()),)
