"""The live query: filter, search, sort and page. Pure: rows in, rows out.

A filter operator is one row of `OPERATORS`; a field is one row of a feed's `Fields`. Every client error raises
`Refused` with the parameter and its allowed values.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple

import numpy as np
import orjson

from providers.datasets import Row
from spot.codes import Refused, bad_value
from spot.query.table import Derived, Mask, Order, Table, Universe

MAX_PAGE_SIZE = 500
MAX_CONDITIONS = 32
MAX_LIST = 500
MAX_TEXT = 100
#: Epoch numbers below this are seconds: as milliseconds they would be before 1973; as seconds this is the year 5138.
_SECONDS_BELOW = 100_000_000_000

Scalar = str | float | int | None
FieldKind = Literal["number", "text", "position", "flag"]


class Field(NamedTuple):
    """A column that clients may use: the name that we print, the table's column, its kind, other spellings."""

    name: str
    column: str
    kind: FieldKind
    aliases: tuple[str, ...] = ()


def _spelling(text: str) -> str:
    """Normalise a spelling: `24h Change (%)`, `24H_change` and `24h change` are equal."""
    return re.sub(r"[^a-z0-9]+", "_", text.casefold().replace("(%)", "")).strip("_")


class Fields:
    """The fields of a feed, by any documented spelling."""

    def __init__(self, fields: Iterable[Field]) -> None:
        self.all = tuple(fields)
        self._by_spelling = {_spelling(name): field for field in self.all for name in (*field.aliases, field.name)}

    @property
    def names(self) -> str:
        """The names of all fields, for an error message."""
        return ", ".join(field.name for field in self.all)

    def find(self, spelling: object, parameter: str) -> Field:
        """The field of that spelling. Raises `Refused` with the valid names."""
        field = self._by_spelling.get(_spelling(spelling)) if isinstance(spelling, str) else None
        if field is None:
            shown = repr(spelling) if isinstance(spelling, str) and len(spelling) <= 40 else "what was given"
            raise Refused(
                "unknown_field",
                f"{parameter}: {shown} is not a field of this feed. Fields: {self.names}.",
                parameter,
                self.names,
            )
        return field


class Condition(NamedTuple):
    """One test of one column. `value` is canonical: case-folded text, a number, None, or a sorted tuple of them."""

    column: str
    kind: FieldKind
    operator: str
    value: Scalar | tuple[Scalar, ...]


class Operator(NamedTuple):
    """A filter operator: its meaning in the documents, its operand, its mask of a number column, and its test of a text
    (None: not applicable)."""

    meaning: str
    takes: Literal["value", "list", "text"]
    numbers: Callable[[Any, Any], Mask] | None
    texts: Callable[[str | None, Any], bool] | None


def _equal(column: Any, value: Any) -> Mask:
    return np.isnan(column) if value is None else column == value


def _in(column: Any, values: tuple[Scalar, ...]) -> Mask:
    mask = np.isin(column, [value for value in values if value is not None])
    return mask | np.isnan(column) if None in values else mask


OPERATORS: dict[str, Operator] = {
    "eq": Operator("equal; null: has no value", "value", _equal, lambda text, value: text == value),
    "ne": Operator(
        "not equal; null: has a value",
        "value",
        lambda column, value: ~_equal(column, value),
        lambda text, value: text != value,
    ),
    "gt": Operator(
        "greater than",
        "value",
        lambda column, value: column > value,
        lambda text, value: text is not None and text > value,
    ),
    "gte": Operator(
        "greater than or equal",
        "value",
        lambda column, value: column >= value,
        lambda text, value: text is not None and text >= value,
    ),
    "lt": Operator(
        "less than",
        "value",
        lambda column, value: column < value,
        lambda text, value: text is not None and text < value,
    ),
    "lte": Operator(
        "less than or equal",
        "value",
        lambda column, value: column <= value,
        lambda text, value: text is not None and text <= value,
    ),
    "in": Operator("one of", "list", _in, lambda text, values: text in values),
    "nin": Operator(
        "none of", "list", lambda column, values: ~_in(column, values), lambda text, values: text not in values
    ),
    "contains": Operator("has this text in it", "text", None, lambda text, value: text is not None and value in text),
    "startswith": Operator(
        "begins with this text", "text", None, lambda text, value: text is not None and text.startswith(value)
    ),
}


#: The operators that compare a column with one number.
_COMPARISONS = frozenset({"gt", "gte", "lt", "lte"})


