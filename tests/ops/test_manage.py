"""`manage.py` on a machine where the site is elsewhere, or not there yet."""

import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from spot.management.commands.up import manage, with_settings
from tests.live import ROOT, inherited


def run(*arguments: str, home: Path) -> subprocess.CompletedProcess[str]:
    environment = {**inherited(), "SPOT_HOME": str(home)}
    argv = [sys.executable, "manage.py", *arguments]
    return subprocess.run(argv, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=100)


def test_a_command_that_needs_a_site_names_the_folder_where_none_is_and_leaves_nothing(tmp_path: Path) -> None:
    home = tmp_path / "elsewhere"
    said = run("createsuperuser", home=home)
    assert said.returncode == 1
    assert said.stderr.strip() == (
        f"There is no Spot in {home}. Set SPOT_HOME to the folder with which the site was started: "
        "SPOT_HOME=/path manage.py createsuperuser"
    )
    assert not home.exists()


def test_a_check_leaves_nothing_behind(tmp_path: Path) -> None:
    home = tmp_path / "elsewhere"
    assert run("check", home=home).returncode == 0
    assert not home.exists()


@pytest.mark.parametrize("name", ["spot", "spot #1", "spot's; x"])
def test_the_command_that_is_printed_works_as_typed(name: str, settings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.SPOT_HOME = Path("/srv") / name
    monkeypatch.chdir(ROOT)
    assignment, _program, script, command = shlex.split(with_settings(manage("createsuperuser")))
    assert (assignment, script, command) == (f"SPOT_HOME=/srv/{name}", "manage.py", "createsuperuser")
    settings.SPOT_HOME = ROOT / ".spot"
    assert with_settings(manage("createsuperuser")).endswith(" manage.py createsuperuser")
    assert "SPOT_HOME" not in with_settings(manage("createsuperuser"))
