"""Logs: one line per event on standard error, UTC, as `key=value` or as JSON, without secrets, and no floods.

All lines are alike, whoever writes them: Spot, Django, Celery, uvicorn, daphne.
"""

import logging
import re
import sys
import threading
import time
from collections.abc import Callable, Collection
from contextvars import ContextVar
from secrets import token_hex
from types import TracebackType
from typing import Any
from urllib.parse import quote

import orjson
import structlog

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
FORMATS = ("text", "json")
_SECRET_PARAMETER = re.compile(r"(?i)([?&;\s\"'][\w.-]*(?:key|token|secret|password)[\w.-]*[=:]\s*)[^&\s\"',}]+")
#: Up to the last @ of a word: a password may contain any character.
_URL_PASSWORD = re.compile(r"(?i)([a-z][a-z0-9+.-]*://)\S*@")
#: Shorter secrets are not blanked, since they would match ordinary words.
_SHORTEST_SECRET = 6
_secrets: list[str] = []
#: Stand in every line: which process wrote it.
_standing: dict[str, Any] = {}
#: The ASGI scope of the request or socket that is being served.
_served: ContextVar[dict[str, Any] | None] = ContextVar("served", default=None)
#: An id that a proxy has given to a request.
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
#: Other control characters than line breaks, which renderers escape: a terminal would obey them.
_CONTROLS = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160)) if code != 10}


def begin(role: str, number: int = 0) -> None:
    """Put the role of this process, and its number where there are several, into every line that it logs from now on,
    and log what ends the process or one of its threads."""
    _standing["role"] = role
    if number:
        _standing["process"] = number
    sys.excepthook = _log_end
    threading.excepthook = lambda end: _log_end(end.exc_type, end.exc_value, end.exc_traceback)


def _log_end(kind: type[BaseException], error: BaseException | None, traceback: TracebackType | None) -> None:
    if error is not None and not issubclass(kind, KeyboardInterrupt | SystemExit):
        what = "thread" if threading.current_thread() is not threading.main_thread() else "process"
        logging.getLogger("spot").critical("%s ended by an exception", what, exc_info=(kind, error, traceback))


def serve(scope: dict[str, Any]) -> None:
    """Put the id of this request or socket, and that of its client's key, into all lines of the current task."""
    _served.set(scope)


def serve_less(kept: dict[str, Any]) -> None:
    """Go on with what is kept of the scope that is being served, under the same id: its headers weigh something."""
    if (scope := _served.get()) is not None:
        kept["spot.request"] = request_id(scope)
        _served.set(kept)


def request_id(scope: dict[str, Any]) -> str:
    """The id of a request: its proxy's, by the header X-Request-ID, or else one of ours."""
    if "spot.request" not in scope:
        header = next((value for name, value in scope["headers"] if name == b"x-request-id"), b"")
        scope["spot.request"] = header.decode() if _REQUEST_ID.fullmatch(header) else token_hex(8)
    return str(scope["spot.request"])


def scrub(text: str) -> str:
    """The text without this site's secrets, and without texts that look like secrets."""
    for secret in _secrets:
        text = text.replace(secret, "***")
    return _URL_PASSWORD.sub(r"\1***@", _SECRET_PARAMETER.sub(r"\1***", text))


