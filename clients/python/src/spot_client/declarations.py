"""The forms in which `feeds.py` tells what the server declares."""

from __future__ import annotations

from typing import NamedTuple


class Parameter(NamedTuple):
    """A parameter of a feed. `type` is that of JSON Schema; `allowed` is a text for people; `values` are the ones
    allowed, of a list for each of its items (none: any)."""

    name: str
    type: str
    allowed: str
    values: tuple[str, ...] = ()
    required: bool = False


class Column(NamedTuple):
    """A column of a feed's rows, as documented. `type` is one of text, number, integer, time, boolean, texts, chart,
    json, rows."""

    name: str
    type: str
    unit: str


class Declaration(NamedTuple):
    """A feed. `key` is the column that identifies a row; `events`: its rows are events, newest first."""

    channel: str
    purpose: str
    parameters: tuple[Parameter, ...]
    columns: tuple[Column, ...]
    key: str
    events: bool


class CloseCode(NamedTuple):
    """Why the server closes a connection, whether a client should come back by itself, and the HTTP status that says
    the same."""

    meaning: str
    reconnect: bool
    status: int
