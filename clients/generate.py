"""Writes what the clients know of the feeds, from the server's declarations and JSON Schemas.

    python -m clients.generate            writes the files anew
    python -m clients.generate --check    exits with 1 when one of them is out of date

Python gets types (`models.py`), the feeds as data (`feeds.py`) and the signatures of a client's methods
(`signatures.py`); JavaScript gets `feeds.d.ts`.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from clients.generated import python, typescript

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "clients" / "python" / "src" / "spot_client"
FILES = {
    PACKAGE / "models.py": python.models,
    PACKAGE / "feeds.py": python.feeds,
    PACKAGE / "signatures.py": python.signatures,
    ROOT / "spot" / "frontend" / "src" / "feeds.d.ts": typescript.declarations,
}


def formatted(path: Path, text: str) -> str:
    """The text as the project's formatter leaves it, if it is Python."""
    if path.suffix != ".py":
        return text
    for step in (["check", "--quiet", "--select", "I", "--fix"], ["format", "--quiet"]):
        command = [sys.executable, "-m", "ruff", *step, "--stdin-filename", str(path), "-"]
        text = subprocess.run(command, input=text, capture_output=True, text=True, check=True, cwd=ROOT).stdout
    return text


def main(arguments: list[str]) -> int:
    """Write the files, or say which are out of date; the exit status."""
    made = {path: formatted(path, write()) for path, write in FILES.items()}
    old = [path for path, text in made.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    if "--check" not in arguments:
        for path in old:
            path.write_text(made[path], encoding="utf-8")
    for path in old:
        sys.stdout.write(f"{path.relative_to(ROOT)}\n")
    return 1 if old and "--check" in arguments else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
