"""The passwords of a composed site: made on the first start, kept in volumes, never defaulted.

`python -m spot.processes.compose_secrets SECRETS REDIS DATABASE` writes, with mode 0600, what each container reads: to
SECRETS the keys of the site and the addresses of Redis and database with their passwords, to REDIS its configuration,
to DATABASE its password. Every file that exists keeps its value, so it may run at each start.
"""

import secrets
import sys
from pathlib import Path

REDIS = """\
bind * -::*
requirepass {password}
dir /data
save 60 1
stop-writes-on-bgsave-error no
maxmemory 384mb
maxmemory-policy noeviction
"""


def kept(path: Path, value: str) -> str:
    """The file's content; made of `value` when there is no such file yet."""
    if not path.exists():
        draft = path.with_name(f"{path.name}.new")
        draft.touch(mode=0o600)
        draft.write_text(value)
        draft.rename(path)  # whole or not at all: a start that is cut off must not leave half a secret
    return path.read_text()


def write(site: Path, redis: Path, database: Path) -> None:
    kept(site / "secret_key", secrets.token_urlsafe(48))
    kept(site / "provider_keys", secrets.token_urlsafe(48))
    password = kept(database / "password", secrets.token_urlsafe(32))
    kept(site / "database_url", f"postgres://spot:{password}@database:5432/spot")
    password = kept(site / "redis_password", secrets.token_urlsafe(32))
    kept(site / "redis_url", f"redis://:{password}@redis:6379/0")
    kept(redis / "redis.conf", REDIS.format(password=password))


if __name__ == "__main__":
    write(*(Path(argument) for argument in sys.argv[1:]))
