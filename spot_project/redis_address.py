"""The parser of REDIS_URL, for the store, the channel layer and Celery. Pure.

Three libraries parse such a URL differently: one drops `?db=` of a socket, another checks no certificate. So none of
them gets the URL: all get the same keyword arguments of a connection.

The URL names one server, or the Sentinels or nodes that know where the primary is (`spot_project.redis_primary`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from spot_project import addresses

Kind = Literal["tcp", "tls", "unix"]
Topology = Literal["single", "sentinel", "cluster"]
#: By scheme: how connections are made, to what, and the port where the URL gives none.
SCHEMES: dict[str, tuple[Kind, Topology, int]] = {
    "redis": ("tcp", "single", 6379),
    "rediss": ("tls", "single", 6379),
    "unix": ("unix", "single", 0),
    "redis+sentinel": ("tcp", "sentinel", 26379),
    "rediss+sentinel": ("tls", "sentinel", 26379),
    "redis+cluster": ("tcp", "cluster", 6379),
    "rediss+cluster": ("tls", "cluster", 6379),
}
#: The parameters of the URL; those that begin with `ssl_` need TLS, those with `sentinel_` need Sentinels.
PARAMETERS = (
    "db", "username", "password", "client_name", "health_check_interval", "socket_timeout", "socket_connect_timeout",
    "ssl_cert_reqs", "ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "ssl_check_hostname", "sentinel_username",
    "sentinel_password",
)  # fmt: skip
_SENTINEL_FORM = "redis+sentinel://host:26379,host2:26379/mymaster/0"
_FILES = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")
_SECONDS = ("health_check_interval", "socket_timeout", "socket_connect_timeout")
_CERTIFICATES = {"required": "required", "cert_required": "required", "none": "none", "cert_none": "none"}
_SWITCHES = {"true": True, "yes": True, "1": True, "on": True, "false": False, "no": False, "0": False, "off": False}
# Explicit, because redis-py 8 closes idle connections after 5 s, which breaks Channels.
_TIMES: dict[str, Any] = {"socket_timeout": 15, "health_check_interval": 15}
_NETWORK: dict[str, Any] = {"socket_connect_timeout": 3, "socket_keepalive": True}


@dataclass(frozen=True)
class RedisAddress:
    """The address and credentials of a Redis. `str()` of it contains no secret.

    With `topology` "sentinel" or "cluster", `nodes` are the hosts and ports to ask for the primary, and `host` and
    `port` mean nothing. `service` is the primary's name among the Sentinels, `sentinel` their user and password.
    """

    kind: Kind
    host: str = "localhost"
    port: int = 6379
    path: str = ""
    db: int = 0
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    extras: tuple[tuple[str, Any], ...] = field(default=(), repr=False)
    topology: Topology = "single"
    nodes: tuple[tuple[str, int], ...] = ()
    service: str = ""
    sentinel: tuple[tuple[str, str], ...] = field(default=(), repr=False)

    @property
    def options(self) -> dict[str, Any]:
        """Keyword arguments of redis-py's connections of this kind, for sync, async and kombu; without host and port
        where the primary must be found."""
        place: dict[str, Any] = {"path": self.path} if self.kind == "unix" else dict(_NETWORK)
        if self.topology == "single" and self.kind != "unix":
            place |= {"host": self.host, "port": self.port}
        sign_in = {name: value for name in ("username", "password") if (value := getattr(self, name))}
        return {"db": self.db, **place, **_TIMES, **sign_in, **dict(self.extras)}

    @property
    def asking(self) -> dict[str, Any]:
        """Keyword arguments of a connection that asks one of the `nodes`, without host and port."""
        sign_in = ("username", "password")
        options = {name: value for name, value in self.options.items() if name not in ("db", *sign_in)}
        own = self.sentinel if self.topology == "sentinel" else ((name, getattr(self, name)) for name in sign_in)
        return options | {name: value for name, value in own if value}

    @property
    def passwords(self) -> list[str]:
        """Every password in it."""
        return [text for text in (self.password, dict(self.sentinel).get("password")) if text]

    @property
    def files(self) -> dict[str, str]:
        """The files of certificates and keys that the URL names, by parameter."""
        return {name: value for name, value in self.extras if name in _FILES}

    def __str__(self) -> str:
        user = "" if not (self.username or self.password) else f"{self.username or ''}:***@"
        if self.kind == "unix":
            return f"unix://{user}{self.path}" + (f"?db={self.db}" if self.db else "")
        scheme = "rediss" if self.kind == "tls" else "redis"
        if self.topology == "single":
            return f"{scheme}://{user}{shown(self.host, self.port)}/{self.db}"
        nodes = ",".join(shown(host, port) for host, port in self.nodes)
        path = f"{self.service}/{self.db}" if self.service else ""
        return f"{scheme}+{self.topology}://{user}{nodes}/{path}"


def shown(host: str, port: int) -> str:
    """Host and port in one text."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def private(path: str) -> RedisAddress:
    """A private server on a unix socket; its path needs no encoding."""
    return RedisAddress("unix", path=path)


