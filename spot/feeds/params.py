"""The upstream parameters of the feeds as values: what each kind accepts, its sentence in documents, its JSON Schema.
Pure.

The schemas describe the values that the server holds and shows in the envelope. It reads other spellings too: numbers
and truth values as text, lists as text with commas.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from providers.datasets import WINDOWS, is_coin_id
from spot.codes import bad_value
from spot.query.query import parse_count

#: A JSON Schema, or a part of one.
Schema = dict[str, Any]

_TRUE, _FALSE = frozenset({"true", "1", "yes", "on"}), frozenset({"false", "0", "no", "off"})


class Kind(Protocol):
    """A kind of parameter."""

    @property
    def allowed(self) -> str:
        """The allowed values, in the words of the documents."""

    def parse(self, name: str, raw: object) -> Any:
        """The value of what a client sent under that name. Raises `Refused`."""

    def schema(self) -> Schema:
        """The JSON Schema of its values."""


@dataclass(frozen=True, slots=True)
class Param:
    """An upstream parameter. `note` is its row in the documents where the sentence of its kind does not say it;
    `example` a value for their examples."""

    name: str
    kind: Kind
    default: Any = None
    note: str = ""
    required: bool = False
    example: str = ""

    @property
    def allowed(self) -> str:
        """The allowed values, in the words of the documents."""
        return self.note or self.kind.allowed

    def parse(self, raw: object) -> Any:
        """The value of what a client sent. Raises `Refused`."""
        return self.kind.parse(self.name, raw)


def _text(raw: object) -> str:
    return raw.strip() if isinstance(raw, str) else ""


def _comma_words(name: str, raw: object, allowed: str) -> list[str]:
    """The distinct items of a comma list or a JSON list, in the given order."""
    items = raw.split(",") if isinstance(raw, str) else raw
    if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
        raise bad_value(name, allowed, raw)
    return list(dict.fromkeys(item.strip().lower() for item in items if item.strip()))


@dataclass(frozen=True, slots=True)
class Currency:
    """A currency code in lower case. The hub checks whether the provider has it."""

    allowed: ClassVar[str] = "a currency the provider quotes"

    def parse(self, name: str, raw: object) -> str:
        """A code by its form."""
        text = _text(raw).lower()
        if not (2 <= len(text) <= 10 and text.isascii() and text.isalnum()):
            raise bad_value(name, "a currency code such as usd", raw)
        return text

    def schema(self) -> Schema:
        """Text by its form."""
        return {"type": "string", "pattern": "^[a-z0-9]{2,10}$"}


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole number of something."""

    least: int
    most: int
    unit: str = ""

    @property
    def allowed(self) -> str:
        """The range."""
        return f"{self.least} to {self.most} {self.unit}".rstrip()

    def parse(self, name: str, raw: object) -> int:
        """A number, or its decimal digits."""
        return parse_count(name, raw, self.least, self.most)

    def schema(self) -> Schema:
        """An integer in the range."""
        return {"type": "integer", "minimum": self.least, "maximum": self.most}


@dataclass(frozen=True, slots=True)
class Amount:
    """An amount of money in the currency asked for."""

    allowed: ClassVar[str] = "a number of 0 or more, in the currency asked for"

    def parse(self, name: str, raw: object) -> float:
        """A number, or its text."""
        try:
            value = float(raw) if isinstance(raw, (str, int, float)) and not isinstance(raw, bool) else -1.0
        except (ValueError, OverflowError):
            value = -1.0
        if not 0 <= value < 1e18:
            raise bad_value(name, self.allowed, raw)
        return value

    def schema(self) -> Schema:
        """A number in the range."""
        return {"type": "number", "minimum": 0, "exclusiveMaximum": 1e18}


@dataclass(frozen=True, slots=True)
class Truth:
    """True or false."""

    allowed: ClassVar[str] = "true or false"

    def parse(self, name: str, raw: object) -> bool:
        """A truth value in any of its usual spellings."""
        if isinstance(raw, bool):
            return raw
        if isinstance(raw, int) and raw in (0, 1):
            return bool(raw)
        text = _text(raw).casefold()
        if text not in _TRUE | _FALSE:
            raise bad_value(name, self.allowed, raw)
        return text in _TRUE

    def schema(self) -> Schema:
        """A boolean."""
        return {"type": "boolean"}


@dataclass(frozen=True, slots=True)
class Choice:
    """One of these words."""

    words: tuple[str, ...]

    @property
    def allowed(self) -> str:
        """The words."""
        return f"one of {', '.join(self.words)}"

    def parse(self, name: str, raw: object) -> str:
        """The word in lower case."""
        text = _text(raw).lower()
        if text not in self.words:
            raise bad_value(name, self.allowed, raw)
        return text

    def schema(self) -> Schema:
        """An enumeration."""
        return {"type": "string", "enum": list(self.words)}


