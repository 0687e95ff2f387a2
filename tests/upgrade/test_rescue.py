"""Backup and restore: everything that is not fetched again comes back, and a restore that fails changes nothing."""

import gzip
import io
import stat
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import orjson
import pytest
from django.apps import apps
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, User
from django.contrib.contenttypes.models import ContentType
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from redis import Redis
from redis.exceptions import ConnectionError as NoConnection

from providers.models import Announcement, ApiKey, Asset, AssetAlias, DailyUsage, ProviderSettings
from providers.vault import Secret
from spot import signs
from spot.alerts.models import Alert, Delivery, Rule, Standing, Target
from spot.clients.models import ClientKey, ClientPlan, ClientUsage
from spot.management.commands import backup as backing_up
from spot.management.commands import restore as restoring
from spot.rescue import archive, operations, rows
from spot.snapshots import families
from tests.providers.conftest import KEY

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("redis")]
HOOK = "whsec-canary-5f1d0e9a8b7c6d"
KEYS = {
    "spot:budget:{acme:1}:credits:1795910400000": "1500",
    "spot:seen-live": "1",
    "spot:alerts:operators": '{"stale:markets in usd":{"since":1,"over":"fresh"}}',
}
USES = {"coingecko calls": "7"}


@pytest.fixture
def site(redis: Redis, settings, tmp_path: Path) -> Redis:
    """A site that has been used: rows of every model, and counters in Redis."""
    settings.SPOT_SECRET_KEYS = ["the master key of these tests, long enough"]
    settings.SPOT_HOME = tmp_path / "home"
    settings.SPOT_HOME.mkdir()
    provider = ProviderSettings.objects.get(name="coingecko")
    ProviderSettings.objects.filter(pk=provider.pk).update(per_minute=7)
    key = ApiKey(provider=provider, plan="demo", label="main")
    key.secret = Secret(KEY)
    key.save()
    user = User.objects.create_superuser("operator", password="long enough")
    user.groups.add(Group.objects.first())
    LogEntry.objects.create(
        user=user, content_type=ContentType.objects.get_for_model(ApiKey), object_id="1", action_flag=1
    )
    coin = Asset.objects.create(id="bitcoin", symbol="btc", name="Bitcoin ₿")
    AssetAlias.objects.create(provider="acme", foreign_id="1", symbol="BTC", name="Bitcoin", asset=coin)
    DailyUsage.objects.create(provider="coingecko", account="a", day="2026-11-28", calls=9)
    Announcement.objects.create(
        id="a", exchange="x", type="listing", title="ABC lists", tickers=["ABC"], received_at=5, source="acme"
    )
    target = Target(name="hook", url="https://example.org/hook")
    target.secret = Secret(HOOK)
    target.save()
    rule = Rule.objects.create(
        name="high", feed="market", kind="above", field="price", value=100.5, parameters={"a": 1}
    )
    rule.targets.add(target)
    Standing.objects.create(rule=rule, serial=3, state={"bitcoin": {"in": True}})
    alert = Alert.objects.create(rule=rule, rule_name="high", event="entered", key="bitcoin", fired_at=1, body="{}")
    delivery = Delivery.objects.create(alert=alert, target=target, due_at=2)
    delivery.log.create(at=3, duration_ms=4, status=500)
    plan, _ = ClientPlan.objects.get_or_create(name="vip")
    client = ClientKey.objects.create(name="c", plan=plan, prefix="spot_abc", last_four="wxyz", digest="0" * 64)
    ClientUsage.objects.create(key=client, day="2026-11-28", messages=11, millicredits=2**40)
    for name, value in KEYS.items():
        redis.set(name, value)
    redis.hset("spot:client:protocols:2026-11-29", mapping=USES)
    redis.hset("spot:client:usage:2026-11-29", mapping={f"{client.pk} messages": 5})
    redis.expire("spot:client:usage:2026-11-29", 1000)
    redis.rpush("spot:live:changes", "2", "1")
    redis.set("spot:live:table:markets:usd", "is fetched again")
    return redis


def contents() -> dict[str, list[dict[str, Any]]]:
    """Every row of every model that a backup has, with its relations."""
    return {
        model._meta.label: [
            {
                **row,
                **{
                    many.name: sorted(getattr(model._base_manager.get(pk=row["id"]), many.name).values_list("pk"))
                    for many in model._meta.local_many_to_many
                },
            }
            for row in model._base_manager.order_by("pk").values()
        ]
        for model in rows.models()
    }


