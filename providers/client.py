"""The only outbound HTTP of the project.

Every request has connect and read timeouts, and a deadline, since a read timeout of `requests` applies between two
bytes; a limit of decoded bytes; no redirects, since a redirect would send the key to another host; and the key in one
header, where exceptions and logs do not see it. Every failure becomes a `ProviderError`.
"""

from __future__ import annotations

import functools
import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http.cookiejar import DefaultCookiePolicy
from ipaddress import ip_address
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import orjson
import requests
import stamina
import urllib3
from requests.auth import AuthBase

from providers.access import Access
from providers.base import Answer, Call, base_url_problem
from providers.clean import text
from providers.deadlines import Adapter, connecting_to, until
from providers.errors import (
    BadPayload,
    NotFound,
    OutOfBudget,
    ProviderError,
    RateLimited,
    Unauthorized,
    Unavailable,
    Unreachable,
)

CONNECT_SECONDS, READ_SECONDS, TOTAL_SECONDS = 3.05, 10.0, 20.0
#: The largest response, /coins/list, has some 2 MB; pages of markets with sparklines 1 MB.
MAX_BYTES = 16 * 1024 * 1024
_ERROR_BYTES = 64 * 1024
_CHUNK = 64 * 1024
_USER_AGENT = "Spot/0.1 (self-hosted market-data gateway)"

#: Exceptions of libraries and ours; the first match wins. Their texts contain URLs, so the message here replaces them.
_FOREIGN: tuple[tuple[type[Exception], type[ProviderError], str], ...] = (
    (requests.exceptions.ReadTimeout, Unavailable, "the response timed out"),
    (requests.exceptions.ConnectTimeout, Unreachable, "the connection timed out"),
    (requests.exceptions.SSLError, Unreachable, "the certificate or the TLS handshake failed"),
    (requests.exceptions.ProxyError, Unreachable, "the proxy refused or failed"),
    (requests.exceptions.ContentDecodingError, BadPayload, "the body cannot be decompressed"),
    (requests.exceptions.RequestException, Unavailable, "the request failed"),
    (urllib3.exceptions.ReadTimeoutError, Unavailable, "the response timed out midway"),
    (urllib3.exceptions.DecodeError, BadPayload, "the body cannot be decompressed"),
    (urllib3.exceptions.HTTPError, Unavailable, "the connection was lost during the response"),
    (OSError, Unavailable, "the connection was lost during the response"),
)
_STATUSES: dict[int, type[ProviderError]] = {
    401: Unauthorized,
    403: RateLimited,  # CDNs block addresses with too many requests; a wrong key is 401 or 400 with a code
    408: Unavailable,
    425: Unavailable,
    429: RateLimited,
}


class _KeyHeader(AuthBase):
    """Adds the key when the request is prepared. As an `auth` it also stops `requests` from reading a .netrc."""

    def __init__(self, access: Access) -> None:
        self._access = access

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._access.key:
            request.headers[self._access.plan.header] = self._access.key.reveal()
        return request


def fetch_json(
    access: Access,
    call: Call,
    *,
    tries: int = 3,
    may_retry: Callable[[], None] = lambda: None,
    seconds: float = TOTAL_SECONDS,
    max_bytes: int = MAX_BYTES,
    refusals: bool = False,
    clock: Callable[[], float] = time.monotonic,
) -> Answer:
    """GET the call's JSON within that many seconds, retries included. Raises `ProviderError`. With `refusals`, the
    JSON of what would be a `NotFound` is an answer.

    Temporary errors (5xx, timeouts, lost connections) are retried with jitter, unless `may_retry` raises `OutOfBudget`.
    A 429 is not, since it states when to retry, nor is a refused connection, which does not recover within a second.
    """
    deadline = clock() + seconds
    failures: list[ProviderError] = []
    # No retry after half of the time: it might not fit into the rest.
    policy = stamina.retry_context(on=Unavailable, attempts=tries, timeout=seconds / 2, wait_initial=0.3, wait_max=2.0)
    try:
        for attempt in policy:
            with attempt:
                if failures:
                    may_retry()
                return _try(access, call, deadline, max_bytes, refusals, clock, failures)
    except OutOfBudget:
        raise failures[-1] from None
    raise AssertionError("the last attempt returns or raises")


def _try(
    access: Access,
    call: Call,
    deadline: float,
    max_bytes: int,
    refusals: bool,
    clock: Callable[[], float],
    failures: list[ProviderError],
) -> Answer:
    try:
        return _exchange(access, call, deadline, max_bytes, refusals, clock)
    except ProviderError as error:
        error.message = scrub(error.message, access)
        error.args = (error.message,)
        failures.append(error)
    except (requests.exceptions.RequestException, urllib3.exceptions.HTTPError, OSError) as cause:
        failures.append(_translated(cause, urlsplit(access.base_url).netloc))
    raise failures[-1] from None


