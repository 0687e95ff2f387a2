"""The passwords of a site under Compose: generated on the first start and stored in volumes; there are no defaults.

`python -m spot.processes.compose_secrets SECRETS REDIS DATABASE` writes the containers' files with mode 0600: to
SECRETS the keys of the site and the URLs of Redis and database with their passwords, to REDIS its configuration, to
DATABASE its password. Existing files stay unchanged, so it may run at each start.
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


def stored(path: Path, value: str) -> str:
    """The content of the file, which is created with `value` if it does not exist."""
    if not path.exists():
        draft = path.with_name(f"{path.name}.new")
        draft.touch(mode=0o600)
        draft.write_text(value)
        draft.rename(path)  # atomic, so that an interrupted start leaves no half of a secret
    return path.read_text()


def write(site: Path, redis: Path, database: Path) -> None:
    """Create the missing files of the three folders."""
    stored(site / "secret_key", secrets.token_urlsafe(48))
    stored(site / "provider_keys", secrets.token_urlsafe(48))
    password = stored(database / "password", secrets.token_urlsafe(32))
    stored(site / "database_url", f"postgres://spot:{password}@database:5432/spot")
    password = stored(site / "redis_password", secrets.token_urlsafe(32))
    stored(site / "redis_url", f"redis://:{password}@redis:6379/0")
    stored(redis / "redis.conf", REDIS.format(password=password))


if __name__ == "__main__":
    write(*(Path(argument) for argument in sys.argv[1:]))