def backed_up(folder: Path) -> Path:
    path = folder / "site.backup"
    call_command("backup", to=str(path), stderr=io.StringIO())
    return path


def restore(path: Path, **options: Any) -> str:
    out = io.StringIO()
    call_command("restore", str(path), stdout=out, **options)
    return out.getvalue()


def wreck() -> None:
    """Change and remove what a site has."""
    Rule.objects.all().delete()
    ApiKey.objects.all().delete()
    User.objects.update(username="somebody else")
    ClientPlan.objects.create(name="of later")
    Asset.objects.create(id="of later", symbol="x", name="x")


def test_every_row_and_every_counter_comes_back(site: Redis, tmp_path: Path) -> None:
    before, path = contents(), backed_up(tmp_path)
    assert all(before.values()), [name for name, found in before.items() if not found]
    wreck()
    site.flushall()
    said = restore(path, replace=True)
    assert contents() == before
    assert ApiKey.objects.get().secret == Secret(KEY)
    assert Target.objects.get().secret == Secret(HOOK)
    assert f"Restored {sum(map(len, before.values()))} rows and 6 keys of Redis" in said
    assert {name: site.get(name).decode() for name in KEYS} == KEYS
    assert site.hgetall("spot:client:protocols:2026-11-29") == {b"coingecko calls": b"7"}
    assert site.lrange("spot:live:changes", 0, -1) == [b"2", b"1"]
    assert 900 < site.ttl("spot:client:usage:2026-11-29") <= 1000
    assert not site.exists("spot:live:table:markets:usd")
    assert User.objects.create(username="next").pk > max(row["id"] for row in before["auth.User"])


def test_counters_of_calls_that_are_newer_stay_and_those_of_rows_are_replaced(site: Redis, tmp_path: Path) -> None:
    path = backed_up(tmp_path)
    credits, usage = next(iter(KEYS)), "spot:client:usage:2026-11-29"
    site.set(credits, 2000)
    site.hset(usage, "999 messages", 1)
    site.set("spot:client:usage:2026-11-30", "of rows that are gone")
    restore(path, replace=True)
    assert site.get(credits) == b"2000"
    assert b"999 messages" not in site.hgetall(usage)
    assert not site.exists("spot:client:usage:2026-11-30")


def test_no_secret_stands_in_the_file_and_only_its_owner_reads_it(site: Redis, tmp_path: Path, settings) -> None:
    path = backed_up(tmp_path)
    text = gzip.decompress(path.read_bytes()).decode()
    for secret in (KEY, HOOK, *settings.SPOT_SECRET_KEYS, settings.SECRET_KEY):
        assert secret not in text
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [found.name for found in tmp_path.iterdir() if found.is_file()] == ["site.backup"]


def test_where_the_master_key_lies_is_said_once_and_that_it_is_kept_apart(
    site: Redis, settings, tmp_path: Path
) -> None:
    settings.SPOT_SECRET_KEYS_PLACE = "/srv/keys"
    said = io.StringIO()
    call_command("backup", to=str(tmp_path), stderr=said)
    assert "The master key is not in it: it lies in /srv/keys. Keep a copy of it, in another place" in said.getvalue()


def changed(path: Path, change: Callable[[list[bytes]], list[bytes]]) -> Path:
    """A backup with other lines."""
    other = path.with_name("other.backup")
    lines = gzip.decompress(path.read_bytes()).splitlines(keepends=True)
    other.write_bytes(gzip.compress(b"".join(change(lines))))
    return other


def with_head(**facts: Any) -> Callable[[list[bytes]], list[bytes]]:
    """A whole backup with another head."""

    def change(lines: list[bytes]) -> list[bytes]:
        packed = io.BytesIO()
        archive.write(packed, {**orjson.loads(lines[0]), **facts}, map(orjson.loads, lines[1:-1]))
        return gzip.decompress(packed.getvalue()).splitlines(keepends=True)

    return change


def without_rules(lines: list[bytes]) -> list[bytes]:
    """A whole backup whose alerts are of no rule."""
    return with_head()([line for line in lines if not line.startswith(b'{"model":"alerts.rule"')])


