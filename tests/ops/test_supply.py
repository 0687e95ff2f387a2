"""What Spot is installed from: locked versions, each with the hashes of its files, for every platform."""

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from deploy import supply
from tests.live import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS: dict[str, list[str]] = PROJECT["optional-dependencies"]
LOCKS = {path.stem: path for path in sorted((ROOT / "requirements").glob("*.txt"))}
NPM = [ROOT / "spot/frontend/package-lock.json", ROOT / "clients/javascript/package-lock.json"]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
MAKEFILE = (ROOT / "Makefile").read_text()


def locked(name: str) -> dict[str, list[tuple[Requirement, list[str]]]]:
    """By package, its lines of a lock file: the requirement, and the hashes of its files."""
    lines = re.sub(r"\\\n", " ", LOCKS[name].read_text()).splitlines()
    packages: dict[str, list[tuple[Requirement, list[str]]]] = {}
    for line in lines:
        if line.strip() and not line.startswith("#"):
            requirement, *hashes = line.split("--hash=")
            parsed = Requirement(requirement.strip())
            packages.setdefault(canonicalize_name(parsed.name), []).append((parsed, [text.strip() for text in hashes]))
    return packages


def test_there_is_a_lock_for_each_list_of_packages() -> None:
    assert set(LOCKS) == {"site", *EXTRAS}


@pytest.mark.parametrize("name", LOCKS)
def test_every_package_has_one_version_and_the_hashes_of_its_files(name: str) -> None:
    for package, lines in locked(name).items():
        for requirement, hashes in lines:
            assert re.fullmatch(r"==[^*,]+", str(requirement.specifier)), package
            assert hashes, package
            assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", text) for text in hashes), package


@pytest.mark.parametrize("name", LOCKS)
def test_what_the_project_asks_for_is_locked(name: str) -> None:
    packages = locked(name)
    for text in PROJECT["dependencies"] if name == "site" else EXTRAS[name]:
        asked = Requirement(text)
        lines = packages.get(canonicalize_name(asked.name))
        assert lines, f"{asked.name} is not in {LOCKS[name]}: make lock"
        for requirement, _ in lines:
            (exact,) = requirement.specifier
            assert exact.version in asked.specifier, f"{text} is not {exact.version}: make lock"


def test_tests_run_with_the_versions_that_sites_have() -> None:
    site, dev = locked("site"), locked("dev")
    assert {name: [str(line[0].specifier) for line in lines] for name, lines in site.items()} == {
        name: [str(line[0].specifier) for line in dev[name]] for name in site
    }


@pytest.mark.parametrize("path", [*LOCKS.values(), *NPM], ids=lambda path: f"{path.parent.name}/{path.name}")
def test_a_lock_names_no_registry_and_no_machine(path: Path) -> None:
    assert not re.search("https?://|/home/|/tmp/|index-url", _packages(path))


def _packages(path: Path) -> str:
    """A lock file without the addresses where donations go."""
    if path.suffix != ".json":
        return path.read_text()
    lock = json.loads(path.read_text())
    for package in lock["packages"].values():
        package.pop("funding", None)
    return json.dumps(lock)


@pytest.mark.parametrize("path", NPM, ids=lambda path: path.parent.name)
def test_every_package_of_npm_has_a_hash(path: Path) -> None:
    lock: dict[str, Any] = json.loads(path.read_text())
    packages = {name: package for name, package in lock["packages"].items() if name.startswith("node_modules/")}
    assert packages
    assert not [name for name, package in packages.items() if not package.get("integrity") and not package.get("link")]


def test_what_is_installed_is_checked_against_the_hashes() -> None:
    assert re.findall(r"pip install .*", DOCKERFILE) == [
        "pip install --no-cache-dir --disable-pip-version-check --require-hashes -r site.txt \\"
    ]
    assert "npm ci" in DOCKERFILE
    assert re.search(r"^PIP = .*(\n\t.*)*--require-hashes$", MAKEFILE, re.MULTILINE)
    installs = re.findall(r"\$\(PIP\) ([^;]*);", MAKEFILE)
    assert installs
    assert all("-r requirements/" in arguments or "$(EMBEDDED)" in arguments for arguments in installs)


