"""Coins' logos, fetched by us: a browser that asked their hosts would tell them who looks at what.

Only what a row of a known coin names is fetched, only from the origins that adapters declare, and only pictures of a
few kinds and of a sane size; a coin's id is all that a visitor can choose. What was fetched is kept in this process.
"""

from __future__ import annotations

import functools
import hashlib
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from urllib.parse import urlsplit

import structlog

import providers
from providers.client import fetch_picture
from providers.errors import ProviderError

log = structlog.get_logger(__name__)

#: The largest logo that is passed on; the usual ones have 5 to 30 KB.
MAX_BYTES = 192 * 1024
#: How long one may take in all, in seconds.
FETCH_SECONDS = 6.0
#: How many are fetched at once: a map of 500 coins must not look like an attack.
AT_ONCE = 4
#: How long a logo is kept, and how long nobody asks again for one that could not be had, in seconds.
KEEP_SECONDS, REST_SECONDS = 7 * 86_400.0, 600.0
#: The most bytes that one process keeps.
MAX_TOTAL = 32 * 1024 * 1024
#: The bytes that an entry without a picture counts as.
_EMPTY_WEIGHT = 512

#: Kinds of pictures, by how their bytes begin. SVG is none of them: it is a document, with scripts and links.
_SIGNATURES: tuple[tuple[str, Callable[[bytes], bool]], ...] = (
    ("image/png", lambda body: body.startswith(b"\x89PNG\r\n\x1a\n")),
    ("image/jpeg", lambda body: body.startswith(b"\xff\xd8\xff")),
    ("image/gif", lambda body: body.startswith((b"GIF87a", b"GIF89a"))),
    ("image/webp", lambda body: body[:4] == b"RIFF" and body[8:12] == b"WEBP"),
)


@dataclass(frozen=True, slots=True)
class Picture:
    """A logo as it is served."""

    content_type: str
    body: bytes
    etag: str


Fetch = Callable[[str], tuple[str, bytes]]


def picture_of(content_type: str, body: bytes) -> Picture | None:
    """The picture, if its bytes are of one of the kinds, whatever it calls itself; one that calls itself something
    that is no picture at all is refused as well."""
    kind = next((name for name, begins in _SIGNATURES if begins(body)), None)
    if kind is None or content_type not in ("", "application/octet-stream", "image/jpg", *(k for k, _ in _SIGNATURES)):
        return None
    return Picture(kind, body, f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"')


@functools.cache
def origins() -> frozenset[str]:
    """Where logos may be fetched from: what the adapters declare."""
    return frozenset(origin for provider in providers.all() for origin in provider.logo_origins)


def allowed(url: str, among: frozenset[str]) -> bool:
    """Whether a picture's address is at one of those origins, to the letter: no port, user or relative part more."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return f"{parts.scheme}://{parts.netloc}" in among and url.isascii() and url.isprintable() and "\\" not in url


def _fetch(url: str) -> tuple[str, bytes]:
    return fetch_picture(url, seconds=FETCH_SECONDS, max_bytes=MAX_BYTES)


class Gallery:
    """The logos of this process by address: each is fetched once, however many ask, and kept with the newest."""

    def __init__(
        self, fetch: Fetch = _fetch, max_total: int = MAX_TOTAL, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._fetch, self._max_total, self._clock = fetch, max_total, clock
        self._lock = threading.Lock()
        self._workers = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="logos")
        self._asked: dict[str, Future[Picture | None]] = {}
        self._kept: OrderedDict[str, tuple[float, Picture | None]] = OrderedDict()
        self._total = 0

    def ask(self, url: str) -> Future[Picture | None]:
        """The picture at an address that is allowed; None when it cannot be had now."""
        with self._lock:
            known = self._kept.get(url)
            if known is not None and self._clock() < known[0]:
                self._kept.move_to_end(url)
                done: Future[Picture | None] = Future()
                done.set_result(known[1])
                return done
            if url not in self._asked:
                self._asked[url] = self._workers.submit(self._bring, url)
            return self._asked[url]

    def close(self) -> None:
        """Wait for what is being fetched, and end the threads."""
        self._workers.shutdown(cancel_futures=True)

    def _bring(self, url: str) -> Picture | None:
        picture = None
        try:
            picture = picture_of(*self._fetch(url))
            if picture is None:
                log.info("logo refused", host=urlsplit(url).netloc, why="no picture of a known kind")
        except ProviderError as error:
            log.info("logo not fetched", host=urlsplit(url).netloc, why=error.message)
        finally:
            with self._lock:
                del self._asked[url]
                picture = self._keep(url, picture)
        return picture

    def _keep(self, url: str, picture: Picture | None) -> Picture | None:
        until = self._clock() + (KEEP_SECONDS if picture else REST_SECONDS)
        old = self._kept.pop(url, None)
        if old is not None:
            self._total -= _weight(old[1])
            picture = picture or old[1]  # an old logo is better than none
        self._kept[url] = (until, picture)
        self._total += _weight(picture)
        while self._total > self._max_total:
            _, (_, dropped) = self._kept.popitem(last=False)
            self._total -= _weight(dropped)
        return picture


def _weight(picture: Picture | None) -> int:
    return _EMPTY_WEIGHT + (len(picture.body) if picture else 0)


@functools.cache
def gallery() -> Gallery:
    """This process's."""
    return Gallery()