SPOILT: dict[str, tuple[Callable[[Path], Path], str]] = {
    "a bit": (
        lambda path: changed(path, lambda lines: [lines[0], lines[1][::-1], *lines[2:]]),
        "damaged",
    ),
    "a line less": (lambda path: changed(path, lambda lines: [*lines[:3], *lines[4:]]), "damaged or cut off"),
    "no end": (lambda path: changed(path, lambda lines: lines[:-1]), "damaged or cut off"),
    "half": (lambda path: path.write_bytes(path.read_bytes()[:500]) and path, "damaged or cut off"),
    "empty": (lambda path: path.write_bytes(b"") or path, "is no backup of Spot"),
    "another file": (lambda _path: Path(__file__), "is no backup of Spot"),
    "none": (lambda path: path.with_name("none"), "cannot be read: No such file or directory"),
    "a later form": (lambda path: changed(path, with_head(form=2)), "has form 2, and this version reads form 1"),
    "a later version": (
        lambda path: changed(path, with_head(version="9.0", migrations={"providers": ["0099_later"]})),
        r"of Spot 9.0 with the migration providers.0099_later, which this version \(.*\) does not have",
    ),
}


@pytest.mark.parametrize(("spoil", "said"), SPOILT.values(), ids=SPOILT)
def test_a_file_that_cannot_be_restored_is_refused_before_anything_is_touched(
    site: Redis, tmp_path: Path, spoil: Callable[[Path], Path], said: str
) -> None:
    path, before = backed_up(tmp_path), contents()
    with pytest.raises(CommandError, match=said):
        restore(spoil(path), replace=True)
    assert contents() == before


def test_another_master_key_is_refused_and_a_lost_one_can_be_gone_without(
    site: Redis, tmp_path: Path, settings
) -> None:
    path = backed_up(tmp_path)
    settings.SPOT_SECRET_KEYS = ["another master key, also long enough"]
    settings.SPOT_SECRET_KEYS_PLACE = "/srv/keys"
    with pytest.raises(CommandError, match=r"encrypted with another master key: put that .* into /srv/keys"):
        restore(path, replace=True)
    restore(path, replace=True, locked=True)
    assert Rule.objects.get().name == "high"


def test_a_secret_of_an_older_master_key_is_missed(site: Redis, tmp_path: Path, settings) -> None:
    settings.SPOT_SECRET_KEYS = ["a new master key, which is long enough", *settings.SPOT_SECRET_KEYS]
    path = backed_up(tmp_path)
    settings.SPOT_SECRET_KEYS = settings.SPOT_SECRET_KEYS[:1]
    with pytest.raises(CommandError, match="2 secrets of this backup are encrypted with an older master key"):
        restore(path, replace=True)


def test_a_database_in_use_is_kept_unless_it_is_to_be_replaced(site: Redis, tmp_path: Path) -> None:
    path, before = backed_up(tmp_path), contents()
    with pytest.raises(CommandError, match=r"The database is in use \(1 users, 1 API keys, .*--replace"):
        restore(path)
    assert contents() == before


