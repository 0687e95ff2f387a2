"""Claims: one task at a time fetches a dataset. Each claim is a lock of redis-py that expires by itself."""

from __future__ import annotations

import structlog
from redis.exceptions import LockError, RedisError
from redis.lock import Lock

from providers.datasets import Dataset
from providers.pipelines import Commands
from spot.snapshots import acquire, commands, connection

log = structlog.get_logger(__name__)


def claim(dataset: Dataset, seconds: float) -> str | None:
    """Claim the fetch of a dataset for `seconds`: a token, or None when it is claimed already. The token travels with
    the task, so that another process can check and release the claim."""
    return acquire(_key(dataset), seconds)


def claiming(dataset: Dataset, seconds: float, longest: float) -> Commands[str | bool]:
    """The same as a part of a round trip (`commands.acquiring`); `longest`: for so long the claim of a task that
    has started lasts."""
    return commands.acquiring(_key(dataset), seconds, longest)


def renewing(dataset: Dataset, token: str, seconds: float) -> Commands[bool]:
    """Let the claim last `seconds` from now, as a part of a round trip; False if it is no longer that token's."""
    command = ("EVAL", Lock.LUA_EXTEND_SCRIPT, 1, _key(dataset), token, int(seconds * 1000), "1")
    return Commands([command], lambda answers: bool(answers[0]))


def renew(dataset: Dataset, token: str, seconds: float) -> bool:
    """The same at once."""
    return renewing(dataset, token, seconds).run(connection())


def release(dataset: Dataset, token: str) -> None:
    """Release a claim, if it is still the token's. An unreachable store is harmless: the claim expires by itself."""
    try:
        Lock(connection(), _key(dataset)).do_release(token)
    except LockError:
        return  # it has expired, and another task may have it by now
    except (RedisError, OSError) as error:
        log.warning("claim not released, it expires by itself", dataset=dataset.name, error=type(error).__name__)


def _key(dataset: Dataset) -> str:
    return f"spot:claim:{dataset.name}"
