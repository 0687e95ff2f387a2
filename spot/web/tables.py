"""The tables of the reference as Markdown, from the declarations. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from spot.codes import CLOSES, ERRORS, MISSING, NOTICES
from spot.dialects.contract import alternatives
from spot.dialects.interface import Channel, Header, Operation, Payload
from spot.dialects.own_interface import FORMS, errors, frames, messages
from spot.dialects.schema import parameters_schema
from spot.dialects.values import STATES
from spot.feeds import FEEDS, Feed
from spot.feeds.base import Column
from spot.feeds.params import Schema
from spot.query.query import OPERATORS


def table(headers: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table; a bar in a cell is escaped."""
    lines = [headers, ["---"] * len(headers), *rows]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines)


def code(text: object) -> str:
    """Text in the type of code; nothing for nothing."""
    return f"`{text}`" if text != "" else ""


def kind(schema: Schema) -> str:
    """The values that a schema allows, in short."""
    items = schema.get("items")
    if isinstance(items, dict) and schema.get("type") == "array":
        return f"list of {kind(items)}"
    words = [word for word in alternatives(schema) if word != "null"]
    if len(words) > _MOST_WORDS:
        shown = "[error codes](/docs/errors/)" if words[0].strip('"') in ERRORS else f"one of {len(words)} words"
    else:
        literals = ", ".join(code(word.strip('"')) for word in words if word.startswith('"'))
        types = dict.fromkeys(_readable(word) for word in words if not word.startswith('"'))
        shown = " or ".join(filter(None, (literals, *types)))
    return f"{shown} or null" if "null" in alternatives(schema) else shown


#: Enumerations of more words are not listed within a table.
_MOST_WORDS = 12


def _readable(word: str) -> str:
    """`integer 1..500` as `integer, 1 to 500`; patterns are left out."""
    name, _, bounds = word.partition(" ")
    if name.startswith("@") or bounds.startswith("/"):
        return "object" if name.startswith("@") else name
    least, dots, most = bounds.partition("..")
    if not dots:
        return word
    if (least, most) == _EXACT:
        return name
    limits = f"{least} to {most}" if least and most else f"at least {least}" if least else f"at most {most}"
    unit = {"string": " characters", "array": " items"}.get(name, "")
    return f"{name}, {limits}{unit}"


#: The whole numbers that JSON has in all languages.
_EXACT = (str(1 - 2**53), str(2**53 - 1))


def _default(value: Any) -> str:
    if value is None or value == []:
        return ""
    if isinstance(value, list):
        return code(",".join(value))
    return code(str(value).lower() if isinstance(value, bool) else value)


def parameters(schema: Schema, names: Iterable[str]) -> str:
    """The parameters of these names in the schema of a query string."""
    rows = []
    for name in names:
        one = schema["properties"][name]
        value = "a JSON object" if one.get("type") == "object" else kind(one)
        default = "required" if name in schema["required"] else _default(one.get("default"))
        rows.append((code(name), default, value, one.get("description", "")))
    return table(("Parameter", "Default", "Type", "Meaning"), rows)


def columns(listed: Iterable[Column]) -> str:
    """Columns with their types, units and meanings."""
    rows = []
    for column in listed:
        words = "list of objects" if column.of else kind(column.schema())
        note = "; ".join(filter(None, (column.note, "on demand" if column.optional else "")))
        rows.append((code(column.name), words, _unit(column.schema()), note))
        rows += [
            (code(f"{column.name}[].{part.name}"), kind(part.schema()), _unit(part.schema()), part.note)
            for part in column.of
        ]
    return table(("Field", "Type", "Unit", "Meaning"), rows)


def _unit(schema: Schema) -> str:
    unit = schema.get("x-unit", "")
    return code(unit) if unit == "vs_currency" else str(unit)


def fields(feed: Feed) -> str:
    """The fields to filter and sort by."""
    words = {"number": "number", "text": "text", "position": "number", "flag": "true or false"}
    return table(
        ("Field", "Type", "Other spellings"),
        [(code(one.name), words[one.kind], ", ".join(map(code, one.aliases))) for one in feed.fields.all],
    )


