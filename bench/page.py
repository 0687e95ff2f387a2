"""`python -m bench.page`: what the pages cost a browser. Starts a demo site, opens Chromium, prints a table.

The market of 500 coins changes once a second, which is as often as Spot sends; the dashboard shows all 500 as tiles and
100 rows of the table. Run it on a machine that does nothing else: the load average stands in the result.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from playwright.sync_api import Browser, CDPSession, Page

from tests.stage import DASHBOARD, browser, demo_site, wait_for_view

if TYPE_CHECKING:
    from tests.live import LiveSite

PAGES = {
    "dashboard": ("/", DASHBOARD),
    "coin": ("/coin/bitcoin/", {".chart canvas": 5}),
    "status": ("/status/", {"spot-status": 1}),
}
FULL = "/?coins=500&rows=100"
WARM_SECONDS = 90.0  # before the heap is weighed for the first time: the browser compiles and caches fill
SAMPLE_SECONDS = 1.0

#: Runs before the page's own scripts: counts layout shifts and long tasks, times what messages of the map cost.
WATCH = """() => {
    const seen = (window.bench = { shifts: 0, tasks: [], heard: [], drawn: [], changed: [], table: null, map: null });
    const each = (type, take) => {
        new PerformanceObserver((list) => list.getEntries().forEach(take)).observe({ type, buffered: true });
    };
    const there = (selector) => document.querySelector(selector) !== null;
    each("layout-shift", (entry) => { if (!entry.hadRecentInput) seen.shifts += entry.value; });
    each("longtask", (entry) => seen.tasks.push([Math.round(entry.startTime), Math.round(entry.duration)]));
    const look = () => {
        if (seen.table === null && there("spot-market tbody tr td")) seen.table = performance.now();
        if (seen.map === null && there(".map[data-tiles]:not([data-tiles='0'])")) seen.map = performance.now();
        if (seen.table === null || seen.map === null) requestAnimationFrame(look);
    };
    requestAnimationFrame(look);
    const { get, set } = Object.getOwnPropertyDescriptor(WebSocket.prototype, "onmessage");
    Object.defineProperty(WebSocket.prototype, "onmessage", {
        get,
        set(handler) {
            const map = this.url.includes("/coin-heatmap");
            set.call(this, handler && map ? (event) => {
                const began = performance.now();
                handler(event);
                seen.heard.push(performance.now() - began);
            } : handler);
        },
    });
}"""
#: Wraps the map's drawing, once the page is there.
TIME_DRAWING = """() => {
    const map = document.querySelector("spot-heatmap");
    const draw = map.draw;
    map.draw = function (feed, changes) {
        const began = performance.now();
        draw.call(this, feed, changes);
        window.bench.drawn.push(performance.now() - began);
        window.bench.changed.push(changes.size);
    };
}"""
#: Draws every tile anew, text and all, so many times, with a frame of the screen between two.
DRAW_ALL = """async (times) => {
    const map = document.querySelector("spot-heatmap");
    const found = [];
    for (let n = 0; n < times; n += 1) {
        await new Promise(requestAnimationFrame);
        const began = performance.now();
        map.repaint = true;
        map.map.mosaic.look(map.map.mosaic.view);
        map.draw(map.feeds[0], new Map());
        found.push(performance.now() - began);
    }
    return found;
}"""


def centile(values: list[float], share: float) -> float:
    """The value that so large a share of the values is not above; 0 without values."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0


def spread(values: list[float], unit: str = "ms") -> str:
    """Median, 95th centile and maximum, as text."""
    if not values:
        return "nothing measured"
    return f"{statistics.median(values):.1f} / {centile(values, 0.95):.1f} / {max(values):.1f} {unit}"


def new_page(chromium: Browser) -> tuple[Page, CDPSession]:
    """A page with an empty cache, watched from its first moment."""
    page = chromium.new_page(viewport={"width": 1440, "height": 900}, locale="en-US", timezone_id="UTC")
    page.add_init_script(f"({WATCH})()")
    return page, page.context.new_cdp_session(page)


# --- loading ----------------------------------------------------------------------------------------------------------


def loads(chromium: Browser, site: LiveSite, times: int) -> dict[str, list[float]]:
    """Milliseconds from the request to the first paint, the first row and the first tile; layout shift. Cold caches."""
    found: dict[str, list[float]] = {"paint": [], "table": [], "map": [], "shift": []}
    for _ in range(times):
        page, _devtools = new_page(chromium)
        page.goto(site.url + "/")
        wait_for_view(page)
        page.wait_for_timeout(2000)  # later shifts count too
        paint = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? NaN"
        found["paint"].append(page.evaluate(paint))
        for name, key in (("table", "table"), ("map", "map"), ("shift", "shifts")):
            found[name].append(page.evaluate(f"window.bench.{key}"))
        page.context.close()
    return found


def noted(kinds: dict[str, str], sizes: dict[str, int], event: dict[str, Any]) -> None:
    """What a request was for, or how many bytes it took."""
    if "type" in event:
        kinds[event["requestId"]] = event["type"]
    else:
        sizes[event["requestId"]] = int(event["encodedDataLength"])


