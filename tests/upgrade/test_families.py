"""Keys of Redis: each is known, as something that is fetched again or that a backup takes along."""

import ast
import re

import pytest
from redis import Redis

from spot.snapshots import families
from tests.test_architecture import SOURCES, name_of, tree_of


def names() -> set[tuple[str, str]]:
    """Each key that the code names, with x where a name goes on: file, key."""
    found = set()
    for path in SOURCES:
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.JoinedStr):
                parts = [part.value if isinstance(part, ast.Constant) else "x" for part in node.values]
                text = "".join(map(str, parts))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                text = node.value
            else:
                continue
            if re.fullmatch(r"spot:[a-z][\w:{}*-]*", text) and not text.endswith(":"):
                found.add((name_of(path), text))
    return found


def test_every_key_that_the_code_names_has_a_family() -> None:
    keys = {(file, key) for file, key in names() if not key.startswith(("spot:x", "spot:client:processes"))}
    assert len(keys) > 20
    assert {(file, key) for file, key in keys if families.family_of(key) is None} == set()


@pytest.mark.parametrize(
    ("key", "kept"),
    [
        ("spot:budget:{coingecko:public}:credits:1795910400000", "missing"),
        ("spot:budget:{coingecko:public}:window", "cache"),
        ("spot:ledger:2026-11-29", "missing"),
        ("spot:client:usage:2026-11-29", "rows"),
        ("spot:client:ticket:abc", "cache"),
        ("spot:client:protocols:2026-11-29", "missing"),
        ("spot:alerts:operators", "missing"),
        ("spot:alerts:operators-lock", "cache"),
        ("spot:alerts:samples:3", "cache"),
        ("spot:live:table:markets:usd", "cache"),
        ("spot:live:changes", "missing"),
        ("spot:stream:disputed:coinapi", "missing"),
        ("spot:stream:lead:coinapi", "cache"),
        ("spot:celery:celery", "cache"),
    ],
)
def test_what_cannot_be_fetched_again_is_saved(key: str, kept: str) -> None:
    family = families.family_of(key)
    assert family is not None
    assert family.kept == kept


def test_a_key_that_is_not_known_is_neither_saved_nor_restored(redis: Redis) -> None:
    redis.set("spot:of-a-later-version", 1)
    assert list(families.saved(redis)) == []
    assert families.restore(redis, [{"key": "other:key", "ms": None, "value": "1"}]) == 0
    assert not redis.exists("other:key")