@dataclass(frozen=True, slots=True)
class Query:
    """A client's query of a feed. Equal queries are equal objects, so that their clients share one result.

    `sort_by` is None for the feed's own order. `page_size` is None for everything on one page. Times are epoch
    milliseconds, both ends inclusive.
    """

    conditions: tuple[Condition, ...] = ()
    search: str = ""
    sort_by: Field | None = None
    descending: bool = True
    page: int = 1
    page_size: int | None = None
    start: int | None = None
    end: int | None = None
    time_field: Field | None = None


class Page(NamedTuple):
    """One page of a query's result: the rows' indices in the table, the number of rows before them, and the totals."""

    indices: Order
    offset: int
    total: int
    page: int
    pages: int


def evaluate(universe: Universe, query: Query) -> Page:
    """The page of the universe that the query selects. A page past the end is the last one."""
    matches = _matching(universe, query)
    size = query.page_size or max(len(matches), 1)
    pages = max(1, math.ceil(len(matches) / size))
    page = min(query.page, pages)
    offset = (page - 1) * size
    return Page(matches[offset : offset + size], offset, len(matches), page, pages)


def compute_masks(table: Table, queries: Iterable[Query]) -> None:
    """Compute the masks of all comparisons of many queries, one column at a time. Separately, a thousand ranges on 500
    rows cost two and a half times as much."""
    comparisons: dict[tuple[str, str], set[Condition]] = {}
    for query in queries:
        for condition in query.conditions:
            if condition.kind == "number" and condition.operator in _COMPARISONS and table.lacks_mask(condition):
                comparisons.setdefault((condition.column, condition.operator), set()).add(condition)
    for (column, operator), group in comparisons.items():
        compare, conditions = OPERATORS[operator].numbers, list(group)[: table.room_for_masks]
        assert compare is not None
        values = np.array([condition.value for condition in conditions], dtype=np.float64)
        table.cache_masks(zip(conditions, compare(table.numbers(column), values[:, np.newaxis]), strict=True))


def _matching(universe: Universe, query: Query) -> Order:
    order = universe.order
    table = universe.table
    if query.sort_by is not None:
        order = _sorted(universe, query.sort_by, query.descending)
    mask = None if query.sort_by is None or universe.whole else universe.mask
    for condition in query.conditions:
        mask = _and(mask, _condition_mask(universe, condition))
    if query.search:
        mask = _and(mask, table.mask(("search", query.search), lambda: table.contains(query.search)))
    if query.time_field is not None and (query.start is not None or query.end is not None):
        mask = _and(mask, _time_mask(table, query))
    return order if mask is None else order.compress(mask[order])


def _and(mask: Mask | None, other: Mask) -> Mask:
    return other if mask is None else mask & other


def _sorted(universe: Universe, field: Field, descending: bool) -> Order:
    if field.kind == "position":
        return universe.order[::-1] if descending else universe.order
    return universe.table.order(field.column, text=field.kind == "text", descending=descending)


def _condition_mask(universe: Universe, condition: Condition) -> Mask:
    operator, table = OPERATORS[condition.operator], universe.table
    if condition.kind == "position":
        assert operator.numbers is not None
        return operator.numbers(universe.positions, condition.value)

    def make() -> Mask:
        if condition.kind != "text":
            assert operator.numbers is not None
            return operator.numbers(table.numbers(condition.column), condition.value)
        test = operator.texts
        assert test is not None
        value = frozenset(condition.value) if isinstance(condition.value, tuple) else condition.value
        return np.fromiter((test(text, value) for text in table.folded(condition.column)), np.bool_, len(table))

    return table.mask(condition, make)


def _time_mask(table: Table, query: Query) -> Mask:
    assert query.time_field is not None
    column = table.numbers(query.time_field.column)
    start = -math.inf if query.start is None else query.start
    end = math.inf if query.end is None else query.end
    return table.mask(("time", query.time_field.column, start, end), lambda: (column >= start) & (column <= end))


# --- parsing ---------------------------------------------------------------------------------------------------------


