"""Claims: who fetches a dataset now. Each is a lock of redis-py that ends by itself."""

from __future__ import annotations

import secrets

import structlog
from redis.exceptions import LockError, RedisError
from redis.lock import Lock

from providers.datasets import Dataset
from spot.snapshots import connection, taken

log = structlog.get_logger(__name__)


def claim(dataset: Dataset, seconds: float) -> str | None:
    """Become the one who fetches a dataset; None when somebody is. The claim ends by itself after `seconds`. The token
    travels with the task, so that another process can check and release the claim."""
    token = secrets.token_hex(8)
    return token if taken(f"spot:claim:{dataset.name}", token, seconds) else None


def holds(dataset: Dataset, token: str) -> bool:
    """Whether the claim is still that token's."""
    return _lock(dataset, token).owned()


def release(dataset: Dataset, token: str) -> None:
    """End a claim, if it is still the token's. Losing the store meanwhile is harmless: the claim ends by itself."""
    try:
        _lock(dataset, token).release()
    except LockError:
        return  # it has ended, and may be somebody else's by now
    except (RedisError, OSError) as error:
        log.warning("claim not released, it ends by itself", dataset=dataset.name, error=type(error).__name__)


def _lock(dataset: Dataset, token: str) -> Lock:
    lock = Lock(connection(), f"spot:claim:{dataset.name}", thread_local=False)
    lock.local.token = token.encode()
    return lock
