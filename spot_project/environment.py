"""Reads settings from environment variables. An invalid value stops the start with one sentence that names the variable
and its allowed values. Such a sentence never contains values that may be secrets."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Never, TypeVar

from django.core.exceptions import ImproperlyConfigured

from spot_project import addresses, hosts
from spot_project.redis_address import RedisAddress
from spot_project.redis_address import parse as parse_redis

T = TypeVar("T")

_SWITCHES = {
    **dict.fromkeys(("on", "true", "yes", "y", "1"), True),
    **dict.fromkeys(("off", "false", "no", "n", "0"), False),
}
_SHORTEST_SECRET = 32
_MAILBOXES = "addresses of e-mail, such as operator@example.org"
_POSTGRES = ("postgres", "postgresql", "psql", "pgsql")
#: Parameters of DATABASE_URL that are Django's own; the others are the driver's.
_DJANGO = ("CONN_MAX_AGE", "CONN_HEALTH_CHECKS", "DISABLE_SERVER_SIDE_CURSORS")


def of_this_process() -> Environment:
    """The variables of this process."""
    return Environment(os.environ)


class Environment:
    """The variables of `environ`, each also from a file that `NAME_FILE` names. `read` are the names read so far,
    `secrets` the values that logs must not contain."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self.read: set[str] = set()
        self.secrets: set[str] = set()

    def given(self) -> dict[str, str]:
        """By name, the values that have been read and are set, without those that contain a secret."""
        texts = {name: self._text(name) for name in sorted(self.read)}
        return {name: text for name, text in texts.items() if text and not any(s in text for s in self.secrets)}

    def place(self, name: str) -> str:
        """Where a value comes from: the path of its file, the name of its variable, or "" where it is not set."""
        return self._environ.get(f"{name}_FILE") or (name if self._environ.get(name, "").strip() else "")

    # --- kinds of values ----------------------------------------------------------------------------------------------

    def text(self, name: str, default: str) -> str:
        """A text, without quotes around it."""
        return self._plain(name) or default

    def secret(self, name: str) -> str:
        """A text that is never shown; "" for none."""
        return self._add_secret(self._text(name))

    def switch(self, name: str, default: bool) -> bool:
        """A switch."""
        return self._cast(name, default, lambda text: _SWITCHES[text.lower()], "on or off")

    def word(self, name: str, default: str, allowed: Sequence[str]) -> str:
        """One of a few words, in any case. If `on` and `off` are among them, YAML's `true` and `false` are valid
        too."""

        def cast(text: str) -> str:
            word = text if text in allowed else text.lower() if text.lower() in allowed else text.upper()
            if word not in allowed and "on" in allowed:
                word = "on" if _SWITCHES[text.lower()] else "off"
            return allowed[allowed.index(word)]

        return self._cast(name, default, cast, _either(allowed))

    def whole(self, name: str, default: Any, least: int | None = None, most: int | None = None) -> Any:
        """A whole number within its bounds."""
        return self._cast(name, default, _bounded(int, least, most), _between("a whole number", least, most))

    def number(self, name: str, default: float, least: float | None = None, above: float | None = None) -> float:
        """A number within its bounds; neither infinite nor NaN."""
        bounds = f"a number above {above:g}" if above is not None else _between("a number", least, None)
        return self._cast(name, default, _bounded(float, least, None, above), bounds)

    def listed(self, name: str, default: Sequence[str] = (), lower: bool = False) -> list[str]:
        """Entries between commas, spaces or line breaks. Quotes around them and empty ones are dropped."""
        text = self._plain(name)
        entries = [entry.strip("\"'") for entry in re.split(r"[,\s]+", text)]
        return [entry.lower() if lower else entry for entry in entries if entry] or list(default)

    def hosts(self, name: str) -> list[str]:
        """Host names and addresses, as Django compares them."""
        return self._entries(name, hosts.host, "host names or addresses, such as spot.example.org,203.0.113.7")

    def origins(self, name: str) -> list[str]:
        """Origins as browsers send them."""
        return self._entries(name, hosts.listed_origin, "origins, such as https://www.example.org")

    def networks(self, name: str) -> list[str]:
        """Addresses and networks."""
        meaning = "IP addresses or networks, such as 127.0.0.1,10.0.0.0/8"
        return [network for networks in self._entries(name, hosts.networks, meaning) for network in networks]

    def bind(self, name: str, default: str) -> str:
        """An address or a name to listen on."""
        meaning = "an address of this machine without a port, such as 127.0.0.1 or ::1; PORT is a setting of its own"
        return self._cast(name, default, hosts.bind, meaning)

    def url(self, name: str, default: str) -> str:
        """The URL of a provider."""
        if text := self._plain(name):
            self._parsed(name, text, addresses.split)
        return text or default

    def redis(self, name: str) -> RedisAddress | None:
        """The URL of a Redis, parsed; None for none."""
        text = self._plain(name)
        address = self._parsed(name, text, parse_redis) if text else None
        if address is not None and (passwords := address.passwords):
            for secret in (*passwords, text):
                self._add_secret(secret)
        return address

    def database(self, name: str, file: Path) -> dict[str, Any]:
        """Django's settings of a database; those of the SQLite file without a URL."""
        text = self._plain(name)
        if not text:
            return {"ENGINE": "django.db.backends.sqlite3", "NAME": str(file)}
        address = self._parsed(name, text, addresses.split)
        if address.password:
            self._add_secret(address.password)
            self._add_secret(text)
        if address.scheme in _POSTGRES:
            return _postgres(address)
        if address.scheme != "sqlite" or address.query or not address.path.strip("/"):
            self._refuse(name, "postgres://user:password@host/name or sqlite:////path/to/a/file")
        return {"ENGINE": "django.db.backends.sqlite3", "NAME": address.path[1:]}

    def mailboxes(self, name: str) -> list[str]:
        """Addresses of e-mail."""
        return self._entries(name, _mailbox, _MAILBOXES)

    def mailbox(self, name: str, default: str) -> str:
        """An address of e-mail."""
        return str(self._cast(name, default, _mailbox, _MAILBOXES))

    def smtp(self, name: str) -> tuple[str, int, str, str, bool, bool]:
        """The URL of a mail server as Django's EMAIL_HOST, _PORT, _HOST_USER, _HOST_PASSWORD, _USE_TLS (STARTTLS) and
        _USE_SSL; without one the host is "". Only `?tls=off` sends without TLS."""
        text = self._plain(name)
        if not text:
            return "", 25, "", "", False, False
        address = self._parsed(name, text, addresses.split)
        if address.password:
            self._add_secret(address.password)
            self._add_secret(text)
        plain = address.query == {"tls": "off"} and address.scheme == "smtp"
        if address.scheme not in ("smtp", "smtps") or not address.host or (address.query and not plain):
            self._refuse(name, "smtp://user:password@host:587 (STARTTLS), smtps://host:465, or smtp://host:25?tls=off")
        secure = address.scheme == "smtps"
        port = address.port or (465 if secure else 25 if plain else 587)
        return address.host, port, address.username or "", address.password or "", not (secure or plain), secure

    def dsn(self, name: str) -> str:
        """The address of a project at a server for reports of errors; "" for none."""
        text = self._plain(name)
        if not text:
            return ""
        address = self._parsed(name, text, addresses.split)
        project = address.path.rpartition("/")[2]
        if address.scheme not in ("http", "https") or not (address.username and address.host and project.isdecimal()):
            self._refuse(name, "the DSN of a project, such as https://KEY@sentry.example.org/1")
        self._add_secret(address.username)
        return self._add_secret(text)

    def signing_key(self, name: str) -> str:
        """A secret for signing; "" for none."""
        key = self.secret(name)
        if key:
            self._strong(name, key)
        return key

    def encryption_keys(self, name: str) -> list[str]:
        """Secrets between commas or line breaks, newest first. Old ones, used for decryption only, may be weak."""
        keys = [key.strip() for key in re.split(r"[,\n]", self._text(name)) if key.strip()]
        for key in keys:
            self._add_secret(key)
        if keys:
            self._strong(name, keys[0])
        return keys

    # --- internals ----------------------------------------------------------------------------------------------------

    def _text(self, name: str) -> str:
        """The value without the space around it; "" for none."""
        self.read.add(name)
        if file := self._environ.get(f"{name}_FILE"):
            try:
                return Path(file).read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError) as error:
                why = error.strerror if isinstance(error, OSError) else "it is not text"
                raise ImproperlyConfigured(f"{name}_FILE names {file}, which cannot be read: {why}.") from None
        return self._environ.get(name, "").strip()

    def _plain(self, name: str) -> str:
        """The same without a pair of quotes, which some parsers of .env files do not remove."""
        text = self._text(name)
        quoted = len(text) > 1 and text[0] == text[-1] and text[0] in "\"'"
        return text[1:-1].strip() if quoted else text

    def _add_secret(self, secret: str) -> str:
        if secret:
            self.secrets.add(secret)
        return secret

    def _cast(self, name: str, default: Any, cast: Callable[[str], T], meaning: str) -> Any:
        text = self._plain(name)
        if not text:
            return default
        try:
            return cast(text)
        except (ValueError, KeyError):
            self._refuse(name, meaning, text)

    def _entries(self, name: str, cast: Callable[[str], T], meaning: str) -> list[T]:
        entries = []
        for entry in self.listed(name):
            try:
                entries.append(cast(entry))
            except ValueError:
                self._refuse(name, meaning, entry)
        return entries

    def _parsed(self, name: str, text: str, parse: Callable[[str], T]) -> T:
        try:
            return parse(text)
        except ValueError as error:
            raise ImproperlyConfigured(f"{name} {error}") from None  # the cause could quote the URL

    def _refuse(self, name: str, meaning: str, text: str = "") -> Never:
        shown = f", not {text!r}" if text and len(text) <= 60 and "@" not in text else ""
        raise ImproperlyConfigured(f"{name} must be {meaning}{shown}.")

    def _strong(self, name: str, key: str) -> None:
        if len(key) < _SHORTEST_SECRET or len(set(key)) < 5:
            new = "Put a new one before it, and keep it to decrypt: " if name.endswith("S") else "Make one: "
            raise ImproperlyConfigured(
                f"{name} is too easy to guess: at least {_SHORTEST_SECRET} random characters are needed. {new}"
                "python3 -c 'import secrets; print(secrets.token_urlsafe(48))'"
            )


