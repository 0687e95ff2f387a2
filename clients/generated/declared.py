"""What the server declares of its feeds, as the languages of the clients need it. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from spot.dialects.envelope import Envelope
from spot.dialects.schema import frame_schemas, parameters_schema
from spot.feeds import FEEDS, Feed

Schema = dict[str, Any]
NOTE = "Written by `python -m clients.generate` from the server's declarations: change those."


@dataclass(frozen=True)
class Declared:
    """A feed: its parameters, the head of its frames, one row."""

    feed: Feed

    @property
    def name(self) -> str:
        """The name of its types: `Market`, `TopGainers`."""
        return "".join(word.title() for word in self.feed.channel.split("-"))

    @property
    def parameters(self) -> Schema:
        """The schema of its parameters, each with a description."""
        return parameters_schema(self.feed, modes=False)

    @property
    def snapshot(self) -> Schema:
        """The schema of a whole page."""
        return frame_schemas(self.feed, Envelope())["snapshot"]

    @property
    def row(self) -> Schema:
        """The schema of a row as clients hand it out: an object, of the market table too."""
        if self.feed.headers is None:
            return dict(self.snapshot["properties"]["data"]["items"])
        columns = self.feed.columns
        beside = {name: part["items"] for name, part in self.snapshot["properties"]["data"]["properties"].items()}
        properties = {
            "id": {"type": "string"},
            **{column.name: column.schema() for column in columns},
            "as_of": beside["as_of"],
            "stale": beside["stale"],
        }
        optional = {column.name for column in columns if column.optional}
        return {"type": "object", "properties": properties, "required": [n for n in properties if n not in optional]}


def declared() -> list[Declared]:
    """All feeds, in the order of the documents."""
    return [Declared(feed) for feed in FEEDS.values()]


def head() -> Schema:
    """The fields beside the rows: those of every feed are required, those of some are not."""
    parts = [one.snapshot for one in declared()]
    properties: Schema = {}
    for part in parts:
        properties |= {name: schema for name, schema in part["properties"].items() if name != "data"}
    properties |= {"type": {"type": "string"}, "channel": {"type": "string"}, "params": {"type": "object"}}
    required = set.intersection(*(set(part["required"]) for part in parts))
    return {"type": "object", "properties": properties, "required": [name for name in properties if name in required]}


def alternatives(schema: Schema) -> Iterator[Schema]:
    """The schemas of which a value fits one; null is {"type": "null"}."""
    if "anyOf" in schema:
        for part in schema["anyOf"]:
            yield from alternatives(part)
    elif isinstance(schema.get("type"), list):
        for name in schema["type"]:
            yield {**schema, "type": name}
    else:
        yield schema


def values(schema: Schema) -> list[str]:
    """The texts that a schema lists: those of its values, or of the items of its lists; none if it lists none."""
    for part in (schema, schema.get("items", {})):
        if "enum" in part:
            return [str(one) for one in part["enum"]]
    constant = schema.get("const")
    return [str(one) for one in constant] if isinstance(constant, list) else []
