"""What a process tells of itself from its start: its role in each line of the log, its errors, and traces."""

from __future__ import annotations

from django.conf import settings

from providers import tracing
from spot_project import error_reports, logs
from spot_project.release import release


def begin(role: str, number: int = 0) -> None:
    """Begin to tell, as `web`, `worker`, `beat` or `stream`; `number` says which of several it is, from 1."""
    logs.begin(role, number)
    if settings.SENTRY_DSN:
        named = settings.SENTRY_RELEASE or f"spot@{release()}"
        error_reports.begin(settings.SENTRY_DSN, role=role, release=named, environment=settings.SENTRY_ENVIRONMENT)
    if (endpoint := _endpoint()) and not settings.OTEL_SDK_DISABLED and tracing.is_installed():
        tracing.begin(role, release(), endpoint=endpoint, headers=settings.OTEL_EXPORTER_OTLP_HEADERS)


def _endpoint() -> str:
    """Where traces are sent; "" for nowhere."""
    base = settings.OTEL_EXPORTER_OTLP_ENDPOINT
    return str(settings.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT or (base and f"{base.rstrip('/')}/v1/traces"))
