"""Several web processes on one socket, and their replacement under load: with both servers, and a small application."""

import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from spot.processes.web_processes import CannotReload, Note, names, note_file, reload
from spot.server import listening

COUNT = 2
# Supervises web processes that are `tests.ops.probe_app`, until SIGTERM.
DRIVER = """
import sys
from pathlib import Path
from spot.processes.supervisor import Program, Supervisor
from spot.processes.web_processes import WebProcesses
server, fd, note, count = sys.argv[1:]
def one(name, number):
    argv = [sys.executable, "-m", "tests.ops.probe_app", server, "--fd", fd, "--broken", note + ".broken"]
    return Program(name, argv, fds=(int(fd),))
with Supervisor(lambda text: print(text, flush=True)) as supervisor:
    web = WebProcesses(supervisor, Path(note), int(count), one, lambda: print("then", flush=True))
    web.start()
    supervisor.run(web.note)
    web.close()
"""


class Site:
    """Two web processes and their supervisor."""

    def __init__(self, server: str, folder: Path) -> None:
        self.listener = listening.listen("127.0.0.1", 0)
        self.port = self.listener.getsockname()[1]
        self.note = note_file(folder, self.port)
        fd = self.listener.fileno()
        self.supervisor = subprocess.Popen(
            [sys.executable, "-c", DRIVER, server, str(fd), str(self.note), str(COUNT)],
            pass_fds=[fd],
            stdout=subprocess.PIPE,
            text=True,
        )
        wait_until(lambda: len(self.answering()) == COUNT)

    def answering(self) -> set[int]:
        """The ids of processes that answer some requests; those of none while none accepts."""
        return {int(self.ask()["pid"]) for _ in range(6)}

    def ask(self, path: str = "/m", seconds: float = 30) -> dict[str, Any]:
        client = http.client.HTTPConnection("127.0.0.1", self.port, timeout=seconds)
        with contextlib.closing(client):
            client.request("GET", path)
            return dict(json.loads(client.getresponse().read()))

    def sockets(self, stack: contextlib.ExitStack, count: int) -> list[tuple[int, ClientConnection]]:
        """So many sockets, each with the id of its process."""
        clients = [stack.enter_context(connect(f"ws://127.0.0.1:{self.port}/m")) for _ in range(count)]
        return [(int(json.loads(client.recv())["pid"]), client) for client in clients]

    def running(self) -> dict[str, int]:
        return Note.read(self.note).processes

    def close(self) -> str:
        self.supervisor.terminate()
        said = self.supervisor.communicate(timeout=30)[0]
        self.listener.close()
        return said


class Asking(threading.Thread):
    """Asks without a pause, on one connection that is kept alive as long as the server allows."""

    def __init__(self, site: Site, *, keeps: bool) -> None:
        super().__init__(daemon=True)
        self.site, self.keeps = site, keeps
        self.pids: list[int] = []
        self.unprepared = 0
        self.troubles: list[str] = []
        self.enough = threading.Event()

    def run(self) -> None:
        client = http.client.HTTPConnection("127.0.0.1", self.site.port, timeout=30)
        while not self.enough.wait(0.005):
            try:
                client.request("GET", "/m", headers={} if self.keeps else {"Connection": "close"})
                answer = json.loads(client.getresponse().read())
                self.pids.append(answer["pid"])
                self.unprepared += not answer["prepared"]
            except (OSError, http.client.HTTPException) as error:
                self.troubles.append(repr(error))
                client.close()
        client.close()


def wait_until(condition: Callable[[], Any], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come true"
        time.sleep(0.02)


def code_of(client: ClientConnection) -> int | None:
    with pytest.raises(ConnectionClosed) as closed:
        client.recv(timeout=30)
    return closed.value.rcvd and closed.value.rcvd.code


@pytest.fixture(scope="module", params=["uvicorn", "daphne"])
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    made = Site(request.param, tmp_path_factory.mktemp("web"))
    yield made
    made.close()
    assert not made.note.exists()


def test_a_process_that_is_killed_takes_only_its_own_clients_along(site: Site) -> None:
    with contextlib.ExitStack() as stack:
        clients = []
        while {pid for pid, _ in clients} != set(site.running().values()):
            clients += site.sockets(stack, 4)
        killed = site.running()["web-1"]
        os.kill(killed, signal.SIGKILL)
        for pid, client in clients:
            if pid == killed:
                assert code_of(client) is None
            else:
                client.send("hello")
                assert client.recv(timeout=30) == "hello"
        assert site.ask()["pid"] != killed  # no connection is refused meanwhile
        wait_until(lambda: site.running()["web-1"] != killed)
        wait_until(lambda: len(site.answering()) == COUNT)


def test_a_reload_refuses_no_connection_and_loses_no_answer(site: Site) -> None:
    before = set(site.running().values())
    asking = [Asking(site, keeps=keeps) for keeps in (True, True, False)]
    slow: list[int] = []
    waiting = threading.Thread(target=lambda: slow.append(site.ask("/slow")["pid"]))
    stream = http.client.HTTPConnection("127.0.0.1", site.port, timeout=30)
    with contextlib.ExitStack() as stack, contextlib.closing(stream):
        clients = site.sockets(stack, 8)
        stream.request("GET", "/events")
        events = stream.getresponse()
        assert events.readline() == b"data: 1\n"
        for one in asking:
            one.start()
        waiting.start()
        after = set(reload(site.note))
        assert not after & before
        assert [code_of(client) for _, client in clients] == [1012] * 8
        assert events.read() == b"\n"  # whole: the answer has its last chunk
        waiting.join()
        for one in asking:
            seen = len(one.pids)
            wait_until(lambda one=one, seen=seen: len(one.pids) > seen + 20)  # type: ignore[misc]
            one.enough.set()
            one.join()
        assert [one.troubles for one in asking] == [[], [], []]
        assert not any(one.unprepared for one in asking)
        assert all(set(one.pids[-10:]) <= after and set(one.pids) & before for one in asking)
    assert set(slow) <= before | after
    assert slow
    wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in before))


def test_the_old_processes_go_on_where_a_new_one_cannot_start(site: Site) -> None:
    before = site.running()
    broken = Path(f"{site.note}.broken")
    broken.touch()
    with contextlib.ExitStack() as stack:
        (_, client), *_ = site.sockets(stack, 1)
        with pytest.raises(CannotReload, match=r"the new web-\d ended \(exit code 3\)"):
            reload(site.note)
        broken.unlink()
        client.send("hello")
        assert client.recv(timeout=30) == "hello"
    assert site.running() == before
    assert site.answering() <= set(before.values())


def test_a_reload_without_a_running_site_is_refused_in_a_sentence(tmp_path: Path) -> None:
    file = note_file(tmp_path, 8000)
    with pytest.raises(CannotReload, match="No web process runs on this folder and port"):
        reload(file)
    file.write_text('{"supervisor": 1}')  # left behind by one that was killed
    with pytest.raises(CannotReload, match="of a former run"):
        reload(file)


def test_one_process_alone_keeps_its_name() -> None:
    assert names(1) == ["web"]
    assert names(3) == ["web-1", "web-2", "web-3"]
