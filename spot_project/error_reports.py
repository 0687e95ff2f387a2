"""Errors, reported to a server that speaks Sentry's protocol: what is logged as an error or worse.

The library is imported only where `SENTRY_DSN` is set. A report has what the line of the log has, blanked likewise, and
the places in the code: no local variables, no requests, no addresses, nothing of a user.
"""

from __future__ import annotations

import logging
from typing import Any

from spot_project import logs

#: Loggers whose errors are a client's doing, unless they have a traceback.
_OF_CLIENTS = ("django.security", "uvicorn.error")
#: Fields of a line that are said otherwise, or are somebody's.
_LEFT_OUT = {"event", "timestamp", "level", "logger", "address", "user"}
#: Of one kind of error so many reports are sent at once, and then one in ten seconds.
_AT_ONCE, _EACH_SECOND = 200.0, 1.0

_flood = logs.Flood(rate=_EACH_SECOND, burst=_AT_ONCE)  # a report with a traceback counts as ten


def begin(dsn: str, *, role: str, release: str, environment: str) -> None:
    """Report this process's errors from now on. A server that cannot be reached costs nothing but the reports."""
    import sentry_sdk  # noqa: PLC0415 - 30 MB, for those who use it
    from sentry_sdk.integrations.atexit import AtexitIntegration  # noqa: PLC0415
    from sentry_sdk.integrations.dedupe import DedupeIntegration  # noqa: PLC0415
    from sentry_sdk.integrations.logging import LoggingIntegration  # noqa: PLC0415

    sentry_sdk.init(
        dsn,
        release=release,
        environment=environment,
        default_integrations=False,
        auto_enabling_integrations=False,
        integrations=[
            LoggingIntegration(level=None, event_level=logging.ERROR),
            AtexitIntegration(callback=lambda _pending, _timeout: None),
            DedupeIntegration(),
        ],
        before_send=redacted,
        include_local_variables=False,
        max_breadcrumbs=0,
        max_request_body_size="never",
        send_default_pii=False,
        auto_session_tracking=False,
        send_client_reports=False,
    )
    sentry_sdk.set_tag("role", role)


def redacted(event: Any, hint: dict[str, Any]) -> Any:
    """The report without secrets; None for one that is not to be sent."""
    record: logging.LogRecord | None = hint.get("log_record")
    event["extra"] = {}
    if record is not None:
        of_client = record.name.startswith(_OF_CLIENTS) and not record.exc_info
        if of_client or not _flood.filter(record):
            return None
        if isinstance(record.msg, dict):  # one of our own lines
            event["logentry"] = {"message": record.msg["event"]}
            event["extra"] = {name: value for name, value in record.msg.items() if name not in _LEFT_OUT}
    return _scrubbed(event)


def _scrubbed(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _scrubbed(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_scrubbed(one) for one in value]
    if value is None or isinstance(value, bool | int | float):
        return value
    return logs.scrub(str(value))
