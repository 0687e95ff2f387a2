"""The file of a backup: lines of JSON, compressed by gzip. The first is the head, each other one a record, and the last
one the SHA-256 of all before it, so that a file that is cut off or changed is not taken for a whole one."""

from __future__ import annotations

import gzip
import hashlib
import os
import tempfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import orjson

#: The form of the file, and of the records in it.
FORM = 1
_KIND = "spot backup"


class Unusable(Exception):
    """A sentence: why a file cannot be restored, or a backup not be made."""


def write(file: BinaryIO, head: Mapping[str, Any], records: Iterable[Mapping[str, Any]]) -> int:
    """Write a backup; returns the number of its records."""
    digest, count = hashlib.sha256(), 0
    with gzip.GzipFile(fileobj=file, mode="wb", compresslevel=6, mtime=0) as packed:

        def put(line: Mapping[str, Any]) -> None:
            text = orjson.dumps(line) + b"\n"
            digest.update(text)
            packed.write(text)

        put({"kind": _KIND, "form": FORM, **head})
        for record in records:
            put(record)
            count += 1
        packed.write(orjson.dumps({"sha256": digest.hexdigest(), "records": count}) + b"\n")
    return count


@contextmanager
def draft(path: Path) -> Iterator[BinaryIO]:
    """A new file for its owner only, which gets its name once it is whole and on the disk. Raises `OSError`."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # mode 0600
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    finally:
        Path(name).unlink(missing_ok=True)  # of a draft that failed


def head_of(path: Path) -> dict[str, Any]:
    """The head of a backup, after the whole file has been checked. Raises `Unusable`."""
    digest, head, last = hashlib.sha256(), b"", b""
    count = -2
    for line in _lines(path):
        digest.update(last)
        head, last, count = head or line, line, count + 1
    end = _parsed(path, last)
    facts = _parsed(path, head)
    if facts.get("kind") != _KIND:
        raise Unusable(f"{path} is no backup of Spot.")
    if facts.get("form") != FORM:
        raise Unusable(f"{path} has form {facts.get('form')}, and this version reads form {FORM}: use a newer Spot.")
    if end.get("sha256") != digest.hexdigest() or end.get("records") != count:
        raise Unusable(f"{path} is damaged or cut off: its checksum is another. Use another backup.")
    return facts


def records_of(path: Path) -> Iterator[dict[str, Any]]:
    """The records of a backup that `head_of` has checked, in their order."""
    lines = _lines(path)
    next(lines)
    record = next(lines)
    for following in lines:
        yield orjson.loads(record)
        record = following


def _lines(path: Path) -> Iterator[bytes]:
    try:
        with gzip.open(path, "rb") as file:
            yield from file
    except (EOFError, zlib.error) as error:
        raise Unusable(f"{path} is damaged or cut off: {error}. Use another backup.") from None
    except gzip.BadGzipFile:
        raise Unusable(f"{path} is no backup of Spot.") from None
    except OSError as error:
        raise Unusable(f"{path} cannot be read: {error.strerror}.") from None


def _parsed(path: Path, line: bytes) -> dict[str, Any]:
    try:
        parsed = orjson.loads(line)
    except orjson.JSONDecodeError:
        parsed = None
    if not isinstance(parsed, dict):
        raise Unusable(f"{path} is no backup of Spot, or is cut off.")
    return parsed
