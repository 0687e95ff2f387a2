"""Errors reach a server that speaks Sentry's protocol, and no secret does."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import brotli
import pytest
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from spot_project import error_reports
from spot_project.environment import Environment
from spot_project.release import release

PASSWORD, PROVIDER_KEY, DSN_KEY = "canary-redis-5c0ffee5", "CG-canary-7ea7ea7e-62cd", "0123456789abcdef0123456789abcdef"
#: A process that logs errors in every way, and dies of one.
SCRIPT = """
import sys, threading
import django
django.setup()
assert "sentry_sdk" not in sys.modules
import logging, structlog
from spot.processes import telemetry
telemetry.begin("worker")
log = structlog.get_logger("tests.reports")
key = {key!r}

def fail(secret):
    raise RuntimeError(f"refused: redis://user:{{secret}}@host/0 with {{key}}")

for logger, text in ((log, "ours failed"), (logging.getLogger("tests.library"), "library failed")):
    try:
        fail({password!r})
    except RuntimeError:
        logger.exception(text)
log.error("plain error", address="192.0.2.77", dataset="markets:usd", token_is="api_key=" + key)
log.warning("no error")
logging.getLogger("django.security.DisallowedHost").error("Invalid HTTP_HOST header: x")
thread = threading.Thread(target=fail, args=({password!r},))
thread.start()
thread.join()
fail({password!r})
"""


@pytest.fixture
def receiver() -> Iterator[tuple[str, list[dict[str, Any]], list[bytes]]]:
    """A server for reports: its DSN, the events that arrived, and all bytes."""
    events: list[dict[str, Any]] = []
    received: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if self.headers.get("content-encoding") == "br":
                body = brotli.decompress(body)
            received.append(body)
            _head, _kind, *payload = body.split(b"\n")
            events.append(json.loads(payload[0]))
            self.send_response(200)
            self.send_header("content-length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: object) -> None:
            """Silence."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://{DSN_KEY}@127.0.0.1:{server.server_address[1]}/7", events, received
    server.shutdown()
    server.server_close()


def test_errors_arrive_without_secrets_and_addresses(receiver: tuple[str, list[dict[str, Any]], list[bytes]]) -> None:
    dsn, events, received = receiver
    done = run(SCRIPT, SENTRY_DSN=dsn, SENTRY_ENVIRONMENT="trial", COINGECKO_API_KEY=PROVIDER_KEY)
    assert "RuntimeError" in done.stderr
    assert PROVIDER_KEY not in done.stderr
    reports = {event["logentry"]["message"]: event for event in events}
    assert reports.keys() == {"library failed", "ours failed", "plain error", "%s ended by an exception"}
    ends = [event["logentry"]["params"] for event in events if event["logentry"]["message"].startswith("%s")]
    assert sorted(ends) == [["process"], ["thread"]]
    failed = reports["ours failed"]
    assert failed["exception"]["values"][0]["type"] == "RuntimeError"
    assert failed["exception"]["values"][0]["stacktrace"]["frames"][-1]["function"] == "fail"
    assert failed["release"] == f"spot@{release()}"
    assert (failed["environment"], failed["tags"]["role"]) == ("trial", "worker")
    assert reports["plain error"]["extra"]["dataset"] == "markets:usd"
    everything = b"".join(received)
    for secret in (PASSWORD, PROVIDER_KEY, "192.0.2.77", "vars"):
        assert secret.encode() not in everything, secret


def run(script: str, **environment: str) -> subprocess.CompletedProcess[str]:
    named = {**os.environ, "DJANGO_SETTINGS_MODULE": "spot_project.settings", **environment}
    words = [sys.executable, "-c", script.format(password=PASSWORD, key=PROVIDER_KEY)]
    return subprocess.run(
        words, capture_output=True, text=True, check=False, env=named, cwd=settings.BASE_DIR, timeout=60
    )


def test_the_library_is_imported_only_where_it_is_used() -> None:
    assert not settings.SENTRY_DSN
    assert error_reports
    assert "sentry_sdk" not in sys.modules


@pytest.mark.parametrize(
    "dsn", ["sentry.example.org", "https://sentry.example.org/1", "https://key@sentry.example.org/"]
)
def test_a_dsn_that_is_none_stops_the_start_and_is_not_shown(dsn: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=r"^SENTRY_DSN ") as refused:
        Environment({"SENTRY_DSN": dsn}).dsn("SENTRY_DSN")
    assert dsn not in str(refused.value)


def test_the_key_of_a_dsn_is_a_secret() -> None:
    environment = Environment({"SENTRY_DSN": f"https://{DSN_KEY}@sentry.example.org/7"})
    assert environment.dsn("SENTRY_DSN")
    assert DSN_KEY in environment.secrets