def parse(text: str) -> RedisAddress:
    """Parse the URL. Raises `ValueError` with a sentence that continues the variable's name and contains no part of the
    URL."""
    address = addresses.split(text)
    if address.scheme not in SCHEMES:
        raise ValueError(
            "must begin with redis://, rediss:// or unix:// and name one server, or with redis+sentinel://, "
            "rediss+sentinel://, redis+cluster:// or rediss+cluster://."
        )
    kind, topology, port = SCHEMES[address.scheme]
    if topology == "single" and len(address.hosts) > 1:
        raise ValueError(
            "must name one server. Several are Sentinels or nodes of a cluster: its address begins with "
            "redis+sentinel:// or redis+cluster://."
        )
    if unknown := [name for name in address.query if name not in PARAMETERS]:
        names = ", ".join(name for name in unknown if name.isidentifier()) or "a parameter"
        raise ValueError(f"has {names}, which Spot does not know. It takes {', '.join(PARAMETERS)}.")
    query = dict(address.query)
    facts: dict[str, Any] = {
        "topology": topology,
        "username": query.pop("username", None) or address.username,
        "password": query.pop("password", None) or address.password,
        "sentinel": _sentinel_sign_in(query, topology),
    }
    if kind == "unix":
        return _socket(address, query, facts)
    path, asked = address.path.strip("/"), query.pop("db", None)
    if topology == "single":
        facts |= {"host": address.host or "localhost", "port": address.port or port}
    else:
        facts["nodes"] = tuple((host or "localhost", number or port) for host, number in address.hosts)
    if topology == "sentinel":
        facts["service"], path = _service(path)
    db = _database(asked, path)
    if db and topology == "cluster":
        raise ValueError(f"names database {db}, and a cluster has only 0.")
    return RedisAddress(kind, db=db, extras=_extras(query, kind), **facts)


def _sentinel_sign_in(query: dict[str, str], topology: Topology) -> tuple[tuple[str, str], ...]:
    sign_in = []
    for name in ("username", "password"):
        if value := query.pop(f"sentinel_{name}", None):
            if topology != "sentinel":
                raise ValueError(f"has sentinel_{name}, which only redis+sentinel:// and rediss+sentinel:// take.")
            sign_in.append((name, value))
    return tuple(sign_in)


def _service(path: str) -> tuple[str, str]:
    """The name of the service and the text of the database."""
    service, _, db = path.partition("/")
    if not service or (service.isdigit() and not db):
        raise ValueError(f"must name the service that the Sentinels watch, then the database: {_SENTINEL_FORM}.")
    return service, db


def _socket(address: addresses.Address, query: dict[str, str], facts: dict[str, Any]) -> RedisAddress:
    if address.hosts != (("", None),) or not address.path.strip("/"):
        raise ValueError("must give a socket as unix:///path/to/redis.sock, with three slashes: a path, and no host.")
    db = _database(query.pop("db", None), "")
    return RedisAddress("unix", path=address.path, db=db, extras=_extras(query, "unix"), **facts)


def _database(asked: str | None, path: str) -> int:
    numbers = {text for text in (asked, path) if text}
    if len(numbers) > 1 or not all(text.isascii() and text.isdigit() for text in numbers):
        raise ValueError("must name its database once, by a whole number: redis://host:6379/1, or ?db=1.")
    return int(numbers.pop()) if numbers else 0


def _extras(query: dict[str, str], kind: str) -> tuple[tuple[str, Any], ...]:
    extras = []
    for name, value in query.items():
        if name.startswith("ssl_") and kind != "tls":
            raise ValueError(
                f"has {name}, which only rediss:// takes, alone or as rediss+sentinel:// and rediss+cluster://."
            )
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
