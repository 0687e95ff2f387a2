"""What the machine has: a C compiler, packages, limits, and what it is called in the report."""

from __future__ import annotations

import os
import platform
import re
import resource
import shutil
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import version
from pathlib import Path

HERE = Path(__file__).resolve().parent


class Missing(Exception):
    """Something the measurement needs is not there; the message says what."""


@cache
def compiled(name: str) -> Path:
    """The C program of that name, built into a temporary folder that ends with this process's owner."""
    compiler = next((found for one in ("cc", "gcc", "clang") if (found := shutil.which(one))), None)
    if compiler is None:
        raise Missing(
            "make bench needs a C compiler for its load generator (Debian: apt install gcc libc6-dev zlib1g-dev)."
        )
    program = workshop() / name
    built = subprocess.run(
        [compiler, "-O2", "-o", program, HERE / f"{name}.c", "-lz"], capture_output=True, text=True, check=False
    )
    if built.returncode:
        if "zlib.h" in built.stderr or "-lz" in built.stderr:
            raise Missing("make bench needs zlib's header for its load generator (Debian: apt install zlib1g-dev).")
        raise Missing(f"{name}.c does not compile: {built.stderr.strip().splitlines()[-1]}")
    return program


@cache
def workshop() -> Path:
    """A temporary folder for this run; the caller of the benchmark removes it."""
    return Path(tempfile.mkdtemp(prefix="spot-bench-"))


@cache
def node_modules() -> Path:
    """Where `ws` is installed: beside the Python packages, so that the checkout stays clean."""
    folder = Path(sys.prefix) / "bench"
    if not (folder / "node_modules" / "ws").exists():
        if shutil.which("npm") is None:
            raise Missing("npm is not on PATH, and Node's ws is not installed.")
        folder.mkdir(exist_ok=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(HERE / name, folder)
        said = subprocess.run(
            ["npm", "ci", "--no-audit", "--no-fund", "--loglevel=error"],
            cwd=folder, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if said.returncode:
            raise Missing("npm could not install Node's ws.")
    return folder / "node_modules"


def raise_file_limit() -> int:
    """Let this process and its children open as many files as they may; how many that is."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wished = 65_536 if hard == resource.RLIM_INFINITY else hard
    resource.setrlimit(resource.RLIMIT_NOFILE, (wished, hard))
    return wished


def description() -> str:
    """Date, machine and versions, as a paragraph."""
    cores = len(os.sched_getaffinity(0))
    system = f"{platform.system()} {re.match(r'[0-9.]+', platform.release())[0].rstrip('.')}"  # type: ignore[index]
    packages = ", ".join(
        f"{name} {version(name)}"
        for name in ("channels", "channels-redis", "daphne", "uvicorn", "uvloop", "websockets", "numpy", "orjson")
    )
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, a machine with {cores} cores, {system}, Python {platform.python_version()}; "
        f"{packages}, Node {_said('node', '--version')}, ws {_ws_version()}, "
        f"{_said('redis-server', '--version')}, nginx {_said('nginx', '-v')}, Nchan as packaged with it."
    )


def _ws_version() -> str:
    found = re.search(r'"ws": "([^"]+)"', (HERE / "package.json").read_text())
    return found[1] if found else "?"


def _said(program: str, flag: str) -> str:
    path = shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin")
    if path is None:
        return f"({program} not installed)"
    done = subprocess.run([path, flag], capture_output=True, text=True, check=False)
    text = done.stdout + done.stderr
    found = re.search(r"v=([\d.]+)", text) or re.search(r"([\d]+\.[\d.]+\d)", text)
    number = found[1] if found else "?"
    return f"Redis {number}" if program == "redis-server" else number
