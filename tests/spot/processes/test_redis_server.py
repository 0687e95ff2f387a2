"""The private Redis: what it says when it cannot start, and what it never tells."""

import stat
import subprocess
from dataclasses import replace
from pathlib import Path

from spot.processes import redis_server
from spot.processes.supervisor import Program
from spot_project.redis_address import parse
from spot_project.redis_connections import Server
from tests.live import NOWHERE


def start(tmp_path: Path, socket: Path | None = None) -> tuple[Program, Path]:
    binary = redis_server.find()
    assert binary is not None
    folder = tmp_path / "data with a space"
    return redis_server.program(binary, socket or folder / "s", folder), folder


def test_the_server_found_says_what_it_is() -> None:
    binary = redis_server.find()
    assert binary is not None
    assert binary.title.split()[0] in {"Redis", "Valkey"}


def test_an_address_where_nobody_listens_says_why() -> None:
    assert "refused" in redis_server.trouble(Server(parse("redis://127.0.0.1:1/0")))
    assert redis_server.trouble(NOWHERE)


def test_an_address_that_answers_says_nothing(redis_url: str, settings) -> None:
    assert redis_server.trouble(settings.REDIS) == ""


def test_a_redis_that_answers_and_cannot_be_used_says_why(redis_url: str, settings) -> None:
    address = replace(settings.REDIS.address, db=99)
    assert redis_server.trouble(Server(address)) == "it has no database of the number in REDIS_URL"
    secret = replace(settings.REDIS.address, username="nobody", password="s3cret")
    assert redis_server.trouble(Server(secret)) == "it refuses the user or the password in REDIS_URL"


def test_nobody_else_may_open_its_socket_and_it_has_no_port(tmp_path: Path) -> None:
    program, folder = start(tmp_path)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert program.argv[program.argv.index("--port") + 1] == "0"
    assert program.argv[program.argv.index("--unixsocketperm") + 1] == "700"


def test_a_server_that_cannot_start_leaves_a_reason(tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    taken.mkdir()
    program, folder = start(tmp_path, taken)
    assert subprocess.run(program.argv, check=False, stdout=subprocess.DEVNULL, timeout=20).returncode
    assert "socket" in redis_server.last_line(folder)
    assert not redis_server.set_aside_unreadable(folder)


def test_data_that_the_server_cannot_read_are_set_aside_and_kept(tmp_path: Path) -> None:
    program, folder = start(tmp_path)
    (folder / "dump.rdb").write_bytes(b"REDIS9999 from a newer server")
    assert subprocess.run(program.argv, check=False, stdout=subprocess.DEVNULL, timeout=20).returncode
    assert redis_server.set_aside_unreadable(folder)
    assert (folder / "dump.rdb.unreadable").read_bytes().startswith(b"REDIS9999")
    assert not redis_server.set_aside_unreadable(folder)


def test_a_server_that_said_nothing_is_reported_as_such(tmp_path: Path) -> None:
    assert redis_server.last_line(tmp_path) == "its log is empty"
