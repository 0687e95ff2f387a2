"""The parser of REDIS_URL, for the store, the channel layer and Celery. Pure.

Three libraries parse such a URL differently: one drops `?db=` of a socket, another checks no certificate. So none of
them gets the URL: all get the same keyword arguments of a connection.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from spot_project import addresses

SCHEMES = ("redis", "rediss", "unix")
#: The parameters of the URL; those that begin with `ssl_` need `rediss://`.
PARAMETERS = (
    "db", "username", "password", "client_name", "health_check_interval", "socket_timeout", "socket_connect_timeout",
    "ssl_cert_reqs", "ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "ssl_check_hostname",
)  # fmt: skip
_FILES = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")
_SECONDS = ("health_check_interval", "socket_timeout", "socket_connect_timeout")
_CERTIFICATES = {"required": "required", "cert_required": "required", "none": "none", "cert_none": "none"}
_SWITCHES = {"true": True, "yes": True, "1": True, "on": True, "false": False, "no": False, "0": False, "off": False}
# Explicit, because redis-py 8 closes idle connections after 5 s, which breaks Channels.
_TIMES: dict[str, Any] = {"socket_timeout": 15, "health_check_interval": 15}
_NETWORK: dict[str, Any] = {"socket_connect_timeout": 3, "socket_keepalive": True}


@dataclass(frozen=True)
class RedisAddress:
    """The address and credentials of a Redis. `str()` of it contains no secret."""

    kind: Literal["tcp", "tls", "unix"]
    host: str = "localhost"
    port: int = 6379
    path: str = ""
    db: int = 0
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    extras: tuple[tuple[str, Any], ...] = field(default=(), repr=False)

    @property
    def options(self) -> dict[str, Any]:
        """Keyword arguments of redis-py's connections of this kind, for sync, async and kombu."""
        place = {"path": self.path} if self.kind == "unix" else {"host": self.host, "port": self.port} | _NETWORK
        sign_in = {name: value for name in ("username", "password") if (value := getattr(self, name))}
        return {"db": self.db, **place, **_TIMES, **sign_in, **dict(self.extras)}

    @property
    def files(self) -> dict[str, str]:
        """The files of certificates and keys that the URL names, by parameter."""
        return {name: value for name, value in self.extras if name in _FILES}

    def __str__(self) -> str:
        user = "" if not (self.username or self.password) else f"{self.username or ''}:***@"
        if self.kind == "unix":
            return f"unix://{user}{self.path}" + (f"?db={self.db}" if self.db else "")
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'rediss' if self.kind == 'tls' else 'redis'}://{user}{host}:{self.port}/{self.db}"


def private(path: str) -> RedisAddress:
    """A private server on a unix socket; its path needs no encoding."""
    return RedisAddress("unix", path=path)


def parse(text: str) -> RedisAddress:
    """Parse the URL. Raises `ValueError` with a sentence that continues the variable's name and contains no part of the
    URL."""
    address = addresses.split(text)
    if address.scheme not in SCHEMES or len(address.hosts) > 1:
        raise ValueError("must begin with redis://, rediss:// or unix:// and name one server.")
    if unknown := [name for name in address.query if name not in PARAMETERS]:
        names = ", ".join(name for name in unknown if name.isidentifier()) or "a parameter"
        raise ValueError(f"has {names}, which Spot does not know. It takes {', '.join(PARAMETERS)}.")
    query = dict(address.query)
    sign_in: dict[str, Any] = {
        "username": query.pop("username", None) or address.username,
        "password": query.pop("password", None) or address.password,
    }
    if address.scheme == "unix":
        return _socket(address, query, sign_in)
    db = _database(query.pop("db", None), address.path.strip("/"))
    kind: Literal["tcp", "tls"] = "tls" if address.scheme == "rediss" else "tcp"
    extras = _extras(query, kind)
    place: dict[str, Any] = {"host": address.host or "localhost", "port": address.port or 6379}
    return RedisAddress(kind, db=db, extras=extras, **place, **sign_in)


def _socket(address: addresses.Address, query: dict[str, str], sign_in: dict[str, Any]) -> RedisAddress:
    if address.hosts != (("", None),) or not address.path.strip("/"):
        raise ValueError("must give a socket as unix:///path/to/redis.sock, with three slashes: a path, and no host.")
    db = _database(query.pop("db", None), "")
    return RedisAddress("unix", path=address.path, db=db, extras=_extras(query, "unix"), **sign_in)


def _database(asked: str | None, path: str) -> int:
    numbers = {text for text in (asked, path) if text}
    if len(numbers) > 1 or not all(text.isascii() and text.isdigit() for text in numbers):
        raise ValueError("must name its database once, by a whole number: redis://host:6379/1, or ?db=1.")
    return int(numbers.pop()) if numbers else 0


def _extras(query: dict[str, str], kind: str) -> tuple[tuple[str, Any], ...]:
    extras = []
    for name, value in query.items():
        if name.startswith("ssl_") and kind != "tls":
            raise ValueError(f"has {name}, which only rediss:// takes.")
        if name == "socket_connect_timeout" and kind == "unix":
            raise ValueError(f"has {name}, which a socket does not take.")
        extras.append((name, _read(name, value)))
    return tuple(extras)


def _read(name: str, value: str) -> Any:
    if name in _SECONDS:
        if not (value.isascii() and value.isdigit() and 0 < int(value) <= 3600):
            raise ValueError(f"must give {name} as whole seconds, from 1 to 3600.")
        return int(value)
    choices: dict[str, Any] = {"ssl_cert_reqs": _CERTIFICATES, "ssl_check_hostname": _SWITCHES}
    if name in choices:
        if value.lower() not in choices[name]:
            allowed = "required or none" if name == "ssl_cert_reqs" else "true or false"
            raise ValueError(f"must give {name} as {allowed}.")
        return choices[name][value.lower()]
    return value
