"""The containers of compose.scale.yaml, started for a drill as a project of their own."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from spot.processes.compose_secrets import SENTINELS, SERVERS

ROOT = Path(__file__).parent.parent.parent
FILE = "compose.scale.yaml"
#: The simulated market stands in CoinGecko's place and is polled every two seconds.
ENVIRONMENT = {
    "COMPOSE_PROJECT_NAME": "spot-drill",
    "COMPOSE_PROFILES": "demo",
    "COINGECKO_BASE_URL": "http://sandbox:8099/api/v3",
    "COINGECKO_CALLS_PER_MINUTE": "0",
    "COINGECKO_CALLS_PER_MONTH": "0",
    "SPOT_POLL_SECONDS": "2",
    "SPOT_CONNECTIONS_PER_ADDRESS": "5000",
    "SPOT_HEARTBEAT_SECONDS": "5",
}


class CommandFailed(Exception):
    """A command of the engine failed; the message has it, and what it printed."""


class Stack:
    """The containers, by the names of their services. `port` is where the front is published."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.environment = {**os.environ, **ENVIRONMENT, "PORT": str(port)}
        self.command = ["docker", "compose"] if _has_plugin() else ["docker-compose"]

    def build(self) -> None:
        """Build the image; the network of this machine, so that packages are found as they are here."""
        self._run("docker", "build", "--quiet", "--network", "host", "--tag", "spot:latest", str(ROOT))

    def compose(self, *arguments: str) -> str:
        """Run a command of Compose; what it prints."""
        return self._run(*self.command, "-f", FILE, *arguments)

    def containers(self, service: str) -> list[str]:
        """The ids of a service's containers, those that are stopped too, in the order of their numbers."""
        label = f"label=com.docker.compose.project={ENVIRONMENT['COMPOSE_PROJECT_NAME']}"
        wanted = f"label=com.docker.compose.service={service}"
        shape = '{{.Label "com.docker.compose.container-number"}} {{.ID}}'
        lines = self._run("docker", "ps", "--all", "--filter", label, "--filter", wanted, "--format", shape).split("\n")
        return [line.split()[1] for line in sorted(lines, key=lambda line: line.zfill(99)) if line]

    def primary(self) -> str:
        """The service that is the primary, as the Sentinels know it."""
        ask = "REDISCLI_AUTH=$(cat /data/password) valkey-cli -p 26379 --raw sentinel get-master-addr-by-name spot"
        for sentinel in SENTINELS:
            with suppress(CommandFailed, IndexError):
                address = self._run("docker", "exec", self.containers(sentinel)[0], "sh", "-c", ask).split()[0]
                return next(name for name, number in SERVERS.items() if address.endswith(f".{number}"))
        raise CommandFailed("no Sentinel answers")

    def replica(self) -> str:
        """The service of the other server."""
        return next(name for name in SERVERS if name != self.primary())

    def kill(self, container: str) -> None:
        """Kill a container. The engine does not start again what was killed this way: its machine is gone."""
        self._run("docker", "kill", container)

    def start(self, container: str) -> None:
        """Start a container that was killed."""
        self._run("docker", "start", container)

    def healthy(self, service: str) -> bool:
        """Whether all containers of a service run and their health checks succeed."""
        states = self._run("docker", "inspect", "--format", "{{json .State}}", *self.containers(service)).split("\n")
        return all(json.loads(state)["Health"]["Status"] == "healthy" for state in states if state)

    def ready(self) -> bool:
        """Whether a web process behind the front can serve data."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        with suppress(OSError, http.client.HTTPException):
            connection.request("GET", "/readyz")
            return connection.getresponse().status == 200
        return False

    def _run(self, *command: str) -> str:
        done = subprocess.run(command, cwd=ROOT, env=self.environment, check=False, capture_output=True, text=True)
        if done.returncode:
            raise CommandFailed(f"{' '.join(command)}: {done.stderr.strip()[-500:]}")
        return done.stdout


def _has_plugin() -> bool:
    if shutil.which("docker") is None:
        raise SystemExit("docker is not on PATH")
    return not subprocess.run(["docker", "compose", "version"], capture_output=True, check=False).returncode


def wait(seconds: float, condition: Callable[[], bool]) -> bool:
    """Wait until it is true, for so long at most; whether it was."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.1)
    return condition()
