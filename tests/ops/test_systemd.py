"""The systemd units, as systemd itself reads them: in a folder that looks like the root of a machine."""

import json
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from tests.live import ROOT

UNITS = ROOT / "deploy" / "systemd"
SERVICES = sorted(file.name for file in UNITS.glob("*.service"))
SYSTEM = Path("/usr/lib/systemd/system")
MISSING = "no systemd-analyze on PATH (apt install systemd): the systemd units are NOT checked"


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The root of a machine with Spot installed as docs/operating.md says."""
    if not shutil.which("systemd-analyze"):
        pytest.skip(MISSING)
    root = tmp_path_factory.mktemp("machine")
    shutil.copytree(SYSTEM, root / "usr/lib/systemd/system", symlinks=True)
    shutil.copytree(UNITS, root / "etc/systemd/system")
    python = root / "opt/spot/.venv/bin/python"
    python.parent.mkdir(parents=True)
    python.touch(stat.S_IRWXU)
    return root


def analyze(machine: Path, *words: str) -> str:
    done = subprocess.run(["systemd-analyze", *words, f"--root={machine}"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_systemd_finds_nothing_wrong(machine: Path) -> None:
    said = analyze(machine, "verify", "--man=no", "spot.target", *SERVICES)
    assert not [line for line in said.splitlines() if "spot" in line]


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_is_exposed_to_little(machine: Path, service: str) -> None:
    threshold = ["--offline=true", "--threshold=15"]  # tenths of systemd's own measure, which ends with 10
    assert analyze(machine, "security", *threshold, service)
    findings = json.loads(analyze(machine, "security", "--offline=true", "--json=short", service))
    exposed = {one["json_field"] for one in findings if one["set"] is False}
    assert not exposed & {"UserOrDynamicUser", "NoNewPrivileges", "ProtectSystem", "ProtectHome", "PrivateTmp"}


def test_the_target_starts_every_process() -> None:
    wanted = (UNITS / "spot.target").read_text()
    for name in ("web", "worker", "beat", "stream"):
        assert f"spot-{name}.service" in wanted
        assert f"manage.py up {name}" in (UNITS / f"spot-{name}.service").read_text()
