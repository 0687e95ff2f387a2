"""Lines of the log: one an event, alike whoever writes them, without secrets, and no more than are of use."""

import asyncio
import io
import json
import logging
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import structlog
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from spot.clients.plans import Client, default_plan
from spot_project import logs
from spot_project.environment import Environment

Writing = Callable[[str], Callable[[], list[str]]]


@pytest.fixture
def secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "_secrets", ["s3cret#word", "s3cret%23word"])


@pytest.fixture
def configuration() -> Iterator[None]:
    """Brings back what `logs.config` sets: structlog's configuration, which loggers in use refer to, and secrets."""
    before, known = structlog.get_config(), list(logs._secrets)
    yield
    structlog.configure(**before)
    logs._secrets[:] = known


@pytest.mark.parametrize("password", ["s3cret", "s3/cret", "s3#cret", "s3?cret", "s3@cret", "s3%cret", "s3:cret"])
@pytest.mark.parametrize("scheme", ["redis", "rediss", "unix", "postgres", "redis+socket", "https"])
def test_a_password_is_masked_however_unreadable_its_address_is(scheme: str, password: str) -> None:
    text = logs.scrub(f"cannot connect to {scheme}://user:{password}@127.0.0.1:6379/0: refused")
    assert "cret" not in text
    assert "127.0.0.1:6379/0: refused" in text


@pytest.mark.usefixtures("secrets")
@pytest.mark.parametrize("text", ["port 's3cret#word'", "args: s3cret%23word", "unknown command HELLO, 3 s3cret#word"])
def test_the_secrets_of_this_site_are_masked_wherever_they_stand(text: str) -> None:
    assert "s3cret" not in logs.scrub(text)


@pytest.mark.usefixtures("secrets")
def test_what_is_no_text_is_masked_too() -> None:
    event = logs.redact(None, "", {"event": "x", "error": ValueError("s3cret#word"), "many": ["s3cret#word"], "n": 1})
    assert "s3cret" not in str(event)
    assert event["n"] == 1


@pytest.mark.usefixtures("configuration")
def test_settings_hand_their_secrets_over() -> None:
    logs.config("INFO", "text", secrets={"pass'word#1", "abc"})
    assert "pass%27word%231" in logs._secrets
    assert "abc" not in logs._secrets


# --- lines ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def writing(configuration: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Writing]:
    """Lets the logger `tests.lines` write in a style; what it returns are the lines so far."""
    logger, handlers = logging.getLogger("tests.lines"), []
    monkeypatch.setattr(logger, "propagate", False)

    def begin(style: str) -> Callable[[], list[str]]:
        stream = io.StringIO()
        formatter = dict(logs.config("INFO", style, secrets={"s3cret#word"})["formatters"]["line"])
        handler = logging.StreamHandler(stream)
        handler.setFormatter(formatter.pop("()")(**formatter))
        handler.addFilter(logs.Flood(rate=1, burst=100, clock=lambda: 0.0))
        logger.addHandler(handler)
        handlers.append(handler)
        return lambda: stream.getvalue().splitlines()

    yield begin
    for handler in handlers:
        logger.removeHandler(handler)


def test_every_writer_has_the_same_fields_in_json(writing: Writing) -> None:
    lines = writing("json")
    structlog.get_logger("tests.lines").warning("fetch", rows=3, error=ValueError("s3cret#word"), left=None, ok=True)
    logging.getLogger("tests.lines").warning("library says %s", "s3cret#word")
    ours, theirs = map(json.loads, lines())
    assert list(ours)[:4] == list(theirs)[:4] == ["timestamp", "level", "logger", "event"]
    assert (ours["rows"], ours["left"], ours["ok"], ours["error"]) == (3, None, True, "***")
    assert theirs["event"] == "library says ***"


@pytest.mark.parametrize("style", logs.FORMATS)
def test_an_exception_is_one_line_without_secrets(writing: Writing, style: str) -> None:
    lines = writing(style)
    for logger in (structlog.get_logger("tests.lines"), logging.getLogger("tests.lines")):
        try:
            raise RuntimeError("refused: s3cret#word\r\n\x1b[31mforged")
        except RuntimeError:
            logger.exception("failed")
    assert len(lines()) == 2
    for line in lines():
        assert "RuntimeError: refused: ***" in line
        assert "Traceback" in line
        assert not {"\r", "\x1b"} & set(line)


