"""Troubles that operators are told of, as a state machine: each is told once, and once more when it has ended. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

Event = Literal["problem", "recovered"]


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something wrong now: the sentence about it, and the one for when it is over."""

    sentence: str
    over: str


@dataclass(frozen=True, slots=True)
class Episode:
    """One trouble from its beginning on; times are epoch ms. `gone`: since when it is not seen; `told`: whether the
    operators know of it."""

    since: int
    over: str
    told: bool = False
    gone: int | None = None


@dataclass(frozen=True, slots=True)
class Patience:
    """For how long (ms) a trouble is seen before it is told, and is gone before it counts as over: what comes and goes
    in between is one episode."""

    before: int
    after: int


@dataclass(frozen=True, slots=True)
class Message:
    """What operators are told: `key` names the trouble, `since` is when it began (epoch ms)."""

    key: str
    event: Event
    sentence: str
    since: int


def step(
    episodes: Mapping[str, Episode], troubles: Mapping[str, Trouble], patience: Mapping[str, Patience], now: int
) -> tuple[dict[str, Episode], list[Message]]:
    """The episodes after a look, and what is to be told. Keys are `rule:subject`; `patience` is by rule."""
    following: dict[str, Episode] = {}
    messages = []
    for key in [*episodes, *(key for key in troubles if key not in episodes)]:
        episode, trouble = episodes.get(key), troubles.get(key)
        waits = patience.get(key.partition(":")[0], Patience(0, 0))
        if trouble is not None:
            episode = replace(episode or Episode(now, trouble.over), gone=None, over=trouble.over)
            if not episode.told and now - episode.since >= waits.before:
                episode = replace(episode, told=True)
                messages.append(Message(key, "problem", trouble.sentence, episode.since))
        elif episode is not None:
            episode = replace(episode, gone=now if episode.gone is None else episode.gone)
            if not episode.told:
                continue
            if now - (episode.gone or now) >= waits.after:
                messages.append(Message(key, "recovered", episode.over, episode.since))
                continue
        if episode is not None:
            following[key] = episode
    return following, messages
