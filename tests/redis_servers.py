"""Real Redis servers for tests: single ones, a primary with a replica and three Sentinels, and a cluster of three
primaries, one of them with a replica. All listen on loopback."""

import contextlib
import socket
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from redis import Redis
from redis.exceptions import RedisError

from spot.processes.redis_server import find
from spot_project.redis_primary import SLOT
from tests.live import wait_until

SERVICE = "spot"
_SLOTS = 16_384
#: For how long a server is silent before others call it dead, in ms: short, for tests.
_SILENT_MS = 500


def free_port() -> int:
    """A port that is free, and so is the one of a cluster's bus, 10,000 above it."""
    while True:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port: int = free.getsockname()[1]
            with contextlib.suppress(OSError, OverflowError), socket.create_server(("127.0.0.1", port + 10_000)):
                return port


class Instance:
    """A Redis on a port of loopback. `options` follow the program; `before` stand before them."""

    def __init__(self, folder: Path, *options: str, before: tuple[str, ...] = (), password: str = "") -> None:
        self.port = free_port()
        binary = find()
        assert binary is not None
        folder.mkdir(exist_ok=True)
        place = ("--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(folder))
        saving = () if "--sentinel" in options else ("--save", "")
        self.argv = [binary.path, *before, *place, *saving, *options]
        self.client = Redis(port=self.port, password=password or None, socket_timeout=2)
        self.start()

    def start(self) -> None:
        """Start it, also once more after `kill`."""
        self.process = subprocess.Popen(self.argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until(self.answers, what="Redis")

    def answers(self) -> bool:
        """Whether it answers."""
        with contextlib.suppress(RedisError):
            return bool(self.client.ping())
        return False

    def kill(self) -> None:
        """End it as a machine that loses power."""
        self.process.kill()
        self.process.wait()

    def close(self) -> None:
        self.client.close()
        self.kill()


class Guarded:
    """A primary, a replica, and three Sentinels that watch them."""

    def __init__(self, folder: Path, *, password: str = "", sentinel_password: str = "") -> None:
        auth = ("--requirepass", password, "--masterauth", password) if password else ()
        self._password = password
        self.servers = [Instance(folder / "primary", *auth, password=password)]
        behind = ("--replicaof", "127.0.0.1", str(self.servers[0].port))
        self.servers.append(Instance(folder / "replica", *behind, *auth, password=password))
        self.sentinels = [self._sentinel(folder / f"sentinel-{n}", sentinel_password) for n in range(3)]
        wait_until(self._watched, what="Sentinels that know each other and the replica")

    def _sentinel(self, folder: Path, password: str) -> Instance:
        folder.mkdir()
        lines = [
            f"sentinel monitor {SERVICE} 127.0.0.1 {self.servers[0].port} 2",
            f"sentinel down-after-milliseconds {SERVICE} {_SILENT_MS}",
            f"sentinel failover-timeout {SERVICE} 3000",
            *([f"sentinel auth-pass {SERVICE} {self._password}"] if self._password else []),
            *([f"requirepass {password}"] if password else []),
        ]
        configuration = folder / "sentinel.conf"
        configuration.write_text("\n".join(lines) + "\n")
        return Instance(folder, "--sentinel", before=(str(configuration),), password=password)

    def _watched(self) -> bool:
        states: list[Any] = [sentinel.client.sentinel_master(SERVICE) for sentinel in self.sentinels]
        return all(one["num-other-sentinels"] == 2 and one["num-slaves"] == 1 for one in states)

    @property
    def url(self) -> str:
        """The value of REDIS_URL, without the passwords."""
        hosts = ",".join(f"127.0.0.1:{sentinel.port}" for sentinel in self.sentinels)
        return f"redis+sentinel://{hosts}/{SERVICE}/0"

    @property
    def primary(self) -> Instance:
        """The server that is the primary now."""
        return next(server for server in self.servers if server.answers() and server.client.role()[0] == b"master")

    def kill_primary(self) -> Instance:
        """Kill the primary; returns it."""
        killed = self.primary
        killed.kill()
        return killed

    def close(self) -> None:
        for server in [*self.sentinels, *self.servers]:
            server.close()


class Cluster:
    """Three primaries; the one that has Spot's keys has a replica."""

    def __init__(self, folder: Path) -> None:
        options = ("--cluster-enabled", "yes", "--cluster-node-timeout", str(_SILENT_MS))
        self.servers = [Instance(folder / f"node-{n}", *options) for n in range(4)]
        *primaries, replica = self.servers
        for n, server in enumerate(primaries):
            slots = range(n * _SLOTS // 3, (n + 1) * _SLOTS // 3)
            server.client.execute_command("CLUSTER SET-CONFIG-EPOCH", n + 1)
            server.client.execute_command("CLUSTER ADDSLOTS", *slots)
        for server in self.servers[1:]:
            server.client.execute_command("CLUSTER MEET", "127.0.0.1", self.servers[0].port)
        wait_until(lambda: all(self.state(server)["cluster_known_nodes"] == "4" for server in self.servers))
        self.owner = primaries[SLOT * 3 // _SLOTS]
        name = self.owner.client.execute_command("CLUSTER MYID").decode()
        wait_until(lambda: self._replicates(replica, name), what="a replica")
        wait_until(lambda: all(self.state(server)["cluster_state"] == "ok" for server in self.servers))
        wait_until(lambda: self.owner.client.info("replication")["connected_slaves"] == 1)

    @staticmethod
    def _replicates(replica: Instance, primary: str) -> bool:
        with contextlib.suppress(RedisError):
            return bool(replica.client.execute_command("CLUSTER REPLICATE", primary))
        return False

    @staticmethod
    def state(server: Instance) -> dict[str, str]:
        """CLUSTER INFO of a node."""
        state: Any = server.client.execute_command("CLUSTER INFO")
        lines = state.decode().split() if isinstance(state, bytes) else [f"{k}:{v}" for k, v in state.items()]
        return dict(line.split(":", 1) for line in lines)

    @property
    def primary(self) -> Instance:
        """The node that has Spot's keys now."""
        pair = (self.owner, self.servers[3])
        return next(server for server in pair if server.answers() and server.client.role()[0] == b"master")

    @property
    def stranger(self) -> str:
        """The address of a primary that does not have them."""
        return f"127.0.0.1:{next(server for server in self.servers[:3] if server is not self.owner).port}"

    def kill_primary(self) -> Instance:
        """Kill that node; returns it."""
        killed = self.primary
        killed.kill()
        return killed

    @property
    def url(self) -> str:
        """The value of REDIS_URL."""
        return "redis+cluster://" + ",".join(f"127.0.0.1:{server.port}" for server in self.servers[:3])

    def close(self) -> None:
        for server in self.servers:
            server.close()


class Relay:
    """Passes connections on to the port that is the target when they are made."""

    def __init__(self, target: int) -> None:
        self.target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._ends: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.create_connection(("127.0.0.1", self.target))
                self._ends += [near, far]
                for source, sink in ((near, far), (far, near)):
                    threading.Thread(target=self._pass_on, args=(source, sink), daemon=True).start()

    @staticmethod
    def _pass_on(source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65_536):
                sink.sendall(data)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        for end in [self._listener, *self._ends]:
            end.close()


def eventually(attempt: Callable[[], Any], seconds: float = 20) -> Any:
    """The first result of what may fail with errors of Redis for a while."""

    def tried() -> Any:
        with contextlib.suppress(RedisError, OSError):
            return (attempt(),)
        return None

    return wait_until(tried, seconds)[0]
