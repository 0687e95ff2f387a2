"""The checker finds each fault in a history that has it, and none in one that has not."""

from typing import Any

import pytest

from tests.chaos.history import Frame, Published, check

GOOD = Frame(0, 0, "market", 10.0, "e", 5, "a", stale=False, good_until=20.0)
LOG = [Published(at / 10, "e", version) for at in range(400) for version in (5, 6)]


def frame(**change: Any) -> Frame:
    return GOOD._replace(**change)


def kinds(*connections: list[Frame], ends: tuple[float, ...] = (), log: list[Published] = LOG) -> list[str]:
    findings = check(connections, log, ends)
    return [kind for kind in ("back", "torn", "foreign", "doubled", "unmarked") if getattr(findings, kind)]


def test_a_good_history_is_good() -> None:
    assert kinds([GOOD, frame(at=11, version=6, digest="b")], [frame(client=1)], ends=(12, 12)) == []


def test_a_frame_that_has_turned_stale_is_no_double() -> None:
    assert kinds([GOOD, frame(at=22, stale=True)], ends=(90,)) == []


def test_a_new_epoch_may_begin_anew() -> None:
    log = [Published(at / 10, epoch, version) for at in range(400) for epoch, version in (("e", 5), ("f", 1))]
    assert kinds([GOOD, frame(at=11, epoch="f", version=1)], log=log) == []


@pytest.mark.parametrize(
    ("kind", "connections", "ends"),
    [
        ("back", [[frame(version=6, digest="b"), frame(at=11)]], ()),
        ("torn", [[GOOD], [frame(client=1, digest="b")]], ()),
        ("foreign", [[frame(foreign=True)]], ()),
        ("foreign", [[frame(version=7)]], ()),
        ("doubled", [[GOOD, frame(at=11)]], ()),
        ("unmarked", [[GOOD, frame(at=28, version=6)]], ()),
        ("unmarked", [[GOOD]], (28.0,)),
    ],
)
def test_each_fault_is_found(kind: str, connections: list[list[Frame]], ends: tuple[float, ...]) -> None:
    assert kinds(*connections, ends=ends) == [kind]


def test_a_hole_in_the_publishers_log_proves_nothing() -> None:
    log = [entry for entry in LOG if not 9 < entry.at < 12]
    assert kinds([frame(version=7)], log=log) == []
