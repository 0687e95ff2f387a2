"""The OpenAPI 3.1 document of the HTTP paths, from their declarations. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from spot.codes import ERRORS
from spot.dialects.components import Components
from spot.dialects.credentials import PLACES, Place
from spot.dialects.interface import JSON, Header, Operation, Outcome, Payload
from spot.dialects.own_interface import REFUSED
from spot.feeds.params import Schema

#: The version of the contract, of HTTP and sockets alike. A breaking change raises the first number.
VERSION = "1.0.0"
DIALECT = "https://json-schema.org/draft/2020-12/schema"
TITLE = "Spot"
ABOUT = (
    "Prices, charts, movers and announcements of the crypto market, filtered, sorted and paged by the server. "
    "Every answer can carry the age and the source of its data."
)


def _scheme(place: Place) -> Any:
    if place.where == "bearer":
        return {"type": "http", "scheme": "bearer", "description": place.meaning}
    return {"type": "apiKey", "in": place.where, "name": place.name, "description": place.meaning}


#: The ways in which a client says over HTTP who it is.
SECURITY = {place.id: _scheme(place) for place in PLACES if place.where != "subprotocol"}
_BY_KEY: dict[str, list[dict[str, list[str]]]] = {
    "optional": [{}, {"ApiKey": []}, {"Bearer": []}, {"Ticket": []}],
    "required": [{"ApiKey": []}, {"Bearer": []}],
    "none": [],
}


def document(operations: Iterable[tuple[str, Operation]], parts: Mapping[str, Schema], after_error: Header) -> Any:
    """The document of these operations, each with its path. `parts` are named schemas within their bodies;
    `after_error` is the header of a refusal that may succeed later."""
    operations = list(operations)
    components = components_of((op for _path, op in operations), parts)
    paths: dict[str, Any] = {}
    for path, operation in operations:
        paths.setdefault(path, {})[operation.method] = _operation(operation, components, after_error)
    return {
        "openapi": "3.1.0",
        "info": {"title": TITLE, "version": VERSION, "description": ABOUT},
        "jsonSchemaDialect": DIALECT,
        "servers": [{"url": "/"}],
        "tags": [{"name": tag} for tag in dict.fromkeys(operation.tag for _path, operation in operations)],
        "paths": paths,
        "security": _BY_KEY["optional"],
        "components": {"schemas": components.all(), "securitySchemes": SECURITY},
        "x-error-codes": error_codes(),
    }


def error_codes() -> dict[str, Any]:
    """The error codes with their consequences."""
    return {
        code: {"when": fact.when, "status": fact.status, "close": int(fact.close), "retry": fact.retry}
        for code, fact in ERRORS.items()
    }


def components_of(
    operations: Iterable[Operation], parts: Mapping[str, Schema], prefix: str = "#/components/schemas/"
) -> Components:
    """The named schemas of these operations."""
    components = Components(prefix)
    for name, schema in parts.items():
        components.add(name, schema)
    for operation in operations:
        bodies = [body for answer in operation.answers for body in answer.bodies]
        for message in (REFUSED, *bodies, *((operation.body,) if operation.body else ())):
            if is_structured(message.schema):
                components.add(message.name, message.schema)
    return components


def is_structured(schema: Schema) -> bool:
    """Whether a schema is worth a name."""
    return schema.get("type") in ("object", "array") or "anyOf" in schema


def _operation(operation: Operation, components: Components, after_error: Header) -> Any:
    required = operation.parameters.get("required", ())
    parameters = [
        *({"name": name, "in": "path", "required": True, "schema": one} for name, one in operation.variables.items()),
        *(
            _parameter(name, one, name in required, components, repeated=name in operation.repeated)
            for name, one in operation.parameters["properties"].items()
        ),
        *(
            {"name": header.name, "in": "header", "description": header.meaning, "schema": header.schema}
            for header in operation.sends
        ),
    ]
    answers = {str(answer.status): _answer(answer, components) for answer in operation.answers}
    refusals = _refusals(operation.errors, components, after_error)
    described: dict[str, Any] = {
        "operationId": operation.id,
        "summary": operation.summary,
        "tags": [operation.tag],
        "parameters": parameters,
        # An answer that is declared with the status of refusals describes them too.
        "responses": {**refusals, **{status: refusals.get(status, {}) | one for status, one in answers.items()}},
    }
    if operation.about:
        described["description"] = operation.about
    if operation.key != "optional":
        described["security"] = _BY_KEY[operation.key]
    if operation.body is not None:
        content = {operation.body.media: {"schema": components.body(operation.body.name, operation.body.schema)}}
        described["requestBody"] = {"required": True, "description": operation.body.summary, "content": content}
    return described


def _parameter(name: str, schema: Schema, required: bool, components: Components, *, repeated: bool) -> Any:
    """A parameter of the query string: lists with commas, or `repeated` for each item; objects as JSON text."""
    bare = {word: value for word, value in schema.items() if word != "description"}
    parameter = {"name": name, "in": "query", "required": required, "description": schema.get("description", "")}
    if schema.get("type") == "object":
        text = {"type": "string", "contentMediaType": JSON, "contentSchema": components.referring(bare)}
        return parameter | {"schema": text}
    if schema.get("type") == "array":
        parameter |= {"style": "form", "explode": repeated}
    return parameter | {"schema": components.referring(bare)}


def _answer(answer: Outcome, components: Components) -> Any:
    by_media: dict[str, list[Payload]] = {}
    for body in answer.bodies:
        by_media.setdefault(body.media, []).append(body)
    described: dict[str, Any] = {"description": answer.summary}
    if answer.headers:
        described["headers"] = {header.name: _header(header) for header in answer.headers}
    if by_media:
        described["content"] = {media: {"schema": _either(bodies, components)} for media, bodies in by_media.items()}
    return described


def _either(bodies: list[Payload], components: Components) -> Schema:
    schemas = [components.body(body.name, body.schema) for body in bodies]
    return schemas[0] if len(schemas) == 1 else {"anyOf": schemas}


def _header(header: Header) -> Any:
    return {"description": header.meaning, "schema": header.schema}


def _refusals(codes: Iterable[str], components: Components, after_error: Header) -> dict[str, Any]:
    """The answers of refusals, by their status."""
    by_status: dict[int, list[str]] = {}
    for code in codes:
        by_status.setdefault(ERRORS[code].status, []).append(code)
    refusals = {}
    for status, names in sorted(by_status.items()):
        words = "; ".join(f"`{name}`: {ERRORS[name].when}" for name in names)
        refusal = _answer(Outcome(status, words, (REFUSED,)), components)
        if any(ERRORS[name].retry for name in names):
            refusal["headers"] = {after_error.name: _header(after_error)}
        refusals[str(status)] = refusal | {"x-error-codes": names}
    return refusals
