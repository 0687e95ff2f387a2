"""The arguments of `spot`: each feed has its own parameters as options."""

from __future__ import annotations

import argparse
import json
import os
import sys
from typing import Any, NoReturn

from spot_client import __version__
from spot_client.declarations import Declaration, Parameter
from spot_client.feeds import FEEDS

DEFAULT_URL = "http://localhost:8000"
_PARAMETER = "parameter:"
_ORDERED = ("page", "page_size", "sort_by", "sort_order")  # which a tail has of its own
_COMMANDS = {
    "watch": "show a feed as it changes, until Ctrl-C",
    "get": "show a page of a feed once",
    "tail": "show events as they come, each once, until Ctrl-C",
}


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """A usage error: how to ask, what is wrong, exit code 2."""
        sys.stderr.write(f"{self.prog}: {message}\nSee: {self.prog} --help\n")
        raise SystemExit(2)


def parser() -> argparse.ArgumentParser:
    """The parser of the whole command."""
    made = _Parser(prog="spot", description="Market data of a Spot server, in a terminal or a pipe.")
    made.add_argument("--version", action="version", version=f"spot {__version__}")
    commands = made.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=_Parser)
    for command, doc in _COMMANDS.items():
        one = commands.add_parser(command, help=doc, description=f"{doc[0].upper()}{doc[1:]}.")
        feeds = one.add_subparsers(dest="feed", required=True, metavar="FEED", parser_class=_Parser)
        for feed in FEEDS.values():
            if feed.events or command != "tail":
                _add_feed(feeds, command, feed)
    return made


def _add_feed(feeds: Any, command: str, feed: Declaration) -> None:
    made = feeds.add_parser(feed.channel, help=feed.purpose, description=f"{feed.purpose}.", allow_abbrev=False)
    own = made.add_argument_group("parameters of the feed")
    for parameter in feed.parameters:
        if command != "tail" or parameter.name not in _ORDERED:
            own.add_argument(
                option(parameter.name),
                dest=_PARAMETER + parameter.name,
                metavar=_metavar(parameter),
                required=parameter.required,
                type=_filters if parameter.type == "object" else str,
                help=parameter.allowed.replace("%", "%%"),
            )
    _add_common(made.add_argument_group("output and connection"), command)


def _add_common(group: Any, command: str) -> None:
    group.add_argument(
        "-o",
        "--output",
        choices=("table", "jsonl", "csv"),
        help="table, JSON lines or CSV; unless given, table in a terminal and jsonl in a pipe",
    )
    group.add_argument("--fields", metavar="A,B", type=_names, default=[], help="only these fields, in this order")
    if command == "tail":
        group.add_argument("--last", type=int, default=10, metavar="N", help="begin with the newest N; 10 unless given")
        group.add_argument("--since", metavar="ID", help="begin after the event with this id")
    if command != "get":
        kind = "pages" if command == "watch" else "events"
        group.add_argument("-n", "--count", type=int, metavar="N", help=f"end after N {kind}")
    url, key = os.environ.get("SPOT_URL") or DEFAULT_URL, os.environ.get("SPOT_KEY")
    group.add_argument("--url", default=url, help=f"the server; SPOT_URL, or {DEFAULT_URL}, unless given")
    group.add_argument("--key", default=key, help="the key; SPOT_KEY unless given, which other users cannot see")
    if command == "get":
        wait = "seconds to wait for a server that is away or asks to come back; 10 unless given"
        group.add_argument("--patience", type=float, default=10.0, metavar="SECONDS", help=wait)


def parameters(arguments: argparse.Namespace) -> dict[str, Any]:
    """The parameters of the feed among the arguments."""
    return {
        name.removeprefix(_PARAMETER): value
        for name, value in vars(arguments).items()
        if name.startswith(_PARAMETER) and value is not None
    }


def option(name: str) -> str:
    """The option of a parameter."""
    return "--" + name.replace("_", "-")


def _metavar(parameter: Parameter) -> str:
    kinds = {"integer": "N", "number": "N", "boolean": "true|false", "object": "JSON", "array": "A,B"}
    return kinds.get(parameter.type, "TEXT")


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _filters(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"is no JSON: {error}") from None
    if not isinstance(value, dict):
        raise argparse.ArgumentTypeError('must be a JSON object, such as {"symbol": ["BTC", "ETH"]}')
    return value
