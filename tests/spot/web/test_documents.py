"""The machine-readable documents: valid by their specifications' own validators, complete, and served once made."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import orjson
import pytest
from django.conf import settings
from openapi_spec_validator import OpenAPIV31SpecValidator

from spot import dialects
from spot.codes import CLOSES, ERRORS
from spot.dialects.components import Components
from spot.dialects.credentials import PLACES, Asked, find
from spot.dialects.interface import pascal
from spot.dialects.own_interface import FORMS
from spot.feeds import FEEDS
from spot.web import http, mcp
from spot.web.documents import DOCUMENTS
from tests.spot.asking import ask
from tests.spot.sockets import put_everything, run

ASYNCAPI = Path(settings.BASE_DIR) / "spot/frontend/node_modules/@asyncapi/specs/schemas/3.0.0.json"


def document(name: str) -> Any:
    """A document as a client reads it."""
    made = DOCUMENTS[f"/docs/{name}.json"].make(http.operations, http.channels)
    return orjson.loads(orjson.dumps(made))


def references(node: Any) -> Iterator[str]:
    """Every reference in a document."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "$ref":
                yield value
            else:
                yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def resolve(whole: Any, reference: str) -> Any:
    for word in reference.removeprefix("#/").split("/"):
        whole = whole[word.replace("~1", "/")]
    return whole


def test_the_openapi_document_is_valid() -> None:
    assert not list(OpenAPIV31SpecValidator(document("openapi")).iter_errors())


def test_the_asyncapi_document_is_valid() -> None:
    validator = jsonschema_rs.Draft7Validator(json.loads(ASYNCAPI.read_text()))
    assert not [(error.message, error.instance_path) for error in validator.iter_errors(document("asyncapi"))]
    broken = document("asyncapi")
    broken["operations"]["receiveMarket"]["action"] = "shout"
    assert not validator.is_valid(broken)


def test_every_schema_is_one() -> None:
    bundle = document("schemas")
    jsonschema_rs.meta.validate(bundle)
    for name, schema in document("asyncapi")["components"]["schemas"].items():
        jsonschema_rs.meta.validate({"$schema": "http://json-schema.org/draft-07/schema#", **schema})
        assert name in bundle["$defs"]


@pytest.mark.parametrize("name", ["openapi", "asyncapi", "schemas"])
def test_every_reference_leads_somewhere(name: str) -> None:
    whole = document(name)
    assert set(references(whole))
    for reference in references(whole):
        assert resolve(whole, reference)


def test_every_handler_of_public_paths_is_in_the_document() -> None:
    described = {path for path, _operation in http.operations()}
    sockets = {f"/{route.path}" for route in dialects.routes()}
    paths = {path for path in (*http._PUBLIC, *http._HEALTH) if not path.endswith("/")}
    assert paths - described == sockets
    assert set(document("openapi")["paths"]) == described


def test_streams_of_events_are_in_both_documents() -> None:
    paths, channels = document("openapi")["paths"], document("asyncapi")["channels"]
    for channel in http.channels():
        if channel.protocol == "sse":
            described = paths[channel.path]["get"]
            assert set(described["responses"]["200"]["content"]) == {"text/event-stream"}
            assert "not_acceptable" in described["responses"]["406"]["x-error-codes"]
            name = re.search(r"`(\w+)` in /docs/asyncapi\.json", described["description"])[1]  # type: ignore[index]
            assert channels[name]["address"] == channel.path
    several = paths["/tzone_apis/services/spot/sse/stream"]["get"]["parameters"]
    subscribe = next(one for one in several if one["name"] == "subscribe")
    assert (subscribe["style"], subscribe["explode"], subscribe["required"]) == ("form", True, True)


def test_the_door_of_language_models_is_in_the_document_with_all_its_refusals() -> None:
    described = document("openapi")["paths"][mcp.PATH]["post"]
    assert "docs/mcp.md" in described["description"]
    unreadable = described["responses"]["400"]
    assert "bad_value" in unreadable["x-error-codes"]
    schemas = unreadable["content"]["application/json"]["schema"]["anyOf"]
    assert {one["$ref"].rpartition("/")[2] for one in schemas} == {"Error", "McpAnswer"}


