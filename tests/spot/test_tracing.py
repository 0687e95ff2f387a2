"""One trace from beat's tick to the frames of clients; and nothing at all while tracing is off."""

import asyncio
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest
from celery.beat import PersistentScheduler
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from providers import tracing
from providers.datasets import COINS, CURRENCIES
from providers.sandbox import Sandbox
from spot.ingest import measuring, tasks
from spot.processes import telemetry
from spot.snapshots import nudges
from spot_project.beat import Scheduler
from tests.spot.rows import USD
from tests.spot.sockets import Socket, eventually, run


@pytest.fixture
def exporter() -> Iterator[InMemorySpanExporter]:
    yield InMemorySpanExporter()
    tracing.end()


@pytest.fixture
def sandbox(settings: Any) -> Iterator[Sandbox]:
    with Sandbox(seed=5) as sandbox:
        settings.SPOT_DEMO, settings.SANDBOX_BASE_URL = "on", sandbox.url
        yield sandbox


def named(exporter: InMemorySpanExporter) -> dict[str, ReadableSpan]:
    return {span.name: span for span in exporter.get_finished_spans()}


def tick_and_fetch(monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox) -> None:
    """What beat and a worker do, one after the other: of the task's message only the headers matter."""
    headers: dict[str, Any] = {}
    sandbox.clock.advance(5_000)  # so that prices move, and there is something to send
    monkeypatch.setattr(
        PersistentScheduler, "apply_async", lambda *_, **__: measuring._note_due(headers=headers), raising=False
    )
    scheduler = Scheduler.__new__(Scheduler)
    scheduler.apply_async(SimpleNamespace(name="tick"))
    task = SimpleNamespace(name="spot.ingest.tasks.fetch", request=headers)
    measuring._begin("id", task)
    tasks.refresh(USD)
    measuring._end("id", task, "SUCCESS")


@pytest.mark.usefixtures("redis")
@pytest.mark.django_db(transaction=True)
def test_a_trace_goes_from_the_tick_to_the_frames(
    exporter: InMemorySpanExporter, monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox
) -> None:
    async def story() -> None:
        for dataset in (CURRENCIES, COINS, USD):
            await asyncio.to_thread(tasks.refresh, dataset)
        async with Socket("market", "page_size=3") as socket:
            await socket.frame()
            tracing.begin("trial", "1.2.3", exporter=exporter)
            await asyncio.to_thread(tick_and_fetch, monkeypatch, sandbox)
            await socket.frame()
            await eventually(lambda: "hub update" in named(exporter))

    run(story())
    spans = named(exporter)
    steps = ("beat tick", "task fetch", "attempt", "provider call"), ("task fetch", "publish", "hub update", "send")
    steps += (("publish", "hub read"),)
    for above, below in [pair for line in steps for pair in pairwise(line)]:
        parent, context = spans[below].parent, spans[above].context
        assert parent is not None, below
        assert context is not None
        assert parent.span_id == context.span_id, (above, below)
    assert {span.context.trace_id for span in spans.values() if span.context} == {spans["send"].context.trace_id}
    call, send = dict(spans["provider call"].attributes or {}), dict(spans["send"].attributes or {})
    assert (call["spot.provider"], call["spot.status"], send["spot.outboxes"]) == ("sandbox", 200, 1)
    assert {"service.name": "spot", "spot.role": "trial"}.items() <= dict(spans["send"].resource.attributes).items()


def test_an_error_is_told_by_its_class_alone(exporter: InMemorySpanExporter) -> None:
    tracing.begin("trial", "1.2.3", exporter=exporter)
    with pytest.raises(ValueError, match="s3cret"), tracing.root("task"):
        raise ValueError("s3cret")
    assert named(exporter)["task"].status.description == "ValueError"
    assert "s3cret" not in named(exporter)["task"].to_json()


def test_hubs_begin_no_traces(exporter: InMemorySpanExporter) -> None:
    tracing.begin("trial", "1.2.3", exporter=exporter)
    with tracing.span("hub update", ""), tracing.span("send"):
        assert tracing.context() == ""
    assert not named(exporter)


def test_nothing_is_added_anywhere_while_tracing_is_off() -> None:
    headers: dict[str, Any] = {}
    with tracing.root("beat tick"), tracing.span("send", sockets=3):
        measuring._note_due(headers=headers)
    assert headers.keys() == {"spot_due"}
    assert nudges._message("markets:usd", "live") == {"type": nudges.TYPE, "name": "markets:usd", "stored": "live"}
    assert tracing.root("a") is tracing.span("b")  # one object for all


@pytest.mark.usefixtures("exporter")
def test_spans_are_sent_by_http_to_the_standard_address(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(telemetry.logs, "begin", lambda *_: None)
    requests: list[tuple[str, str | None, ExportTraceServiceRequest]] = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            requests.append((self.path, self.headers["x-team"], ExportTraceServiceRequest.FromString(body)))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Silence."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Receiver) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        settings.OTEL_EXPORTER_OTLP_ENDPOINT = f"http://127.0.0.1:{server.server_address[1]}/"
        settings.OTEL_EXPORTER_OTLP_HEADERS = "x-team=market"
        telemetry.begin("worker")
        with tracing.root("beat tick"):
            pass
        tracing.flush(5)
        server.shutdown()
    ((path, team, request),) = requests
    assert (path, team) == ("/v1/traces", "market")
    assert request.resource_spans[0].scope_spans[0].spans[0].name == "beat tick"