def parse_filters(raw: object, fields: Fields) -> tuple[Condition, ...]:
    """Conditions from a `filters` value: a JSON object, or its text. Null and {} are no filters.

    `{"symbol": "BTC"}`, `{"symbol": ["BTC", "ETH"]}`, `{"market_cap": {"gte": 1e9, "lt": 1e11}}`.
    """
    if isinstance(raw, str):
        raw = _json(raw) if raw.strip() else None
    if raw is None:
        return ()
    if not isinstance(raw, dict):
        raise bad_value("filters", 'a JSON object such as {"symbol": "BTC"}')
    conditions = [
        condition for spelling, test in raw.items() for condition in _conditions(fields.find(spelling, "filters"), test)
    ]
    if len(conditions) > MAX_CONDITIONS:
        raise bad_value("filters", f"at most {MAX_CONDITIONS} conditions")
    return tuple(sorted(set(conditions), key=repr))


def _json(text: str) -> object:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise bad_value("filters", 'a JSON object such as {"symbol": "BTC"}') from error


def _conditions(field: Field, test: object) -> Iterable[Condition]:
    if isinstance(test, dict):
        tests = test.items()
    elif isinstance(test, list):
        tests = {"in": test}.items()
    else:
        tests = {"eq": test}.items()
    for name, value in tests:
        operator = OPERATORS.get(name)
        allowed = [key for key, row in OPERATORS.items() if field.kind == "text" or row.numbers is not None]
        if operator is None or name not in allowed:
            raise bad_value(f"filters.{field.name}", f"tested with one of {', '.join(allowed)}", name)
        yield Condition(field.column, field.kind, name, _operand(field, name, operator, value))


def _operand(field: Field, name: str, operator: Operator, value: object) -> Scalar | tuple[Scalar, ...]:
    where = f"filters.{field.name}"
    if operator.takes == "list":
        if not isinstance(value, list) or len(value) > MAX_LIST:
            raise bad_value(f"{where}.{name}", f"a list of at most {MAX_LIST} values")
        return tuple(sorted({_scalar(where, field, item) for item in value}, key=repr))
    scalar = _scalar(where, field, value)
    if scalar is None and name not in ("eq", "ne"):
        allowed = {"text": "text", "flag": "true or false"}.get(field.kind, "a number")
        raise bad_value(f"{where}.{name}", allowed)
    return scalar


def _scalar(where: str, field: Field, value: object) -> Scalar:
    if value is None:
        return None
    if field.kind == "text":
        if not isinstance(value, str) or len(value) > MAX_TEXT:
            raise bad_value(where, f"text of at most {MAX_TEXT} characters", value)
        return value.casefold()
    if field.kind == "flag":
        if not isinstance(value, bool):
            raise bad_value(where, "true or false", value)
        return float(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise bad_value(where, "a number", value)
    return float(value)


def parse_search(raw: object) -> str:
    """The case-folded search text; "" for none."""
    if raw is None:
        return ""
    if not isinstance(raw, str) or len(raw) > MAX_TEXT or "\n" in raw:
        raise bad_value("search", f"one line of text of at most {MAX_TEXT} characters", raw)
    return raw.strip().casefold()


def parse_count(name: str, raw: object, low: int, high: int) -> int:
    """A whole number in a range, from a number or its decimal digits."""
    allowed = f"a whole number from {low} to {high}"
    if isinstance(raw, str) and re.fullmatch(r"-?\d{1,12}", raw.strip()):
        raw = int(raw)
    if isinstance(raw, float) and raw.is_integer():
        raw = int(raw)
    if isinstance(raw, bool) or not isinstance(raw, int) or not low <= raw <= high:
        raise bad_value(name, allowed, raw)
    return raw


def parse_time(name: str, raw: object) -> int | None:
    """Epoch milliseconds from epoch milliseconds, epoch seconds or ISO 8601 (UTC without an offset)."""
    if raw is None or raw == "":
        return None
    if isinstance(raw, str) and re.fullmatch(r"-?\d{1,15}(\.\d+)?", raw.strip()):
        raw = float(raw)
    if isinstance(raw, (int, float)) and not isinstance(raw, bool) and abs(raw) < 1e15:
        return int(raw * 1000 if abs(raw) < _SECONDS_BELOW else raw)
    if isinstance(raw, str):  # an unencoded plus sign arrives as a space
        raw = re.sub(r"(?<=:\d\d) (?=\d\d:?\d\d$)", "+", raw.strip())
    try:
        moment = datetime.fromisoformat(raw) if isinstance(raw, str) and len(raw) <= 40 else None
    except ValueError:
        moment = None
    if moment is None:
        raise bad_value(name, "a time: epoch milliseconds, epoch seconds or ISO 8601 such as 2024-07-02T00:00:00Z", raw)
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)