def _exchange(
    access: Access, call: Call, deadline: float, max_bytes: int, refusals: bool, clock: Callable[[], float]
) -> Answer:
    if problem := base_url_problem(access.base_url):
        raise Unreachable(f"the base URL is wrong: {problem}", permanent=True)
    if not (access.key.reveal().isascii() and access.key.reveal().isprintable()):
        raise Unauthorized("the key has characters that a header cannot contain")
    session = _session(os.getpid())
    request = session.prepare_request(_request(access, call))
    _check_address(str(request.url), access, call)
    with _send(session, request, deadline, clock) as response:
        try:
            body = _body(response, deadline, max_bytes if response.status_code == 200 else _ERROR_BYTES, clock)
            return _read(response, body, access, refusals)
        except ProviderError as error:
            error.status = response.status_code
            raise


def _read(response: requests.Response, body: bytes, access: Access, refusals: bool) -> Answer:
    is_json = "json" in response.headers.get("content-type", "")
    if response.status_code != 200:
        error = _refusal(response, body, access)
        if not (refusals and is_json and type(error) is NotFound):
            raise error
    elif not is_json:
        content_type = text(response.headers.get("content-type", "no type"))[:60]
        raise Unavailable(f"the response is not JSON ({content_type})")
    headers = {name.lower(): value for name, value in response.headers.items()}
    return Answer(parse(body), headers, len(body), status=response.status_code, body=body)


def fetch_picture(
    url: str, *, seconds: float, max_bytes: int, clock: Callable[[], float] = time.monotonic
) -> tuple[str, bytes]:
    """GET a picture once, without key and cookies: its content type, or "", and its bytes. Raises `ProviderError`, also
    past that many seconds or bytes. The caller must check that the URL is allowed.
    """
    session, deadline, host = _session(os.getpid()), clock() + seconds, urlsplit(url).netloc
    headers = {"accept": "image/webp,image/png,image/jpeg,image/gif", "user-agent": _USER_AGENT}
    try:
        request = session.prepare_request(requests.Request("GET", url, headers=headers, auth=_no_key))
        with _send(session, request, deadline, clock) as response:
            if response.status_code != 200:
                raise _kind(response.status_code)(f"{host}: answered {response.status_code}")
            kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
            return kind, _body(response, deadline, max_bytes, clock)
    except (requests.exceptions.RequestException, urllib3.exceptions.HTTPError, OSError) as cause:
        raise _translated(cause, host) from None


def clock_of(url: str, *, seconds: float, clock: Callable[[], float] = time.monotonic) -> float | None:
    """The time of a server (epoch s, whole), by the Date of its answer to a GET without key, whatever the status; None
    where it names none. Raises `ProviderError` without an answer within that many seconds."""
    session, deadline, host = _session(os.getpid()), clock() + seconds, urlsplit(url).netloc
    try:
        request = session.prepare_request(
            requests.Request("GET", url, headers={"user-agent": _USER_AGENT}, auth=_no_key)
        )
        with _send(session, request, deadline, clock) as response:
            age = response.headers.get("age", "")  # of an answer from a cache, whose Date is the original's
            moment = parsedate_to_datetime(response.headers.get("date", ""))
            return moment.timestamp() + (int(age[:9]) if age.isascii() and age.isdigit() else 0)
    except ValueError:
        return None
    except (requests.exceptions.RequestException, urllib3.exceptions.HTTPError, OSError) as cause:
        raise _translated(cause, host) from None


class Receipt(NamedTuple):
    """The answer to a POST: its status, and the seconds after which to try again, if it says so."""

    status: int
    retry_after: float | None


def post(
    url: str,
    body: bytes,
    headers: Mapping[str, str],
    *,
    addresses: Sequence[str],
    seconds: float,
    clock: Callable[[], float] = time.monotonic,
) -> Receipt:
    """POST the body once, by a connection of its own to one of these addresses. Raises `ProviderError` without an
    answer within that many seconds.

    No proxy, cookie or .netrc is used, no redirect followed, and of the answer no more than the headers is read.
    """
    deadline, host = clock() + seconds, urlsplit(url).netloc
    with closing(_new_session()) as session:
        session.trust_env = False
        own = {"user-agent": _USER_AGENT, "accept-encoding": "identity", "connection": "close"}
        request = session.prepare_request(requests.Request("POST", url, data=body, headers={**own, **headers}))
        timeout = (min(CONNECT_SECONDS, seconds), min(READ_SECONDS, seconds))
        options: Any = {"proxies": {}, "stream": True, "timeout": timeout, "allow_redirects": False}
        try:
            with until(deadline, clock), connecting_to(addresses), session.send(request, **options) as response:
                return Receipt(response.status_code, retry_after(response.headers.get("retry-after", "")))
        except (requests.exceptions.RequestException, urllib3.exceptions.HTTPError, OSError) as cause:
            raise _translated(cause, host) from None


