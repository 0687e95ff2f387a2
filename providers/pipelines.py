"""Commands of several modules for Redis, in one round trip.

A fetch asks the budget, the breakers and the store for a dozen facts. With Redis on another machine each question costs
a round trip, and workers spend their time on the way. So modules offer what they ask as parts, which callers join.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from redis import Redis

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Commands(Generic[Result]):
    """Commands, as redis-py's `execute_command` takes them, and what their answers mean together."""

    commands: Sequence[tuple[Any, ...]]
    meaning: Callable[[Sequence[Any]], Result]

    def run(self, redis: Redis) -> Result:
        """The result, in a round trip of its own; in none without commands. Raises the first error."""
        result: Result = together(redis, self)[0]
        return result


def together(redis: Redis, *parts: Commands[Any]) -> list[Any]:
    """The results of all parts, whose commands run in their order, in one round trip. Raises the first error; the
    commands after it have run."""
    commands = [command for part in parts for command in part.commands]
    if not commands:
        return _results(parts, [])
    with redis.pipeline(transaction=False) as pipe:
        for command in commands:
            pipe.execute_command(*command)
        return _results(parts, pipe.execute())


def joined(parts: Sequence[Commands[Any]], meaning: Callable[[list[Any]], Result]) -> Commands[Result]:
    """One part of several, and what their results mean together."""
    commands = [command for part in parts for command in part.commands]
    return Commands(commands, lambda answers: meaning(_results(parts, answers)))


def _results(parts: Sequence[Commands[Any]], answers: Sequence[Any]) -> list[Any]:
    results, at = [], 0
    for part in parts:
        results.append(part.meaning(answers[at : at + len(part.commands)]))
        at += len(part.commands)
    return results


def write(*commands: tuple[Any, ...]) -> Commands[None]:
    """Commands whose answers mean nothing."""
    return Commands(commands, lambda _answers: None)