def parse_query(raw: Mapping[str, object], fields: Fields, time_field: str | None = None) -> Query:
    """The query in a mapping of parameters; other keys are ignored.

    `time_field` is the feed's default time column, None for feeds without one. Raises `Refused`.
    """
    sort_by = raw.get("sort_by")
    field = None if sort_by in (None, "") else fields.find(sort_by, "sort_by")
    start, end = parse_time("start_time", raw.get("start_time")), parse_time("end_time", raw.get("end_time"))
    if start is not None and end is not None and start > end:
        raise bad_value("start_time", "no later than end_time")
    return Query(
        conditions=parse_filters(raw.get("filters"), fields),
        search=parse_search(raw.get("search")),
        sort_by=field,
        descending=_descending(raw.get("sort_order"), field),
        page=1 if raw.get("page") is None else parse_count("page", raw["page"], 1, 1_000_000),
        page_size=None
        if raw.get("page_size") is None
        else parse_count("page_size", raw["page_size"], 1, MAX_PAGE_SIZE),
        start=start,
        end=end,
        time_field=None if time_field is None else _time_field(raw.get("time_field") or time_field, fields),
    )


def _descending(raw: object, field: Field | None) -> bool:
    if raw in (None, ""):
        return field is None or field.kind in ("number", "flag")
    order = raw.strip().casefold() if isinstance(raw, str) else raw
    if order not in ("asc", "desc"):
        raise bad_value("sort_order", '"asc" or "desc"', raw)
    return order == "desc"


def _time_field(raw: object, fields: Fields) -> Field:
    field = fields.find(raw, "time_field")
    if field.kind != "number":
        raise bad_value("time_field", "a field that holds times", raw)
    return field


def ws_apply_filters(
    data: Sequence[Row] | Mapping[str, Any],
    *,
    filters: object = None,
    search: str | None = None,
    sort_by: str | None = None,
    sort_order: str | None = None,
    page: int | None = None,
    page_size: int | None = None,
    start_time: object = None,
    end_time: object = None,
    time_field: str | None = None,
) -> list[Row] | dict[str, Any]:
    """Filter, search, sort and page rows as every endpoint does: the function that the source document names.

    `data` is a list of flat dicts, or `{"headers": [...], "rows": [[...], ...]}`; the result has the same form, and a
    `Row` column numbers its rows across pages. A field is any key or header, in any case, with spaces or underscores.
    Search looks in name, symbol and id, or in all text of a row without them. Sorting is stable, missing values are
    last, equal values stay in the given order. Times select rows whose `time_field` ("timestamp" by default) is in the
    closed range. Raises `Refused` with the parameter and its allowed values; `data` is not changed.
    """
    rows = (
        list(data)
        if not isinstance(data, Mapping)
        else [dict(zip(data["headers"], row, strict=True)) for row in data["rows"]]
    )
    names = dict.fromkeys(key for row in rows for key in row)
    fields = Fields(_guess(name, rows) for name in names)
    raw = {
        "filters": filters, "search": search, "sort_by": sort_by, "sort_order": sort_order, "page": page,
        "page_size": page_size, "start_time": start_time, "end_time": end_time, "time_field": time_field,
    }  # fmt: skip
    offset = 0
    if rows:
        has_range = start_time is not None or end_time is not None
        query = parse_query(raw, fields, (time_field or "timestamp") if has_range else None)
        keyed = [{**row, "\0": index} for index, row in enumerate(rows)]
        table = Table(keyed, "\0", Derived(tuple(names), _searchable))
        result = evaluate(Universe(table, np.arange(len(rows))), query)
        rows, offset = [rows[index] for index in result.indices], result.offset
    if not isinstance(data, Mapping):
        return rows
    numbered = [{**row, "Row": place} if "Row" in row else row for place, row in enumerate(rows, offset + 1)]
    return {**data, "rows": [list(row.values()) for row in numbered]}


def _guess(name: str, rows: Sequence[Row]) -> Field:
    values = [row.get(name) for row in rows]
    numeric = all(
        value is None or (isinstance(value, (int, float)) and not isinstance(value, bool)) for value in values
    )
    return Field(name, name, "number" if numeric else "text")


def _searchable(row: Row) -> str:
    titles = [str(value) for name, value in row.items() if _spelling(name) in ("name", "symbol", "id") and value]
    return " ".join(titles or [value for value in row.values() if isinstance(value, str)])