def feeds(prefix: str) -> str:
    """All feeds, each with a link to its page."""
    return table(
        ("Feed", "Purpose", "Parameters of its own"),
        [
            (f"[`{name}`]({prefix}{name}/)", feed.purpose, ", ".join(code(one.name) for one in feed.params))
            for name, feed in FEEDS.items()
        ],
    )


def operators() -> str:
    """The operators of filters."""
    takes = {"value": "a value", "list": "a list", "text": "text, for text fields only"}
    return table(
        ("Operator", "Meaning", "Takes"),
        [(code(name), one.meaning, takes[one.takes]) for name, one in OPERATORS.items()],
    )


def forms() -> str:
    """The forms in which sockets of feeds write frames."""
    rows = []
    for form in FORMS:
        asked = "&".join(f"{name}={value}" for name, value in form.query.items())
        kinds = [payload.name for payload in frames(FEEDS["market"], form.dialect)]
        rows.append(
            (form.name, code(asked), form.summary, ", ".join(code(name.removeprefix("Market")) for name in kinds))
        )
    return table(("Form", "Parameters", "What is sent", "Frames"), rows)


def client_messages() -> str:
    """The messages of clients of the feeds' own paths."""
    return table(
        ("Message", "What it does"), [(payload.name, payload.summary) for payload in messages(FEEDS["market"])]
    )


def objects(payload: Payload) -> str:
    """The fields of a message that is an object."""
    schema = payload.schema.get("anyOf", [payload.schema])[0]  # alternatives differ in the feed only
    required, properties = schema.get("required", ()), schema.get("properties", {})
    rows = []
    for name, one in properties.items():
        note = one.get("description", "")
        words = "string" if name == "channel" else kind(one)
        rows.append(
            (code(name), words, _unit(one), note if name in required else f"{note}; may be absent".lstrip("; "))
        )
    return table(("Field", "Type", "Unit", "Meaning"), rows)


def extended_frames(feed: Feed) -> list[Payload]:
    """The frames of the richest form, each an object."""
    return [one for one in frames(feed, FORMS[-1].dialect) if one.schema.get("type") == "object"]


def meanings(headers: Sequence[str], words: Iterable[tuple[str, str]]) -> str:
    """Words and what each means."""
    return table(headers, [(code(word), meaning) for word, meaning in words])


def states() -> str:
    """The states of data."""
    return meanings(("State", "Meaning"), ((str(state), meaning) for state, meaning in STATES.items()))


def notices() -> str:
    """The notices to people."""
    return meanings(("Notice", "When"), NOTICES.items())


def missing() -> str:
    """Why a coin is missing."""
    return meanings(("Code", "Meaning"), MISSING.items())


def channels(listed: Iterable[Channel]) -> str:
    """Channels with their forms."""
    rows = [(code(one.path), one.summary, ", ".join(form.name for form in one.forms)) for one in listed]
    return table(("Path", "Purpose", "Forms"), rows)


def error_codes(codes: Iterable[str] = ERRORS) -> str:
    """Error codes with their consequences."""
    rows = []
    for name in codes:
        fact = ERRORS[name]
        rows.append((code(name), fact.when, int(fact.close), fact.status, "yes" if fact.retry else "no"))
    return table(("Code", "When", "Close", "HTTP", "Retry"), rows)


def close_codes() -> str:
    """Close codes of sockets."""
    return table(
        ("Code", "Meaning", "Reconnect"),
        [(int(one), fact.meaning, "yes" if fact.reconnect else "no") for one, fact in CLOSES.items()],
    )


def headers(listed: Iterable[Header]) -> str:
    """HTTP headers."""
    return table(("Header", "Meaning"), [(code(one.name), one.meaning) for one in listed])


def operations(listed: Iterable[tuple[str, Operation]]) -> str:
    """HTTP paths."""
    return table(("Method", "Path", "Purpose"), [(one.method.upper(), code(path), one.summary) for path, one in listed])


def feed_parameters(feed: Feed) -> tuple[str, str]:
    """The parameters of a feed's own, and those of the view and of the frames."""
    schema = parameters_schema(feed)
    own = [param.name for param in feed.params]
    return parameters(schema, own), parameters(schema, [name for name in schema["properties"] if name not in own])


def feed_errors(feed: Feed) -> str:
    """The codes with which a question to a feed may be refused."""
    return error_codes(errors(feed))
