"""A market in the store, and rules and targets for it."""

from collections.abc import Callable
from typing import Any

import pytest

from providers.vault import Secret
from spot import snapshots
from spot.alerts.models import Rule, Target
from tests.spot.rows import COINS, CURRENCIES, USD, coin, fetched
from tests.webhook_target import Target as Listener

SECRET = "whsec-canary-5f1d0e9a8b7c6d"


@pytest.fixture(autouse=True)
def live(settings) -> None:
    settings.SPOT_DEMO = "off"


@pytest.fixture
def store(redis) -> Callable[..., None]:
    """Stores a market: prices by coin id, and facts of it."""
    snapshots.save(fetched(CURRENCIES, [{"id": "usd"}]), 60)
    snapshots.save(fetched(COINS, [{"id": name, "symbol": name, "name": name} for name in ("bitcoin", "rare")]), 60)

    def save(facts: dict[str, Any] | None = None, **prices: Any) -> None:
        rows = [coin(id_, price=price, market_cap=1e9 - place) for place, (id_, price) in enumerate(prices.items())]
        snapshots.save(fetched(USD, rows, **(facts or {})), 60)

    return save


@pytest.fixture
def make_target(db) -> Callable[..., Target]:
    """Makes a target that leads to a listener, or to a URL."""

    def make(listener: Listener | str, name: str = "hook") -> Target:
        target = Target(name=name, url=listener if isinstance(listener, str) else listener.url)
        target.secret = Secret(SECRET)
        target.save()
        return target

    return make


@pytest.fixture
def make_rule(db) -> Callable[..., Rule]:
    """Makes a rule: the price of bitcoin above 100, unless said otherwise."""

    def make(*targets: Target, **fields: Any) -> Rule:
        usual = {"name": "high", "feed": "market", "kind": "above", "field": "price", "value": 100.0}
        rule = Rule.objects.create(**{**usual, "cooldown_seconds": 0, **fields})
        rule.targets.set(targets)
        return rule

    return make
