"""Documents of a provider that are passed on as they are, for protocols that have them. The feed has no path of its
own. Pure."""

from __future__ import annotations

from typing import ClassVar, NamedTuple

import orjson

from providers.datasets import Dataset
from spot.codes import bad_value
from spot.feeds.base import Column, Feed, Shape
from spot.feeds.lists import list_table
from spot.feeds.params import Param, Schema
from spot.query.query import Fields
from spot.query.table import Table, Universe


class Name:
    """The name of a document, as the protocol of its provider makes it."""

    allowed: ClassVar[str] = "the canonical path and query of a document"

    def parse(self, name: str, raw: object) -> str:
        """The name. Raises `Refused` for text without the form of one; the provider's table says which there are."""
        try:
            return Dataset.parse(f"document:{raw}").topic
        except ValueError:
            raise bad_value(name, self.allowed, raw) from None

    def schema(self) -> Schema:
        """Text."""
        return {"type": "string"}


class Content(NamedTuple):
    """What the provider answered: its status, 200 or that of a refusal, and the JSON text of the body."""

    status: int
    body: str


def content(table: Table) -> Content:
    """The document in its table."""
    return Content(table.column("status")[0], table.column("body")[0])


_SHAPE = Shape(
    ("document",),
    ("status", "body"),
    lambda values: b'{"status":%d,"body":%s}' % (values[0], values[1].encode()),
    None,
    lambda row, _place: {"status": row["status"], "body": orjson.loads(row["body"].encode())},
)

DOCUMENT = Feed(
    channel="document",
    purpose="a document of a provider, passed on as it is",
    params=(Param("document", Name(), required=True),),
    fields=Fields([]),
    datasets=lambda params: (Dataset("document", topic=params["document"]),),
    universe=lambda table, _params: Universe.of_all(table),
    shape=lambda _params, _extras: _SHAPE,
    table=list_table,
    columns=(Column("status", "integer"), Column("body", "json")),
)
