"""Fetch pip itself, for a Python that came without it, as Debian's does: `python -m spot.fetch_pip INDEX FOLDER`.

Prints the path of the wheel in FOLDER, from which pip can run. Only the standard library is needed.
"""

import hashlib
import re
import sys
import urllib.request
from pathlib import Path
from urllib.parse import urljoin

_WHEEL = re.compile(r'href="([^"]*/(pip-[\d.]+-py3-none-any\.whl))#sha256=([0-9a-f]{64})"')


def fetch(index: str, folder: Path) -> Path:
    """The newest wheel of pip in a package index (PEP 503), checked against the digest that the index gives."""
    page = f"{index.rstrip('/')}/pip/"
    wheels = _WHEEL.findall(_read(page).decode())
    if not wheels:
        raise ValueError(f"no wheel of pip at {page}")
    address, name, digest = max(wheels, key=lambda wheel: [int(part) for part in wheel[1].split("-")[1].split(".")])
    data = _read(urljoin(page, address))
    if hashlib.sha256(data).hexdigest() != digest:
        raise ValueError(f"{name} is not what the index says it is")
    path = folder / name
    path.write_bytes(data)
    return path


def _read(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=60) as answer:  # noqa: S310  the operator's own package index
        return bytes(answer.read())


if __name__ == "__main__":
    try:
        sys.stdout.write(f"{fetch(sys.argv[1], Path(sys.argv[2]))}\n")
    except (OSError, ValueError) as error:
        sys.exit(f"pip cannot be fetched: {error}")