def test_both_documents_say_how_a_key_is_sent() -> None:
    asyncapi = document("asyncapi")
    schemes = asyncapi["components"]["securitySchemes"]
    assert set(document("openapi")["components"]["securitySchemes"]) == set(schemes) - {"TicketProtocol"}
    for protocol, server in asyncapi["servers"].items():
        names = {one["$ref"].rpartition("/")[2] for one in server["security"]}
        assert names == (set(schemes) if protocol in ("ws", "wss") else set(schemes) - {"TicketProtocol"})
    for place in PLACES:
        headers, asked = {}, Asked(b"", ())
        match place.where:
            case "header":
                headers = {schemes[place.id]["name"].lower().encode(): b"secret"}
            case "bearer":
                headers = {b"authorization": f"{schemes[place.id]['scheme']} secret".encode()}
            case "query":
                asked = Asked(f"{schemes[place.id]['name']}=secret".encode(), ())
            case "subprotocol":
                asked = Asked(b"", ("spot.ticket.secret",))
        credential = find(headers, asked).credential
        assert credential is not None
        assert credential.text == "secret"


def test_every_route_is_a_channel_with_its_forms() -> None:
    whole = document("asyncapi")
    assert {channel["address"] for channel in whole["channels"].values()} >= {
        f"/{route.path}" for route in dialects.routes() if route.interface is not None
    }
    for feed in FEEDS.values():
        for form in FORMS:
            assert whole["operations"][f"send{pascal(feed.channel)}{form.name.capitalize()}"]["messages"]


def test_the_documents_have_every_code() -> None:
    for name in ("openapi", "asyncapi"):
        assert set(document(name)["x-error-codes"]) == set(ERRORS)
    assert set(document("asyncapi")["x-close-codes"]) == {str(int(code)) for code in CLOSES}


def test_two_schemas_cannot_share_a_name() -> None:
    components = Components("#/")
    components.add("Row", {"type": "object"})
    components.add("Row", {"type": "object"})
    with pytest.raises(ValueError, match="Row"):
        components.add("Row", {"type": "array"})


def test_parameters_are_written_as_the_server_reads_them() -> None:
    listed = document("openapi")["paths"]["/tzone_apis/services/spot/ticker-tape"]["get"]["parameters"]
    parameters = {parameter["name"]: parameter for parameter in listed}
    assert parameters["coin_ids"]["required"]
    assert (parameters["coin_ids"]["style"], parameters["coin_ids"]["explode"]) == ("form", False)
    filters = parameters["filters"]["schema"]
    assert (filters["contentMediaType"], filters["contentSchema"]) == (
        "application/json",
        {"$ref": "#/components/schemas/Filters"},
    )
    assert parameters["format"]["schema"]["enum"] == ["json", "csv"]


@pytest.mark.usefixtures("redis")
@pytest.mark.parametrize("path", DOCUMENTS)
def test_a_document_is_served_with_a_tag_and_to_other_sites(path: str, settings) -> None:
    settings.SPOT_ALLOWED_ORIGINS = ["https://partner.example"]

    async def story() -> None:
        first = await ask(path, headers={"origin": "https://partner.example"})
        assert first.status_code == 200
        assert first["Content-Type"] == DOCUMENTS[path].media
        assert first["Access-Control-Allow-Origin"] == "https://partner.example"
        assert int(first["RateLimit-Remaining"]) > 0
        again = await ask(path, headers={"if-none-match": first["ETag"]})
        assert (again.status_code, again.content) == (304, b"")
        packed = await ask(path, headers={"accept-encoding": "br"})
        assert (packed["Content-Encoding"], packed["ETag"]) == ("br", first["ETag"])
        assert len(packed.content) < len(first.content) / 5
        assert first.json() == document(path.removeprefix("/docs/").removesuffix(".json"))

    run(story())


@pytest.mark.usefixtures("redis")
def test_what_is_answered_is_what_is_declared() -> None:
    """`ask` holds every answer against its operation."""

    async def story() -> None:
        await put_everything()
        for path, operation in http.operations():
            needs = operation.parameters["required"] or operation.variables or operation.method == "post"
            if not needs and path not in http._HEALTH:
                method = "HEAD" if operation.tag == "events" else "GET"  # the answer to a GET goes on
                assert (await ask(path, method)).status_code in {answer.status for answer in operation.answers}, path

    run(story())