def test_text_is_the_default_and_reads_as_before(writing: Writing) -> None:
    lines = writing("text")
    structlog.get_logger("tests.lines").info("fetch", dataset="markets:usd", message="a b")
    assert lines()[0].endswith('level=info logger=tests.lines event=fetch dataset=markets:usd message="a b"')
    assert settings.SPOT_LOG_FORMAT == "text"


def test_a_line_names_the_request_that_is_served_and_its_key(writing: Writing) -> None:
    lines = writing("json")
    log = structlog.get_logger("tests.lines")
    client = Client("key:abc", "192.0.2.1", default_plan(), key="abc")

    async def answer(headers: list[tuple[bytes, bytes]], **known: Any) -> None:
        logs.serve({"headers": headers, **known})
        log.info("first")
        logs.serve_less(dict(known))
        log.info("second")

    async def serve() -> None:
        given, forged = b"front-7f.3", b"x" * 65
        await asyncio.create_task(answer([(b"x-request-id", given)], **{"spot.client": client}))
        await asyncio.create_task(answer([(b"x-request-id", forged)]))
        log.info("other")

    asyncio.run(serve())
    named, again, own, own_again, other = map(json.loads, lines())
    assert (named["request"], named["key"], again["request"], again["key"]) == ("front-7f.3", "abc") * 2
    assert own["request"] == own_again["request"] != "x" * 65
    assert "key" not in own
    assert "request" not in other


def test_a_process_names_its_role(writing: Writing, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "_standing", {})
    for module in (sys, threading):
        monkeypatch.setattr(module, "excepthook", module.excepthook)
    lines = writing("json")
    logs.begin("web", 2)
    structlog.get_logger("tests.lines").info("x")
    assert {"role": "web", "process": 2}.items() <= json.loads(lines()[0]).items()


# --- floods -----------------------------------------------------------------------------------------------------------


def test_ten_thousand_broken_frames_write_less_than_a_megabyte() -> None:
    now, written = 0.0, 0
    flood = logs.Flood(clock=lambda: now)
    for count in range(10_000):
        now = count / 1000  # all within ten seconds
        record = logging.makeLogRecord({"name": "uvicorn.error", "msg": f"frame {count}", "pathname": "x", "lineno": 1})
        written += 300 if flood.filter(record) else 0
    assert 0 < written < 1_000_000


def test_the_next_line_says_how_many_were_suppressed(writing: Writing) -> None:
    now = [0.0]
    flood = logs.Flood(rate=1, burst=2, clock=lambda: now[0])
    records = [logging.makeLogRecord({"name": "x", "msg": {"event": "closed"}}) for _ in range(6)]
    assert [flood.filter(record) for record in records[:5]] == [True, True, False, False, False]
    assert flood.filter(logging.makeLogRecord({"name": "x", "msg": {"event": "another"}}))
    now[0] = 1.0
    assert flood.filter(records[5])
    assert records[5].suppressed == 3  # type: ignore[attr-defined]
    lines = writing("json")
    for _ in range(101):
        structlog.get_logger("tests.lines").info("closed")
    assert len(lines()) == 100


def test_tracebacks_count_more_and_kinds_are_bounded() -> None:
    flood = logs.Flood(rate=1, burst=100, clock=lambda: 0.0)
    failing = {"name": "x", "msg": "failed", "exc_info": (ValueError, ValueError(), None)}
    assert sum(flood.filter(logging.makeLogRecord(failing)) for _ in range(50)) == 10
    for number in range(5000):
        flood.filter(logging.makeLogRecord({"name": f"logger {number}", "msg": "x"}))
    assert len(flood._kinds) <= 1000


def test_an_unknown_format_stops_the_start_with_a_sentence() -> None:
    assert Environment({"SPOT_LOG_FORMAT": "JSON"}).word("SPOT_LOG_FORMAT", "text", logs.FORMATS) == "json"
    with pytest.raises(ImproperlyConfigured, match=r"^SPOT_LOG_FORMAT must be text or json, not 'xml'\.$"):
        Environment({"SPOT_LOG_FORMAT": "xml"}).word("SPOT_LOG_FORMAT", "text", logs.FORMATS)
