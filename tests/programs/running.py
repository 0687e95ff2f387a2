"""How programs are run: with an environment of their own, at an address of a site, and for a limited time."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.programs.environments import NotHere, Package
from tests.programs.interception import Inside

SCRIPTS = Path(__file__).with_name("scripts")
#: How long a program may take, in seconds; light ones take a second or two.
PATIENCE = 60


class Ended(AssertionError):
    """A program ended with an error, or took too long."""


def run(
    package: Package,
    script: str,
    *arguments: Any,
    inside: Inside | None = None,
    over: Iterable[tuple[Path, Path]] = (),
    home: Path | None = None,
    seconds: float = PATIENCE,
    **environment: str,
) -> Any:
    """What a script of `scripts/` prints, decoded from JSON. It is run by the package's interpreter with its arguments
    as one JSON text. Raises `Ended`."""
    text = json.dumps(arguments)
    if package.registry == "npm":
        # A script on standard input finds packages beside the working directory.
        command = ["node", "--input-type=module", "-", text]
    else:
        command = [str(package.python), "-", text]
    said = output(package, command, (SCRIPTS / script).read_text(), inside, over, home, seconds, **environment)
    try:
        return json.loads(said.splitlines()[-1])
    except (ValueError, IndexError):
        raise Ended(f"{package} printed no JSON: {said!r}") from None


def output(
    package: Package,
    command: list[str],
    text: str = "",
    inside: Inside | None = None,
    over: Iterable[tuple[Path, Path]] = (),
    home: Path | None = None,
    seconds: float = PATIENCE,
    **environment: str,
) -> str:
    """What a command prints. Raises `Ended`."""
    with started(package, command, inside, over, home, **environment) as process:
        try:
            said, complaint = process.communicate(text, timeout=seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            said, complaint = process.communicate()
            raise Ended(f"{package} did not end within {seconds} s: {(said + complaint)[-3000:]}") from None
    if process.returncode:
        raise Ended(f"{package} ended with {process.returncode}: {(said + complaint)[-3000:]}")
    return said


@contextmanager
def started(
    package: Package,
    command: list[str],
    inside: Inside | None = None,
    over: Iterable[tuple[Path, Path]] = (),
    home: Path | None = None,
    **environment: str,
) -> Iterator[subprocess.Popen[str]]:
    """A process in the package's folder, with pipes. It and its children are ended with the context."""
    base = {"PATH": os.environ["PATH"], "HOME": str(home or package.folder), "LANG": "C.UTF-8", "NO_COLOR": "1"}
    if inside is not None:
        if inside.obstacle:
            raise NotHere(f"{package}: {inside.obstacle}")
        command, base = inside.command(command, over), {**base, **inside.environment}
    process = subprocess.Popen(
        command,
        cwd=package.folder,
        env={**base, **environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
