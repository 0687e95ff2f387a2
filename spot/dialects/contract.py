"""The contract in short, a line for each fact, and what breaks it. Pure.

The summary of the last release lies in the repository. A line is a name, an arrow and what stands there: `<-` is sent
by clients, `->` to them, `<->` both. Alternatives are separated by `|`, of which `absent` is one; of a list with `&`
each item is there.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal, NamedTuple

import orjson

from spot.dialects.openapi import VERSION
from spot.feeds.params import Schema

Arrow = Literal["<-", "->", "<->"]
_REF = "#/components/schemas/"


class Fact(NamedTuple):
    """What stands under one name. `each`: all of `words`, where they are not alternatives."""

    arrow: Arrow
    words: tuple[str, ...]
    each: bool = False


Facts = dict[str, dict[str, Fact]]


class Summary(NamedTuple):
    """The facts by section and name, under the version of the contract and the release that published it."""

    release: str
    version: str
    facts: Facts


# --- from the documents -----------------------------------------------------------------------------------------------


def summary(openapi: Any, asyncapi: Any, release: str) -> Summary:
    """The summary of the two documents."""
    facts: Facts = {"errors": {}, "closes": {}}
    for code, fact in openapi["x-error-codes"].items():
        words = (str(fact["status"]), f"close {fact['close']}", "retry" if fact["retry"] else "final")
        facts["errors"][code] = Fact("->", words)
    for code, fact in asyncapi["x-close-codes"].items():
        facts["closes"][code] = Fact("->", ("reconnect" if fact["reconnect"] else "final",))
    roots: dict[Arrow, set[str]] = {"<-": set(), "->": set()}
    for path, methods in openapi["paths"].items():
        for method, operation in methods.items():
            facts[f"{method.upper()} {path}"] = dict(_operation(operation, roots))
    for name, channel in asyncapi["channels"].items():
        facts[f"channel {name}"] = dict(_channel(name, channel, asyncapi, roots))
    schemas = {**asyncapi["components"]["schemas"], **openapi["components"]["schemas"]}
    sent, received = (_reached(roots[arrow], schemas) for arrow in ("<-", "->"))
    for name in sorted(sent | received):
        arrow: Arrow = "<->" if name in sent & received else "<-" if name in sent else "->"
        facts[f"schema {name}"] = dict(_schema("", schemas[name], arrow))
    return Summary(release, VERSION, facts)


def _operation(operation: Any, roots: dict[Arrow, set[str]]) -> Iterator[tuple[str, Fact]]:
    for parameter in operation["parameters"]:
        if parameter["in"] != "header":
            roots["<-"] |= _named(parameter["schema"])
            yield from _schema(f"?{parameter['name']}", parameter["schema"], "<-", optional=not parameter["required"])
    if body := operation.get("requestBody"):
        for media, content in body["content"].items():
            roots["<-"] |= _named(content["schema"])
            yield from _schema(f"body {media}", content["schema"], "<-")
    for status, answer in operation["responses"].items():
        if codes := answer.get("x-error-codes"):
            yield status, Fact("->", tuple(codes), each=True)
            continue
        if "headers" in answer:
            yield f"{status} headers", Fact("->", tuple(answer["headers"]), each=True)
        for media, content in answer.get("content", {}).items():
            roots["->"] |= _named(content["schema"])
            yield from _schema(f"{status} {media}", content["schema"], "->")


def _channel(name: str, channel: Any, asyncapi: Any, roots: dict[Arrow, set[str]]) -> Iterator[tuple[str, Fact]]:
    yield "address", Fact("<-", (channel["address"],), each=True)
    query = channel.get("x-query") or channel["bindings"]["ws"]["query"]
    for parameter, schema in query["properties"].items():
        optional = parameter not in query["required"]
        yield from _schema(f"?{parameter}", schema, "<-", optional=optional)
    for key, operation in asyncapi["operations"].items():
        if operation["channel"]["$ref"] == f"#/channels/{name}":
            messages = [ref["$ref"].rpartition("/")[2] for ref in operation["messages"]]
            arrow: Arrow = "->" if operation["action"] == "send" else "<-"
            for message in messages:
                roots[arrow] |= _named(asyncapi["components"]["messages"][message]["payload"])
            yield key, Fact(arrow, tuple(sorted(messages)), each=True)


def _named(node: Any) -> set[str]:
    """The names of schemas that a part of a document refers to."""
    if isinstance(node, list):
        return set().union(*map(_named, node))
    if not isinstance(node, dict):
        return set()
    own = {node["$ref"].removeprefix(_REF)} if "$ref" in node else set()
    return own.union(*map(_named, node.values()))


def _reached(names: set[str], schemas: Mapping[str, Schema]) -> set[str]:
    """These names, and all to which their schemas refer."""
    reached: set[str] = set()
    while names - reached:
        name = (names - reached).pop()
        reached.add(name)
        names = names | _named(schemas[name])
    return reached


def _schema(name: str, schema: Schema, arrow: Arrow, *, optional: bool = False) -> Iterator[tuple[str, Fact]]:
    """The facts of a schema and of its parts."""
    words = list(dict.fromkeys(alternatives(schema)))
    yield name or ".", Fact(arrow, tuple([*words, "absent"] if optional else words))
    for one in schema.get("anyOf", (schema,)):
        required = one.get("required", ())
        for field, part in one.get("properties", {}).items():
            yield from _schema(f"{name}.{field}", part, arrow, optional=field not in required)
        for part in (one.get("additionalProperties"), *one.get("patternProperties", {}).values()):
            if isinstance(part, dict):
                yield from _schema(f"{name}.*", part, arrow)
        items = one.get("items")
        for place, part in enumerate(one.get("prefixItems", items if isinstance(items, list) else ())):
            yield from _schema(f"{name}[{place}]", part, arrow)
        if isinstance(items, dict):
            yield from _schema(f"{name}[]", items, arrow)


def alternatives(schema: Schema) -> Iterator[str]:
    """What a schema allows, each alternative in short."""
    if "$ref" in schema:
        yield f"@{schema['$ref'].removeprefix(_REF)}"
    elif "anyOf" in schema:
        for one in schema["anyOf"]:
            yield from alternatives(one)
    elif "const" in schema or "enum" in schema:
        yield from (orjson.dumps(value).decode() for value in schema.get("enum", [schema.get("const")]))
    elif "contentSchema" in schema:
        yield from (f"JSON {word}" for word in alternatives(schema["contentSchema"]))
    else:
        kinds = schema.get("type", "any")
        for kind in [kinds] if isinstance(kinds, str) else kinds:
            yield f"{kind}{_bounds(kind, schema)}"


def _bounds(kind: str, schema: Schema) -> str:
    least, most = {
        "string": ("minLength", "maxLength"),
        "array": ("minItems", "maxItems"),
        "object": ("minProperties", "maxProperties"),
    }.get(kind, ("minimum", "maximum"))
    low, high = schema.get(least, ""), schema.get(most, schema.get("exclusiveMaximum", ""))
    pattern = f" /{schema['pattern']}/" if kind == "string" and "pattern" in schema else ""
    return pattern + (f" {low}..{high}" if (low, high) != ("", "") else "")


# --- as text ----------------------------------------------------------------------------------------------------------

_HEAD = "# The contract with clients as it was released: `manage.py contract` compares with it, `--renew` writes it.\n"


def written(summary: Summary) -> str:
    """The summary as text. Facts that several sections share stand under all their names."""
    shared: dict[tuple[str, Fact], list[str]] = {}
    for section, facts in summary.facts.items():
        for name, fact in facts.items():
            shared.setdefault((name, fact), []).append(section)
    groups: dict[tuple[str, ...], list[str]] = {}
    for (name, fact), sections in shared.items():
        groups.setdefault(tuple(sections), []).append(f"  {name} {fact.arrow} {_listed(fact)}")
    blocks = ["\n".join([_heading(sections), *lines]) for sections, lines in groups.items()]
    return _HEAD + "\n\n".join([f"release {summary.release}\ncontract {summary.version}", *blocks]) + "\n"


def _heading(sections: Iterable[str]) -> str:
    """The names of sections, in lines that break between two of them only."""
    text = ", ".join(section.replace(" ", "\N{NO-BREAK SPACE}") for section in sections)
    lines = textwrap.wrap(text, 120, break_long_words=False, break_on_hyphens=False)
    return "\n".join(lines).replace("\N{NO-BREAK SPACE}", " ")


def _listed(fact: Fact) -> str:
    if not fact.each:
        return " | ".join(fact.words)
    return " & ".join(fact.words) + " &" * (len(fact.words) == 1)


def read(text: str) -> Summary:
    """The summary of a text."""
    text = text.replace(",\n", ", ")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    release, version = (line.split(" ", 1)[1] for line in lines[:2])
    facts: Facts = {}
    sections: list[str] = []
    for line in lines[2:]:
        if not line.startswith("  "):
            sections = line.split(", ")
            continue
        name, arrow, words = re.split(r" (<->|<-|->) ", line[2:], maxsplit=1)
        each = " &" in words
        parts = words.removesuffix(" &").split(" & " if each else " | ")
        for section in sections:
            facts.setdefault(section, {})[name] = Fact(arrow, tuple(parts), each)  # type: ignore[arg-type]
    return Summary(release, version, facts)


# --- what breaks ------------------------------------------------------------------------------------------------------


def breaks(before: Summary, after: Summary) -> list[str]:
    """What a client of `before` would stumble over in `after`, a sentence each."""
    found = []
    for section, facts in before.facts.items():
        now = after.facts.get(section)
        if now is None:
            found.append(f"{section} is gone")
            continue
        for name, old in facts.items():
            new = now.get(name)
            found += [f"{section}, {name}: {words}" for words in ([_GONE] if new is None else _differences(old, new))]
        for name in now.keys() - facts.keys():
            new = now[name]
            if (
                name.startswith("?")
                and new.arrow != "->"
                and "absent" not in new.words
                and not re.search(r"[.\[]", name)
            ):
                found.append(f"{section}, {name}: is new and required")
    return found


def additions(before: Summary, after: Summary) -> dict[str, list[str]]:
    """What is new in `after`: the new names of each section; none of a section that is new as a whole."""
    new: dict[str, list[str]] = {}
    for section, facts in after.facts.items():
        known = before.facts.get(section)
        if known is None:
            new[section] = []
        elif names := [name for name in facts if name not in known]:
            new[section] = names
    return new


def permitted(before: Summary, after: Summary) -> bool:
    """Whether the version says that the contract is broken: its first number is higher."""
    return int(after.version.split(".")[0]) > int(before.version.split(".")[0])


_GONE = "is gone"


def _differences(old: Fact, new: Fact) -> Iterator[str]:
    if old.each or new.each:
        if lost := [word for word in old.words if word not in new.words]:
            yield f"no longer has {', '.join(lost)}"
        return
    if old.arrow != "->":
        lost = [word for word in old.words if not _allows(new.words, word)]
        if lost:
            yield f"no longer takes {', '.join(lost)}"
    if old.arrow != "<-":
        # Words in quotes are open lists: clients take those that they do not know as new ones.
        more = [word for word in new.words if not word.startswith('"') and not _allows(old.words, word)]
        if more:
            yield f"may be {', '.join(more)}, which it was not"


_RANGE = re.compile(r"^(\w+)(?: (\S*)\.\.(\S*))?$")


def _allows(words: Iterable[str], word: str) -> bool:
    """Whether one of the alternatives has every value of `word`."""
    return any(_within(word, wider) for wider in words)


def _within(word: str, wider: str) -> bool:
    if wider in (word, "any"):
        return True
    if wider == "string" and (word.startswith(('"', "string"))):
        return True
    inner, outer = _RANGE.match(word), _RANGE.match(wider)
    if inner is None or outer is None:
        return False
    if inner[1] != outer[1] and (inner[1], outer[1]) != ("integer", "number"):
        return False
    low, high = _number(inner[2], "-inf"), _number(inner[3], "inf")
    return _number(outer[2], "-inf") <= low and high <= _number(outer[3], "inf")


def _number(text: str | None, otherwise: str) -> float:
    return float(text or otherwise)
