"""Celery's transport over REDIS_URL: kombu's own, but for how it comes by its connections.

kombu would read the address itself, otherwise than redis-py (`spot_project.redis_address`), and takes a refused BRPOP
for an answer: a worker that waits at a server which is a replica now would wait there for good.
"""

from __future__ import annotations

from typing import Any

from django.conf import settings
from kombu.transport import redis as kombu
from redis.exceptions import ConnectionError as LostError
from redis.exceptions import ResponseError

from providers.redis_trouble import wrong_server
from spot_project.redis_connections import SYNC


class _Failing:
    """That the server is a replica now is an error of the connection, which kombu knows to make anew. Other refusals,
    of a full server for example, stay errors of one command: kombu would wait longer and longer before it connects."""

    def read_response(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().read_response(*args, **kwargs)  # type: ignore[misc]
        except ResponseError as error:
            if wrong_server(error) or "UNBLOCKED" in str(error):
                self.disconnect()  # type: ignore[attr-defined]
                raise LostError(f"{type(error).__name__}: {error}") from error
            raise


CONNECTIONS: dict[str, Any] = {
    kind: type(f"Celery{base.__name__}", (_Failing, base), {}) for kind, base in SYNC.items()
}


class Channel(kombu.Channel):
    """Makes every connection from `settings.REDIS`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.connection_class = CONNECTIONS[settings.REDIS.address.kind]
        super().__init__(*args, **kwargs)

    def _connparams(self, asynchronous: bool = False) -> dict[str, Any]:
        made = super()._connparams(asynchronous=asynchronous)
        kept = ("connection_class", "max_connections", "retry_on_timeout", "client_name")
        return {name: made[name] for name in kept if made.get(name) is not None} | settings.REDIS.address.options


class Transport(kombu.Transport):
    Channel = Channel
