"""Celery's transport over REDIS_URL: kombu's own with our connections.

kombu would parse the URL itself, differently from redis-py (`spot_project.redis_address`), and treats a rejected BRPOP
as a reply: a worker that waits at a server which has become a replica would wait there for ever. Its pauses before it
connects again grow by two seconds each, to 30: after a failover that takes four seconds, nothing is fetched for eight.
"""

from __future__ import annotations

from typing import Any

from celery.app import amqp
from django.conf import settings
from kombu import Connection as KombuConnection
from kombu.transport import redis as kombu
from redis.exceptions import ConnectionError as LostError
from redis.exceptions import ResponseError

from providers.redis_trouble import wrong_server
from spot_project.redis_connections import SYNC

#: Celery's name for the exchange, and the only queue, of tasks.
_TASKS = "celery"


class _Failing:
    """Turns the error that the server is a replica into a connection error, after which kombu reconnects. Other errors,
    such as of a full server, stay errors of one command: kombu would back off before it reconnects."""

    def read_response(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().read_response(*args, **kwargs)  # type: ignore[misc]
        except ResponseError as error:
            if wrong_server(error) or "UNBLOCKED" in str(error):
                self.disconnect()  # type: ignore[attr-defined]
                raise LostError(f"{type(error).__name__}: {error}") from error
            raise


CONNECTIONS: dict[tuple[str, bool], Any] = {
    kind: type(f"Celery{base.__name__}", (_Failing, base), {}) for kind, base in SYNC.items()
}


class Channel(kombu.Channel):
    """A channel whose connections come from `settings.REDIS`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.connection_class = CONNECTIONS[settings.REDIS.kind]
        self._queues: list[Any] = []
        super().__init__(*args, **kwargs)

    def get_table(self, exchange: str) -> list[Any]:
        """The queues of an exchange. There is one of tasks, so that not every task asks for it."""
        if exchange != _TASKS:
            table: list[Any] = super().get_table(exchange)
            return table
        self._queues = self._queues or super().get_table(exchange)
        return self._queues

    def _connparams(self, asynchronous: bool = False) -> dict[str, Any]:
        # Not by way of kombu, which looks at the address in its connection: a channel that is closed later, as when
        # Redis goes while a task runs, still has messages to put back, and would end the worker.
        params = {name: getattr(self, name) for name in ("max_connections", "retry_on_timeout", "client_name")}
        kind = super()._connparams(asynchronous=True)["connection_class"] if asynchronous else self.connection_class
        params = {name: value for name, value in params.items() if value is not None}
        return {"connection_class": kind, **params, **settings.REDIS.options}


class Transport(kombu.Transport):
    Channel = Channel


#: The pauses between two tries to connect, in seconds.
_PAUSES = {"interval_start": 1, "interval_step": 0, "interval_max": 1}


class Connection(KombuConnection):
    """A connection that is tried again each second."""

    def _ensure_connection(self, errback: Any = None, max_retries: Any = None, *_pauses: Any, **options: Any) -> Any:
        # kombu gives its own pauses by place where it sends a message again, and by name elsewhere.
        return super()._ensure_connection(errback, max_retries, **{**options, **_PAUSES})


class Amqp(amqp.AMQP):
    """What makes the connections of an app."""

    Connection = Connection
