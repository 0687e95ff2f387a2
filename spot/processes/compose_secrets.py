"""The passwords of a site under Compose: generated on the first start and stored in volumes; there are no defaults.

`python -m spot.processes.compose_secrets SECRETS REDIS DATABASE` writes the containers' files with mode 0600: to
SECRETS the keys of the site and the URLs of Redis and database with their passwords, to REDIS its configuration, to
DATABASE its password. Existing files stay unchanged, so it may run at each start. With
`--replicated PREFIX` REDIS gets a folder for each server and each Sentinel of compose.scale.yaml, whose addresses begin
with these three numbers.
"""

import secrets
import sys
from pathlib import Path

REDIS = """\
bind * -::*
requirepass {password}
dir {folder}
save 60 1
stop-writes-on-bgsave-error no
maxmemory 384mb
maxmemory-policy noeviction
"""

#: The servers and Sentinels of compose.scale.yaml by name, with the last number of their address; the first server is
#: the primary of the first start. Addresses, since a Sentinel that waits for a name to be resolved decides nothing: the
#: name of a container that is gone may take 20 s.
SERVERS = {"valkey-1": 11, "valkey-2": 12}
SENTINELS = {"sentinel-1": 21, "sentinel-2": 22, "sentinel-3": 23}
#: The name under which Sentinels know the primary.
PRIMARY = "spot"
_REPLICATED = """\
masterauth {password}
"""
_SENTINEL = """\
bind * -::*
requirepass {password}
dir {folder}
sentinel monitor {primary} {first} 6379 2
sentinel auth-pass {primary} {password}
sentinel sentinel-pass {password}
sentinel down-after-milliseconds {primary} 3000
sentinel failover-timeout {primary} 10000
sentinel parallel-syncs {primary} 1
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
    """Create the missing files of the three folders, for one Redis."""
    password = _of_the_site(site, database)
    stored(site / "redis_url", f"redis://:{password}@redis:6379/0")
    stored(redis / "redis.conf", REDIS.format(password=password, folder="/data"))


def write_replicated(prefix: str, site: Path, stores: Path, database: Path) -> None:
    """Create the missing files of the three folders, for servers that Sentinels watch. Both rewrite theirs later."""
    password = _of_the_site(site, database)
    hosts = ",".join(f"{prefix}.{number}:26379" for number in SENTINELS.values())
    stored(site / "redis_url", f"redis+sentinel://:{password}@{hosts}/{PRIMARY}/0?sentinel_password={password}")
    stored(stores / "password", password)
    first = f"{prefix}.{min(SERVERS.values())}"
    for name, number in (SERVERS | SENTINELS).items():
        (stores / name).mkdir(mode=0o700, exist_ok=True)
        values = {"password": password, "folder": f"/data/{name}", "primary": PRIMARY, "first": first}
        if name in SENTINELS:
            text = _SENTINEL.format(**values)
        else:
            text = REDIS.format(**values) + _REPLICATED.format(**values)
            text += "" if f"{prefix}.{number}" == first else f"replicaof {first} 6379\n"
        stored(stores / name / "valkey.conf", text)


def _of_the_site(site: Path, database: Path) -> str:
    """Create the missing files that do not depend on the servers of Redis; the password of these."""
    stored(site / "secret_key", secrets.token_urlsafe(48))
    stored(site / "provider_keys", secrets.token_urlsafe(48))
    password = stored(database / "password", secrets.token_urlsafe(32))
    stored(site / "database_url", f"postgres://spot:{password}@database:5432/spot")
    return stored(site / "redis_password", secrets.token_urlsafe(32))


if __name__ == "__main__":
    if sys.argv[1] == "--replicated":
        write_replicated(sys.argv[2], *map(Path, sys.argv[3:]))
    else:
        write(*map(Path, sys.argv[1:]))