def _no_key(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """An `auth` that adds nothing: without one, `requests` would read a .netrc."""
    return request


def _send(
    session: requests.Session, request: requests.PreparedRequest, deadline: float, clock: Callable[[], float]
) -> requests.Response:
    """The response with its headers; the body is not read yet."""
    left = max(0.1, deadline - clock())
    # Loopback addresses bypass the proxies of the environment.
    loopback = _is_loopback(str(request.url))
    environment: Any = {} if loopback else session.merge_environment_settings(request.url, {}, True, None, None)
    timeout = (min(CONNECT_SECONDS, left), min(READ_SECONDS, left))
    options: Any = {"proxies": {}, **environment, "stream": True, "timeout": timeout, "allow_redirects": False}
    with until(deadline, clock):
        return session.send(request, **options)


def _request(access: Access, call: Call) -> requests.Request:
    headers = {"accept": "application/json", "accept-encoding": "gzip", "user-agent": _USER_AGENT}
    url = access.base_url + call.full_path
    return requests.Request("GET", url, params=dict(call.params), headers=headers, auth=_KeyHeader(access))


def _check_address(url: str, access: Access, call: Call) -> None:
    """Check before sending that the prepared URL has the intended host and path."""
    intended, prepared = urlsplit(access.base_url + call.full_path), urlsplit(url)
    target = (intended.scheme, intended.netloc.lower(), intended.path)
    if (prepared.scheme, prepared.netloc, prepared.path) != target or {".", ".."} & set(prepared.path.split("/")):
        raise NotFound(f"not requested: {text(call.full_path)!r} leads to another address")


def _body(response: requests.Response, deadline: float, max_bytes: int, clock: Callable[[], float]) -> bytes:
    """The decoded body, read as it arrives: `iter_content` would wait for full chunks, past the deadline."""
    chunks, size = [], 0
    while chunk := response.raw.read1(_CHUNK, decode_content=True):
        chunks.append(chunk)
        size += len(chunk)
        if size > max_bytes:
            if response.status_code == 200:
                raise BadPayload(f"the response is larger than {max_bytes} bytes")
            break
        if clock() > deadline:
            raise Unavailable("the response took too long")
    return b"".join(chunks)


def parse(body: bytes) -> Any:
    """The JSON value. NaN and infinities, which are not JSON but occur, become None or infinite, so that only the
    number is lost. Raises `BadPayload` for anything but JSON."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        pass
    try:
        return json.loads(body, parse_constant=lambda _name: None)
    except (ValueError, RecursionError):
        raise BadPayload("the body is not JSON" if body else "the body is empty") from None


def _refusal(response: requests.Response, body: bytes, access: Access) -> ProviderError:
    status = response.status_code
    code, sentence = _explained(body, access)
    kind = (access.provider.codes.get(code) if code is not None else None) or _kind(status)
    wait = retry_after(response.headers.get("retry-after", ""))
    if kind is Unavailable and wait is not None:
        kind = RateLimited  # it states when to retry
    message = f"{status}: {sentence}" if sentence else f"answered {status}"
    return kind(message, retry_after=wait if issubclass(kind, RateLimited) else None)


def _kind(status: int) -> type[ProviderError]:
    if status < 400:
        return BadPayload  # redirects, which are not followed, and responses without a body
    return _STATUSES.get(status) or (Unavailable if status >= 500 else NotFound)


def _explained(body: bytes, access: Access) -> tuple[int | None, str]:
    try:
        return access.provider.explain(parse(body))
    except BadPayload:
        return None, ""


def retry_after(value: str, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> float | None:
    """Seconds of a Retry-After header, which is a number or an HTTP date; at least one. None if it is neither."""
    value = value.strip()
    if value.isascii() and value.isdigit():
        return max(1.0, float(value[:9]))
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(1.0, (moment.replace(tzinfo=moment.tzinfo or UTC) - now()).total_seconds())


def _translated(cause: Exception, host: str) -> ProviderError:
    reason = getattr(cause.args[0], "reason", None) if cause.args else None
    not_connected = isinstance(reason, urllib3.exceptions.NewConnectionError)
    if type(cause) is requests.exceptions.ConnectionError and not_connected:
        return Unreachable(f"cannot connect to {host}: connection refused or unknown host")
    kind, sentence = next((ours, text) for theirs, ours, text in _FOREIGN if isinstance(cause, theirs))
    return kind(f"{host}: {sentence}")


def scrub(message: str, access: Access) -> str:
    """The message without the key, in case the provider echoed it."""
    return message.replace(access.key.reveal(), "***") if access.key else message


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@functools.cache
def _session(_process: int) -> requests.Session:
    """One session per process: a pool shared across a fork would mix up responses."""
    return _new_session()


class _Session(requests.Session):
    """A session that knows no redirects: `requests` reads the whole body of one, even if it is not to be followed."""

    def get_redirect_target(self, resp: requests.Response) -> None:  # noqa: ARG002
        return None


def _new_session() -> requests.Session:
    """A session without cookies."""
    session = _Session()
    for scheme in ("https://", "http://"):
        session.mount(scheme, Adapter())
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    return session
