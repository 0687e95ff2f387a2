"""The doctor: each misconfiguration is injected, found, and told with its remedy; nothing is changed."""

import json
import resource
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from redis import Redis

from providers.models import ApiKey, ProviderSettings
from providers.vault import Secret
from spot import signs, snapshots
from spot.alerts.models import Target
from spot.clients.models import ClientPlan
from spot.doctor import findings
from spot.doctor.examination import CHECKS, examine
from spot.doctor.findings import Finding
from spot.doctor.site import Site
from spot.processes import statics
from spot.server import listening
from spot_project.redis_address import parse
from spot_project.redis_connections import Server
from tests.live import NOWHERE, ROOT, inherited
from tests.redis_servers import Instance
from tests.webhook_target import Target as Listener

pytestmark = pytest.mark.django_db
_ADDRESSES = ["localhost", "127.0.0.1", "[::1]"]


def report(check: str, site: Site | None = None) -> list[Finding]:
    """What one check finds."""
    found = examine(site or Site(online=False))
    return [finding for finding in found if finding.check == check and finding.level not in ("ok", "skipped")]


def the(check: str, level: str, sentence: str, mend: str = "", site: Site | None = None) -> None:
    """Assert what a check finds: one finding of that level, with these words, and a remedy with those."""
    (finding,) = report(check, site)
    assert finding.level == level
    assert sentence in finding.sentence
    assert finding.mend
    assert mend in finding.mend


