"""Findings of a check, and the report of all of them as text, as JSON and as an exit code. Pure."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal

Level = Literal["ok", "skipped", "warning", "problem"]

#: Exit codes, as monitoring plug-ins have them.
EXIT_CODES: dict[Level, int] = {"ok": 0, "skipped": 0, "warning": 1, "problem": 2}
_LABELS: dict[Level, str] = {"ok": "ok", "skipped": "-", "warning": "warning", "problem": "PROBLEM"}
_WIDTH = 108


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found: a sentence, and another that says how to mend it ("" where nothing is to be mended)."""

    check: str
    level: Level
    sentence: str
    mend: str = ""


def exit_code(findings: Sequence[Finding]) -> int:
    """0: well; 1: warnings only; 2: at least one problem."""
    return max((EXIT_CODES[finding.level] for finding in findings), default=0)


def json_of(findings: Sequence[Finding]) -> str:
    """The report for programs."""
    report = {"exit": exit_code(findings), "findings": [asdict(finding) for finding in findings]}
    return json.dumps(report, indent=1, ensure_ascii=False)


def text_of(findings: Sequence[Finding]) -> str:
    """The report for people: problems last, where a terminal shows them."""
    ordered = sorted(findings, key=lambda finding: list(_LABELS).index(finding.level))
    indent = max((len(finding.check) for finding in findings), default=0) + 11
    lines = []
    for finding in ordered:
        head = f"{_LABELS[finding.level]:<9}{finding.check:<{indent - 9}}"
        rest = {"width": _WIDTH, "subsequent_indent": " " * indent, "break_on_hyphens": False}
        lines += textwrap.wrap(finding.sentence, initial_indent=head, **rest)  # type: ignore[arg-type]
        if finding.mend:
            lines += textwrap.wrap(f"→ {finding.mend}", initial_indent=" " * indent, **rest)  # type: ignore[arg-type]
    problems, warnings = (
        _counted(sum(finding.level == level for finding in findings), level) for level in ("problem", "warning")
    )
    return "\n".join([*lines, "", f"{problems}, {warnings}."])


def unreadable(error: str, *, as_json: bool) -> int:
    """Print the report where the settings themselves cannot be read, and return its exit code."""
    found = [Finding("settings", "problem", error, "Correct the variable; docs/configuration.md has its values.")]
    print(json_of(found) if as_json else text_of(found))  # noqa: T201  before Django has a command to write with
    return exit_code(found)


def _counted(number: int, noun: str) -> str:
    return f"{number or 'no'} {noun}{'' if number == 1 else 's'}"
