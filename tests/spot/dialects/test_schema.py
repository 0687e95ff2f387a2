"""The schemas: they are schemas, they refuse what is not declared, and they accept what clients may send."""

import json
import re
from typing import Any

import jsonschema_rs
import pytest
from django.conf import settings

from spot.dialects.documented import Documented
from spot.dialects.envelope import Envelope
from spot.dialects.schema import ERROR, answer_schema, frame_schemas, message_schema, parameters_schema
from spot.feeds import FEEDS, HEATMAP, MARKET
from spot.feeds.answer import Answer
from spot.feeds.view import view_of
from tests.spot.contract import Cells
from tests.spot.rows import FACTS, REQUIRED, rows_of
from tests.spot.written import delta_frame, snapshot_frame

Validator = jsonschema_rs.Draft202012Validator
DIALECTS = (Documented(), Documented(statuses=True), Envelope(), Envelope(deltas=True))
each_feed = pytest.mark.parametrize("feed", FEEDS.values(), ids=list(FEEDS))


def page_of(feed, count: int = 3, *, extended: bool = True, **raw: object) -> Answer:
    view = view_of(feed, REQUIRED.get(feed.channel, {}) | raw, 1000)
    return Answer(view, feed.table(rows_of(feed.channel, count)), extended=extended)


@each_feed
def test_every_schema_is_one(feed) -> None:
    schemas = [ERROR, parameters_schema(feed), message_schema(feed)]
    for dialect in DIALECTS:
        schemas += [*frame_schemas(feed, dialect).values(), answer_schema(feed, dialect)]
    for schema in schemas:
        jsonschema_rs.meta.validate({"$schema": "https://json-schema.org/draft/2020-12/schema", **schema})


def test_a_dialect_has_the_frames_that_it_writes() -> None:
    plain = {"error", "pong", "rows"}
    envelope = {"error", "pong", "status", "heartbeat", "notice", "export", "snapshot"}
    expected = (plain, plain | {"status", "heartbeat"}, envelope, envelope | {"delta"})
    assert tuple(set(frame_schemas(MARKET, dialect)) for dialect in DIALECTS) == expected


@each_feed
@pytest.mark.parametrize("field", ["type", "channel", "params", "seq", "source_url", "data"])
def test_a_field_of_another_name_is_refused(feed, field) -> None:
    snapshot = Validator(frame_schemas(feed, Envelope())["snapshot"])
    frame = json.loads(snapshot_frame(page_of(feed)))
    snapshot.validate(frame)
    frame[f"{field}_"] = frame.pop(field)
    assert not snapshot.is_valid(frame)


@each_feed
def test_a_column_that_is_not_declared_is_refused(feed) -> None:
    rows = Validator(frame_schemas(feed, Documented())["rows"])
    data: Any = json.loads(page_of(feed, extended=False).data)
    rows.validate(data)
    if feed.headers is None:
        data[0]["bogus"] = 1
    else:
        data["headers"][-1] = "bogus"
    assert not rows.is_valid(data)


def test_each_cell_of_a_table_is_as_its_own_column_says() -> None:
    asked = {"columns": "market_cap_rank,category", "price_change_percentage": "1h,24h"}
    page = page_of(MARKET, **asked)
    frames = json.loads(snapshot_frame(page)), json.loads(delta_frame(page_of(MARKET, 0, **asked), page, FACTS, 1, 2))
    rank = frames[0]["data"]["headers"].index("Rank")
    cells = Cells(MARKET)
    for frame in frames:
        cells.check(frame)
    rows = frames[0]["data"]["rows"][0], next(iter(frames[1]["entered"].values()))
    for row, place in zip(rows, (rank, str(rank)), strict=True):
        row[place] = "Layer 1"  # text, as the column after it has
    for frame, kind in zip(frames, ("snapshot", "delta"), strict=True):
        Validator(frame_schemas(MARKET, Envelope(deltas=True))[kind]).validate(frame)
        with pytest.raises(AssertionError, match="market, below 'Rank'"):
            cells.check(frame)


@each_feed
def test_what_entered_a_page_is_a_whole_row(feed) -> None:
    delta = Validator(frame_schemas(feed, Envelope(deltas=True))["delta"])
    before, after = page_of(feed, 0), page_of(feed)
    frame = json.loads(delta_frame(before, after, FACTS, 1, 2))
    delta.validate(frame)
    key, row = next(iter(frame["entered"].items()))
    frame["entered"][key] = dict(list(row.items())[1:])
    assert not delta.is_valid(frame)
    frame["changed"], frame["entered"] = frame["entered"], {}
    delta.validate(frame)


def test_parameters_have_their_bounds_and_defaults() -> None:
    schema = parameters_schema(MARKET)
    assert schema["required"] == []
    per_page = schema["properties"]["per_page"]
    assert (per_page["minimum"], per_page["maximum"], per_page["default"]) == (1, 500, 250)
    assert schema["properties"]["price_change_percentage"]["default"] == ["24h", "7d"]
    assert schema["properties"]["delta"]["type"] == "boolean"
    assert parameters_schema(FEEDS["onchain"])["required"] == ["channel", "platform_id", "address"]


@each_feed
def test_every_default_and_required_value_is_in_its_schema(feed) -> None:
    view = view_of(feed, REQUIRED.get(feed.channel, {}), 1000)
    asked = json.loads(view.asked)
    given = {name: value for name, value in asked.items() if value is not None}
    Validator(parameters_schema(feed)).validate(given)
    Validator(message_schema(feed)).validate(asked)


@pytest.mark.parametrize(
    ("message", "valid"),
    [
        ({"action": "ping"}, True),
        ({"action": "export", "format": "csv"}, True),
        ({"action": "export", "format": "xlsx"}, False),
        ({"action": "ping", "format": "csv"}, False),
        ({"page": 2, "search": None}, True),
        ({"page": 0}, False),
        ({"filters": {"market_cap": {"gte": 1e9, "lt": 1e11}, "symbol": ["BTC"]}}, True),
        ({"filters": {"market_cap": {"above": 1}}}, False),
        ({"delta": True}, False),
        ({"bogus": 1}, False),
    ],
)
def test_messages_are_judged_as_the_server_does(message, valid) -> None:
    assert Validator(message_schema(HEATMAP)).is_valid(message) is valid


def test_every_message_in_the_documents_is_in_the_schema() -> None:
    text = (settings.BASE_DIR / "docs" / "endpoints.md").read_text()
    blocks = re.findall(r"^```json message\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    messages = [json.loads(line) for block in blocks for line in block.splitlines()]
    assert messages
    for message in messages:
        Validator(message_schema(MARKET)).validate(message)
