"""As in tests/spot: what one test asked for is not counted in the next."""

from tests.spot.conftest import whole_allowances

__all__ = ["whole_allowances"]
