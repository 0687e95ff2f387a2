"""Claims: one task at a time fetches a dataset. Each claim is a lock of redis-py that expires by itself, and that ends
with the process that works on it where the others can see that (`holders`)."""

from __future__ import annotations

import secrets

import structlog
from redis.exceptions import LockError, RedisError
from redis.lock import Lock

from providers.datasets import Dataset
from providers.pipelines import Commands
from spot.snapshots import acquire, commands, connection, holders

log = structlog.get_logger(__name__)


#: Replaces a token by another, and lets the claim last so many ms; does nothing to a claim of another token.
_LUA = """
if redis.call('get', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('set', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1
"""


def claim(dataset: Dataset, seconds: float) -> str | None:
    """Claim the fetch of a dataset for `seconds`, for this process: a token, or None when it is claimed already. The
    token may travel with a task, so that another process can take the claim over."""
    return acquire(_key(dataset), seconds, holders.signed(secrets.token_hex(16)))


def claiming(dataset: Dataset, seconds: float, longest: float) -> Commands[str | bool]:
    """The same for whichever process gets the task, as a part of a round trip (`commands.acquiring`); `longest`: for
    so long the claim of a task that has started lasts."""
    return commands.acquiring(_key(dataset), seconds, longest)


def taking_over(dataset: Dataset, token: str, seconds: float) -> Commands[str | None]:
    """Let the claim be this process's and last `seconds` from now, as a part of a round trip: its token from now on, or
    None if it is no longer that token's."""
    ours = holders.signed(token.split(maxsplit=1)[0])
    command = ("EVAL", _LUA, 1, _key(dataset), token, ours, int(seconds * 1000))
    return Commands([command], lambda answers: ours if answers[0] else None)


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