def redact(_logger: Any, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Blank secrets in every value of an event, as a last resort: code should not log any."""
    for name, value in event.items():
        if not (value is None or isinstance(value, bool | int | float)) and not name.startswith("_"):
            event[name] = scrub(value if isinstance(value, str) else str(value)).translate(_CONTROLS)
    return event


def add_context(_logger: Any, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Add the process, and the request that is being served with its client's key."""
    event.update(_standing)
    if (scope := _served.get()) is not None:
        event.setdefault("request", request_id(scope))
        if (client := scope.get("spot.client")) is not None and client.key is not None:
            event.setdefault("key", client.key)
    return event


def hand_over(logger: Any, method: str, event: structlog.typing.EventDict) -> Any:
    """Make a record of the standard library of an event, with its exception, which reports of errors need."""
    exception = event.pop("exc_info", None)
    arguments, options = structlog.stdlib.ProcessorFormatter.wrap_for_formatter(logger, method, event)
    if isinstance(exception, BaseException):
        exception = type(exception), exception, exception.__traceback__
    elif exception and not isinstance(exception, tuple):
        exception = sys.exc_info()
    return arguments, {**options, "exc_info": exception or None}


def add_record(_logger: Any, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Add what the record knows: its exception, and how many like it were suppressed."""
    record: logging.LogRecord = event["_record"]
    if record.exc_info:
        event["exc_info"] = record.exc_info
        record.exc_info = record.exc_text = None
    if suppressed := getattr(record, "suppressed", 0):
        event["suppressed"] = suppressed
    return event


#: What is added where an event happens.
_SHARED: list[structlog.typing.Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    add_context,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]
#: The order of the first fields; the others follow as they were added.
_FIRST = ("timestamp", "level", "logger", "event")


def as_json(_logger: Any, _method: str, event: structlog.typing.EventDict) -> str:
    """The event as one line of JSON."""
    ordered = {**{name: event[name] for name in _FIRST if name in event}, **event}
    return orjson.dumps(ordered, default=str).decode()


_RENDERERS: dict[str, structlog.typing.Processor] = {
    "text": structlog.processors.LogfmtRenderer(key_order=_FIRST, bool_as_flag=False),
    "json": as_json,
}


class Flood(logging.Filter):
    """Bounds what one kind of event writes: `burst` lines at once, `rate` a second. The next line of its kind says how
    many were suppressed. A line with a traceback counts as ten.

    The kind is the event, or, for lines of libraries, the place in their code: never a text that clients can vary.
    """

    _KINDS = 1000
    _TRACEBACK = 10.0

    def __init__(self, rate: float = 20.0, burst: float = 1000.0, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._rate, self._burst, self._clock = rate, burst, clock
        #: By kind: the tokens left, when that was, and how many lines have been suppressed since.
        self._kinds: dict[tuple[str, Any], tuple[float, float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the line is written."""
        kind = (
            record.name,
            record.msg.get("event") if isinstance(record.msg, dict) else (record.pathname, record.lineno),
        )
        now = self._clock()
        tokens, before, suppressed = self._kinds.pop(kind, (self._burst, now, 0))
        tokens = min(self._burst, tokens + (now - before) * self._rate)
        cost = self._TRACEBACK if record.exc_info else 1.0
        written = tokens >= cost
        self._kinds[kind] = (tokens - cost, now, 0) if written else (tokens, now, suppressed + 1)
        if len(self._kinds) > self._KINDS:
            del self._kinds[next(iter(self._kinds))]
        if written and suppressed:
            record.suppressed = suppressed
        return written


def one_line(record: logging.LogRecord) -> bool:
    """Log frequent errors, such as an outage of Redis or a foreign Host header, without traceback."""
    record.exc_info = record.exc_text = None
    return True


def not_a_probe(record: logging.LogRecord) -> bool:
    """Drop errors of the readiness page: "not ready" is its result, not an error."""
    return getattr(getattr(record, "request", None), "path", "") != "/readyz"


def config(level: str, style: str, secrets: Collection[str] = ()) -> dict[str, Any]:
    """Django's LOGGING for all loggers, in one of FORMATS; it also configures structlog. `secrets` are blanked
    everywhere, also in their percent-encoded form and as in `repr`."""
    spellings = {form for secret in secrets for form in (secret, quote(secret, safe=""), repr(secret)[1:-1])}
    _secrets[:] = sorted((form for form in spellings if len(form) >= _SHORTEST_SECRET), key=len, reverse=True)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.stdlib.PositionalArgumentsFormatter(),
            *_SHARED,
            hand_over,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    formatter = {
        "()": structlog.stdlib.ProcessorFormatter,
        "processors": [
            add_record,
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            redact,
            _RENDERERS[style],
        ],
        "foreign_pre_chain": _SHARED,
        "keep_exc_info": True,  # `add_record` takes it
    }
    quiet = {name: {"level": "WARNING"} for name in ("celery", "kombu", "uvicorn", "daphne", "twisted", "asyncio")}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": formatter},
        "filters": {
            "one_line": {"()": lambda: one_line},
            "not_a_probe": {"()": lambda: not_a_probe},
            "flood": {"()": Flood},
        },
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line", "filters": ["flood"]}},
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
