"""`manage.py up`: starts and supervises all processes of Spot. `make run` calls it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shlex
import socket
import sys
import threading
import time
import warnings
from argparse import ArgumentParser
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from importlib import import_module
from typing import IO, Any
from urllib.parse import urlsplit, urlunsplit

import structlog
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import execute_from_command_line
from django.core.management.base import BaseCommand, CommandError
from django.db import connection

from providers.streams import stream_state
from spot import signs, snapshots
from spot.management.commands.prepare import described
from spot.processes import forking, redis_server
from spot.processes.pulse import Pulse
from spot.processes.supervisor import Program, Supervisor
from spot.processes.web_processes import WebProcesses, note_file
from spot.server import listening
from spot_project import redis_address

log = structlog.get_logger(__name__)

#: What Celery warns of when root runs it: pickled messages, which are not accepted here.
_AS_ROOT = "You're running the worker"
PARTS = ("worker", "beat", "stream", "sandbox", "web")
LEAVING_SECONDS = 8.0  # a second start waits this long for the processes of one that is ending
NOTICING_SECONDS = 0.5  # the reaper needs this long to notice that its supervisor was killed
REDIS_SECONDS = 15.0


class Command(BaseCommand):
    help = "Start the parts named (default: all, with a private Redis unless REDIS_URL is set) and supervise them."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help=", ".join(PARTS))

    def handle(self, *_args: Any, **options: Any) -> None:
        if options["parts"]:
            self._supervise(options["parts"], whole=False)
            return
        with folder_lock() as lock:
            self._supervise(list(PARTS), whole=True, lock=lock)

    def _supervise(self, parts: list[str], *, whole: bool, lock: IO[str] | None = None) -> None:
        """Start and supervise parts; `whole`: after Redis and migrations."""
        listener = open_port() if "web" in parts else None
        with Supervisor(self._say, None if lock is None else lock.fileno()) as supervisor:
            if whole and not self._prepare(supervisor):
                return
            sandbox = sandbox_url()
            if sandbox is not None:
                settings.SANDBOX_BASE_URL = sandbox
            import_parts(parts)
            forking.prepare()
            supervisor.fork_server = fork_server(parts, listener, sandbox)
            for part in parts:
                if part != "web" and (part_program := program(part, listener, sandbox)) is not None:
                    supervisor.start(part_program)
            web = None if listener is None else start_web(supervisor, listener, sandbox, parts)
            if web is not None:
                threading.Thread(target=self._announce, daemon=True).start()
            tasks, streams = Pulse(snapshots.worker_seen_ms), Pulse(streams_seen_ms)
            watched = {"worker": tasks, "beat": tasks, "stream": streams}
            pulses = {part: watched[part] for part in parts if part in watched}
            own: dict[str, Pulse] = {
                part: Pulse(partial(sign_ms, supervisor, part)) for part in signs.PARTS if part in parts
            }

            def each_turn() -> None:
                watch(supervisor, pulses)
                watch(supervisor, own, named=True)
                if web is not None:
                    web.note()

            supervisor.run(each_turn)
            if listener is not None and web is not None:
                web.close()
                listener.close()  # a connection that nobody accepts any more is refused, and does not wait for our end
            self._say("Ending")

    def _prepare(self, supervisor: Supervisor) -> bool:
        """Redis, database, static files, first administrator; False when a signal ended us meanwhile."""
        redis = find_redis(supervisor)
        code = supervisor.finish(Program("prepare", manage("prepare"), inside=partial(_command, ["prepare"])))
        if code:
            raise CommandError("Nothing was started.")
        self._say(f"Redis      {redis}")
        self._say(f"Database   {described(connection.settings_dict)}")
        self._say(f"Server     {server()} on {settings.SPOT_BIND} port {settings.PORT}{for_whom()}")
        self._say(f"Demo data  {DEMO[settings.SPOT_DEMO]}")
        return code is not None

    def _announce(self) -> None:
        """Print the URL once the site answers."""
        host = "localhost" if settings.SPOT_BIND in {*listening.REACHED_BY, "127.0.0.1", "::1"} else settings.SPOT_BIND
        url = f"http://{host}:{settings.PORT}/"
        while not is_served():
            time.sleep(0.1)
        with forking.undisturbed:
            has_administrator = get_user_model().objects.filter(is_superuser=True).exists()
            connection.close()
        if not has_administrator:
            self._say(f"No administrator yet: {with_settings(manage('createsuperuser'))}")
        self._say(f"Spot is at {url}  (Ctrl-C ends it)")

    def _say(self, text: str) -> None:
        """Tell who started it; where lines are read by programs, as one of the log."""
        if settings.SPOT_LOG_FORMAT == "json":
            log.info(text)
            return
        self.stdout.write(text)
        self.stdout.flush()


DEMO = {
    "off": "off: real providers only",
    "on": "on: a simulated market, nothing real is fetched",
    "auto": "auto: a simulated market, if no provider can be reached and none ever was",
}


def server() -> str:
    """The server, and how many processes of it."""
    count = settings.SPOT_WEB_PROCESSES
    return str(settings.SPOT_SERVER) if count == 1 else f"{settings.SPOT_SERVER}, {count} processes,"


def for_whom() -> str:
    """The allowed host names of a site that is reachable from outside, since other names get an error."""
    if listening.is_loopback(settings.SPOT_BIND):
        return ""
    return f", as {', '.join(settings.ALLOWED_HOSTS)} (SPOT_ALLOWED_HOSTS)"


def with_settings(argv: list[str]) -> str:
    """The command for a shell in this folder, with SPOT_HOME unless it has its default."""
    program, script, *arguments = argv
    words = [*(os.path.relpath(path) for path in (program, script)), *arguments]
    if settings.SPOT_HOME != settings.BASE_DIR / ".spot":
        words = [f"SPOT_HOME={shlex.quote(str(settings.SPOT_HOME))}", *map(shlex.quote, words)]
    hint = "" if "sqlite3" in settings.DATABASES["default"]["ENGINE"] else "  (with the same DATABASE_URL)"
    return " ".join(words) + hint


def manage(*arguments: str) -> list[str]:
    return [sys.executable, str(settings.BASE_DIR / "manage.py"), *arguments]


def folder_lock() -> IO[str]:
    """The lock on SPOT_HOME, which lasts as long as a process has the file open: this one, then its reaper.

    The file contains this process's id; it is empty while the processes of a former run are ending.
    """
    lock = (settings.SPOT_HOME / "up.lock").open("a+")
    started = time.monotonic()
    while not is_locked(lock):
        waited = time.monotonic() - started
        lock.seek(0)
        owner = lock.read()
        if waited > (NOTICING_SECONDS if owner else LEAVING_SECONDS):
            lock.close()
            raise CommandError(
                f"Spot already runs on {settings.SPOT_HOME} (process {owner or 'that is ending'}). "
                "End that one, or choose another folder: SPOT_HOME=/path make run"
            )
        time.sleep(0.1)
    lock.truncate(0)
    lock.write(str(os.getpid()))
    lock.flush()
    return lock


def is_locked(file: IO[str]) -> bool:
    """Whether the lock was acquired."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def open_port() -> socket.socket:
    """The site's socket, opened here so that a port in use is reported before anything starts."""
    try:
        return listening.listen(settings.SPOT_BIND, settings.PORT)
    except listening.CannotServe as error:
        raise CommandError(str(error)) from error


