"""Token Metrics: https://developers.tokenmetrics.com. Prices by stream only; the list of tokens over REST.

A call is one credit. Credits and calls a minute are published in its dashboard only: the figures here are low, and
suffice for the list once a day. Connections and symbols by plan are documented. Its ids are slugs, equal to ours for
common coins only.
"""

from __future__ import annotations

from typing import Any

from providers.base import Answer, Call, Endpoint, Normalised, Plan, Provider
from providers.clean import text, titles
from providers.datasets import Dataset, Row, is_coin_id
from providers.errors import BadPayload, ProviderError, RateLimited, Unauthorized
from providers.protocols.tokenmetrics import KEY_HEADER, STREAM, meaning, sentence_of

#: Rows per page, and the most pages: `page` is reported to be unreliable, and every call is a credit.
PAGE, PAGES = 1_000, 6


def asset_calls(_dataset: Dataset, _ids: tuple[str, ...], _now_ms: int = 0) -> tuple[Call, ...]:
    """The tokens, page by page; the first incomplete page is the last."""
    return tuple(Call("/tokens", {"limit": str(PAGE), "page": str(page)}) for page in range(1, PAGES + 1))


def asset_ended(_call: Call, answer: Answer) -> bool:
    """Whether this is the last page."""
    return len(_data(answer.payload)) < PAGE


def normalise_assets(_dataset: Dataset, answers: list[Answer]) -> Normalised:
    """Each token with a slug, once. The names of its fields are not fully documented; both observed ones are accepted::

    {"success": true, "message": "…", "length": 1, "data": [
      {"TOKEN_ID": 3375, "TOKEN_NAME": "Bitcoin", "TOKEN_SYMBOL": "BTC", "TOKEN_SLUG": "bitcoin",
       "CONTRACT_ADDRESS": {"ethereum": "0x…"}}]}
    """
    raws = [raw for answer in answers for raw in _data(answer.payload)]
    assets = [_asset(raw) for raw in raws]
    rows = {row["foreign_id"]: row for row in assets if row}
    if not rows:
        raise BadPayload("no token in the response")
    return Normalised(list(rows.values()), dropped=assets.count(None))


def _data(payload: Any) -> list[Any]:
    data = payload.get("data") if isinstance(payload, dict) else None
    if not isinstance(data, list):
        raise BadPayload("the response has no list of data")
    return data


def _asset(raw: Any) -> Row | None:
    fields = raw if isinstance(raw, dict) else {}
    slug = text(fields.get("TOKEN_SLUG") or fields.get("SLUG"))
    if not is_coin_id(slug):
        return None
    symbol, name = titles(
        slug, fields.get("TOKEN_SYMBOL") or fields.get("SYMBOL"), fields.get("TOKEN_NAME") or fields.get("NAME")
    )
    coin = text(fields.get("CG_ID"))
    return {
        "foreign_id": slug,
        "symbol": symbol,
        "name": name,
        "slug": slug,
        "coin": coin if is_coin_id(coin) else "",
        "contracts": _contracts(fields.get("CONTRACT_ADDRESS") or fields.get("BLOCKCHAIN_ADDRESS")),
    }


def _contracts(value: Any) -> list[str]:
    """An object of addresses by chain, a list, or a single address: the form is not documented."""
    addresses = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else [value]
    return [contract for address in addresses if (contract := text(address).lower())]


def fault(answer: Answer) -> ProviderError | None:
    """Detects errors returned with status 200: `{"success": false, "message": "…"}`."""
    if not isinstance(answer.payload, dict) or answer.payload.get("success") is not False:
        return None
    sentence = sentence_of(answer.payload) or "rejected without a reason"
    return (meaning(sentence) or BadPayload)(sentence)


def explain(body: Any) -> tuple[int | None, str]:
    """A code of ours for the text of an error body, and the text: a 403 may concern the key or the plan."""
    sentence = sentence_of(body)
    return {Unauthorized: 401, RateLimited: 429}.get(meaning(sentence) or ProviderError), sentence


def proven(payload: Any) -> str:
    """The result of the probe: the envelope, with one token."""
    fields = payload if isinstance(payload, dict) else {}
    if not isinstance(fields.get("data"), list) or fields.get("success") is False:
        raise BadPayload("the response is not one of Token Metrics")
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
        stream_channels=symbols,
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
