"""A demo site of its own and a browser, for commands that look at pages: pictures, and measurements in Chromium.

with demo_site() as site, browser() as chromium: ...
"""

import contextlib
import importlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from playwright.sync_api import Browser, Page, sync_playwright
from playwright.sync_api import TimeoutError as Late

from tests import chromium

if TYPE_CHECKING:
    from tests.live import LiveSite

#: A view is ready when these are as many as there should be, and the fonts are there.
READY = """wanted => document.fonts.status === "loaded" && Object.entries(wanted).every(
    ([selector, least]) => document.querySelectorAll(selector).length >= least)"""
MAP = ".map[data-tiles]:not([data-tiles='0'])"
DASHBOARD = {MAP: 1, "spot-market tbody tr": 25, ".most-active li": 5, ".tape-item": 10}


@contextlib.contextmanager
def demo_site(**environment: str) -> "Iterator[LiveSite]":
    """A site on a free port, in a temporary folder, with the simulated market; ready to be looked at."""
    importlib.import_module("tests.environment")  # before any settings are read
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "spot_project.settings")
    import django

    django.setup()
    from tests.environment import pytest_unconfigure
    from tests.live import LiveSite

    home = Path(tempfile.mkdtemp(prefix="spot-stage-"))
    site = LiveSite(home, **environment)
    try:
        site.open()
        yield site
    finally:
        site.close()
        shutil.rmtree(home, ignore_errors=True)
        pytest_unconfigure()


@contextlib.contextmanager
def browser() -> Iterator[Browser]:
    """The machine's Chromium, without a window."""
    path = chromium.find()
    if path is None:
        raise SystemExit(chromium.NONE)
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []  # as root there is no sandbox to be had
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=path, args=[*arguments, "--enable-precise-memory-info"])
        try:
            yield opened
        finally:
            opened.close()


def wait_for_view(page: Page, wanted: dict[str, int] | None = None) -> None:
    """Return once the page shows what it is for (the dashboard, unless other selectors are given)."""
    needed = DASHBOARD if wanted is None else wanted
    try:
        page.wait_for_function(READY, arg=needed, timeout=60_000)
    except Late as late:
        there = {selector: page.locator(selector).count() for selector in needed}
        raise SystemExit(f"{page.url} is not ready after a minute: {there}, wanted {needed}") from late
