"""The generated modules of the Python client. Pure."""

from __future__ import annotations

from typing import Any

from clients.generated.declared import NOTE, Declared, Schema, alternatives, declared, head, values
from spot.codes import CLOSES, ERRORS
from spot.query.query import OPERATORS

_SCALARS = {"string": "str", "integer": "int", "number": "float", "boolean": "bool", "null": "None"}
_HEADING = f'"""{{}}\n\n{NOTE}\n"""\n\nfrom __future__ import annotations\n'


def _type(schema: Schema, names: dict[str, str]) -> str:
    """The type of a value. `names`: of the objects that have one, by their properties."""
    return " | ".join(dict.fromkeys(_one(part, names) for part in alternatives(schema)))


def _one(schema: Schema, names: dict[str, str]) -> str:
    if "enum" in schema:
        return f"Literal[{', '.join(_quoted(one) for one in schema['enum'])}]"
    kind = schema.get("type")
    if kind == "array":
        return f"list[{_type(schema['items'], names)}]"
    if kind == "object":
        if "properties" in schema:
            return names["/".join(schema["properties"])]
        inner = schema.get("additionalProperties")
        return f"dict[str, {_type(inner, names) if isinstance(inner, dict) else 'Any'}]"
    return _SCALARS[kind] if kind else "Any"


def _quoted(text: Any) -> str:
    return f'"{text}"' if isinstance(text, str) else repr(text)


def _comment(schema: Schema) -> str:
    return f"  # {schema['x-unit']}" if "x-unit" in schema else ""


def _members(schema: Schema, names: dict[str, str]) -> list[tuple[str, str, str]]:
    required = schema["required"]
    return [
        (name, kind if name in required else f"NotRequired[{kind}]", _comment(part))
        for name, part in schema["properties"].items()
        for kind in [_type(part, names)]
    ]


def _typed_dict(name: str, doc: str, schema: Schema, names: dict[str, str]) -> str:
    """The class of an object; one whose names are no identifiers is made by a call."""
    members = _members(schema, names)
    if all(member.isidentifier() for member, _, _ in members):
        lines = [f"    {member}: {kind}{comment}" for member, kind, comment in members]
        return f'class {name}(TypedDict):\n    """{doc}"""\n\n' + "\n".join(lines) + "\n"
    lines = [f"        {_quoted(member)}: {kind},{comment}" for member, kind, comment in members]
    return f'#: {doc}\n{name} = TypedDict(\n    "{name}",\n    {{\n' + "\n".join(lines) + "\n    },\n)\n"


def _parameter(schema: Schema) -> str:
    """The type of a parameter that a program may give; the server reads lists as text with commas too."""
    listed = values(schema)
    if schema.get("type") == "array" or isinstance(schema.get("const"), list):
        item = f"Literal[{', '.join(map(_quoted, listed))}]" if listed else "str"
        return f"Sequence[{item}] | str"
    if listed:
        return f"Literal[{', '.join(map(_quoted, listed))}]"
    if schema.get("type") == "object":
        return "Filters"
    kinds = dict.fromkeys(_SCALARS[part["type"]] for part in alternatives(schema))
    return " | ".join(kinds)


def _params(one: Declared) -> str:
    schema = one.parameters
    lines = []
    for name, part in schema["properties"].items():
        kind = _parameter(part)
        if name in ("start_time", "end_time"):
            kind += " | datetime"
        needed = name in schema["required"]
        lines.append(f"    {name}: {kind}" if needed else f"    {name}: NotRequired[{kind} | None]")
    doc = f'    """Parameters of `{one.feed.channel}`; None counts as not given."""\n'
    return f"class {one.name}Params(TypedDict):\n{doc}\n" + "\n".join(lines) + "\n"


