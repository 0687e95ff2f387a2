"""Token Metrics: https://developers.tokenmetrics.com. Prices by stream only; over REST the list of its tokens.

A call is one credit. How many a plan has is not published outside of its dashboard, nor how many calls a minute: the
figures here are careful ones that suffice for the list once a day. Connections and symbols by plan are documented.
Slugs are ids like ours for the common coins, but its own.
"""

from __future__ import annotations

from typing import Any

from providers.base import Answer, Call, Endpoint, Normalised, Plan, Provider
from providers.clean import text, titles
from providers.datasets import Dataset, Row, is_coin_id
from providers.errors import BadPayload, ProviderError, RateLimited, Unauthorized
from providers.protocols.tokenmetrics import KEY_HEADER, STREAM, meaning, sentence_of

#: Rows a page, and pages at most: `page` is said to misbehave, and every call is a credit.
PAGE, PAGES = 1_000, 6


def asset_calls(_dataset: Dataset, _ids: tuple[str, ...], _now_ms: int = 0) -> tuple[Call, ...]:
    """The tokens, page by page; an unfinished page is the last."""
    return tuple(Call("/tokens", {"limit": str(PAGE), "page": str(page)}) for page in range(1, PAGES + 1))


def asset_ended(_call: Call, answer: Answer) -> bool:
    """Whether no token comes after this page."""
    return len(_data(answer.payload)) < PAGE


def normalise_assets(_dataset: Dataset, answers: list[Answer]) -> Normalised:
    """Each token that has a slug once; which names its keys have is not documented in full, so both seen are read::

    {"success": true, "message": "…", "length": 1, "data": [
      {"TOKEN_ID": 3375, "TOKEN_NAME": "Bitcoin", "TOKEN_SYMBOL": "BTC", "TOKEN_SLUG": "bitcoin",
       "CONTRACT_ADDRESS": {"ethereum": "0x…"}}]}
    """
    raws = [raw for answer in answers for raw in _data(answer.payload)]
    found = [_asset(raw) for raw in raws]
    rows = {row["foreign_id"]: row for row in found if row}
    if not rows:
        raise BadPayload("no token in the answer")
    return Normalised(list(rows.values()), dropped=found.count(None))


def _data(payload: Any) -> list[Any]:
    data = payload.get("data") if isinstance(payload, dict) else None
    if not isinstance(data, list):
        raise BadPayload("the answer has no list of data")
    return data


def _asset(raw: Any) -> Row | None:
    known = raw if isinstance(raw, dict) else {}
    slug = text(known.get("TOKEN_SLUG") or known.get("SLUG"))
    if not is_coin_id(slug):
        return None
    symbol, name = titles(
        slug, known.get("TOKEN_SYMBOL") or known.get("SYMBOL"), known.get("TOKEN_NAME") or known.get("NAME")
    )
    coin = text(known.get("CG_ID"))
    return {
        "foreign_id": slug,
        "symbol": symbol,
        "name": name,
        "slug": slug,
        "coin": coin if is_coin_id(coin) else "",
        "contracts": _contracts(known.get("CONTRACT_ADDRESS") or known.get("BLOCKCHAIN_ADDRESS")),
    }


def _contracts(said: Any) -> list[str]:
    """Addresses by chain, one, or several: its form is not documented."""
    listed = list(said.values()) if isinstance(said, dict) else said if isinstance(said, list) else [said]
    return [made for address in listed if (made := text(address).lower())]


def fault(answer: Answer) -> ProviderError | None:
    """`{"success": false, "message": "…"}` may come with a 200."""
    if not isinstance(answer.payload, dict) or answer.payload.get("success") is not False:
        return None
    sentence = sentence_of(answer.payload) or "refused without a word"
    return (meaning(sentence) or BadPayload)(sentence)


def explain(body: Any) -> tuple[int | None, str]:
    """The sentence of an error body, and a code of ours for what it speaks of: a 403 speaks of keys and of plans."""
    sentence = sentence_of(body)
    return {Unauthorized: 401, RateLimited: 429}.get(meaning(sentence) or ProviderError), sentence


def proven(payload: Any) -> str:
    """What the answer to the probe says: the envelope, with one token."""
    known = payload if isinstance(payload, dict) else {}
    if not isinstance(known.get("data"), list) or known.get("success") is False:
        raise BadPayload("this does not answer like Token Metrics")
    return "accepted"


def _plan(name: str, symbols: int, *, paid: bool = True) -> Plan:
    return Plan(
        name=name,
        base_url="https://api.tokenmetrics.com/v2",
        stream_url="wss://price.data-service.tokenmetrics.com",
        header=KEY_HEADER,
        per_minute=10,
        per_month=500,
        paid=paid,
        stream_topics=symbols,
    )


provider = Provider(
    name="tokenmetrics",
    label="Token Metrics",
    url="https://www.tokenmetrics.com/",
    order=40,
    foreign=True,
    plans=(_plan("basic", 15, paid=False), _plan("advanced", 60), _plan("premium", 120), _plan("vip", 250)),
    endpoints=(
        Endpoint(
            kind="assets",
            calls=asset_calls,
            ended=asset_ended,
            normalise=normalise_assets,
            cache_seconds=86_400,
            paid_cache_seconds=86_400,
        ),
    ),
    explain=explain,
    codes={401: Unauthorized, 429: RateLimited},
    fault=fault,
    stream=STREAM,
    probe=lambda _plan: Call("/tokens", {"limit": "1"}),
    proven=proven,
)
