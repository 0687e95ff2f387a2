"""Where webhooks may lead, and how one is sent."""

import datetime
import ssl
import time
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from providers import client, reachable
from providers.errors import ProviderError, Unavailable, Unreachable
from tests.webhook_target import Target

HERE = ["127.0.0.1"]


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("127.0.0.1", "the loopback"),
        ("127.8.8.8", "the loopback"),
        ("::1", "the loopback"),
        ("::ffff:127.0.0.1", "the loopback"),
        ("0.0.0.0", "an unspecified address"),
        ("::", "an unspecified address"),
        ("10.1.2.3", "a private address"),
        ("172.16.0.1", "a private address"),
        ("192.168.1.1", "a private address"),
        ("100.64.0.1", "a private address"),
        ("192.0.0.192", "a private address"),
        ("198.18.0.1", "a private address"),
        ("240.0.0.1", "a private address"),
        ("255.255.255.255", "a private address"),
        ("fd12::1", "a private address"),
        ("fec0::1", "a private address"),
        ("2001:db8::1", "a private address"),
        ("::ffff:10.0.0.1", "a private address"),
        ("64:ff9b::a00:1", "a private address"),  # 10.0.0.1, translated
        ("2002:a00:1::", "a private address"),  # 10.0.0.1, by 6to4
        ("169.254.1.1", "a link-local address"),
        ("fe80::1", "a link-local address"),
        ("fe80::1%1", "a link-local address"),
        ("224.0.0.1", "a multicast address"),
        ("ff02::1", "a multicast address"),
        ("169.254.169.254", "an address of a cloud's metadata"),
        ("::ffff:169.254.169.254", "an address of a cloud's metadata"),
        ("64:ff9b::a9fe:a9fe", "an address of a cloud's metadata"),
        ("fd00:ec2::254", "an address of a cloud's metadata"),
        ("168.63.129.16", "an address of a cloud's metadata"),
        ("100.100.100.200", "an address of a cloud's metadata"),
        ("1.1.1.1", ""),
        ("2606:4700::1111", ""),
        ("::ffff:1.1.1.1", ""),
        ("64:ff9b::101:101", ""),
    ],
)
def test_an_address_is_public_or_says_what_it_is(address: str, kind: str) -> None:
    assert reachable.address_problem(address) == kind


def test_the_operator_allows_networks() -> None:
    assert reachable.address_problem("10.1.2.3", ["10.1.0.0/16"]) == ""
    assert reachable.address_problem("10.2.2.3", ["10.1.0.0/16"]) == "a private address"
    assert reachable.address_problem("::1", ["10.1.0.0/16"]) == "the loopback"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "[::1]", "[::ffff:127.0.0.1]"])
def test_every_spelling_of_the_loopback_is_refused(host: str) -> None:
    with pytest.raises(Unreachable, match="the loopback; SPOT_WEBHOOK_NETWORKS can allow it"):
        reachable.resolved(f"http://{host}:80/")


def test_one_bad_address_among_good_ones_refuses_the_name(monkeypatch) -> None:
    entries = [(2, 1, 6, "", (address, 443)) for address in ("1.1.1.1", "10.0.0.5")]
    monkeypatch.setattr(reachable.socket, "getaddrinfo", lambda *_args, **_kwargs: entries)
    with pytest.raises(Unreachable, match=r"hooks\.example resolves to 10\.0\.0\.5, which is a private address"):
        reachable.resolved("https://hooks.example/x")


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("ftp://hooks.example/", "This is not a URL"),
        ("https://", "This is not a URL"),
        ("https://hooks.example:99999/", "This is not a URL"),
        ("https://[::1/", "This is not a URL"),
        ("https://me:pass@hooks.example/", "Leave the user name and password out"),
        ("https://hooks.example/#part", "Leave out the part after #"),
        ("https://hooks.example/a b", "A URL has no spaces"),
        ("https://hooks.example/" + "x" * 1000, "A URL has at most 1000 characters"),
    ],
)
def test_a_url_that_is_none_says_why(url: str, said: str) -> None:
    assert reachable.url_problem(url).startswith(said)
    assert reachable.url_problem("https://hooks.example:8443/T0/B1?token=x") == ""


# --- sending ----------------------------------------------------------------------------------------------------------


def post(url: str, *, seconds: float = 5.0) -> client.Receipt:
    return client.post(url, b'{"a":1}', {"X-Own": "yes"}, addresses=HERE, seconds=seconds)


def test_the_checked_address_is_connected_to_whatever_the_name_says(monkeypatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    with Target("204") as target:
        assert post(f"http://name.invalid:{target.port}/hook?x=1") == (204, None)
    assert target.requests[0].line == "POST /hook?x=1 HTTP/1.1"
    assert target.requests[0].headers["host"] == f"name.invalid:{target.port}"
    assert target.requests[0].headers["x-own"] == "yes"
    assert target.requests[0].body == b'{"a":1}'


def test_the_next_address_is_tried_where_one_refuses() -> None:
    with Target() as target:
        url = f"http://name.invalid:{target.port}/"
        assert client.post(url, b"{}", {}, addresses=["127.0.0.2", "127.0.0.1"], seconds=5).status == 200


@pytest.mark.parametrize("step", ["302 http://10.0.0.1/", "307 http://169.254.169.254/", "500", "404"])
def test_a_status_is_handed_back_and_no_redirect_followed(step: str) -> None:
    with Target(step) as target:
        assert post(target.url).status == int(step[:3])
    assert len(target.requests) == 1


@pytest.mark.parametrize("step", ["huge", "huge redirect"])
def test_a_large_answer_is_not_read(step: str) -> None:
    with Target(step) as target:
        post(target.url)
    assert target.sent < 20_000_000  # the buffers of the loopback's sockets take some


@pytest.mark.parametrize("step", ["hang", "drip"])
def test_a_target_that_does_not_answer_ends_at_the_deadline(step: str) -> None:
    started = time.monotonic()
    with Target(step) as target, pytest.raises(Unavailable, match="the response timed out"):
        post(target.url, seconds=0.4)
    assert time.monotonic() - started < 15  # the headers would take 260 s


@pytest.mark.parametrize("step", ["reset", "silent close"])
def test_a_connection_that_is_cut_is_a_failure(step: str) -> None:
    with Target(step) as target, pytest.raises(ProviderError, match=r"127\.0\.0\.1"):
        post(target.url)


def certificate(folder: Path, name: str) -> tuple[ssl.SSLContext, Path]:
    """A server's context with a certificate for that name, and the file of the certificate."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    names = [x509.DNSName(name), x509.IPAddress(ip_address("127.0.0.9"))]
    signed = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    file, secret = folder / "cert.pem", folder / "key.pem"
    file.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    secret.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, plain)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file, secret)
    return context, file


def test_a_certificate_is_checked_by_the_name_not_by_the_address(tmp_path, monkeypatch) -> None:
    context, file = certificate(tmp_path, "hooks.example")
    with Target("200", tls=context) as target:
        with pytest.raises(Unreachable, match="certificate"):
            post(f"https://hooks.example:{target.port}/")
        monkeypatch.setattr(client.requests.adapters, "DEFAULT_CA_BUNDLE_PATH", str(file))
        assert post(f"https://hooks.example:{target.port}/").status == 200
        with pytest.raises(Unreachable, match="certificate"):
            post(f"https://other.example:{target.port}/")


def test_a_redirect_of_a_providers_request_is_not_read_either() -> None:
    with Target("huge redirect") as target, pytest.raises(ProviderError):
        client.fetch_picture(target.url, seconds=5, max_bytes=1000)
    assert target.sent < 20_000_000
