"""The folder of this site and its Redis, by the environment. Apart from the other settings, since the health checks of
containers need no more, and a tenth of the time."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path

from spot_project import redis_address
from spot_project.environment import Environment
from spot_project.redis_address import RedisAddress

BASE_DIR = Path(__file__).resolve().parent.parent


def home(env: Environment) -> Path:
    """The folder for persistent data."""
    return Path(env.text("SPOT_HOME", default=str(BASE_DIR / ".spot"))).expanduser().resolve()


def private_socket(home: Path) -> Path:
    """The socket of the private Redis: in that folder, unless its path is longer than the 104 bytes that sockets
    allow."""
    path = home / "redis" / "redis.sock"
    if len(os.fsencode(path)) < 100:
        return path
    return Path(tempfile.gettempdir(), f"spot-{hashlib.sha256(os.fsencode(home)).hexdigest()[:16]}", "redis.sock")


def redis(env: Environment, home: Path) -> RedisAddress:
    """The address of the Redis: REDIS_URL, or that of the private server. Raises `ImproperlyConfigured`."""
    return env.redis("REDIS_URL") or redis_address.private(str(private_socket(home)))
