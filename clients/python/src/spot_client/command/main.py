"""`spot`: exit code 0, 1 when the server refuses or cannot be reached, 2 for arguments that are none, 130 after Ctrl-C,
141 when the reader of a pipe has gone."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import os
import shutil
import sys
from collections.abc import AsyncIterator, Sequence
from typing import Any

from rich.console import Group
from rich.live import Live

from spot_client.client import Client
from spot_client.command.output import Csv, JsonLines, Output, Tables, caption
from spot_client.command.parser import option, parameters, parser
from spot_client.errors import Refused, SpotError
from spot_client.following import Tail, Watch
from spot_client.page import Page

_FORMS: dict[str, type[Csv | JsonLines | Tables]] = {"csv": Csv, "jsonl": JsonLines, "table": Tables}
#: Lines of a terminal beside the rows of a table.
_MARGIN = 4
#: Seconds between two looks at why nothing comes.
_LOOK_SECONDS = 0.5


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; its exit code."""
    given = parser().parse_args(arguments)
    logging.basicConfig(level=logging.ERROR, format="spot: %(message)s", stream=sys.stderr)
    try:
        asyncio.run(_run(given))
        sys.stdout.flush()
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nothing is left to be flushed at the end
        return 141
    except Refused as refused:
        named = f" [{option(refused.field)}]" if refused.field else ""
        return _fail(f"{refused.message}{named}")
    except SpotError as error:
        return _fail(str(error))
    except ValueError as error:
        return _fail(str(error), 2)
    return 0


def _fail(message: str, code: int = 1) -> int:
    sys.stderr.write(f"spot: {message}\n")
    return code


async def _run(given: argparse.Namespace) -> None:
    form = given.output or ("table" if sys.stdout.isatty() else "jsonl")
    output = _FORMS[form](given.fields)
    feed: Any = given.feed
    async with Client(given.url, given.key, patience=getattr(given, "patience", 0.0)) as client:
        if given.command == "get":
            page: Page[Any] = await client.get(feed, **parameters(given))
            output.page(page)
            _remark(page, form)
        elif given.command == "tail":
            await _tail(client, given, output)
        elif isinstance(output, Tables) and sys.stdout.isatty():
            await _live(client, given, output)
        else:
            await _watch(client, given, output, form)


async def _tail(client: Client, given: argparse.Namespace, output: Output) -> None:
    feed: Any = given.feed
    count = 0
    tail = client.tail(feed, last=given.last, since=given.since, **parameters(given))
    async with _told(tail):
        async for event in tail:
            output.event(event)
            count += 1
            if count == given.count:
                return


async def _watch(client: Client, given: argparse.Namespace, output: Output, form: str) -> None:
    feed: Any = given.feed
    watch: Watch[Any] = client.watch(feed, **parameters(given))
    told: tuple[bool, bool] | None = None
    count = 0
    async with _told(watch):
        async for page in watch:
            output.again(page, watch.trouble)
            if (page.stale, page.simulated) != told:
                _remark(page, form)
                told = (page.stale, page.simulated)
            count += 1
            if count == given.count:
                return


@contextlib.asynccontextmanager
async def _told(followed: Watch[Any] | Tail[Any]) -> AsyncIterator[None]:
    """Say on standard error why nothing comes, whenever the reason is another."""

    async def tell() -> None:
        said = ""
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            if followed.trouble != said:
                said = followed.trouble
                sys.stderr.write(f"spot: {said or 'all is well again'}\n")

    task = asyncio.create_task(tell())
    try:
        yield
    finally:
        task.cancel()


async def _live(client: Client, given: argparse.Namespace, output: Tables) -> None:
    """One table, drawn anew with each page, and its age each second."""
    feed: Any = given.feed
    asked = parameters(given)
    if "page_size" not in asked:
        asked["page_size"] = max(1, shutil.get_terminal_size().lines - _MARGIN)
    watch: Watch[Any] = client.watch(feed, **asked)

    def drawn() -> Group | str:
        if watch.page is None:
            return watch.trouble or f"Waiting for {given.feed} of {given.url} …"
        return Group(output.table(watch.page), caption(watch.page, watch.trouble))

    with Live(console=output.console, get_renderable=drawn, refresh_per_second=4, transient=False):
        count = 0
        async for _page in watch:
            count += 1
            if count == given.count:
                return


def _remark(page: Page[Any], form: str) -> None:
    """What must not be overlooked, beside an output that has no place for it."""
    if form == "table":
        return
    if page.simulated:
        sys.stderr.write("spot: these data are simulated\n")
    if page.stale:
        sys.stderr.write(f"spot: these data are stale, {page.age:.0f} s old\n")
    for why in page.missing.values():
        sys.stderr.write(f"spot: {why['message']}\n")
