"""The front of compose.scale.yaml: a real HAProxy with its configuration, before the web process of a real site."""

import http.client
import shutil
import socket
import ssl
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from tests.live import ROOT, LiveSite, wait_until
from tests.providers.test_reachable import certificate

HAPROXY = shutil.which("haproxy")
pytestmark = [
    pytest.mark.heavy,
    pytest.mark.skipif(HAPROXY is None, reason="HAPROXY IS NOT ON THE PATH: deploy/haproxy.cfg is NOT tried"),
]
HOST = "spot.test"
FEED = "/tzone_apis/services/spot/ws/market?page_size=1"


class Front:
    """An HAProxy with a certificate, which expects the PROXY protocol. Ports are free ones in place of its own."""

    def __init__(self, folder: Path, site: LiveSite) -> None:
        _, self._authority = certificate(folder, HOST)
        (folder / "site.pem").write_bytes(b"".join((folder / name).read_bytes() for name in ("cert.pem", "key.pem")))
        listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(3)]
        self.plain, self.tls, self.health = (listener.getsockname()[1] for listener in listeners)
        for listener in listeners:
            listener.close()
        text = (ROOT / "deploy" / "haproxy.cfg").read_text()
        for old, new in (("127.0.0.1:8001", self.health), (":8000", self.plain), (":8443", self.tls)):
            text = text.replace(f"bind {old}", f"bind 127.0.0.1:{new}")
        text = text.replace("resolvers engine resolve-prefer ipv4 init-addr none", "")
        text = text.replace("server-template web 16 web:8000", f"server web 127.0.0.1:{site.port}")
        (folder / "haproxy.cfg").write_text(text)
        environment = {"FRONT_CERTIFICATE": str(folder / "site.pem"), "FRONT_PROXY_PROTOCOL": "on"}
        self._process = subprocess.Popen([str(HAPROXY), "-db", "-f", str(folder / "haproxy.cfg")], env=environment)
        wait_until(self.healthy, what="HAProxy")

    def healthy(self) -> bool:
        """Whether a request without a PROXY header is served at the port of the health check."""
        assert self._process.poll() is None, "HAProxy has ended"
        try:
            return self.get(self.health, "/readyz") == (200, None)
        except OSError:
            return False

    def get(self, port: int, path: str, visitor: str = "") -> tuple[int, str | None]:
        """Ask by plain HTTP, for the visitor of that address; the status, and where it leads."""
        with closing(http.client.HTTPConnection(HOST, timeout=10)) as connection:
            connection.sock = self._reach(port, visitor)
            connection.request("GET", path)
            with connection.getresponse() as answer:
                return answer.status, answer.headers["Location"]

    def follow(self, visitor: str, **headers: str) -> ClientConnection:
        """A socket by TLS, for the visitor of that address."""
        context = ssl.create_default_context(cafile=self._authority)
        made: Any = connect(
            f"wss://{HOST}{FEED}", sock=self._reach(self.tls, visitor), ssl=context, additional_headers=headers
        )
        return made

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(30)

    @staticmethod
    def _reach(port: int, visitor: str) -> socket.socket:
        reached = socket.create_connection(("127.0.0.1", port), timeout=10)
        if visitor:
            reached.sendall(f"PROXY TCP4 {visitor} 192.0.2.1 40000 443\r\n".encode())
        return reached


@pytest.fixture(scope="module")
def front(make_site: Callable[..., LiveSite], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    site = make_site(
        SPOT_HTTPS="on", SPOT_ALLOWED_HOSTS=HOST, SPOT_TRUSTED_PROXIES="127.0.0.1", SPOT_CONNECTIONS_PER_ADDRESS="1"
    )
    made = Front(tmp_path_factory.mktemp("front"), site)
    yield made
    made.close()


def test_limits_go_by_the_address_of_the_proxy_protocol_and_by_no_header(front: Front) -> None:
    with front.follow("203.0.113.7") as first:
        assert "bitcoin" in str(first.recv(timeout=30)).lower()
        with front.follow("203.0.113.7", **{"X-Forwarded-For": "203.0.113.9"}) as second:
            assert "too_many_connections" in str(second.recv(timeout=30))
            with pytest.raises(ConnectionClosed) as closed:
                second.recv(timeout=30)
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 4430
        with front.follow("203.0.113.8") as other:
            assert "bitcoin" in str(other.recv(timeout=30)).lower()


def test_plain_http_leads_to_tls(front: Front) -> None:
    assert front.get(front.plain, "/status/", "203.0.113.7") == (301, f"https://{HOST}/status/")


def test_a_connection_without_a_visitors_address_is_refused(front: Front) -> None:
    with pytest.raises((ConnectionError, http.client.HTTPException)):
        front.get(front.plain, "/healthz")
