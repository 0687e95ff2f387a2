"""Sentinels and a Cluster that speak TLS only, and ask their clients for a certificate. It takes a Redis that was built
with TLS, as Debian's is."""

import asyncio
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kombu import Connection

from spot.processes.redis_server import find, trouble
from spot_project.redis_address import parse
from spot_project.redis_connections import Server
from tests.providers.test_reachable import certificate
from tests.redis_servers import Cluster, Guarded, eventually

pytestmark = pytest.mark.heavy


@pytest.fixture(params=["sentinel", "cluster"])
def servers(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Guarded | Cluster]:
    binary = find()
    assert binary is not None
    libraries = subprocess.run(["ldd", binary.path], capture_output=True, text=True, check=False).stdout
    assert "libssl" in libraries, f"{binary.path} was built without TLS: apt install redis-server"
    certificate(tmp_path, "localhost")
    made = (Guarded if request.param == "sentinel" else Cluster)(tmp_path, tls=tmp_path)
    yield made
    made.close()


def test_everything_connects_by_tls_also_after_a_failover(
    servers: Guarded | Cluster, tmp_path: Path, settings: Any
) -> None:
    files = f"ssl_ca_certs={tmp_path}/cert.pem&ssl_certfile={tmp_path}/cert.pem&ssl_keyfile={tmp_path}/key.pem"
    settings.REDIS = server = Server(parse(f"{servers.url}?{files}"))
    assert trouble(server) == ""
    client = server.client()
    client.set("spot:a", 1)
    servers.kill_primary()
    eventually(lambda: client.set("spot:a", 2))

    async def story() -> None:
        client = server.async_blocking_client(2, 1)
        assert await client.get("spot:a") == b"2"
        await client.aclose()

    asyncio.run(story())
    options = {"global_keyprefix": f"{server.key_prefix}celery:"}
    with Connection("gateway://redis", transport_options=options) as connection, connection.SimpleQueue("q") as queue:
        queue.put({"n": 1})
        assert queue.get(timeout=5).payload == {"n": 1}

    unknown = trouble(Server(parse(servers.url)))
    assert "a certificate of an authority that is unknown here" in unknown
    anonymous = trouble(Server(parse(f"{servers.url}?ssl_ca_certs={tmp_path}/cert.pem")))
    assert "certificate" in anonymous or "none of the servers" in anonymous
