"""`make screenshots`: the pictures of the documents, taken of a demo site in Chromium, into docs/pictures.

The market is that of the sandbox's usual seed at the time of taking: older prices the page would call stale.
`ARGS="--review FOLDER"` takes every view instead, wide and narrow, dark and light, for a look at all of them.
"""

import argparse
import io
import itertools
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image
from playwright.sync_api import Browser, Page

from tests.stage import DASHBOARD, browser, demo_site, wait_for_view

if TYPE_CHECKING:
    from tests.live import LiveSite

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "pictures"
WIDE, PHONE = (1440, 900), (390, 844)
CANDLES = {".chart canvas": 5, ".chart-legend span": 1}
STATUS = {"main table tbody tr, main li, main dd": 1}
#: The moving picture: so many frames of the tape and the map, as fast as the machine takes them.
FRAMES, FILM = 60, (1080, 810)


@dataclass(frozen=True)
class View:
    """A page and what must be on it before its picture is taken."""

    path: str
    wanted: dict[str, int] = field(default_factory=dict)
    enter: Callable[[Page, "LiveSite"], None] = lambda page, site: None


def log_in(page: Page, site: "LiveSite") -> None:
    """Become the administrator that the environment named."""
    from tests.live import ADMINISTRATOR

    page.goto(f"{site.url}/admin/")
    page.fill("#id_username", ADMINISTRATOR[0])
    page.fill("#id_password", ADMINISTRATOR[1])
    page.click("input[type=submit]")


VIEWS = {
    "dashboard": View("/", DASHBOARD),
    "week": View("/?size=root&colour=7d&movers=7d", DASHBOARD),
    "hour": View("/?size=root&colour=1h", DASHBOARD),
    "coin": View("/coin/bitcoin/", CANDLES),
    "status": View("/status/", STATUS),
    "admin": View("/admin/", {".overview tbody tr": 2}, log_in),
}
REVIEWED = ("dashboard", "coin", "status", "admin")
#: Name of the file, view, size, scheme.
PICTURES = (
    ("dashboard-dark", "dashboard", WIDE, "dark"),
    ("dashboard-light", "week", WIDE, "light"),
    ("phone", "dashboard", PHONE, "dark"),
    ("coin", "coin", WIDE, "dark"),
    ("status", "status", WIDE, "light"),
    ("admin", "admin", WIDE, "light"),
)


def opened(chromium: Browser, site: "LiveSite", view: View, size: tuple[int, int], scheme: Any) -> Page:
    """A page of the view, as somebody in UTC with an English browser sees it."""
    phone = size == PHONE
    page = chromium.new_page(
        viewport={"width": size[0], "height": size[1]},
        color_scheme=scheme,
        locale="en-US",
        timezone_id="UTC",
        is_mobile=phone,
        has_touch=phone,
        device_scale_factor=2 if phone else 1,
    )
    view.enter(page, site)
    page.goto(site.url + view.path)
    page.reload()  # the page does not wait for its font: the first time it may do without
    wait_for_view(page, view.wanted)
    return page


def tell(file: Path) -> None:
    sys.stdout.write(f"{file.name}  {file.stat().st_size / 1000:.0f} KB\n")


def save(shot: bytes, file: Path) -> None:
    """As a PNG of 256 colours, a third of the size; chosen so that small things of a rare colour keep theirs."""
    with Image.open(io.BytesIO(shot)) as image:
        few = image.convert("RGB").quantize(256, Image.Quantize.MAXCOVERAGE, kmeans=1, dither=Image.Dither.NONE)
        few.save(file, optimize=True)
    tell(file)


def film(chromium: Browser, site: "LiveSite", file: Path) -> None:
    """The tape and the map as they move, as an animated WebP that keeps the pace at which its frames were taken."""
    page = opened(chromium, site, VIEWS["hour"], FILM, "dark")
    frames, taken = [], []
    for _ in range(FRAMES):
        taken.append(time.monotonic())
        frames.append(Image.open(io.BytesIO(page.screenshot())).convert("RGB"))
    gaps = [round((after - before) * 1000) for before, after in itertools.pairwise(taken)]
    frames[0].save(
        file, save_all=True, append_images=frames[1:], duration=[*gaps, gaps[-1]], loop=0, quality=60, method=4
    )
    page.context.close()
    tell(file)


def take(chromium: Browser, site: "LiveSite", folder: Path) -> None:
    """The pictures of the documents."""
    for name, view, size, scheme in PICTURES:
        page = opened(chromium, site, VIEWS[view], size, scheme)
        save(page.screenshot(animations="disabled"), folder / f"{name}.png")
        page.context.close()
    film(chromium, site, folder / "live.webp")


def review(chromium: Browser, site: "LiveSite", folder: Path) -> None:
    """Every page from top to bottom, in both sizes and schemes."""
    for name in REVIEWED:
        view = VIEWS[name]
        for size in (WIDE, PHONE):
            for scheme in ("dark", "light"):
                page = opened(chromium, site, view, size, scheme)
                save(page.screenshot(full_page=True, animations="disabled"), folder / f"{name}-{size[0]}-{scheme}.png")
                page.context.close()


def main() -> None:
    """Start a site, take the pictures, end it."""
    parser = argparse.ArgumentParser(prog="make screenshots ARGS=...", description=__doc__)
    parser.add_argument("--review", type=Path, metavar="FOLDER", help="every view in every form, into this folder")
    args = parser.parse_args()
    folder: Path = args.review or FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    with demo_site() as site, browser() as chromium:
        (review if args.review else take)(chromium, site, folder)


if __name__ == "__main__":
    main()
