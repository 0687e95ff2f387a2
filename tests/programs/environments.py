"""Programs from PyPI, npm and Debian, each in an environment of its own, made once by the registry's client and kept.

The environments are in `spot-programs` of the user's cache folder, outside the checkout; a folder is complete when it
has its final name. `XDG_CACHE_HOME` moves them, and deleting them is always safe.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "spot-programs"
#: The longest that an installation may take, in seconds.
PATIENCE = 540
#: How the clients of the registries word it that they reach nobody.
_OUT_OF_REACH = re.compile(
    r"connection broken|NewConnectionError|ReadTimeoutError|ProxyError|name resolution|"
    r"Unable to locate package|Failed to fetch|"
    r"\b(?:ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH)\b"
)


class NotHere(Exception):
    """A program cannot be had on this machine: its registry is out of reach, or a tool that it needs is missing."""


@dataclass(frozen=True)
class Package:
    """A program of a registry ("PyPI", "npm" or "Debian") at one version, and what is installed beside it.

    `overrides` replace packages that it asks for, as npm's field of that name does. `source`: its source archive is
    unpacked into the folder `source` instead of being built and installed, as are Debian's packages, the `libraries`
    among them.
    """

    registry: str
    name: str
    version: str
    beside: tuple[str, ...] = ()
    overrides: dict[str, str] = field(default_factory=dict)
    source: bool = False
    libraries: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.name} {self.version}"

    @property
    def folder(self) -> Path:
        """Where its environment is, made when it is not there yet. Raises `NotHere`."""
        text = json.dumps(
            [self.registry, str(self), self.beside, self.overrides, self.source, self.libraries, sys.version_info[:2]]
        )
        digest = hashlib.blake2b(text.encode(), digest_size=5).hexdigest()
        name = re.sub(r"[^\w.]+", "-", self.name).strip("-")
        folder = CACHE / f"{name}-{self.version}-{digest}"
        with _alone(CACHE / f"{folder.name}.lock"):
            if not folder.exists():
                self._make(folder)
        return folder

    @property
    def python(self) -> Path:
        """The interpreter of a program of PyPI."""
        return self.folder / "bin" / "python"

    def _make(self, folder: Path) -> None:
        partial = Path(tempfile.mkdtemp(prefix=f"{folder.name}.", dir=CACHE))
        try:
            {"PyPI": self._install_python, "npm": self._install_npm, "Debian": self._install_debian}[self.registry](
                partial
            )
            partial.rename(folder)
        finally:
            shutil.rmtree(partial, ignore_errors=True)

    def _install_python(self, folder: Path) -> None:
        # Scripts of an environment name its folder, which is about to be renamed: programs are run as modules.
        venv.create(folder, symlinks=True)
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input"]
        wanted = f"{self.name}=={self.version}"
        if self.source:
            archive = folder / "archive"
            self._done([*pip, "download", "-q", "--no-binary", self.name, "--no-deps", "-d", str(archive), wanted])
            shutil.unpack_archive(next(archive.iterdir()), folder / "source", filter="data")
            shutil.rmtree(archive)
        install = [*pip, "--python", str(folder / "bin" / "python"), "install", "-q"]
        if packages := [*([] if self.source else [wanted]), *self.beside]:
            self._done([*install, *packages])

    def _install_debian(self, folder: Path) -> None:
        if shutil.which("apt-get") is None:
            raise NotHere(f"{self}: this machine has no apt-get")
        venv.create(folder, symlinks=True)
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", "--python"]
        self._done([*pip, str(folder / "bin" / "python"), "install", "-q", *self.beside])
        archives = folder / "archives"
        archives.mkdir()
        self._done(["apt-get", "download", self.name, *self.libraries], archives)
        if not any(archive.name.startswith(f"{self.name}_{self.version}") for archive in archives.iterdir()):
            raise NotHere(f"{self}: Debian has another version here")
        for archive in archives.iterdir():
            self._done(["dpkg-deb", "-x", str(archive), str(folder / "source")])
        shutil.rmtree(archives)

    def _install_npm(self, folder: Path) -> None:
        packages = dict(_split(text) for text in (f"{self.name}@{self.version}", *self.beside))
        about = {"private": True, "dependencies": packages, "overrides": self.overrides}
        (folder / "package.json").write_text(json.dumps(about))
        npm = shutil.which("npm")
        if npm is None:
            raise NotHere(f"{self}: npm is not on PATH")
        self._done([npm, "install", "--prefix", str(folder), "--no-audit", "--no-fund", "--loglevel=error"])

    def _done(self, command: list[str], folder: Path | None = None) -> None:
        try:
            done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=PATIENCE, cwd=folder)
        except subprocess.TimeoutExpired as late:
            raise NotHere(f"{self}: {self.registry} did not deliver it within {PATIENCE} s") from late
        if done.returncode:
            said = (done.stderr + done.stdout).strip()
            if found := _OUT_OF_REACH.search(said):
                raise NotHere(f"{self}: {self.registry} is out of reach ({found[0]})")
            raise AssertionError(f"{self} cannot be installed: {said[-2000:]}")


def _split(text: str) -> tuple[str, str]:
    name, _, version = text.rpartition("@")
    return name, version


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Only one process at a time makes an environment."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
