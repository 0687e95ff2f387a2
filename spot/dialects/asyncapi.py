"""The AsyncAPI 3 document of sockets and streams, from their declarations. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from spot.codes import CLOSES
from spot.dialects.components import Components
from spot.dialects.credentials import PLACES, Place
from spot.dialects.interface import Channel, Form, Payload
from spot.dialects.openapi import ABOUT, TITLE, VERSION, error_codes, is_structured
from spot.feeds.params import Schema

_SERVERS = {"ws": ("ws", "wss"), "sse": ("http", "https")}
#: The places of credentials at which each kind of channel looks.
_PLACES = {
    "ws": PLACES,
    "sse": tuple(place for place in PLACES if place.where != "subprotocol"),
}


def document(channels: Iterable[Channel], parts: Mapping[str, Schema]) -> Any:
    """The document of these channels. Each form of a channel's frames is an operation that sends them. Schemas are in
    draft 07, which the specification takes by itself."""
    channels = list(channels)
    messages = {message.name: message for channel in channels for message in _messages(channel)}
    components = components_of(channels, parts)
    operations: dict[str, Any] = {}
    for channel in channels:
        operations |= _operations(channel)
    return {
        "asyncapi": "3.0.0",
        "info": {"title": TITLE, "version": VERSION, "description": ABOUT},
        "defaultContentType": "application/json",
        "servers": {
            protocol: {
                "host": "{host}",
                "protocol": protocol,
                "variables": {"host": {"default": "localhost:8000", "description": "host and port of the site"}},
                "description": "Without a key a client has the anonymous plan, unless the site requires one.",
                "security": [{"$ref": f"#/components/securitySchemes/{place.id}"} for place in _PLACES[kind]],
            }
            for kind, protocols in _SERVERS.items()
            for protocol in protocols
        },
        "channels": {channel.id: _channel(channel) for channel in channels},
        "operations": operations,
        "components": {
            "messages": {name: _message(message, components) for name, message in sorted(messages.items())},
            "schemas": {name: draft_07(schema) for name, schema in components.all().items()},
            "securitySchemes": {place.id: _scheme(place) for place in PLACES},
        },
        "x-error-codes": error_codes(),
        "x-close-codes": {
            str(int(code)): {"meaning": fact.meaning, "reconnect": fact.reconnect} for code, fact in CLOSES.items()
        },
    }


def _scheme(place: Place) -> Any:
    if place.where == "bearer":
        return {"type": "http", "scheme": "bearer", "description": place.meaning}
    where = "query" if place.where == "query" else "header"
    return {"type": "httpApiKey", "in": where, "name": place.name, "description": place.meaning}


def components_of(
    channels: Iterable[Channel], parts: Mapping[str, Schema], prefix: str = "#/components/schemas/"
) -> Components:
    """The named schemas of these channels."""
    components = Components(prefix)
    for name, schema in parts.items():
        components.add(name, schema)
    for channel in channels:
        for message in _messages(channel):
            if is_structured(message.schema):
                components.add(message.name, message.schema)
    return components


def draft_07(schema: Any) -> Any:
    """A schema of draft 2020-12 in the words of draft 07, which has other ones for tuples."""
    if isinstance(schema, list):
        return [draft_07(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    words = {word: draft_07(value) for word, value in schema.items()}
    if isinstance(words.get("prefixItems"), list):
        words["additionalItems"] = words.pop("items", True)
        words["items"] = words.pop("prefixItems")
    return words


def _messages(channel: Channel) -> Iterable[Payload]:
    yield from (message for form in channel.forms for message in form.frames)
    yield from channel.messages


def _channel(channel: Channel) -> Any:
    names = dict.fromkeys(message.name for message in _messages(channel))
    described: dict[str, Any] = {
        "address": channel.path,
        "summary": channel.summary,
        "servers": [{"$ref": f"#/servers/{protocol}"} for protocol in _SERVERS[channel.protocol]],
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in names},
    }
    query = draft_07(channel.parameters)
    if channel.protocol == "ws":
        described["bindings"] = {"ws": {"method": "GET", "query": query, "bindingVersion": "0.1.0"}}
    else:
        described["x-query"] = query
    if channel.subprotocols:
        described["x-subprotocols"] = list(channel.subprotocols)
    return described


def _operations(channel: Channel) -> dict[str, Any]:
    """What the server sends, by form, and what it takes."""

    def operation(action: str, summary: str, messages: Iterable[Payload]) -> Any:
        refs = [{"$ref": f"#/channels/{channel.id}/messages/{message.name}"} for message in messages]
        return {"action": action, "summary": summary, "channel": {"$ref": f"#/channels/{channel.id}"}, "messages": refs}

    operations = {
        f"send{channel.id}{form.name.capitalize()}": operation("send", form.summary, form.frames) | _asked(form)
        for form in channel.forms
    }
    if channel.messages:
        summary = "the messages of clients"
        operations[f"receive{channel.id}"] = operation("receive", summary, channel.messages)
    return operations


def _asked(form: Form) -> Any:
    return {"x-query": dict(form.query)} if form.query else {}


def _message(message: Payload, components: Components) -> Any:
    payload = draft_07(components.body(message.name, message.schema))
    return {"name": message.name, "summary": message.summary, "contentType": message.media, "payload": payload}
