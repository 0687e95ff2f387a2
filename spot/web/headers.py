"""The headers of answers with public data, as a table. Pages of other sites may read them, and the documents list them.
Pure."""

from __future__ import annotations

from spot.dialects.interface import Header

_COUNT = {"type": "integer", "minimum": 0}
_TRUTH = {"type": "string", "enum": ["true", "false"]}
_TIME = {"type": "string", "pattern": "^[0-9]*$"}

HEADERS = {header.name: header for header in (
    Header("ETag", "send it back as `If-None-Match`, and an unchanged answer is a `304`"),
    Header(
        "Retry-After",
        "with every 429 and 503: whole seconds after which the same request may succeed, until the next fetch where "
        "that is known",
        _COUNT,
    ),
    Header("WWW-Authenticate", "`Bearer`, with every 401: how a key is sent"),
    Header("RateLimit-Limit", "how many requests your address, or your key, may send at once", _COUNT),
    Header("RateLimit-Remaining", "how many of them are left now", _COUNT),
    Header("RateLimit-Reset", "seconds until all of them are there again", _COUNT),
    Header("Content-Disposition", "with `format=csv`: the name of the file"),
    Header("X-Spot-Source", "the provider"),
    Header("X-Spot-Version", "epoch and version of the snapshot"),
    Header("X-Spot-As-Of", "the provider's time of the data, epoch ms; empty if it gives none", _TIME),
    Header("X-Spot-Fetched-At", "when Spot fetched them, epoch ms", _TIME),
    Header("X-Spot-Age-Ms", "their age now", _TIME),
    Header("X-Spot-Stale", "`true` when they are too old", _TRUTH),
    Header("X-Spot-Simulated", "`true` for the demo market", _TRUTH),
    Header("X-Spot-Total", "rows in the whole result", _COUNT),
    Header(
        "X-Spot-Missing",
        "ticker tape: the ids asked for that are not in the answer, percent-encoded; absent when all are there",
    ),
)}  # fmt: skip
#: Request headers that change an answer.
IF_NONE_MATCH = Header("If-None-Match", "the `ETag` of an earlier answer")
BALANCE = tuple(HEADERS[name] for name in ("RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset"))
FACTS = tuple(header for name, header in HEADERS.items() if name.startswith("X-Spot-"))
#: The names, as `Access-Control-Expose-Headers` has them.
EXPOSED = ", ".join(HEADERS).encode()