def find_redis(supervisor: Supervisor) -> str:
    """Make sure that a Redis answers, and start a private one without REDIS_URL; its description."""
    address = settings.REDIS.address
    if address != redis_address.private(str(settings.SPOT_PRIVATE_SOCKET)):
        if trouble := redis_server.trouble(settings.REDIS):
            raise CommandError(f"Redis cannot be used at {address} (REDIS_URL): {trouble}.")
        return str(address)
    binary = redis_server.find()
    if binary is None:
        raise CommandError(redis_server.NONE_FOUND)
    start_redis(supervisor, binary)
    warning = "; old, for trials only: install valkey or redis for real use" if binary.embedded else ""
    return f"{binary.title}, private ({binary.path}{warning})"


def start_redis(supervisor: Supervisor, binary: redis_server.Binary) -> None:
    folder = settings.SPOT_HOME / "redis"
    try:
        supervisor.start(redis_server.program(binary, settings.SPOT_PRIVATE_SOCKET, folder))
    except OSError as error:
        raise CommandError(f"Redis could not start: {error}") from error

    def settled() -> bool:
        return supervisor.has_ended("redis") or not redis_server.trouble(settings.REDIS)

    if supervisor.wait_for(settled, REDIS_SECONDS) and not supervisor.has_ended("redis"):
        return
    if supervisor.has_ended("redis") and redis_server.set_aside_unreadable(folder):
        start_redis(supervisor, binary)
    elif not supervisor.ending:
        why = redis_server.last_line(folder)
        raise CommandError(f"Redis could not start ({binary.path}): {why}. Set REDIS_URL to use another.")


def start_web(
    supervisor: Supervisor, listener: socket.socket, sandbox: str | None, parts: Sequence[str]
) -> WebProcesses:
    """Start the web processes. A reload restarts those other parts besides that run code of ours."""
    count = settings.SPOT_WEB_PROCESSES

    def one(name: str, number: int) -> Program:
        base = program("web", listener, sandbox, number if count > 1 else 0)
        assert base is not None
        return replace(base, name=name)

    def restart_others() -> None:
        for part in ("worker", "beat", "stream"):
            if part in parts:
                supervisor.restart(part, "is renewed")

    web = WebProcesses(supervisor, note_file(settings.SPOT_HOME, settings.PORT), count, one, restart_others)
    try:
        web.start()
    except BlockingIOError as error:
        raise CommandError(f"Web processes of port {settings.PORT} already run on {settings.SPOT_HOME}.") from error
    return web


