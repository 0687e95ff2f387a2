"""Named schemas of a document: each is written once, and referred to wherever an equal one stands. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from spot.feeds.params import Schema


def _text(schema: Any) -> bytes:
    return orjson.dumps(schema, option=orjson.OPT_SORT_KEYS)


class Components:
    """Schemas by their names. `prefix` is the place at which a document has them."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._schemas: dict[str, Schema] = {}
        self._names: dict[bytes, str] = {}

    def add(self, name: str, schema: Schema) -> None:
        """Name a schema. Of two names for equal schemas the first is used. ValueError: the name has another schema."""
        if self._schemas.setdefault(name, schema) != schema:
            raise ValueError(f"Two schemas have the name {name}.")
        self._names.setdefault(_text(schema), name)

    def referring(self, schema: Schema) -> Schema:
        """The schema, or a reference to it if it has a name; the same for its parts."""
        name = self._names.get(_text(schema))
        return {"$ref": f"{self._prefix}{name}"} if name else self._parts(schema)

    def body(self, name: str, schema: Schema) -> Schema:
        """The schema of a message: a reference by its own name, if it was named."""
        return {"$ref": f"{self._prefix}{name}"} if name in self._schemas else self.referring(schema)

    def all(self) -> Mapping[str, Schema]:
        """The named schemas with references to each other, in the order of their names."""
        return {name: self._parts(self._schemas[name]) for name in sorted(self._schemas)}

    def _parts(self, node: Any) -> Any:
        if isinstance(node, dict):
            return {key: self._part(value) for key, value in node.items()}
        if isinstance(node, list):
            return [self._part(value) for value in node]
        return node

    def _part(self, node: Any) -> Any:
        """A part of a schema; what is described there keeps its words beside the reference."""
        if not isinstance(node, dict) or "description" not in node:
            return self.referring(node) if isinstance(node, dict) else self._parts(node)
        bare = {word: value for word, value in node.items() if word not in ("description", "default")}
        name = self._names.get(_text(bare))
        if name is None:
            return self.referring(node)
        return {word: node[word] for word in ("description", "default") if word in node} | {
            "$ref": f"{self._prefix}{name}"
        }
