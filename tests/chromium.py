"""Where the browser of the browser tests comes from; `python -m tests.chromium` fetches one if there is none.

A Chromium or Chrome on the machine; else Debian's package, when root; else Playwright's own build. One that is made to
run without a screen comes first: it draws no windows of its own around the pages, and takes a third of the time less.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
MAC = tuple(f"/Applications/{name}.app/Contents/MacOS/{name}" for name in ("Google Chrome", "Chromium"))
NONE = "There is no Chromium or Chrome on this machine and none could be fetched. Install one and try again."


def find() -> str | None:
    """The path of a browser on this machine, or None."""
    on_path = (shutil.which(name) for name in NAMES)
    return next((path for path in (*on_path, *MAC, playwrights_own()) if path and Path(path).exists()), None)


def playwrights_own() -> str:
    """Where Playwright's build lies, if it was fetched."""
    ask = "from playwright.sync_api import sync_playwright as p\nwith p() as a: print(a.chromium.executable_path)"
    return subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True).stdout.strip()


def fetch() -> None:
    """Fetch a browser the way this machine allows."""
    if shutil.which("apt-get") and os.geteuid() == 0:
        apt = ["apt-get", "-qq", "-y", "-o", "DPkg::Lock::Timeout=300"]
        quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for step in (["update"], *(["install", "--no-install-recommends", name] for name in NAMES[:2])):
            if find() is None:
                subprocess.run([*apt, *step], check=False, env=quiet, stdout=subprocess.DEVNULL)
    if find() is None:
        subprocess.run([sys.executable, "-m", "playwright", "install", "chromium"], check=False)


if __name__ == "__main__" and find() is None:
    sys.stderr.write("No Chromium on this machine: fetching one\n")
    fetch()
    if find() is None:
        sys.exit(NONE)