def program(part: str, listener: socket.socket | None, sandbox: str | None, number: int = 0) -> Program | None:
    """One part as a program; None for a part that this configuration does not use. `number`: which of several web
    processes, from 1."""
    celery = [sys.executable, "-W", f"ignore:{_AS_ROOT}", "-m", "celery", "--quiet", "-A", "spot_project"]
    environment = _environment(sandbox)
    if part == "worker":
        # Two processes, so that one slow provider does not delay the tick. Gossip and mingle are for several workers.
        words = ["worker", "--loglevel=WARNING", "--without-gossip", "--without-mingle", "--concurrency=2"]
        return Program(part, [*environment, *celery, *words], inside=partial(_celery, words))
    if part == "beat":
        words = ["beat", "--loglevel=WARNING", "--pidfile="]
        return Program(part, [*environment, *celery, *words], inside=partial(_celery, words))
    if part == "stream":  # even without a key, since one may be entered at any time
        words = ["stream"]
    elif part == "web":
        assert listener is not None
        words = ["serve", "--fd", str(listener.fileno()), *(["--number", str(number)] if number else [])]
    elif sandbox is None:
        return None
    else:
        url = urlsplit(sandbox)
        words = ["sandbox", "--host", str(url.hostname), "--port", str(url.port)]
    fds = () if listener is None or part != "web" else (listener.fileno(),)
    # Twisted's reactor has been made by now, in this process, and serves no other.
    inside = None if part == "web" and settings.SPOT_SERVER == "daphne" else partial(_command, words)
    return Program(part, [*environment, *manage(*words)], fds=fds, inside=inside)


def fork_server(
    parts: Sequence[str], listener: socket.socket | None, sandbox: str | None
) -> tuple[Sequence[str], Sequence[int]]:
    """The program that forks parts after a reload, and what it inherits."""
    fds = [] if listener is None else [listener.fileno()]
    return [*_environment(sandbox), *manage("fork_server", *parts)], fds


def _environment(sandbox: str | None) -> list[str]:
    return [] if sandbox is None else ["env", f"SANDBOX_BASE_URL={sandbox}"]


def _celery(words: Sequence[str]) -> None:
    from spot_project.celery import app

    warnings.filterwarnings("ignore", _AS_ROOT)
    app.start(["--quiet", *words])


def _command(words: Sequence[str], *more: str) -> None:
    execute_from_command_line(["manage.py", *words, *more])


def import_parts(parts: Sequence[str]) -> None:
    """Import what most parts import, so that they share it as forks of this process."""
    import_module("spot_project.celery")
    if "web" in parts:
        import_module(settings.ASGI_APPLICATION.rpartition(".")[0])


def sandbox_url() -> str | None:
    """The URL of the simulated market: SANDBOX_BASE_URL, with another port if that is in use.

    None without a demo, or when another machine serves it.
    """
    url = urlsplit(settings.SANDBOX_BASE_URL)
    if settings.SPOT_DEMO == "off" or not listening.is_loopback(url.hostname or ""):
        return None
    for port in (url.port or 0, 0):
        with contextlib.suppress(listening.CannotServe), listening.listen(str(url.hostname), port) as free:
            return urlunsplit(url._replace(netloc=f"{url.hostname}:{free.getsockname()[1]}"))
    return settings.SANDBOX_BASE_URL


def is_served() -> bool:
    """Whether the site answers."""
    with forking.undisturbed:
        return listening.is_served(settings.SPOT_BIND, settings.PORT)


def streams_seen_ms() -> int | None:
    """When a stream process was last alive."""
    return stream_state.seen_ms(snapshots.connection())


def sign_ms(supervisor: Supervisor, part: signs.Part) -> int | None:
    """When this supervisor's own process of a part last said that it runs: another worker or beat does not count."""
    name = signs.name_of(supervisor.pid(part))
    return next((sign.seen for sign in signs.given_by(snapshots.connection(), part) if sign.name == name), None)


def watch(supervisor: Supervisor, pulses: dict[str, Pulse], *, named: bool = False) -> None:
    """Restart parts that run and have had no beat for too long; `named`: each is a process's own, which is named."""
    silent = [
        part
        for part, pulse in pulses.items()
        if min(pulse.silent_seconds(), supervisor.age(part)) > pulse.patience_seconds
    ]
    for part in silent:
        process = f" ({signs.name_of(supervisor.pid(part))})" if named else ""
        supervisor.restart(part, f"has been silent for {pulses[part].patience_seconds:g} s{process}")
    for pulse in {pulses[part] for part in silent}:
        pulse.be_patient()