@dataclass(frozen=True, slots=True)
class Words:
    """Some of these words, in the given order: `least` of them or more."""

    words: tuple[str, ...]
    least: int = 0

    @property
    def allowed(self) -> str:
        """The words."""
        return f"any of {', '.join(self.words)}, comma-separated"

    def parse(self, name: str, raw: object) -> tuple[str, ...]:
        """The distinct words in lower case."""
        allowed = f"a comma list of {', '.join(self.words)}"
        words = _comma_words(name, raw, allowed)
        if len(words) < self.least or not set(words) <= set(self.words):
            raise bad_value(name, allowed, raw)
        return tuple(words)

    def schema(self) -> Schema:
        """A list of them."""
        return {
            "type": "array",
            "items": {"type": "string", "enum": list(self.words)},
            "minItems": self.least,
            "uniqueItems": True,
        }


@dataclass(frozen=True, slots=True)
class OneWindow:
    """The only price-change window of a feed."""

    window: str

    @property
    def allowed(self) -> str:
        """The window."""
        return f"always {self.window}"

    def parse(self, name: str, raw: object) -> tuple[str, ...]:
        """A list of the one window."""
        if _comma_words(name, raw, self.window) != [self.window]:
            raise bad_value(name, f"{self.window}: this feed has no other window", raw)
        return (self.window,)

    def schema(self) -> Schema:
        """A list of the one window."""
        return {"type": "array", "items": {"type": "string", "enum": [self.window]}, "minItems": 1, "maxItems": 1}


@dataclass(frozen=True, slots=True)
class CoinId:
    """A coin id in lower case. The hub checks whether it exists."""

    allowed: ClassVar[str] = "a coin id"

    def parse(self, name: str, raw: object) -> str:
        """An id by its form."""
        text = _text(raw).lower()
        if not is_coin_id(text):
            raise bad_value(name, "a coin id such as bitcoin (letters, digits, dots, dashes and underscores)", raw)
        return text

    def schema(self) -> Schema:
        """Text by its form."""
        return {"type": "string", "pattern": "^[a-z0-9][a-z0-9._-]{0,99}$"}


@dataclass(frozen=True, slots=True)
class CoinIds:
    """Coin ids in lower case, in the given order: one or more."""

    most: int

    @property
    def allowed(self) -> str:
        """The allowed values, in the words of the documents."""
        return f"1 to {self.most} coin ids, comma-separated"

    def parse(self, name: str, raw: object) -> tuple[str, ...]:
        """The distinct ids."""
        allowed = f"a comma list of 1 to {self.most} coin ids such as bitcoin,ethereum"
        ids = _comma_words(name, raw, allowed)
        if not 1 <= len(ids) <= self.most:
            raise bad_value(name, f"{allowed}; {len(ids)} were given")
        if not any(map(is_coin_id, ids)) or any(len(coin) > 100 for coin in ids):
            return tuple(CoinId().parse(name, coin) for coin in ids)
        return tuple(ids)  # an item without the form of an id is reported as an unknown coin

    def schema(self) -> Schema:
        """A list of texts."""
        item = {"type": "string", "minLength": 1, "maxLength": 100}
        return {"type": "array", "items": item, "minItems": 1, "maxItems": self.most, "uniqueItems": True}


@dataclass(frozen=True, slots=True)
class Names:
    """Names such as `binance`, in lower case and sorted, so that equal lists are equal; None for an empty list."""

    of: str
    examples: tuple[str, ...]
    most: int = 50

    @property
    def allowed(self) -> str:
        """The allowed values, in the words of the documents."""
        return f"{self.of}, comma-separated, such as {','.join(self.examples)}"

    def parse(self, name: str, raw: object) -> tuple[str, ...] | None:
        """The distinct names."""
        allowed = f"a comma list of at most {self.most} names"
        names = _comma_words(name, raw, allowed)
        if len(names) > self.most or any(len(item) > 40 or not item.isprintable() for item in names):
            raise bad_value(name, allowed, raw)
        return tuple(sorted(names)) or None

    def schema(self) -> Schema:
        """A list of texts."""
        item = {"type": "string", "minLength": 1, "maxLength": 40}
        return {"type": "array", "items": item, "minItems": 1, "maxItems": self.most, "uniqueItems": True}


@dataclass(frozen=True, slots=True)
class Pattern:
    """Text that matches an ASCII pattern."""

    form: str
    allowed: str

    def parse(self, name: str, raw: object) -> str:
        """The text, in its letter case."""
        text = _text(raw)
        if not re.fullmatch(self.form, text):
            raise bad_value(name, self.allowed, raw)
        return text

    def schema(self) -> Schema:
        """Text of the pattern."""
        return {"type": "string", "pattern": f"^{self.form}$"}


VS_CURRENCY = Param("vs_currency", Currency(), "usd")
#: Price-change windows, one or more.
SOME_WINDOWS = Words(WINDOWS, least=1)
ONLY_24H = Param("price_change_percentage", OneWindow("24h"), ("24h",))
