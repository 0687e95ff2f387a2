"""The messages that clients of the feeds' own paths send. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from spot.codes import Refused, bad_value
from spot.dialects.base import Amend, Command, Dialect, Export, Ping, Resync

#: The largest message that a client may send, in bytes.
MAX_MESSAGE = 64 * 1024
#: Parameters of the address that say which dialect is spoken.
MODES = ("envelope", "status", "delta")
_ACTIONS: dict[str, Command] = {"export": Export(), "ping": Ping(), "resync": Resync()}
ACTIONS = tuple(_ACTIONS)


def read(message: str | bytes) -> Command:
    """The command in a client's message: an action, or the parameters it changes. Raises `Refused`; no input raises
    anything else."""
    raw = json_object(message, '{"search": "btc", "page": 1}')
    return _action(raw) if "action" in raw else _change(raw)


def json_object(message: str | bytes, example: str) -> dict[str, Any]:
    """The object that a message is. Raises `Refused`, with the example."""
    if isinstance(message, bytes):
        raise Refused("bad_message", "Messages are JSON text; binary frames are not understood.")
    if len(message) > MAX_MESSAGE or len(message.encode("utf-8", "surrogatepass")) > MAX_MESSAGE:
        raise Refused("bad_message", f"A message may have at most {MAX_MESSAGE} bytes.")
    try:
        raw = orjson.loads(message)
    except (orjson.JSONDecodeError, UnicodeEncodeError) as error:
        raise Refused("bad_message", "The message is not valid JSON.") from error
    if not isinstance(raw, dict):
        raise Refused("bad_message", f"The message must be a JSON object such as {example}.")
    return raw


class Own(Dialect):
    """A dialect of the feeds' own paths: all of them are spoken to in the same messages."""

    def read(self, message: str | bytes, _depth: int) -> Sequence[Command]:
        """An action, or the parameters to change."""
        return (read(message),)


def _action(raw: dict[str, object]) -> Command:
    action = raw.pop("action")
    if action not in ACTIONS:
        raise bad_value("action", f"one of {', '.join(ACTIONS)}", action)
    if action == "export" and raw.pop("format", "csv") != "csv":
        raise bad_value("format", '"csv"')
    if raw:
        raise Refused("unknown_field", f"{action} takes no {next(iter(raw))[:40]!r}.", next(iter(raw))[:40])
    return _ACTIONS[str(action)]


def _change(raw: dict[str, object]) -> Command:
    for name in MODES:
        if name in raw:
            raise Refused("bad_value", f"{name} is set when connecting and cannot change afterwards.", name)
    return Amend(raw)
