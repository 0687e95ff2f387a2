"""Declarations of an adapter. They are frozen, and checked when the adapter is imported.

An adapter is data and pure functions: the calls for a dataset, and the rows of their answers. It sends nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlsplit

from providers.datasets import Dataset, Kind, Row
from providers.errors import ProviderError
from providers.stream import Stream

_NAME = re.compile(r"[a-z][a-z0-9_]{1,39}")
#: Printable ASCII without characters that have a meaning in an address.
_PLAIN = re.compile(r"[!-$&-\[\]-~]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One of a provider's tariffs. Host, key header and allowance go together; 0 means no limit.

    `per_minute` counts requests, `per_month` the unit that the provider bills: calls, or credits where it has those.
    `lacks` are kinds that the provider serves under other plans only.
    """

    name: str
    base_url: str  # "": the plan has no REST interface
    per_minute: int
    per_month: int
    header: str = ""  # the header that carries the key; "": the plan takes none
    paid: bool = False  # paid plans are served from a fresher cache
    stream_url: str = ""  # ws:// or wss://; "": the plan has no stream
    stream_channels: int = 0  # subscriptions one connection may hold; 0: no limit
    lacks: frozenset[Kind] = frozenset()

    def __post_init__(self) -> None:
        problem = base_url_problem(self.base_url)
        if problem and self.base_url:
            raise ValueError(f"plan {self.name}: {problem}")
        if self.stream_url and (problem := stream_url_problem(self.stream_url)):
            raise ValueError(f"plan {self.name}: {problem}")
        if self.per_minute < 0 or self.per_month < 0 or self.stream_channels < 0:
            raise ValueError(f"plan {self.name}: limits are counts, 0 for none")


@dataclass(frozen=True, slots=True)
class Call:
    """One GET. `parts` fill the braces of `path` and are quoted whole, so that no part can leave its segment.

    `credits` is its expected cost.
    """

    path: str
    params: Mapping[str, str] = field(default_factory=dict)
    parts: Mapping[str, str] = field(default_factory=dict)
    credits: int = 1

    @property
    def full_path(self) -> str:
        """The path with its parts filled in and quoted."""
        return self.path.format(**{name: quote(part, safe="") for name, part in self.parts.items()})


@dataclass(frozen=True, slots=True)
class Answer:
    """A 200 with JSON, or a refusal of one where an endpoint takes `refusals`: the payload (any JSON value; its numbers
    may be infinite), the headers, names lower case, and the body as it came."""

    payload: Any
    headers: Mapping[str, str] = field(default_factory=dict)
    size: int = 0  # bytes, decoded
    at: int | None = None  # when it came, epoch ms
    status: int = 200
    body: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Normalised:
    """Rows in the shape of `providers.datasets`. `dropped` rows and `blanked` values were not plausible."""

    rows: list[Row]
    as_of: int | None = None
    meta: dict[str, Any] = field(default_factory=dict)
    dropped: int = 0
    blanked: int = 0


def _never(_call: Call, _answer: Answer) -> bool:
    return False


def _as_expected(_answer: Answer) -> int | None:
    return None


#: Detects errors returned with status 200.
Fault = Callable[[Answer], ProviderError | None]


