"""What the stories of the fast path share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from spot.hub import audience


@pytest.fixture(autouse=True, scope="package")
def one_call_however_few() -> Iterator[None]:
    """A story has a handful of sockets: they are written to as thousands would be, by one call where there is one."""
    before, audience._FEW = audience._FEW, 1
    yield
    audience._FEW = before