@pytest.fixture(autouse=True)
def well(settings, redis: Redis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A site that is well: Redis answers, tables are there, files are collected, the port is free."""
    settings.STATIC_ROOT, settings.ALLOWED_HOSTS = tmp_path, _ADDRESSES
    (tmp_path / "staticfiles.json").write_text("{}")
    monkeypatch.setattr(statics, "are_old", lambda: False)
    monkeypatch.setattr(listening, "file_limit", lambda: 65_536)
    with socket.create_server(("127.0.0.1", 0)) as free:
        settings.PORT = free.getsockname()[1]


def keys_of(redis: Redis) -> dict[bytes, bytes | None]:
    return {key: redis.dump(key) for key in redis.scan_iter()}


def test_a_site_that_is_well_gets_no_finding_and_stays_as_it_was(redis: Redis) -> None:
    snapshots.mark_worker()
    before = keys_of(redis)
    found = examine(Site(online=False))
    assert {finding.level for finding in found} <= {"ok", "skipped"}, findings.text_of(found)
    assert findings.exit_code(found) == 0
    assert [finding.check for finding in found] == [check.name for check in CHECKS]
    assert keys_of(redis) == before


# --- Redis ------------------------------------------------------------------------------------------------------------


def test_redis_out_of_reach(settings) -> None:
    settings.REDIS = NOWHERE
    the("redis", "problem", "Redis cannot be reached.", "correct REDIS_URL")
    skipped = [finding.check for finding in examine(Site(online=False)) if finding.level == "skipped"]
    assert skipped[:3] == ["redis-version", "redis-writes", "redis-eviction"]


def test_a_private_redis_is_no_problem_while_the_site_does_not_run(settings) -> None:
    settings.REDIS, settings.SPOT_PRIVATE_SOCKET = NOWHERE, Path(NOWHERE.address.path)
    assert not report("redis")


def test_an_old_redis() -> None:
    site = Site(online=False)

    class Old:
        def info(self, _section: str) -> dict[str, Any]:
            return {"redis_version": "5.0.14", "used_memory": 1}

        def __getattr__(self, name: str) -> Any:
            return getattr(snapshots.connection(), name)

    site.__dict__["redis"] = Old()
    the("redis-version", "problem", "Redis 5.0.14 is too old", "6.2 or newer", site)


@contextmanager
def another(settings: Any, folder: Path, *options: str) -> Iterator[Redis]:
    """Another Redis, as this site's."""
    instance = Instance(folder, *options)
    try:
        settings.REDIS = Server(parse(f"redis://127.0.0.1:{instance.port}/0"))
        yield instance.client
    finally:
        instance.close()


def test_a_redis_that_evicts_or_is_full_or_a_replica(settings, tmp_path: Path) -> None:
    options = ("--maxmemory", "64mb", "--maxmemory-policy", "allkeys-lru")
    with another(settings, tmp_path / "server", *options) as client:
        the("redis-eviction", "problem", "allkeys-lru", "noeviction")
        the("redis-memory", "warning", "64 MB only", "256 MB")
        client.config_set("maxmemory-policy", "noeviction")
        client.config_set("maxmemory", "1mb")
        client.config_set("maxmemory", client.info("memory")["used_memory"] + 1000)
        the("redis-memory", "problem", "of its memory", "Raise maxmemory")
        client.config_set("maxmemory", 1)
        the("redis-writes", "problem", "is full", "memory")
        client.config_set("maxmemory", 0)
        client.replicaof("127.0.0.1", "9")
        the("redis-writes", "problem", "read-only replica", "primary")


def test_a_simulated_and_a_real_site_in_one_store(redis: Redis) -> None:
    redis.set("spot:live:version", signs.now_ms())
    redis.set("spot:demo:version", signs.now_ms() - 600_000)
    assert not report("realms")
    redis.set("spot:demo:version", signs.now_ms() - 1000)
    the("realms", "problem", "share this store", "Give each site")


# --- processes --------------------------------------------------------------------------------------------------------


def web_runs(redis: Redis) -> None:
    redis.hset("spot:viewers", "web", json.dumps({"at": signs.now_ms(), "viewers": {}}))


@contextmanager
def waiting_worker(redis_url: str) -> Iterator[None]:
    """A connection on which tasks are waited for, as a worker's."""
    with Redis.from_url(redis_url) as client:
        thread = threading.Thread(target=client.brpop, args=(["spot:celery:none"],), kwargs={"timeout": 30})
        thread.start()
        try:
            yield
        finally:
            with Redis.from_url(redis_url) as other:
                other.lpush("spot:celery:none", "end")
            thread.join()


def task(age_s: float) -> str:
    """A task as beat sends it, in as much as it is looked at."""
    return json.dumps({"headers": {"expires": (datetime.now(UTC) - timedelta(seconds=age_s)).isoformat()}})


def test_no_worker_while_beat_sends(redis: Redis) -> None:
    web_runs(redis)
    redis.lpush("spot:celery:celery", task(0))
    the("worker", "problem", "No worker has run a task yet", "manage.py up worker")
    assert not report("beat")


def test_no_beat_while_a_worker_waits(redis: Redis, redis_url: str) -> None:
    web_runs(redis)
    redis.set("spot:worker", signs.now_ms() - 45_000)
    redis.lpush("spot:celery:celery", task(60))
    with waiting_worker(redis_url):
        site = Site(online=False)
        while not any(one["cmd"] == "brpop" for one in redis.client_list()):
            pass
        the("beat", "problem", "No beat sends tasks", "manage.py up beat", site)
        assert not report("worker", site)


def test_neither_worker_nor_beat(redis: Redis) -> None:
    web_runs(redis)
    assert report("worker")
    assert report("beat")


def test_a_second_beat(redis: Redis) -> None:
    now = signs.now_ms()
    signs.give(redis, "beat", "this process 1", now - 60_000)
    assert not report("beats")
    signs.give(redis, "beat", "other process 2", now - 3000)
    signs.give(redis, "beat", "this process 1", now - 60_000)
    the("beats", "warning", "2 beats send tasks: other process 2, this process 1", "all but 1")


def test_two_beats_that_are_meant_to_run(redis: Redis, settings) -> None:
    settings.SPOT_BEATS = 2
    now = signs.now_ms()
    signs.give(redis, "beat", "this process 1", now - 60_000)
    the("beats", "warning", "1 beat sends tasks: this process 1. SPOT_BEATS is 2", "manage.py up beat")
    signs.give(redis, "beat", "other process 2", now - 60_000)
    assert not report("beats")


def test_no_second_beat_where_one_was_replaced(redis: Redis) -> None:
    now = signs.now_ms()
    redis.hset("spot:beats", "process 1", f"{now - 60_000} {now - 5000}")
    signs.give(redis, "beat", "process 2", now - 3000)
    assert signs.running(redis, "beat") == ["process 2"]
    assert not report("beats")


def test_one_that_hangs_while_another_goes_on(redis: Redis) -> None:
    snapshots.mark_worker()
    now = signs.now_ms()
    for part in signs.PARTS:
        signs.give(redis, part, "elsewhere process 1", now - 60_000)
    assert not report("hung")
    redis.hset("spot:workers", "elsewhere process 2", f"{now - 90_000} {now - 31_000}")
    redis.hset("spot:workers", signs.name_of(2**22), f"{now - 90_000} {now - 31_000}")  # no such process
    redis.hset("spot:beats", signs.name_of(), f"{now - 90_000} {now - 31_000}")
    assert {finding.sentence.partition(", for 3")[0] for finding in report("hung")} == {
        "A worker gives no sign of life: elsewhere process 2",
        f"A beat gives no sign of life: {signs.name_of()}",
    }
    for number in range(100):
        redis.hset("spot:workers", f"elsewhere process {number + 10}", f"{now - 90_000} {now - number * 1000}")
    signs.give(redis, "worker", "elsewhere process 1", now - 60_000)
    assert redis.hlen("spot:workers") == 64
    signs.withdraw(redis, "worker", "elsewhere process 1")
    assert "elsewhere process 1" not in signs.running(redis, "worker")


def test_no_stream_process_where_a_stream_can_be_used(redis: Redis, settings) -> None:
    snapshots.mark_worker()
    assert not report("stream")
    settings.CRYPTOLISTING_API_KEY = "k" * 20
    the("stream", "warning", "cryptolisting.ws", "manage.py up stream")
    redis.set("spot:stream:seen", signs.now_ms())
    assert not report("stream")


@contextmanager
def server_at(seconds: float) -> Iterator[str]:
    """A server whose Date is so far from now."""

    class Handler(BaseHTTPRequestHandler):
        def date_time_string(self, timestamp: float | None = None) -> str:
            return formatdate((timestamp or signs.now_ms() / 1000) + seconds, usegmt=True)

        def do_GET(self) -> None:
            self.send_error(404)

        def log_message(self, *_: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def test_a_clock_that_is_off(settings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.SPOT_DEMO = "off"
    with server_at(3600) as url:
        settings.COINGECKO_BASE_URL = url
        found = report("clock", Site())
    assert [finding.level for finding in found] == ["problem"]
    assert "s behind that of CoinGecko" in found[0].sentence
    real = signs.now_ms
    monkeypatch.setattr(signs, "now_ms", lambda: real() + 10_000)
    the("clock", "warning", "10 s ahead of that of the machine of Redis", "time synchronisation")


def test_providers_out_of_reach(settings) -> None:
    settings.SPOT_DEMO = "off"
    settings.COINGECKO_BASE_URL = "http://127.0.0.1:9"
    the("providers", "problem", "CoinGecko: cannot connect to 127.0.0.1:9", "firewall", Site())


# --- the database -----------------------------------------------------------------------------------------------------


def test_a_database_behind_its_migrations_or_ahead_of_them() -> None:
    recorder = MigrationRecorder(connection)
    recorder.record_applied("alerts", "0999_later")
    the("migrations", "warning", "of a newer Spot: alerts.0999_later", "newer version")
    recorder.record_unapplied("alerts", "0999_later")
    newest = max(name for app, name in recorder.applied_migrations() if app == "alerts")
    recorder.record_unapplied("alerts", newest)
    the("migrations", "problem", f"lacks migrations: alerts.{newest}", "manage.py prepare")


def test_keys_that_do_not_decrypt(settings) -> None:
    row = ProviderSettings.objects.get(name="coingecko")
    key = ApiKey(provider=row, plan="demo")
    key.secret = Secret("CG-0123456789")
    key.save()
    assert not report("secrets")
    settings.SPOT_SECRET_KEYS = ["x" * 20 + "another secret of another day"]
    the("secrets", "problem", "None of SPOT_SECRET_KEYS decrypts", "old secret back")


def test_a_closed_site_without_keys() -> None:
    ClientPlan.objects.filter(name=ClientPlan.ANONYMOUS).update(enabled=False)
    the("client-keys", "problem", "Nobody is served without a key", "Make a key")


def test_a_webhook_to_a_network_that_is_not_allowed(settings) -> None:
    with Listener() as listener:
        target = Target(name="pager", url=listener.url)
        target.secret = Secret("whsec-of-the-pager")
        target.save()
        the(
            "webhooks",
            "warning",
            "Webhooks to pager fail: not sent: 127.0.0.1 is the loopback",
            "SPOT_WEBHOOK_NETWORKS",
        )
        settings.SPOT_WEBHOOK_NETWORKS = ["127.0.0.0/8"]
        assert not report("webhooks")
        assert not listener.requests


def test_a_plan_that_promises_more_than_a_process_takes(settings) -> None:
    settings.SPOT_CONNECTIONS = 500
    ClientPlan.objects.create(name="gold", connections=1000)
    the("plans", "warning", "Plan gold allows 1000 connections", "SPOT_CONNECTIONS")


# --- settings and the machine -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "check", "level", "sentence", "mend"),
    [
        ({"SPOT_UNREAD": ["SPOT_POL_SECONDS"]}, "settings", "warning", "no such setting", "SPOT_POLL_SECONDS"),
        ({"SPOT_ALLOWED_ORIGINS": ["*"]}, "settings", "problem", "any page use a visitor's session", "scheme://host"),
        ({"SPOT_HTTPS": True}, "settings", "problem", "SPOT_TRUSTED_PROXIES is empty", "Name the address"),
        (
            {"SPOT_HTTPS": True, "SPOT_TRUSTED_PROXIES": ["127.0.0.1"], "ALLOWED_HOSTS": _ADDRESSES},
            "hosts", "problem", "every visitor from outside gets a 400", "SPOT_ALLOWED_HOSTS=",
        ),
        ({"SPOT_BIND": "0.0.0.0", "ALLOWED_HOSTS": _ADDRESSES}, "hosts", "warning", "others get a 400", "Name the"),
        (
            {"SPOT_HTTPS": True, "SPOT_TRUSTED_PROXIES": ["10.0.0.2"], "ALLOWED_HOSTS": ["a.test"]},
            "proxies", "problem", "every visit is redirected for ever", "127.0.0.1",
        ),
        ({"ALLOWED_HOSTS": ["a.test"]}, "proxies", "warning", "visitors count as one address", "TRUSTED_PROXIES"),
        (
            {"ALLOWED_HOSTS": ["a.test"], "SPOT_ALLOWED_ORIGINS": ["https://a.test"]},
            "origins", "warning", "own origin https://a.test", "SPOT_HTTPS=on",
        ),
        ({"SPOT_CONNECTIONS_PER_ADDRESS": 0}, "limits", "warning", "SPOT_CONNECTIONS_PER_ADDRESS is off", "Lower"),
        ({"SPOT_REQUESTS": 50}, "limits", "warning", "one address can use every request", "raise SPOT_REQUESTS"),
        ({"SPOT_QUERIES": 60}, "limits", "warning", "one connection can use every query", "raise SPOT_QUERIES"),
    ],
)  # fmt: skip
def test_settings_that_contradict_or_lock_out(
    settings, changes: dict[str, Any], check: str, level: str, sentence: str, mend: str
) -> None:
    for name, value in changes.items():
        setattr(settings, name, value)
    the(check, level, sentence, mend)


def test_a_port_that_another_program_has_and_one_that_spot_has(settings, monkeypatch: pytest.MonkeyPatch) -> None:
    with server_at(0) as url:  # it answers, but not as Spot does
        settings.PORT = urlsplit(url).port
        the("port", "problem", "is taken by another program", "choose another port")
        monkeypatch.setattr(listening, "is_served", lambda *_: True)
        assert not report("port")


def test_too_few_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1024, 4096))
    the("files", "warning", "may open 4096 files", "LimitNOFILE")
    monkeypatch.setattr(resource, "getrlimit", lambda _: (256, 256))
    the("files", "problem", "may open 256 files", "LimitNOFILE")


