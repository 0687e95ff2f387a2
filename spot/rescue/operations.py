"""Backup and restore: what is checked, in which order, and what becomes of a restore that fails half-way."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO

import redis
from django.conf import settings
from django.core.management import call_command
from django.db import DatabaseError, connection, transaction
from redis.exceptions import RedisError

from providers import vault
from providers.redis_trouble import why
from providers.vault import Secret
from spot import database_trouble, signs
from spot.doctor.site import Site
from spot.rescue import archive, rows
from spot.rescue.archive import Unusable
from spot.snapshots import families
from spot_project.release import release

#: Encrypted into each backup: whoever decrypts it has the master key of the backup's secrets.
_CHECK = "spot master key"
_NAME = "spot-{:%Y%m%d-%H%M%S}.backup"
_PATTERN = "spot-????????-??????.backup"


@dataclass(frozen=True, slots=True)
class Made:
    """A backup that was made: rows, keys of Redis, and why Redis has given none, "" if it has."""

    rows: int
    keys: int
    without_redis: str


@dataclass(frozen=True, slots=True)
class Restored:
    """What a restore has written, and settings that are set otherwise here than where the backup was made: name, value
    there, value here ("" for none)."""

    rows: int
    keys: int
    head: Mapping[str, Any]
    settings: list[tuple[str, str, str]]


# --- backup -----------------------------------------------------------------------------------------------------------


def named(folder: Path) -> Path:
    """The path of a new backup in a folder."""
    return folder / _NAME.format(datetime.now(UTC))


def prune(folder: Path, keep: int) -> list[Path]:
    """Remove all but the newest backups of a folder that have names of ours; returns the removed."""
    old = sorted(folder.glob(_PATTERN))[:-keep]
    for path in old:
        path.unlink()
    return old


def back_up(file: BinaryIO) -> Made:
    """Write a backup of this site, which may run meanwhile. Raises `Unusable`."""
    if trouble := Site().database_trouble:
        raise Unusable(f"The database cannot be opened: {trouble}.")
    if missing := rows.missing_migrations():
        raise Unusable(f"The database lacks the migration {missing[0]}: run manage.py prepare, then back it up.")
    keys, without = _keys_of_redis()
    counts = {"rows": 0, "keys": 0}

    def counted(records: Iterator[dict[str, Any]], what: str) -> Iterator[dict[str, Any]]:
        for record in records:
            counts[what] += 1
            yield record

    try:
        with rows.at_one_moment() as using:
            archive.write(file, _head(), chain(counted(rows.read(using), "rows"), counted(iter(keys), "keys")))
    except DatabaseError as error:
        raise Unusable(f"The database cannot be read: {database_trouble.why(error)}.") from None
    return Made(counts["rows"], counts["keys"], without)


def _head() -> dict[str, Any]:
    return {
        "version": release(),
        "made_at": signs.now_ms(),
        "engine": connection.vendor,
        "migrations": rows.migrations(),
        "models": [model._meta.label_lower for model in rows.models()],
        "master_key": vault.lock(Secret(_CHECK)),
        "settings": settings.SPOT_GIVEN,
    }


def _keys_of_redis() -> tuple[list[dict[str, Any]], str]:
    """The keys to take along, and why there are none."""
    site = Site()
    if site.redis_trouble:
        return [], site.redis_trouble
    try:
        return list(families.saved(site.redis)), ""
    except (RedisError, OSError) as error:
        return [], why(error)


# --- restore ----------------------------------------------------------------------------------------------------------


def check(path: Path, *, locked: bool) -> None:
    """Check the whole file, its version, and that the master key opens its secrets (not if `locked`); nothing is
    written. Raises `Unusable`."""
    head = archive.head_of(path)
    _check_versions(head)
    if not locked:
        _check_master_key(path, head)


def restore(path: Path, client: redis.Redis, *, replace: bool) -> Restored:
    """Restore a backup that was checked. Rows and keys of Redis are written in one transaction: when it fails, the site
    is as it was before. `replace`: also if the database is in use. Raises `Unusable`."""
    head = archive.head_of(path)
    _prepare_database(replace)
    keys = [record for record in archive.records_of(path) if "key" in record]
    try:
        with transaction.atomic():
            count = rows.replace(_rows_of(path), head["models"])
            written = families.restore(client, keys)
    except (RedisError, OSError) as error:
        raise Unusable(f"Nothing was restored: Redis cannot be written: {why(error).rstrip('.')}.") from None
    except (DatabaseError, ValueError, LookupError) as error:
        raise Unusable(f"Nothing was restored: the database refuses the rows: {database_trouble.why(error)}.") from None
    return Restored(count, written, head, list(_other_settings(head["settings"])))


def await_silence(say: Callable[[str], None]) -> str:
    """Wait until no part of this site has shown a sign of life for half a minute, which one that has just been stopped
    has. Returns at once with a sentence if a part shows another sign meanwhile, else ""."""
    signs_before = _signs_of_life()
    if signs_before:
        say(f"Spot ran a moment ago ({', '.join(signs_before)}): waiting for {signs.SILENT_MS // 1000} s of silence.")
    while signs_now := _signs_of_life():
        if parts := [part for part, seen in signs_now.items() if seen > signs_before.get(part, 0)]:
            return f"Spot runs ({', '.join(parts)}): stop web, worker, beat and stream, and try again."
        time.sleep(0.5)
    return ""


def _signs_of_life() -> dict[str, int]:
    """When each part that may still run was last seen, epoch ms."""
    since = signs.now_ms() - signs.SILENT_MS
    return {part: seen for part, seen in Site().seen_ms.items() if seen is not None and seen > since}


def _rows_of(path: Path) -> Iterator[dict[str, Any]]:
    return (record for record in archive.records_of(path) if "model" in record)


def _check_versions(head: Mapping[str, Any]) -> None:
    known = rows.known_migrations()
    apps = {app for app, _ in known}
    newer = [
        f"{app}.{name}"
        for app, names in head["migrations"].items()
        for name in names
        if app in apps and (app, name) not in known
    ]
    if newer:
        raise Unusable(
            f"The backup is of Spot {head['version']} with the migration {newer[0]}, which this version "
            f"({release()}) does not have: restore it with that version or a newer one."
        )


def _check_master_key(path: Path, head: Mapping[str, Any]) -> None:
    try:
        vault.unlock(head["master_key"])
    except vault.Locked:
        raise Unusable(
            "The secrets of this backup are encrypted with another master key: put that of the site where it was made "
            f"into {settings.SPOT_SECRET_KEYS_PLACE}. If it is lost, --locked "
            "restores everything else, and providers' keys, signing secrets and client keys must be made anew."
        ) from None
    if count := rows.locked(_rows_of(path)):
        raise Unusable(
            f"{count} secrets of this backup are encrypted with an older master key: append it to SPOT_SECRET_KEYS, or "
            "restore with --locked and enter them again."
        )


def _prepare_database(replace: bool) -> None:
    """Make sure of tables of this version, without rows of a site unless they are to be replaced."""
    if connection.vendor == "sqlite" and not connection.is_in_memory_db():  # type: ignore[attr-defined]
        Path(connection.settings_dict["NAME"]).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        connection.ensure_connection()
        unknown = [".".join(one) for one in _applied() - rows.known_migrations() if one[0] in _apps()]
        if unknown:
            raise Unusable(f"The database is of a newer Spot ({unknown[0]} is unknown here): use that version.")
        if not rows.migrations():
            call_command("migrate", interactive=False, verbosity=0)
        elif missing := rows.missing_migrations():
            raise Unusable(f"The database lacks the migration {missing[0]}: run manage.py prepare first.")
        used = rows.in_use()
    except DatabaseError as error:
        raise Unusable(f"The database cannot be opened: {database_trouble.why(error)}.") from None
    if used and not replace:
        counts = ", ".join(f"{count} {name}" for name, count in used.items())
        raise Unusable(f"The database is in use ({counts}): --replace removes all that and restores the backup.")


def _applied() -> set[tuple[str, str]]:
    return {(app, name) for app, names in rows.migrations().items() for name in names}


def _apps() -> set[str]:
    return {app for app, _ in rows.known_migrations()}


def _other_settings(there: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    here = settings.SPOT_GIVEN
    for name in sorted({*there, *here}):
        if name != "SPOT_HOME" and there.get(name, "") != here.get(name, ""):
            yield name, there.get(name, ""), here.get(name, "")
