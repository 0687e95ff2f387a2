"""HTTP protocols of other vendors: a request read into views, and their pages written as that vendor would. Pure.

A protocol (`Rest`) serves everything below its root. It reads an address into a `Reading`: the views that the answer
shows, and the function that writes it from their pages. The door (`spot.web.compat`) gets the pages as it does for
every other request; the bytes of an answer are made once for as long as its pages stand.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple
from urllib.parse import unquote_plus

from spot.codes import Refused
from spot.dialects.base import Dialect
from spot.dialects.credentials import Finder, places
from spot.dialects.values import Page, Value
from spot.feeds.view import View

JSON = "application/json; charset=utf-8"
_TRUE = frozenset({"true", "1", "yes", "on"})


class Account(NamedTuple):
    """What a client may use and has used: requests a minute and credits a month, 0 for no limit."""

    name: str
    per_minute: int
    per_month: int
    used: int


class Reply(NamedTuple):
    """An answer in the words of its protocol: a JSON body, and headers beside `Content-Type` and those of the door."""

    body: bytes
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()


Pages = Sequence[Page | Refused]


@dataclass(frozen=True, eq=False, slots=True, weakref_slot=True)
class Reading:
    """What a request asks for. `write` makes the answer of the pages of `views`, in their order, or raises `Refused`;
    it depends on nothing else. Where a view was refused, it finds the refusal in the page's place. It may also say what
    else to ask for, once the pages tell. `fresh_seconds`: for how long caches of the vendor's own keep such an answer.
    """

    views: tuple[View, ...]
    write: Callable[[Pages], Reply | Reading]
    fresh_seconds: int = 60
    #: In place of both: the answer for one client alone.
    personal: Callable[[Account], Reply] | None = None


class _Rows(Dialect):
    """In this dialect the hub serves requests of foreign protocols: rows as the feed shapes them."""

    name = "rows"

    def write(self, value: Value) -> bytes | None:
        return value.answer.data if isinstance(value, Page) else None

    def same(self, _before: Page, _page: Page) -> bool:
        return False  # nobody follows these views, and comparing would encode them


#: The dialect of all views of readings.
ROWS = _Rows()


class Parameters:
    """The parameters of an address, as lenient as vendors are: the names in lower case, each with all its values."""

    def __init__(self, query_string: bytes) -> None:
        self._values: dict[str, list[str]] = {}
        for pair in query_string.decode("latin-1").split("&"):
            name, _, value = pair.partition("=")
            self._values.setdefault(_plain(name).lower(), []).append(_plain(value))

    def text(self, name: str, default: str = "") -> str:
        """The last value that is not empty, without blanks around it."""
        return next((value for value in map(str.strip, reversed(self._values.get(name, ()))) if value), default)

    def items(self, name: str) -> list[str]:
        """The distinct items of a comma list, or of a repeated parameter, in their order."""
        items = (item.strip() for value in self._values.get(name, ()) for item in value.split(","))
        return list(dict.fromkeys(item for item in items if item))

    def truth(self, name: str, *, default: bool = False) -> bool:
        """A switch; what is neither true nor false is the default."""
        text = self.text(name).lower()
        return text in _TRUE if text in _TRUE or text in ("false", "0", "no", "off") else default

    def count(self, name: str, default: int, least: int = 1, most: int = 1_000_000) -> int:
        """A whole number brought into its range; the default for anything else."""
        text = self.text(name)
        return max(least, min(int(text), most)) if text.isascii() and text.isdecimal() and len(text) < 10 else default

    def __contains__(self, name: str) -> bool:
        return bool(self.text(name))


def _plain(text: str) -> str:
    return unquote_plus(text, errors="replace")


def segments(path: str) -> tuple[str, ...]:
    """The parts of a path below a root, without those that doubled and trailing slashes make."""
    return tuple(part for part in path.split("/") if part)


def retry_headers(refused: Refused, now_ms: int, longest: int | None = None) -> tuple[tuple[str, str], ...]:
    """When to try again, in whole seconds, at most `longest`; nothing where that never helps."""
    wait = refused.retry_after(now_ms)
    if wait is None:
        return ()
    return (("Retry-After", str(wait if longest is None else min(wait, longest))),)


def pages_of(pages: Pages) -> list[Page]:
    """The pages, all of which are needed. Raises the first refusal."""
    whole = []
    for page in pages:
        if isinstance(page, Refused):
            raise page
        whole.append(page)
    return whole


class Rest:
    """An HTTP protocol. One instance serves all requests."""

    #: Its name in documents and in the admin.
    name: ClassVar[str]
    #: The path below which it is served, without slashes around it.
    root: ClassVar[str]
    #: Where its clients put their key: headers and parameters.
    key_headers: ClassVar[tuple[str, ...]] = ()
    key_parameters: ClassVar[tuple[str, ...]] = ()
    #: Request headers that pages of other sites may send, and answer headers that they may read.
    sent: ClassVar[tuple[str, ...]] = ()
    exposed: ClassVar[tuple[str, ...]] = ()
    #: The largest body that is read of a POST, in bytes.
    body_bytes: ClassVar[int] = 0

    def __init__(self) -> None:
        self.credentials: Finder = places(self.key_headers, self.key_parameters)

    def read(self, path: tuple[str, ...], query_string: bytes, depth: int) -> Reading:
        """What a request asks for; `path` are the parts below the root. Raises `Refused`; no input raises anything
        else. `depth`: how many coins by market cap are held."""
        raise NotImplementedError

    def refuse(self, refused: Refused, now_ms: int) -> Reply:
        """A refusal, with when to try again."""
        raise NotImplementedError

    def finished(self, body: bytes, _now_ms: int) -> bytes:
        """The body of an answer as it is sent now."""
        return body
