"""The interface of a path as values: HTTP operations and message channels. Pure.

A handler or a route declares them beside itself. The OpenAPI and AsyncAPI documents, the reference pages and the
summary of the contract follow from these declarations.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from spot.feeds.params import Schema

JSON, CSV, TEXT, EVENTS = "application/json", "text/csv", "text/plain", "text/event-stream"
#: The schema of a query string without parameters.
NO_PARAMETERS: Schema = {"type": "object", "properties": {}, "required": [], "additionalProperties": False}


@dataclass(frozen=True)
class Payload:
    """A body or a frame. `name` is unique in the contract: equal names must have equal schemas."""

    name: str
    schema: Schema
    summary: str = ""
    media: str = JSON


@dataclass(frozen=True)
class Header:
    """An HTTP header. `meaning` is its row in the documents."""

    name: str
    meaning: str
    schema: Schema = field(default_factory=lambda: {"type": "string"})


@dataclass(frozen=True)
class Outcome:
    """The answer of an operation with one status. Without bodies it has none."""

    status: int
    summary: str
    bodies: tuple[Payload, ...] = ()
    headers: tuple[Header, ...] = ()


@dataclass(frozen=True)
class Operation:
    """One method at one HTTP path. `id` names it in generated clients; `parameters` is the closed object schema of its
    query string, `variables` the schemas of the names in braces in its path; `errors` are codes of `spot.codes`;
    `sends` are request headers. `key`: whether a client may, must or need not say who it is. `repeated` names lists of
    which each item is a parameter of its own; `about` says more than the summary."""

    id: str
    summary: str
    tag: str
    answers: tuple[Outcome, ...]
    parameters: Schema = field(default_factory=lambda: NO_PARAMETERS)
    errors: tuple[str, ...] = ()
    method: Literal["get", "post"] = "get"
    body: Payload | None = None
    variables: Mapping[str, Schema] = field(default_factory=dict)
    sends: tuple[Header, ...] = ()
    key: Literal["optional", "required", "none"] = "optional"
    repeated: tuple[str, ...] = ()
    about: str = ""


@dataclass(frozen=True)
class Form:
    """One way in which a channel writes its frames: the parameters that ask for it, and the frames."""

    name: str
    summary: str
    query: Mapping[str, str]
    frames: tuple[Payload, ...]


@dataclass(frozen=True)
class Channel:
    """A path at which messages go on: a WebSocket, or server-sent events. `id` is unique in the contract;
    `parameters` is the closed object schema of its query string; `messages` are those of clients; `subprotocols` those
    that it accepts."""

    id: str
    path: str
    summary: str
    forms: tuple[Form, ...]
    parameters: Schema = field(default_factory=lambda: NO_PARAMETERS)
    messages: tuple[Payload, ...] = ()
    protocol: Literal["ws", "sse"] = "ws"
    subprotocols: tuple[str, ...] = ()


def pascal(name: str) -> str:
    """The name of a feed or message in the form of type names: `TopGainers` for `top-gainers`."""
    return "".join(word.capitalize() for word in name.replace("_", "-").split("-"))