def models() -> str:
    """Types of parameters, rows and frames."""
    frame = head()
    names = _inner(frame)
    inner = [_typed_dict(name, doc, schema, {}) for name, doc, schema in _inner_objects(frame)]
    operators = [
        f'        "{name}": {"Sequence[Scalar]" if operator.takes == "list" else "Scalar"},'
        for name, operator in OPERATORS.items()
    ]
    parts = [
        _HEADING.format("Types of what the feeds are asked and answer.")
        + "\nfrom collections.abc import Mapping, Sequence\nfrom datetime import datetime\n"
        + "from typing import Any, Literal, TypedDict\n\nfrom typing_extensions import NotRequired\n",
        _literal("Feed", [one.feed.channel for one in declared()])
        + _literal("ErrorCode", list(ERRORS))
        + "Scalar = str | float | bool | None\n",
        '#: Operators of a condition.\nTests = TypedDict(\n    "Tests",\n    {\n'
        + "\n".join(operators)
        + "\n    },\n    total=False,\n)\nFilters = Mapping[str, Scalar | Sequence[Scalar] | Tests]\n"
        + "#: What a parameter may be; None clears it.\nValue = Scalar | Sequence[str] | Filters | datetime\n",
        *inner,
        _typed_dict("Head", "The envelope around the rows.", frame, names),
    ]
    for one in declared():
        parts += [_params(one), _typed_dict(f"{one.name}Row", f"A row of `{one.feed.channel}`.", one.row, names)]
    return "\n\n".join(parts)


def _literal(name: str, texts: list[str]) -> str:
    return f"{name} = Literal[{', '.join(map(_quoted, texts))}]\n"


def _inner_objects(frame: Schema) -> list[tuple[str, str, Schema]]:
    properties = frame["properties"]
    return [
        ("Stream", "A stream that keeps prices fresh between polls.", properties["streams"]["items"]),
        ("Dispute", "A streamed price that is held back.", properties["disputed"]["items"]),
        ("Missing", "Why a coin is not in the answer.", properties["missing"]["additionalProperties"]),
    ]


def _inner(frame: Schema) -> dict[str, str]:
    return {"/".join(schema["properties"]): name for name, _, schema in _inner_objects(frame)}


def feeds() -> str:
    """The feeds as data: parameters, columns, codes."""
    lines = [
        _HEADING.format("The feeds as data, for command lines and checks."),
        "from spot_client.declarations import CloseCode, Column, Declaration, Parameter\n",
        "FEEDS: dict[str, Declaration] = {",
    ]
    for one in declared():
        lines += _declaration(one)
    lines += ["}", "", "#: Why the server closes connections, and whether to come back.", "CLOSES = {"]
    for code, fact in CLOSES.items():
        statuses = [error.status for error in ERRORS.values() if error.close is code]
        status = statuses[0] if statuses else 400
        lines.append(f"    {int(code)}: CloseCode({fact.meaning!r}, reconnect={fact.reconnect}, status={status}),")
    lines += ["}", "", "#: HTTP status of each error code.", "STATUSES = {"]
    lines += [f"    {code!r}: {fact.status}," for code, fact in ERRORS.items()]
    lines += ["}", "", "#: Seconds after which what was refused may succeed, by the code of the error.", "WAITS = {"]
    lines += [f"    {code!r}: {fact.wait}," for code, fact in ERRORS.items() if fact.retry]
    lines += ["}", ""]
    return "\n".join(lines)


def _declaration(one: Declared) -> list[str]:
    feed, schema = one.feed, one.parameters
    columns = ", ".join(f"Column({column.name!r}, {column.type!r}, {column.unit!r})" for column in feed.columns)
    lines = [
        f"    {feed.channel!r}: Declaration(",
        f"        {feed.channel!r},",
        f"        {feed.purpose!r},",
        "        parameters=(",
    ]
    for name, part in schema["properties"].items():
        kind = part.get("type", "string" if "enum" in part else "array")
        lines.append(
            f"            Parameter({name!r}, {kind if isinstance(kind, str) else 'string'!r},"
            f" {part['description']!r}, values={tuple(values(part))!r}, required={name in schema['required']}),"
        )
    lines += [
        "        ),",
        f"        columns=({columns},),",
        f"        key={_key(one)!r},",
        f"        events={feed.events},",
        "    ),",
    ]
    return lines


