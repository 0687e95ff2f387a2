"""Logs: one line per event, `key=value`, UTC, on standard error, without secrets."""

import logging
import re
from collections.abc import Collection
from typing import Any
from urllib.parse import quote

import structlog

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
_SECRET_PARAMETER = re.compile(r"(?i)([?&;\s\"'][\w.-]*(?:key|token|secret|password)[\w.-]*[=:]\s*)[^&\s\"',}]+")
#: Up to the last @ of a word: a password may contain any character.
_URL_PASSWORD = re.compile(r"(?i)([a-z][a-z0-9+.-]*://)\S*@")
#: Shorter secrets are not blanked, since they would match ordinary words.
_SHORTEST_SECRET = 6
_secrets: list[str] = []
#: Stand in every line: which process of several wrote it.
_standing: dict[str, Any] = {}


def tell_process(number: int) -> None:
    """Put the number of this web process into every line that it logs from now on."""
    _standing["process"] = number


def scrub(text: str) -> str:
    """The text without this site's secrets, and without texts that look like secrets."""
    for secret in _secrets:
        text = text.replace(secret, "***")
    return _URL_PASSWORD.sub(r"\1***@", _SECRET_PARAMETER.sub(r"\1***", text))


def redact(_logger: Any, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Blank secrets in every value of an event, as a last resort: code should not log any."""
    for name, value in event.items():
        if not (value is None or isinstance(value, bool | int | float)) and not name.startswith("_"):
            event[name] = scrub(value if isinstance(value, str) else str(value))
    return event


def add_standing(_logger: Any, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Put what stands in every line into this one."""
    event.update(_standing)
    return event


_SHARED: list[structlog.typing.Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    add_standing,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.format_exc_info,
    redact,
]


def one_line(record: logging.LogRecord) -> bool:
    """Log frequent errors, such as an outage of Redis or a foreign Host header, without traceback."""
    record.exc_info = record.exc_text = None
    return True


def not_a_probe(record: logging.LogRecord) -> bool:
    """Drop errors of the readiness page: "not ready" is its result, not an error."""
    return getattr(getattr(record, "request", None), "path", "") != "/readyz"


def config(level: str, secrets: Collection[str] = ()) -> dict[str, Any]:
    """Django's LOGGING for all loggers; it also configures structlog. `secrets` are blanked everywhere, also in their
    percent-encoded form and as in `repr`."""
    spellings = {form for secret in secrets for form in (secret, quote(secret, safe=""), repr(secret)[1:-1])}
    _secrets[:] = sorted((form for form in spellings if len(form) >= _SHORTEST_SECRET), key=len, reverse=True)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.stdlib.PositionalArgumentsFormatter(),
            *_SHARED,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    renderer = structlog.processors.LogfmtRenderer(
        key_order=["timestamp", "level", "logger", "event"], bool_as_flag=False
    )
    formatter = {
        "()": structlog.stdlib.ProcessorFormatter,
        "processors": [structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        "foreign_pre_chain": _SHARED,
    }
    quiet = {name: {"level": "WARNING"} for name in ("celery", "kombu", "uvicorn", "daphne", "twisted", "asyncio")}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": formatter},
        "filters": {"one_line": {"()": lambda: one_line}, "not_a_probe": {"()": lambda: not_a_probe}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {
            **quiet,
            "channels_redis": {"filters": ["one_line"]},
            "channels_redis.pubsub": {"filters": ["one_line"]},
            "django": {"handlers": [], "propagate": True},
            "django.request": {"filters": ["not_a_probe"]},
            "django.security.DisallowedHost": {"filters": ["one_line"]},  # clients can send any Host
            "django.server": {"handlers": [], "propagate": True},
        },
    }
