"""The generated types of the JavaScript client. Pure."""

from __future__ import annotations

import json

from clients.generated.declared import NOTE, Declared, Schema, alternatives, declared, head, values
from spot.query.query import OPERATORS

_SCALARS = {"string": "string", "integer": "number", "number": "number", "boolean": "boolean", "null": "null"}


def _type(schema: Schema) -> str:
    return " | ".join(dict.fromkeys(_one(part) for part in alternatives(schema)))


def _one(schema: Schema) -> str:
    if "enum" in schema:
        return " | ".join(json.dumps(one) for one in schema["enum"])
    kind = schema.get("type")
    if kind == "array":
        item = _type(schema["items"])
        return f"({item})[]" if " | " in item else f"{item}[]"
    if kind == "object":
        if "properties" in schema:
            return "{ " + "; ".join(_members(schema)) + " }"
        inner = schema.get("additionalProperties")
        return f"Record<string, {_type(inner) if isinstance(inner, dict) else 'any'}>"
    return _SCALARS[kind] if kind else "any"


def _members(schema: Schema) -> list[str]:
    return [
        f"{_name(name)}{'' if name in schema['required'] else '?'}: {_type(part)}"
        for name, part in schema["properties"].items()
    ]


def _name(name: str) -> str:
    return name if name.isidentifier() else json.dumps(name)


def _interface(name: str, doc: str, schema: Schema) -> str:
    body = "".join(
        f"  {member};{_comment(part)}\n"
        for member, part in zip(_members(schema), schema["properties"].values(), strict=True)
    )
    return f"/** {doc} */\nexport interface {name} {{\n{body}}}\n"


def _comment(schema: Schema) -> str:
    return f" // {schema['x-unit']}" if "x-unit" in schema else ""


def _params(one: Declared) -> str:
    schema = one.parameters
    body = "".join(
        f"  {name}{'' if name in schema['required'] else '?'}: {_parameter(part)};\n"
        for name, part in schema["properties"].items()
    )
    doc = f"/** Parameters of `{one.feed.channel}`. Lists are texts with commas. */"
    return f"{doc}\nexport interface {one.name}Params {{\n{body}}}\n"


def _parameter(schema: Schema) -> str:
    if schema.get("type") == "array" or isinstance(schema.get("const"), list):
        return "string"
    listed = values(schema)
    if listed:
        return " | ".join(json.dumps(one) for one in listed)
    if schema.get("type") == "object":
        return "string | Filters"
    return _type(schema)


def declarations() -> str:
    """`feeds.d.ts`: what each feed takes and answers."""
    frame = head()
    del frame["properties"]["type"]
    feeds = declared()
    tests = "; ".join(
        f"{_name(name)}?: {'Scalar[]' if operator.takes == 'list' else 'Scalar'}"
        for name, operator in OPERATORS.items()
    )
    parts = [
        f"// Types of what the feeds take and answer. {NOTE}\n",
        "export type Scalar = string | number | boolean | null;\n",
        f"export type Filters = Record<string, Scalar | Scalar[] | {{ {tests} }}>;\n",
        _interface("Head", "The envelope around the rows.", frame),
        *(
            part
            for one in feeds
            for part in (_params(one), _interface(f"{one.name}Row", f"A row of `{one.feed.channel}`.", one.row))
        ),
        _map("FeedParams", "Parameters by feed.", feeds, "Params"),
        _map("FeedRows", "Rows by feed.", feeds, "Row"),
    ]
    return "\n".join(parts)


def _map(name: str, doc: str, feeds: list[Declared], kind: str) -> str:
    body = "".join(f"  {_name(one.feed.channel)}: {one.name}{kind};\n" for one in feeds)
    return f"/** {doc} */\nexport interface {name} {{\n{body}}}\n"
