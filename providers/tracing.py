"""Traces by OpenTelemetry: one from beat's tick over task, call and snapshot to the frames handed to the kernel.

Off until `begin` is called, which imports the packages; a span costs a comparison until then. A context travels as a
W3C `traceparent`: in the headers of Celery's messages and in nudges. Spans have no key, no address and no text of an
error, since that may quote what a provider or a client has sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from importlib.util import find_spec
from typing import Any

#: The values of OTEL_TRACES_SAMPLER.
SAMPLERS = (
    "parentbased_always_on", "parentbased_always_off", "parentbased_traceidratio", "always_on", "always_off",
    "traceidratio",
)  # fmt: skip
_NOTHING: AbstractContextManager[None] = nullcontext()


class _Tracing:
    """OpenTelemetry's tracer and its provider, once tracing is on."""

    tracer: Any = None
    provider: Any = None


_tracing = _Tracing()


def is_installed() -> bool:
    """Whether the packages are there: an extra of Spot, `tracing`."""
    return all(find_spec(name) is not None for name in ("opentelemetry.sdk", "opentelemetry.exporter"))


def begin(role: str, release: str, *, endpoint: str = "", headers: str = "", exporter: Any = None) -> None:
    """Trace from now on. Spans go to the OTLP endpoint by HTTP, in batches from a thread; `exporter` is for tests."""
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor  # noqa: PLC0415
    from opentelemetry.util.re import parse_env_headers  # noqa: PLC0415

    # OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES and OTEL_TRACES_SAMPLER are read by the package.
    named = {"service.name": "spot", **Resource.create().attributes, "service.version": release, "spot.role": role}
    if str(named["service.name"]).startswith("unknown_service"):
        named["service.name"] = "spot"
    provider = _tracing.provider = TracerProvider(resource=Resource(named))
    if exporter is None:
        exporter = OTLPSpanExporter(endpoint, headers=parse_env_headers(headers, liberal=True))
        provider.add_span_processor(BatchSpanProcessor(exporter))
    else:
        provider.add_span_processor(SimpleSpanProcessor(exporter))
    _tracing.tracer = provider.get_tracer("spot", release)


def flush(seconds: float) -> None:
    """Send what waits, within so many seconds: for processes that end without telling Python."""
    if _tracing.provider is not None:
        _tracing.provider.force_flush(round(seconds * 1000))


def end() -> None:
    """Send what waits, and trace no more."""
    if _tracing.provider is not None:
        _tracing.provider.shutdown()
    _tracing.tracer = _tracing.provider = None


def root(name: str, parent: str = "", **attributes: Any) -> AbstractContextManager[None]:
    """A span with which a trace begins, or goes on from a `context` of elsewhere."""
    return _NOTHING if _tracing.tracer is None else _Recorded(name, attributes, _extracted(parent))


def span(name: str, parent: str | None = None, **attributes: Any) -> AbstractContextManager[None]:
    """A span of the current trace, or of that of a `context`; nothing where there is none."""
    if _tracing.tracer is None:
        return _NOTHING
    if parent is not None:
        return _Recorded(name, attributes, _extracted(parent)) if parent else _NOTHING
    return _Recorded(name, attributes, None) if context() else _NOTHING


def note(**attributes: Any) -> None:
    """Add attributes to the current span, where there is one."""
    if _tracing.tracer is not None:
        from opentelemetry.trace import get_current_span  # noqa: PLC0415

        get_current_span().set_attributes(_present(attributes))


def context() -> str:
    """The current span as a `traceparent`; "" where there is none."""
    if _tracing.tracer is None:
        return ""
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator  # noqa: PLC0415

    carrier: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(carrier)
    return carrier.get("traceparent", "")


def _extracted(parent: str) -> Any:
    from opentelemetry.context import Context  # noqa: PLC0415
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator  # noqa: PLC0415

    return TraceContextTextMapPropagator().extract({"traceparent": parent}, context=Context())


def _present(attributes: Mapping[str, Any]) -> dict[str, Any]:
    return {f"spot.{name}": value for name, value in attributes.items() if value is not None}


class _Recorded(AbstractContextManager[None]):
    """A span that is recorded; of an exception only the class."""

    def __init__(self, name: str, attributes: Mapping[str, Any], parent: Any) -> None:
        self._span: Any = None
        self._manager = _tracing.tracer.start_as_current_span(
            name,
            context=parent,
            attributes=_present(attributes),
            record_exception=False,
            set_status_on_exception=False,
        )

    def __enter__(self) -> None:
        self._span = self._manager.__enter__()

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        from opentelemetry.trace import Status, StatusCode  # noqa: PLC0415

        if kind is not None:
            self._span.set_status(Status(StatusCode.ERROR, kind.__name__))
        self._manager.__exit__(kind, *error)