def _key(one: Declared) -> str:
    return "id" if "id" in one.row["properties"] else "timestamp"


_ASYNC = {
    "get": ("async def", "Page[{row}]", "await self._get"),
    "csv": ("async def", "str", "await self._csv"),
    "watch": ("def", "Watch[{row}]", "self._watch"),
    "tail": ("def", "Tail[{row}]", "self._tail"),
}
_SYNC = {
    "get": ("def", "Page[{row}]", "self._get"),
    "csv": ("def", "str", "self._csv"),
    "watch": ("def", "SyncWatch[{row}]", "self._watch"),
    "tail": ("def", "SyncTail[{row}]", "self._tail"),
}
_ASKING, _FOLLOWING = ("get", "csv"), ("watch", "tail")
_DOCS = {
    "get": "One page of a feed.",
    "csv": "The whole filtered and sorted range of a feed as CSV, independent of the page.",
    "watch": "The pages of a feed as they change: iterate over it.",
    "tail": """The events of a feed as they come, each once, oldest first: iterate over it. `last`: begin with so many
        of the newest; `since`: begin after the event with this id.""",
}


def signatures() -> str:
    """The methods of a client that differ by feed: each feed's own parameters and rows."""
    names = sorted(f"{one.name}{kind}" for one in declared() for kind in ("Params", "Row"))
    head = (
        _HEADING.format("The methods whose parameters and rows are those of a feed.")
        + "\nfrom collections.abc import Mapping\nfrom typing import TYPE_CHECKING, Any, Literal, overload\n\n"
        + "if TYPE_CHECKING:\n    from typing_extensions import Unpack\n\n"
        + "    from spot_client.following import Tail, Watch\n"
        + "    from spot_client.models import (\n        "
        + ",\n        ".join(names)
        + ",\n    )\n    from spot_client.page import Page\n"
        + "    from spot_client.sync import Tail as SyncTail\n    from spot_client.sync import Watch as SyncWatch\n"
    )
    return "\n\n".join(
        [
            head,
            _methods("AsyncViews", "Methods that follow a feed, asynchronous.", _ASYNC, _FOLLOWING),
            _methods("AsyncFeeds(AsyncViews)", "Methods of the asynchronous client.", _ASYNC, _ASKING),
            _methods("SyncViews", "Methods that follow a feed, synchronous.", _SYNC, _FOLLOWING),
            _methods("SyncFeeds(SyncViews)", "Methods of the synchronous client.", _SYNC, _ASKING),
        ]
    )


def _methods(name: str, doc: str, forms: dict[str, tuple[str, str, str]], names: tuple[str, ...]) -> str:
    methods = {method: forms[method] for method in names}
    lines = [f"class {name}:", f'    """{doc}"""', ""]
    for method, (define, result, call) in methods.items():
        options = ", *, last: int, since: str | None" if method == "tail" else ""
        called = call.rpartition(".")[2]
        returned = result.format(row="Any")
        lines += [
            f"    {define} {called}(self, feed: str, params: Mapping[str, Any]{options}) -> {returned}:",
            "        raise NotImplementedError",
            "",
        ]
    for method, (define, result, call) in methods.items():
        options = ", *, last: int = 0, since: str | None = None" if method == "tail" else ""
        passed = ", last=last, since=since" if options else ""
        overloads = [one for one in declared() if one.feed.events or method != "tail"]
        for one in overloads:
            lines += [
                "    @overload",
                f"    {define} {method}(",
                f'        self, feed: Literal["{one.feed.channel}"]{options}, **params: Unpack[{one.name}Params]',
                f"    ) -> {result.format(row=f'{one.name}Row')}: ...",
            ]
        lines += [
            f"    {define} {method}(self, feed: str{options}, **params: Any) -> {result.format(row='Any')}:",
            f'        """{_DOCS[method]}"""',
            f"        return {call}(feed, params{passed})",
            "",
        ]
    return "\n".join(lines)