def test_a_running_site_is_left_alone(site: Redis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = backed_up(tmp_path)
    site.set("spot:worker", signs.now_ms())

    def tick(_seconds: float) -> None:
        site.set("spot:worker", signs.now_ms() + 1)

    monkeypatch.setattr(operations, "time", SimpleNamespace(sleep=tick))
    with pytest.raises(CommandError, match=r"Spot runs \(worker\): stop web, worker, beat and stream"):
        restore(path, replace=True)


def test_a_site_that_has_just_been_stopped_is_waited_for(site: Redis, tmp_path: Path) -> None:
    path = backed_up(tmp_path)
    site.set("spot:worker", signs.now_ms() - signs.SILENT_MS + 400)
    said = restore(path, replace=True)
    assert "Spot ran a moment ago (worker): waiting for 30 s of silence." in said
    assert "Restored" in said


def test_a_backup_runs_beside_a_writer_and_has_the_rows_of_one_moment(site: Redis, tmp_path: Path) -> None:
    with rows.at_one_moment() as using:
        assert Rule.objects.using(using).count() == 1
        found = {record["model"] for record in rows.read(using)}
    assert "alerts.rule" in found


@pytest.mark.parametrize("failing", ["redis", "row"])
def test_a_failure_half_way_leaves_the_old_state(
    site: Redis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    path = backed_up(tmp_path)
    wreck()
    before, keys = contents(), {*site.keys()}
    if failing == "redis":

        def fail(*_: object) -> int:
            raise NoConnection("gone")

        monkeypatch.setattr(families, "restore", fail)
    else:  # an alert of a rule that the backup lacks
        path = changed(path, without_rules)
    with pytest.raises(CommandError, match="Nothing was restored"):
        restore(path, replace=True)
    assert contents() == before
    assert {*site.keys()} - keys <= {b"spot:write-check"}
    assert keys <= {*site.keys()}


def test_the_newest_backups_of_a_folder_are_kept(site: Redis, tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    folder.mkdir()
    names = [f"spot-2026010{day}-000000.backup" for day in range(1, 5)]
    for name in [*names, "of-the-operator.backup"]:
        (folder / name).touch()
    call_command("backup", to=str(folder), keep=2, stderr=io.StringIO())
    left = sorted(path.name for path in folder.iterdir())
    assert left[0] == "of-the-operator.backup"
    assert left[1] == names[-1]
    assert len(left) == 3


MOUNTS = "overlay / overlay rw 0 0\ntmpfs /state tmpfs rw 0 0\n/dev/sda /state/kept ext4 rw 0 0\n"


@pytest.mark.parametrize(
    ("path", "volatile"), [("/state/backups/a", True), ("/state/kept/backups/a", False), ("/srv/a", False)]
)
def test_a_folder_in_memory_is_told_from_others(path: str, volatile: bool) -> None:
    assert backing_up.in_memory(Path(path), MOUNTS) is volatile


def test_a_backup_that_ends_with_its_container_is_said(
    site: Redis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = io.StringIO()
    monkeypatch.setattr(backing_up, "mounts", lambda: "tmpfs / tmpfs rw 0 0")
    call_command("backup", to=str(tmp_path), stderr=said)
    assert f"{tmp_path} is in memory and ends with this container" in said.getvalue()


@pytest.mark.parametrize(
    ("to", "keep", "said"),
    [
        ("there.backup", None, "there.backup exists: name a new file, or a folder"),
        ("new.backup", 3, "--keep needs a folder, and .* is none"),
        ("-", 3, "--keep needs a folder"),
        (".", 0, "--keep must be a whole number, 1 or more"),
        ("nowhere/x.backup", None, "No backup was made: .*: No such file or directory"),
    ],
)
def test_a_place_that_cannot_be_is_refused(site: Redis, tmp_path: Path, to: str, keep: int | None, said: str) -> None:
    (tmp_path / "there.backup").touch()
    with pytest.raises(CommandError, match=said):
        call_command("backup", to=to if to == "-" else str(tmp_path / to), keep=keep, stderr=io.StringIO())


def test_without_redis_the_rows_are_backed_up_and_that_is_said(site: Redis, tmp_path: Path, settings) -> None:
    from tests.live import NOWHERE

    settings.REDIS = NOWHERE
    said = io.StringIO()
    call_command("backup", to=str(tmp_path), stderr=said)
    assert "rows and 0 keys of Redis" in said.getvalue()
    assert "Without Redis, this month's count of calls among it: " in said.getvalue()


def test_settings_that_differ_are_named(site: Redis, tmp_path: Path, settings) -> None:
    settings.SPOT_GIVEN = {"SPOT_HTTPS": "on", "SPOT_DEPTH": "7"}
    path = backed_up(tmp_path)
    settings.SPOT_GIVEN = {"SPOT_DEPTH": "7", "SPOT_QUERIES": "9"}
    said = restore(path, replace=True)
    assert "SPOT_HTTPS was on there, and is not set here." in said
    assert "SPOT_QUERIES was not set there, and is 9 here." in said
    assert "SPOT_DEPTH" not in said


def test_a_backup_comes_by_the_standard_input(site: Redis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, before = backed_up(tmp_path), contents()
    wreck()

    class Input:
        buffer = io.BytesIO(path.read_bytes())

    monkeypatch.setattr(restoring.sys, "stdin", Input())
    restore(Path("-"), replace=True)
    assert contents() == before


def test_no_model_is_forgotten() -> None:
    """A new model is either backed up, or named here with the reason."""
    left_out = {model._meta.label_lower for model in apps.get_models()} - {
        model._meta.label_lower for model in rows.models()
    }
    assert left_out == {"contenttypes.contenttype", "auth.permission", "sessions.session"}


def test_a_transaction_of_others_goes_on_beside_a_backup(site: Redis) -> None:
    """The reader's transaction is deferred: it does not take the lock that writers need."""
    with rows.at_one_moment() as using:
        Rule.objects.using(using).count()
        assert connection.vendor == "sqlite"
        with transaction.atomic(using=using):
            pass
