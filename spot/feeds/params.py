"""The upstream parameters of the feeds: what each accepts, and the sentence when it does not. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from typing import Any, NamedTuple

from providers.datasets import WINDOWS, is_coin_id
from spot.codes import bad_value
from spot.query.query import parse_count

MAX_TAPE_COINS = 50
MAX_NAMES = 50
_TRUE, _FALSE = frozenset({"true", "1", "yes", "on"}), frozenset({"false", "0", "no", "off"})


class Param(NamedTuple):
    """An upstream parameter: its name, what makes its value of what a client sent, default, and its row in the docs."""

    name: str
    parse: Callable[[object], Any]
    default: Any
    allowed: str
    required: bool = False


def parse_currency(raw: object) -> str:
    """A currency code, lower case; whether the provider quotes it is checked against its list."""
    text = raw.strip().lower() if isinstance(raw, str) else ""
    if not (2 <= len(text) <= 10 and text.isascii() and text.isalnum()):
        raise bad_value("vs_currency", "a currency code such as usd", raw)
    return text


def whole_number(name: str, low: int, high: int) -> Callable[[object], int]:
    """A parser of whole numbers from `low` to `high`."""
    return lambda raw: parse_count(name, raw, low, high)


def truth(name: str) -> Callable[[object], bool]:
    """A parser of true and false in their usual spellings."""

    def parse(raw: object) -> bool:
        if isinstance(raw, bool):
            return raw
        if isinstance(raw, int) and raw in (0, 1):
            return bool(raw)
        text = raw.strip().casefold() if isinstance(raw, str) else ""
        if text not in _TRUE | _FALSE:
            raise bad_value(name, "true or false", raw)
        return text in _TRUE

    return parse


def comma_words(name: str, raw: object, allowed: str) -> list[str]:
    """The items of a comma list or a JSON list, each once, in the order given."""
    items = raw.split(",") if isinstance(raw, str) else raw
    if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
        raise bad_value(name, allowed, raw)
    return list(dict.fromkeys(item.strip().lower() for item in items if item.strip()))


def parse_windows(raw: object) -> tuple[str, ...]:
    """Price-change windows, each once, in the order asked for."""
    allowed = f"a comma list of {', '.join(WINDOWS)}"
    windows = comma_words("price_change_percentage", raw, allowed)
    if not windows or not set(windows) <= set(WINDOWS):
        raise bad_value("price_change_percentage", allowed, raw)
    return tuple(windows)


def parse_only_24h(raw: object) -> tuple[str, ...]:
    """The window of feeds that have no other."""
    if comma_words("price_change_percentage", raw, "24h") != ["24h"]:
        raise bad_value("price_change_percentage", "24h: this feed has no other window", raw)
    return ("24h",)


def parse_coin_id(raw: object, name: str = "coin_id") -> str:
    """A coin id by its form, lower case; whether it exists is checked against the provider's list."""
    text = raw.strip().lower() if isinstance(raw, str) else ""
    if not is_coin_id(text):
        raise bad_value(name, "a coin id such as bitcoin (letters, digits, dots, dashes and underscores)", raw)
    return text


def parse_coin_ids(raw: object) -> tuple[str, ...]:
    """The tape's coins, each once, in the order asked for."""
    allowed = f"a comma list of 1 to {MAX_TAPE_COINS} coin ids such as bitcoin,ethereum"
    ids = comma_words("coin_ids", raw, allowed)
    if not 1 <= len(ids) <= MAX_TAPE_COINS:
        raise bad_value("coin_ids", f"{allowed}; {len(ids)} were given")
    if not any(map(is_coin_id, ids)) or any(len(coin) > 100 for coin in ids):
        return tuple(parse_coin_id(coin, "coin_ids") for coin in ids)
    return tuple(ids)  # what has not the form of an id is no coin, as an id that is in no list


def amount(name: str) -> Callable[[object], float]:
    """A parser of amounts of money: 0 or more."""

    def parse(raw: object) -> float:
        try:
            value = float(raw) if isinstance(raw, (str, int, float)) and not isinstance(raw, bool) else -1.0
        except (ValueError, OverflowError):
            value = -1.0
        if not 0 <= value < 1e18:
            raise bad_value(name, "a number of 0 or more, in the currency asked for", raw)
        return value

    return parse


def names(name: str) -> Callable[[object], tuple[str, ...] | None]:
    """A parser of comma lists of names such as `binance`, lower case, each once, in the alphabet's order so that equal
    wishes are equal; None for an empty list."""
    allowed = f"a comma list of at most {MAX_NAMES} names"

    def parse(raw: object) -> tuple[str, ...] | None:
        found = comma_words(name, raw, allowed)
        if len(found) > MAX_NAMES or any(len(one) > 40 or not one.isprintable() for one in found):
            raise bad_value(name, allowed, raw)
        return tuple(sorted(found)) or None

    return parse


def fields(name: str, among: Collection[str]) -> Callable[[object], tuple[str, ...]]:
    """A parser of comma lists of these names, each once, in the order given."""
    allowed = f"a comma list of {', '.join(among)}"

    def parse(raw: object) -> tuple[str, ...]:
        wanted = tuple(comma_words(name, raw, allowed))
        if not set(wanted) <= set(among):
            raise bad_value(name, allowed, raw)
        return wanted

    return parse


def choice(name: str, among: Sequence[str]) -> Callable[[object], str]:
    """A parser of one of these words."""

    def parse(raw: object) -> str:
        text = raw.strip().lower() if isinstance(raw, str) else ""
        if text not in among:
            raise bad_value(name, f"one of {', '.join(among)}", raw)
        return text

    return parse


def pattern(name: str, form: re.Pattern[str], allowed: str) -> Callable[[object], str]:
    """A parser of text of that form, which must be ASCII."""

    def parse(raw: object) -> str:
        text = raw.strip() if isinstance(raw, str) else ""
        if not form.fullmatch(text):
            raise bad_value(name, allowed, raw)
        return text

    return parse


VS_CURRENCY = Param("vs_currency", parse_currency, "usd", "a currency the provider quotes")
WINDOWS_ALLOWED = f"any of {', '.join(WINDOWS)}, comma-separated"
ONLY_24H = Param("price_change_percentage", parse_only_24h, ("24h",), "always 24h")
