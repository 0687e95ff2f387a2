"""What is left of clients is named, and calls are counted in every minute."""

from tests.chaos.leftovers import Taken, left, most_calls

BEFORE = Taken(descriptors=60, connections=40, groups=4, tasks=90)


def test_what_grows_by_itself_is_not_left_of_clients() -> None:
    assert left(BEFORE, BEFORE._replace(descriptors=65, tasks=100, connections=39)) == []


def test_each_leftover_is_named() -> None:
    now = Taken(descriptors=80, connections=41, groups=5, tasks=140)
    assert left(BEFORE, now) == [
        "80 descriptors, 60 before", "41 connections, 40 before", "5 groups, 4 before", "140 tasks, 90 before",
    ]  # fmt: skip


def test_calls_are_counted_in_every_minute_and_not_by_the_clock() -> None:
    around_the_turn = [55.0 + at / 10 for at in range(100)]
    assert most_calls(around_the_turn, 59.0) == 100
    assert most_calls([at * 1.0 for at in range(600)], 59.0) == 60
    assert most_calls([]) == 0
