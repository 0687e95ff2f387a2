"""Fixed hosts, for programs whose base address cannot be changed: the names of the vendors lead to a site.

`Front` ends TLS as each of `HOSTS`, with a certificate of a new authority, and passes each request on to the site below
the path of its protocol, as DNS with a reverse proxy do for a user. It listens on a unix socket, since programs run in
a network namespace of their own (`unshare -Urnm`, without privileges), where a hosts file maps all names to 127.0.0.1
and `inside.py` listens on port 443.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple, Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

#: What stands before the path of a request to each host.
HOSTS = {
    "api.coingecko.com": "/compat/coingecko",
    "pro-api.coingecko.com": "/compat/coingecko",
    "stream.coingecko.com": "/compat/coingecko/stream",
    "pro-api.coinmarketcap.com": "/compat/coinmarketcap",
    "pro-stream.coinmarketcap.com": "/compat/coinmarketcap",
}
_HEAD = 65_536


class Request(NamedTuple):
    """A request as it arrived, and the status of its answer."""

    host: str
    method: str
    target: str
    headers: dict[str, str]
    status: int

    @property
    def path(self) -> str:
        """The path without the query."""
        return self.target.partition("?")[0]


class Front:
    """Every host of `HOSTS` before one site. `requests`: what was asked, oldest first."""

    def __init__(self, folder: Path, port: int) -> None:
        self.requests: list[Request] = []
        self._folder, self._port = folder, port
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="front", daemon=True)
        prepare(folder)

    def __enter__(self) -> Self:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self._folder / "server.pem")
        context.set_alpn_protocols(["http/1.1"])
        self._thread.start()
        serving = asyncio.start_unix_server(self._serve, self._folder / "front.sock", ssl=context, limit=_HEAD)
        self._server = asyncio.run_coroutine_threadsafe(serving, self._loop).result(10)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _end(self) -> None:
        self._server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            await self._pass_on(reader, writer)
        writer.close()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request of a connection, which then ends; whatever follows an upgrade."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        line, *lines = head.removesuffix("\r\n\r\n").split("\r\n")
        method, target, version = line.split(" ")
        headers = {name.lower(): value.strip() for name, _, value in (text.partition(":") for text in lines)}
        host = headers["host"].partition(":")[0]
        sent = {**headers, "host": f"127.0.0.1:{self._port}"}
        if "upgrade" not in headers:
            sent["connection"] = "close"
        there, back = await asyncio.open_connection("127.0.0.1", self._port)
        text = "\r\n".join(f"{name}: {value}" for name, value in sent.items())
        back.write(f"{method} {HOSTS[host]}{target} {version}\r\n{text}\r\n\r\n".encode("latin-1"))
        sending = asyncio.ensure_future(_copy(reader, back))
        try:
            answer = await there.readuntil(b"\r\n\r\n")
            self.requests.append(Request(host, method, target, headers, int(answer.split(b" ", 2)[1])))
            writer.write(answer)
            await _copy(there, writer)
        finally:
            sending.cancel()
            back.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()


class Inside:
    """Runs programs where the hosts are what listens on `front.sock` in a folder made by `prepare`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.authority = folder / "authority.pem"
        #: Why no program can be run so on this machine; "": it can.
        self.obstacle = ""
        try:
            subprocess.run(["unshare", "-Urnm", "true"], capture_output=True, text=True, check=True)
        except FileNotFoundError:
            self.obstacle = "its hosts are fixed, and this machine has no unshare"
        except subprocess.CalledProcessError as refused:
            self.obstacle = f"its hosts are fixed, and this machine permits no namespaces: {refused.stderr.strip()}"

    def command(self, command: list[str], over: Iterable[tuple[Path, Path]] = ()) -> list[str]:
        """The command line by which a command runs inside. `over`: files that are seen in the place of others."""
        places = [(self._folder / "hosts", Path("/etc/hosts")), *over]
        setup = json.dumps(
            {"socket": str(self._folder / "front.sock"), "over": [[str(one), str(two)] for one, two in places]}
        )
        here = str(Path(__file__).with_name("inside.py"))
        return ["unshare", "-Urnm", sys.executable, "-I", here, setup, *command]

    @property
    def environment(self) -> dict[str, str]:
        """The variables by which programs trust the front."""
        names = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS")
        return dict.fromkeys(names, str(self.authority))


def prepare(folder: Path) -> None:
    """Write into a folder `authority.pem`, the certificate of a new authority; `server.pem`, key and certificate of the
    vendors' hosts; and `hosts`, a file by which all of them are this machine."""
    lines = (f"127.0.0.1 {host}\n" for host in ("localhost", *HOSTS))
    (folder / "hosts").write_text("".join(lines))
    now = datetime.now(UTC)

    def made(subject: str, key: ec.EllipticCurvePrivateKey, issuer: str, signer: ec.EllipticCurvePrivateKey,
             extensions: Iterable[tuple[x509.ExtensionType, bool]]) -> bytes:  # fmt: skip
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)]))
            .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
        )
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical=critical)
        return builder.sign(signer, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    root, leaf = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    signing = x509.KeyUsage(
        digital_signature=True, key_cert_sign=True, crl_sign=True, content_commitment=False, key_encipherment=False,
        data_encipherment=False, key_agreement=False, encipher_only=False, decipher_only=False,
    )  # fmt: skip
    name = "Spot's tests"
    of_root = made(name, root, name, root, [(x509.BasicConstraints(ca=True, path_length=0), True), (signing, True)])
    names = x509.SubjectAlternativeName([x509.DNSName(host) for host in HOSTS])
    of_leaf = made(
        "hosts", leaf, name, root, [(names, False), (x509.BasicConstraints(ca=False, path_length=None), True)]
    )
    private = leaf.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "authority.pem").write_bytes(of_root)
    (folder / "server.pem").write_bytes(private + of_leaf)
