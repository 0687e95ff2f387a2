"""A new master key in place of one that has leaked."""

import errno
import io
import stat
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from providers.models import ApiKey
from providers.vault import Secret
from spot.clients.models import ClientKey, ClientPlan
from spot.rescue import archive
from tests.providers.conftest import KEY
from tests.providers.test_models import made

pytestmark = pytest.mark.django_db
OLD = "the old master key, which is long enough"


@pytest.fixture
def file(settings, tmp_path: Path) -> Path:
    path = tmp_path / "provider_keys"
    path.write_text(OLD)
    settings.SPOT_SECRET_KEYS, settings.SPOT_SECRET_KEYS_PLACE = [OLD], str(path)
    made().save()
    return path


def rotate(*arguments: str) -> str:
    out = io.StringIO()
    call_command("rotate_master_key", *arguments, stdout=out)
    return out.getvalue()


def test_a_key_is_replaced_in_steps_at_each_of_which_every_secret_opens(file: Path, settings) -> None:
    assert "manage.py reload" in rotate()
    new, old = file.read_text().splitlines()
    assert (old, stat.S_IMODE(file.stat().st_mode)) == (OLD, 0o600)
    assert ApiKey.objects.get().secret == Secret(KEY)  # a process that does not know the new one
    settings.SPOT_SECRET_KEYS = [new, old]
    with pytest.raises(CommandError, match=r"Encrypted with an old master key: .*3210. Run manage.py reencrypt_keys"):
        rotate("--drop-old")
    call_command("reencrypt_keys", stdout=io.StringIO())
    rotate("--drop-old")
    assert file.read_text() == new
    settings.SPOT_SECRET_KEYS = [new]
    assert ApiKey.objects.get().secret == Secret(KEY)


def test_a_file_that_is_mounted_for_reading_only_names_the_way_of_compose(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_path: Path) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(archive, "draft", refuse)
    with pytest.raises(CommandError, match=r"Read-only file system\. With Compose: docker compose run --rm rescue"):
        rotate()
    assert file.read_text() == OLD


def test_client_keys_that_would_stop_working_are_said(file: Path, settings) -> None:
    plan = ClientPlan.objects.create(name="of this test")
    ClientKey.objects.create(name="c", plan=plan, prefix="spot_a", last_four="wxyz", digest="0" * 64)
    rotate()
    settings.SPOT_SECRET_KEYS = file.read_text().splitlines()
    call_command("reencrypt_keys", stdout=io.StringIO())
    with pytest.raises(CommandError, match="1 client keys stop working"):
        rotate("--drop-old")
    rotate("--drop-old", "--client-keys-too")


def test_what_cannot_be_rotated_is_refused(file: Path, settings) -> None:
    with pytest.raises(CommandError, match="There is one master key only"):
        rotate("--drop-old")
    settings.SPOT_SECRET_KEYS_PLACE = str(file.parent / "none" / "provider_keys")
    with pytest.raises(CommandError, match="There is no master key at"):
        rotate()
    settings.SPOT_SECRET_KEYS_PLACE = "SPOT_SECRET_KEYS"
    with pytest.raises(CommandError, match="put a new secret before the others there"):
        rotate()
