"""What a site is made of, and whether any of it has a known vulnerability: `make sbom` and `make audit`.

    python deploy/supply.py sbom     writes sbom/python.cdx.json and sbom/frontend.cdx.json (CycloneDX)
    python deploy/supply.py audit    exits with 1 if a vulnerability is known; says which databases are out of reach

The packages of requirements/audit.txt must be importable, and npm on the PATH.
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
FRONT_END = ROOT / "spot" / "frontend"
JS_CLIENT = ROOT / "clients" / "javascript"
BOMS = ROOT / "sbom"


def run(argv: Sequence[str], folder: Path = ROOT) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(argv, cwd=folder, capture_output=True, text=True, check=False, timeout=600)


# --- what a site is made of -------------------------------------------------------------------------------------------


def python_bom() -> dict[str, Any]:
    """The packages of requirements/site.txt, which has the hashes of their files; without places of any registry."""
    argv = [sys.executable, "-m", "cyclonedx_py", "requirements", "requirements/site.txt", "--of", "JSON"]
    said = run([*argv, "--pyproject", "pyproject.toml", "--output-reproducible"])
    if said.returncode:
        raise SystemExit(said.stderr.strip())
    bom: dict[str, Any] = json.loads(said.stdout)
    for component in bom["components"]:
        line = component.pop("description").split("--hash")[0]
        component["bom-ref"] = component["purl"]
        component.pop("externalReferences", None)
        if marker := line.partition(";")[2].strip():
            component["properties"] = [{"name": "spot:marker", "value": marker}]
    for tool in bom["metadata"]["tools"]["components"]:
        tool.pop("externalReferences", None)
    bom["dependencies"] = [{"ref": component["bom-ref"]} for component in bom["components"]]
    return bom


def front_end_bom() -> dict[str, Any]:
    """The packages that are bundled into the pages."""
    said = run(["npm", "sbom", "--sbom-format", "cyclonedx", "--package-lock-only", "--omit", "dev"], FRONT_END)
    if said.returncode:
        raise SystemExit(said.stderr.strip())
    bom: dict[str, Any] = json.loads(said.stdout)
    bom.pop("serialNumber")  # so that the same packages make the same file
    bom["metadata"].pop("timestamp")
    return bom


def write_boms() -> int:
    BOMS.mkdir(exist_ok=True)
    for name, bom in (("python", python_bom()), ("frontend", front_end_bom())):
        path = BOMS / f"{name}.cdx.json"
        path.write_text(json.dumps(bom, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        sys.stdout.write(f"{path.relative_to(ROOT)}: {len(bom['components'])} packages\n")
    return 0


# --- known vulnerabilities --------------------------------------------------------------------------------------------


def of_pip_audit(output: str) -> tuple[list[str], int, int]:
    """Of its JSON: what is vulnerable, and how many packages were checked and were not. A package that the database
    does not have is not checked, and a database out of reach has none."""
    try:
        packages = json.loads(output)["dependencies"]
    except (ValueError, KeyError, TypeError):
        return [], 0, 0
    checked = [package for package in packages if "skip_reason" not in package]
    found = [
        f"{package['name']} {package['version']}: {', '.join(one['id'] for one in package['vulns'])}"
        for package in checked
        if package["vulns"]
    ]
    return found, len(checked), len(packages) - len(checked)


def of_npm(output: str) -> tuple[list[str], int, int]:
    """The same of the JSON of `npm audit`."""
    try:
        answer = json.loads(output)
        packages = int(answer["metadata"]["dependencies"]["total"])
    except (ValueError, KeyError, TypeError):
        return [], 0, 0
    return [f"{name}: {one['severity']}" for name, one in sorted(answer["vulnerabilities"].items())], packages, 0


def sentence(name: str, found: Sequence[str], checked: int, unchecked: int) -> str:
    """What came of one check."""
    if found:
        return f"{name}: VULNERABLE\n  " + "\n  ".join(found)
    if not checked:
        return f"{name}: the database was not reached, and nothing was checked"
    rest = f"; {unchecked} are not in the database, and were not checked" if unchecked else ""
    return f"{name}: nothing known of {checked} packages{rest}"


def audit() -> int:
    """Check each lock."""
    vulnerable = False
    argv = [sys.executable, "-m", "pip_audit", "--disable-pip", "--require-hashes", "--progress-spinner", "off"]
    outputs = [
        *(
            (
                f"requirements/{lock}.txt",
                of_pip_audit,
                [*argv, "--format", "json", "-r", f"requirements/{lock}.txt"],
                ROOT,
            )
            for lock in ("site", "dev")
        ),
        *(
            (
                f"{folder.relative_to(ROOT)}/package-lock.json",
                of_npm,
                ["npm", "audit", "--json", "--audit=true"],
                folder,
            )
            for folder in (FRONT_END, JS_CLIENT)
        ),
    ]
    for name, read, command, folder in outputs:
        found, checked, unchecked = read(run(command, folder).stdout)
        sys.stdout.write(f"{sentence(name, found, checked, unchecked)}\n")
        vulnerable |= bool(found)
    return int(vulnerable)


if __name__ == "__main__":
    sys.exit({"sbom": write_boms, "audit": audit}[sys.argv[1]]())