def scripts(chromium: Browser, site: LiveSite) -> dict[str, int]:
    """Bytes of JavaScript that each page transfers, compressed as the server sends it."""
    found = {}
    for name, (path, wanted) in PAGES.items():
        page, devtools = new_page(chromium)
        kinds: dict[str, str] = {}
        sizes: dict[str, int] = {}
        devtools.send("Network.enable")
        note = partial(noted, kinds, sizes)
        devtools.on("Network.responseReceived", note)
        devtools.on("Network.loadingFinished", note)
        page.goto(site.url + path)
        wait_for_view(page, wanted)
        found[name] = sum(size for request, size in sizes.items() if kinds.get(request) == "Script")
        page.context.close()
    return found


# --- a page that stays open -------------------------------------------------------------------------------------------


def heap(devtools: CDPSession) -> float:
    """Megabytes of JavaScript objects that are in use, after a collection."""
    devtools.send("HeapProfiler.collectGarbage")
    return float(devtools.send("Runtime.getHeapUsage")["usedSize"]) / 1e6


def script_seconds(devtools: CDPSession) -> float:
    """Seconds of scripting since the page began."""
    metrics = devtools.send("Performance.getMetrics")["metrics"]
    return float(next(one["value"] for one in metrics if one["name"] == "ScriptDuration"))


def sampled(page: Page, devtools: CDPSession, minutes: float) -> Iterator[float]:
    """Milliseconds of scripting in each second, all panels together, for so many minutes."""
    before, ends = script_seconds(devtools), time.monotonic() + minutes * 60
    while time.monotonic() < ends:
        page.wait_for_timeout(SAMPLE_SECONDS * 1000)
        now = script_seconds(devtools)
        yield (now - before) * 1000
        before = now


def open_for(chromium: Browser, site: LiveSite, minutes: float) -> dict[str, Any]:
    """What the dashboard does while it is open for so long, with 500 tiles and 100 rows."""
    page, devtools = new_page(chromium)
    complaints: list[str] = []
    page.on("console", lambda message: message.type == "error" and complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    devtools.send("Performance.enable")
    page.goto(site.url + FULL)
    wait_for_view(page, {**DASHBOARD, "spot-market tbody tr": 100, ".map[data-tiles='500']": 1})
    page.evaluate(TIME_DRAWING)
    page.wait_for_timeout(WARM_SECONDS * 1000)
    began = page.evaluate("Object.assign(window.bench, { heard: [], drawn: [], changed: [] }) && performance.now()")
    heaps = [heap(devtools)]
    load = os.getloadavg()[0]
    seconds = list(sampled(page, devtools, minutes))
    heaps.append(heap(devtools))
    load = (load + os.getloadavg()[2]) / 2
    seen = page.evaluate("window.bench")
    whole = page.evaluate(DRAW_ALL, 60)
    page.context.close()
    tasks = [length for at, length in seen["tasks"] if at >= began]
    return seen | {
        "heaps": heaps,
        "seconds": seconds,
        "whole": whole,
        "tasks": tasks,
        "complaints": complaints,
        "load": load,
    }


# --- the report -------------------------------------------------------------------------------------------------------


def report(first: dict[str, list[float]], sizes: dict[str, int], seen: dict[str, Any], minutes: float) -> str:
    """Everything as a Markdown table."""
    start, end = seen["heaps"]
    updates = [heard + drawn for heard, drawn in zip(seen["heard"], seen["drawn"], strict=False)]
    tasks = seen["tasks"]
    lines = [
        ("first paint, empty cache: median / p95 / max", spread(first["paint"])),
        ("first row of the table", spread(first["table"])),
        ("first tiles of the map", spread(first["map"])),
        ("cumulative layout shift, worst load", f"{max(first['shift']):.4f}"),
        ("an update of the map, message to canvas: median / p95 / max", spread(updates)),
        ("tiles that changed in an update, median", f"{statistics.median(seen['changed'] or [0]):.0f} of 500"),
        ("all 500 tiles drawn anew", spread(seen["whole"])),
        ("scripting in a second, all panels", spread(seen["seconds"])),
        (f"longest task in {minutes:g} min", f"{max(tasks, default=0)} ms" if tasks else "none over 50 ms"),
        ("tasks over 100 ms", str(sum(length > 100 for length in tasks))),
        ("layout shift while open", f"{seen['shifts']:.4f}"),
        ("heap at the start and at the end", f"{start:.1f} and {end:.1f} MB ({(end / start - 1) * 100:+.1f} %)"),
        ("errors on the console", str(len(seen["complaints"]))),
        *((f"JavaScript of the {name} page, as transferred", f"{size / 1000:.1f} KB") for name, size in sizes.items()),
    ]
    return "\n".join(["| measured | |", "| --- | ---: |", *(f"| {what} | {value} |" for what, value in lines)])


def main() -> None:
    """Measure, print, and leave nothing behind."""
    parser = argparse.ArgumentParser(prog="python -m bench.page", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10, help="how long the dashboard stays open (10)")
    parser.add_argument("--loads", type=int, default=7, help="how often it is loaded (7)")
    parser.add_argument("--json", type=Path, help="write every single measurement to this file")
    args = parser.parse_args()
    with demo_site() as site, browser() as chromium:
        first = loads(chromium, site, args.loads)
        sizes = scripts(chromium, site)
        seen = open_for(chromium, site, args.minutes)
        print(report(first, sizes, seen, args.minutes))
        busy = f"load average about {seen['load']:.0f} on {os.cpu_count()} cores"
        print(f"\n{chromium.browser_type.name} {chromium.version}; {busy}.")
    if args.json:
        args.json.write_text(json.dumps({"loads": first, "scripts": sizes, "open": seen}, indent=1))


if __name__ == "__main__":
    main()
