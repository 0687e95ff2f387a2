"""Real Redis servers for tests: single ones, a primary with a replica and three Sentinels, and a cluster of three
primaries, one of them with a replica. All listen on loopback."""

import contextlib
import socket
import subprocess
import threading
from collections.abc import Callable, Sequence
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
    """A Redis on a port of loopback. `options` follow the program; `before` stand before them. `tls` is a folder with
    `cert.pem` and `key.pem`, which it asks its clients for too."""

    def __init__(
        self,
        folder: Path,
        *options: str,
        before: tuple[str, ...] = (),
        password: str = "",
        tls: Path | None = None,
    ) -> None:
        self.port = free_port()
        binary = find()
        assert binary is not None
        folder.mkdir(exist_ok=True)
        ports = ["--port", str(self.port)]
        sign_in: dict[str, Any] = {"password": password or None}
        if tls is not None:
            certificate, key = str(tls / "cert.pem"), str(tls / "key.pem")
            ports = ["--port", "0", "--tls-port", str(self.port), "--tls-replication", "yes"]
            ports += ["--tls-cert-file", certificate, "--tls-key-file", key, "--tls-ca-cert-file", certificate]
            sign_in |= {"ssl": True, "ssl_ca_certs": certificate, "ssl_certfile": certificate, "ssl_keyfile": key}
        place = (*ports, "--bind", "127.0.0.1", "--dir", str(folder))
        saving = () if "--sentinel" in options else ("--save", "")
        self.argv = [binary.path, *before, *place, *saving, *options]
        self.client = Redis(port=self.port, socket_timeout=2, **sign_in)
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


class Pair:
    """A primary and its replica among other servers."""

    pair: Sequence[Instance]

    @property
    def primary(self) -> Instance:
        """The server that is the primary now. After a failover the former one may think so too, for a while: the one
        that has gone on is meant."""
        primaries = [server for server in self.pair if server.answers() and server.client.role()[0] == b"master"]
        return max(primaries, key=lambda server: server.client.info("replication")["master_repl_offset"])

    @property
    def replica(self) -> Instance:
        """The other one."""
        primary = self.primary
        return next(server for server in self.pair if server is not primary)

    def kill_primary(self) -> Instance:
        """Kill the primary; returns it."""
        killed = self.primary
        killed.kill()
        return killed

    def hand_over(self) -> Instance:
        """Make the replica the primary, as for maintenance; returns the former primary, which lives on."""
        raise NotImplementedError

    def has_moved_from(self, server: Instance) -> bool:
        """Whether another one is the primary."""
        with contextlib.suppress(ValueError, RedisError):
            return self.primary is not server
        return False

    def wait_until_safe(self) -> None:
        """Wait until the primary has its replica."""
        wait_until(lambda: _replicas(self.primary), what="a replica")


class Guarded(Pair):
    """A primary, a replica, and three Sentinels that watch them."""

    def __init__(
        self,
        folder: Path,
        *,
        password: str = "",
        sentinel_password: str = "",
        silent_ms: int = _SILENT_MS,
        tls: Path | None = None,
    ) -> None:
        self._silent_ms, self._password, self._tls = silent_ms, password, tls
        self._host = "localhost" if tls else "127.0.0.1"  # by its name, for which its certificate is
        auth = ["--requirepass", password, "--masterauth", password] if password else []
        auth += ["--replica-announce-ip", self._host] if tls else []
        self.servers = [Instance(folder / "primary", *auth, password=password, tls=tls)]
        behind = ("--replicaof", self._host, str(self.servers[0].port))
        self.servers.append(Instance(folder / "replica", *behind, *auth, password=password, tls=tls))
        self.pair = self.servers
        self._sentinel_password = sentinel_password
        self.sentinels = [self._sentinel(folder / f"sentinel-{n}", self.servers[0].port) for n in range(3)]
        wait_until(self._watched, what="Sentinels that know each other and the replica")

    def stray(self, folder: Path) -> Instance:
        """A Sentinel that nobody else knows, and that watches a server which is not there."""
        return self._sentinel(folder, 9)

    def _sentinel(self, folder: Path, port: int) -> Instance:
        folder.mkdir()
        password = self._sentinel_password
        lines = [
            *(["sentinel resolve-hostnames yes", "sentinel announce-hostnames yes"] if self._tls else []),
            f"sentinel monitor {SERVICE} {self._host} {port} 2",
            f"sentinel down-after-milliseconds {SERVICE} {self._silent_ms}",
            f"sentinel failover-timeout {SERVICE} 3000",
            *([f"sentinel auth-pass {SERVICE} {self._password}"] if self._password else []),
            *([f"requirepass {password}"] if password else []),
        ]
        configuration = folder / "sentinel.conf"
        configuration.write_text("\n".join(lines) + "\n")
        return Instance(folder, "--sentinel", before=(str(configuration),), password=password, tls=self._tls)

    def _watched(self) -> bool:
        states: list[Any] = [sentinel.client.sentinel_master(SERVICE) for sentinel in self.sentinels]
        return all(one["num-other-sentinels"] == 2 and one["num-slaves"] == 1 for one in states)

    def wait_until_safe(self) -> None:
        """Wait until the primary has its replica, and the Sentinels know it."""
        super().wait_until_safe()
        wait_until(self._watched, what="Sentinels that know it")

    def hand_over(self) -> Instance:
        """Make the replica the primary, as for maintenance; returns the former primary, which lives on."""
        primary = self.primary
        self.sentinels[0].client.execute_command("SENTINEL FAILOVER", SERVICE)
        return primary

    @property
    def url(self) -> str:
        """The value of REDIS_URL, without the passwords."""
        hosts = ",".join(f"{self._host}:{sentinel.port}" for sentinel in self.sentinels)
        return f"redis{'s' if self._tls else ''}+sentinel://{hosts}/{SERVICE}/0"

    def close(self) -> None:
        for server in [*self.sentinels, *self.servers]:
            server.close()


class Cluster(Pair):
    """Three primaries; the one that has Spot's keys has a replica."""

    def __init__(self, folder: Path, *, silent_ms: int = _SILENT_MS, tls: Path | None = None) -> None:
        self._tls = tls
        options = ["--cluster-enabled", "yes", "--cluster-node-timeout", str(silent_ms)]
        if tls:
            options += ["--tls-cluster", "yes", "--cluster-announce-hostname", "localhost"]
            options += ["--cluster-preferred-endpoint-type", "hostname"]
        self.servers = [Instance(folder / f"node-{n}", *options, tls=tls) for n in range(4)]
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
        self.pair = (self.owner, replica)
        self.wait_until_safe()

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

    def hand_over(self) -> Instance:
        """Make the replica the primary, as for maintenance; returns the former primary, which lives on."""
        primary = self.primary
        self.replica.client.execute_command("CLUSTER FAILOVER")
        return primary

    @property
    def stranger(self) -> Instance:
        """A primary that does not have them."""
        return next(server for server in self.servers[:3] if server is not self.owner)

    @property
    def url(self) -> str:
        """The value of REDIS_URL."""
        scheme, host = ("rediss", "localhost") if self._tls else ("redis", "127.0.0.1")
        return f"{scheme}+cluster://" + ",".join(f"{host}:{server.port}" for server in self.servers[:3])

    def close(self) -> None:
        for server in self.servers:
            server.close()


def _replicas(server: Instance) -> int:
    """How many replicas are in step with a server."""
    state: Any = server.client.info("replication")
    return sum(state[f"slave{n}"]["state"] == "online" for n in range(state["connected_slaves"]))


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