def _mailbox(text: str) -> str:
    if not re.fullmatch(r"[^@\s<>,;:\"]+@[A-Za-z0-9.-]+", text):
        raise ValueError
    return text


def _bounded(
    number: Callable[[str], Any], least: float | None, most: float | None, above: float | None = None
) -> Callable[[str], Any]:
    def cast(text: str) -> Any:
        value = number(text)
        fits = (least is None or value >= least) and (most is None or value <= most)
        if not math.isfinite(value) or not fits or (above is not None and value <= above):
            raise ValueError
        return value

    return cast


def _between(kind: str, least: float | None, most: float | None) -> str:
    if least is None:
        return kind
    return f"{kind} from {least:g} to {most:g}" if most is not None else f"{kind}, {least:g} or more"


def _either(words: Collection[str]) -> str:
    *others, last = words
    return f"{', '.join(others)} or {last}"


def _postgres(address: addresses.Address) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": address.path[1:],
        "USER": address.username or "",
        "PASSWORD": address.password or "",
        "HOST": ",".join(host for host, _ in address.hosts),
        "PORT": ",".join(str(port or 5432) for _, port in address.hosts) if any(dict(address.hosts).values()) else "",
        "OPTIONS": {},
    }
    for name, value in address.query.items():
        for_django = name.upper() in _DJANGO
        (facts if for_django else facts["OPTIONS"])[name.upper() if for_django else name] = _literal(value)
    return facts


def _literal(text: str) -> Any:
    if text.isascii() and text.isdigit():
        return int(text)
    return {"true": True, "false": False, "none": None}.get(text.lower(), text)