def _fine(_answer: Answer) -> ProviderError | None:
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """How one kind of dataset is fetched: its calls, in order, and the function that makes rows of their answers.

    `calls` is given the dataset, the coins asked for by id, and the time in epoch ms: an adapter reads no clock.
    `ended(call, answer)` is true when the list ended with this answer and the other calls are not needed.
    `cache_seconds` is how long the provider itself serves the same answer; polling faster brings nothing new.
    `refusals`: that the provider has no such thing is an answer too. `lasts(dataset, rows, paid, now_ms)` is how many
    seconds hold what is fetched on demand.
    """

    kind: Kind
    calls: Callable[[Dataset, tuple[str, ...], int], tuple[Call, ...]]
    normalise: Callable[[Dataset, list[Answer]], Normalised]
    cache_seconds: float
    paid_cache_seconds: float
    ended: Callable[[Call, Answer], bool] = _never
    refusals: bool = False
    lasts: Callable[[Dataset, list[Row], bool, int], float] | None = None

    def cache(self, plan: Plan) -> float:
        """Seconds for which the provider's own cache may hold an answer under that plan."""
        return self.paid_cache_seconds if plan.paid else self.cache_seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """An upstream company. `order` is its place in chains, lowest first. A provider whose first plan takes a key is not
    asked until it has one.

    `foreign` providers have ids of their own: `providers.identity` translates requests and answers. `charged` reads the
    cost of an answer (None: as expected), `fault` detects an error in a 200. `stream` declares its stream, if any.

    `explain` finds a code and a sentence in the body of an error answer; `codes` maps codes to errors that differ from
    those of their HTTP status. `probe` is the cheapest call that proves a plan's key; `proven` reads its answer.

    `url` is the provider's own site, to which pages link the name of their source, as attribution demands.

    `logo_origins` are the origins of logos in its rows, as scheme://host[:port]; none is fetched from elsewhere.
    """

    name: str
    label: str
    plans: tuple[Plan, ...]
    endpoints: tuple[Endpoint, ...]
    explain: Callable[[Any], tuple[int | None, str]]
    codes: Mapping[int, type[ProviderError]]
    probe: Callable[[Plan], Call]
    proven: Callable[[Any], str]
    order: int = 100
    simulated: bool = False
    foreign: bool = False
    charged: Callable[[Answer], int | None] = _as_expected
    fault: Fault = _fine
    stream: Stream | None = None
    key_hint: str = ""  # how a key ordinarily begins
    logo_origins: tuple[str, ...] = ()
    url: str = ""

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ValueError(f"{self.name!r} is no provider name: lower case letters, digits and _, a letter first")
        if not self.plans:
            raise ValueError(f"{self.name}: a provider has at least one plan")
        for what, names in (("plan", [plan.name for plan in self.plans]), ("kind", [e.kind for e in self.endpoints])):
            if len(set(names)) != len(names):
                raise ValueError(f"{self.name}: each {what} once")
        if lacking := {kind for plan in self.plans for kind in plan.lacks} - {e.kind for e in self.endpoints}:
            raise ValueError(
                f"{self.name}: no plan has {', '.join(sorted(lacking))}, so none need say that it lacks it"
            )
        if self.url and (base_url_problem(self.url) or urlsplit(self.url).scheme != "https"):
            raise ValueError(f"{self.name}: {self.url!r} is no address of a site, such as https://www.example.com/")
        for origin in self.logo_origins:
            if base_url_problem(origin) or urlsplit(origin).path or urlsplit(origin).scheme != "https":
                raise ValueError(f"{self.name}: {origin!r} is no origin, such as https://images.example.com")

    @property
    def keyless(self) -> bool:
        """Whether it answers without a key, under its first plan."""
        return not self.plans[0].header

    @property
    def settings(self) -> tuple[str, ...]:
        """Its settings without the provider's name in front, as far as any of its plans has a use for them."""
        rest = any(plan.base_url for plan in self.plans)
        stream = any(plan.stream_url for plan in self.plans)
        keyed = any(plan.header for plan in self.plans)
        return (
            *(("BASE_URL", "CALLS_PER_MINUTE", "CALLS_PER_MONTH") if rest else ()),
            *(("STREAM_URL",) if stream else ()),
            *(("API_KEY", "PLAN") if keyed else ()),
        )

    def plan(self, name: str) -> Plan | None:
        """The plan of that name."""
        return next((plan for plan in self.plans if plan.name == name), None)

    def endpoint(self, kind: Kind) -> Endpoint | None:
        """This provider's endpoint for that kind of dataset; None when it has none."""
        return next((endpoint for endpoint in self.endpoints if endpoint.kind == kind), None)


def base_url_problem(url: str) -> str:
    """The error of a base URL, as a sentence for the person who typed it; "" when it is valid."""
    return _url_problem(url, ("http", "https"))


def stream_url_problem(url: str) -> str:
    """The same of a stream's address."""
    return _url_problem(url, ("ws", "wss"))


def _url_problem(url: str, schemes: tuple[str, str]) -> str:
    try:
        parts = urlsplit(url)
        whole = parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
    except ValueError:  # its text would quote the address
        return f"This is not a URL. Give a full address, such as {schemes[1]}://api.example.com/v3."
    problems = {
        f"Give a full address, such as {schemes[1]}://api.example.com/v3.": not whole,
        "No user name or password in the address: a key has a place of its own.": "@" in parts.netloc,
        "The address ends with the path: no ? and no #.": "?" in url or "#" in url,
        "Plain letters, digits and punctuation only, no spaces, % or backslashes.": not _PLAIN.fullmatch(url),
        "No . or .. in the path.": bool({".", ".."} & set(parts.path.split("/"))),
    }
    return next((sentence for sentence, wrong in problems.items() if wrong), "")