def test_static_files_that_are_missing_or_old(settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(statics, "are_old", lambda: True)
    the("static", "warning", "have changed", "manage.py prepare")
    settings.STATIC_ROOT = tmp_path / "none"
    the("static", "warning", "No static files are collected", "manage.py prepare")
    monkeypatch.setattr("spot.doctor.machine.finders.find", lambda _name: None)
    the("static", "problem", "not bundled", "make assets")


# --- the command ------------------------------------------------------------------------------------------------------


def test_the_exit_code_and_the_json(capsys: pytest.CaptureFixture[str], settings) -> None:
    snapshots.mark_worker()
    call_command("doctor", "--offline")
    assert "no problems, no warnings." in capsys.readouterr().out
    for name, value, code in (("SPOT_REQUESTS", 50, 1), ("SPOT_HTTPS", True, 2)):
        setattr(settings, name, value)
        with pytest.raises(SystemExit) as ended:
            call_command("doctor", "--offline", "--json")
        told = json.loads(capsys.readouterr().out)
        assert ended.value.code == told["exit"] == code
    (finding,) = [one for one in told["findings"] if one["check"] == "limits"]
    assert finding["level"] == "warning"
    assert finding["mend"] == "Lower SPOT_REQUESTS_PER_ADDRESS, or raise SPOT_REQUESTS."


def doctor(home: Path, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """The command as an operator calls it."""
    return subprocess.run(
        [sys.executable, "manage.py", "doctor", "--offline", *arguments],
        cwd=ROOT,
        env={**inherited(), "SPOT_HOME": str(home), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_before_the_first_start_it_creates_nothing(tmp_path: Path) -> None:
    home = tmp_path / "home"
    answer = doctor(home, "--json")
    told = {one["check"]: one for one in json.loads(answer.stdout)["findings"]}
    assert answer.returncode == 1
    assert told["redis"]["level"] == "skipped"
    assert "there is no file" in told["database"]["sentence"]
    assert not home.exists()


@pytest.mark.parametrize("form", ["--json", "--offline"])
def test_a_setting_that_stops_the_start_is_a_problem_too(tmp_path: Path, form: str) -> None:
    home = tmp_path / "home"
    answer = doctor(home, form, PORT="eighty")
    assert answer.returncode == 2
    assert "PORT must be a whole number from 1 to 65535, not 'eighty'." in answer.stdout
    assert form != "--json" or json.loads(answer.stdout)["exit"] == 2
    assert not home.exists()