def test_the_image_is_bound_to_no_processor() -> None:
    """Its bases are published for several, and are chosen by the builder: `docker build --platform linux/arm64`."""
    assert re.findall(r"^ARG \w+_IMAGE=(.*)$", DOCKERFILE, re.MULTILINE) == ["node:22-slim", "python:3.13-slim"]
    assert not re.search(r"amd64|x86_64|arm64|aarch64|--platform|TARGETARCH", DOCKERFILE)
    assert not re.search(r"\b(curl|wget|ADD https?)", DOCKERFILE)  # no program is fetched for one processor


# --- what a site is made of, and what is known of it ------------------------------------------------------------------


def components(name: str) -> set[tuple[str, str]]:
    bom = json.loads((ROOT / "sbom" / f"{name}.cdx.json").read_text())
    assert bom["bomFormat"] == "CycloneDX"
    return {(component["name"], component["version"]) for component in bom["components"]}


def test_the_bill_of_materials_has_each_package_of_a_site() -> None:
    lines = [line for lines in locked("site").values() for line, _ in lines]
    assert components("python") == {(line.name, str(line.specifier).removeprefix("==")) for line in lines}, "make sbom"
    lock = json.loads(NPM[0].read_text())["packages"]
    bundled = {
        (name.removeprefix("node_modules/"), package["version"])
        for name, package in lock.items()
        if name and not package.get("dev")
    }
    assert components("frontend") == bundled, "make sbom"


@pytest.mark.parametrize("name", ["python", "frontend"])
def test_the_bill_of_materials_names_no_machine_and_no_registry(name: str) -> None:
    text = (ROOT / "sbom" / f"{name}.cdx.json").read_text().replace("http://cyclonedx.org/schema/", "")
    assert not re.search(r"https?://|file:|/home/|/tmp/|/work", text)
    assert 'spot.sbom="/app/sbom"' in DOCKERFILE


PIP_AUDIT = {
    "vulnerable": '{"dependencies":[{"name":"a","version":"1","vulns":[{"id":"PYSEC-1"}]}]}',
    "well": '{"dependencies":[{"name":"a","version":"1","vulns":[]},{"name":"b","skip_reason":"not found"}]}',
    "out of reach": '{"dependencies":[{"name":"a","skip_reason":"not found"}]}',
}
NPM_AUDIT = {
    "vulnerable": '{"vulnerabilities":{"a":{"severity":"high"}},"metadata":{"dependencies":{"total":2}}}',
    "well": '{"vulnerabilities":{},"metadata":{"dependencies":{"total":2}}}',
    "out of reach": '{"message":"request to registry failed, reason: getaddrinfo ENOTFOUND","error":{}}',
}


@pytest.mark.parametrize(
    ("outcome", "python", "npm"),
    [
        ("vulnerable", "x: VULNERABLE\n  a 1: PYSEC-1", "x: VULNERABLE\n  a: high"),
        (
            "well",
            "x: nothing known of 1 packages; 1 are not in the database, and were not checked",
            "x: nothing known of 2 packages",
        ),
        ("out of reach", *["x: the database was not reached, and nothing was checked"] * 2),
    ],
)
def test_a_check_that_did_not_happen_is_not_taken_for_a_good_one(outcome: str, python: str, npm: str) -> None:
    assert supply.sentence("x", *supply.of_pip_audit(PIP_AUDIT[outcome])) == python
    assert supply.sentence("x", *supply.of_npm(NPM_AUDIT[outcome])) == npm


@pytest.mark.parametrize("output", ["", "npm error", "[]", "null"])
def test_an_answer_that_cannot_be_read_is_no_check(output: str) -> None:
    assert supply.of_pip_audit(output) == supply.of_npm(output) == ([], 0, 0)
