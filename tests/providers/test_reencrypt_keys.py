import io

import pytest
from django.core.management import CommandError, call_command

from providers.models import ApiKey
from providers.vault import Secret
from tests.providers.conftest import KEY
from tests.providers.test_models import made

pytestmark = pytest.mark.django_db


def test_afterwards_the_old_secret_can_go(settings) -> None:
    settings.SPOT_SECRET_KEYS = ["old"]
    made().save()
    settings.SPOT_SECRET_KEYS = ["new", "old"]
    call_command("reencrypt_keys", stdout=io.StringIO())
    settings.SPOT_SECRET_KEYS = ["new"]
    assert ApiKey.objects.get().secret == Secret(KEY)


def test_a_key_that_nothing_opens_is_named_and_the_others_are_done(settings) -> None:
    settings.SPOT_SECRET_KEYS = ["lost"]
    made("CG-lost-0123456789abcd").save()
    settings.SPOT_SECRET_KEYS = ["old"]
    made().save()
    settings.SPOT_SECRET_KEYS = ["new", "old"]
    with pytest.raises(CommandError, match="••••abcd"):
        call_command("reencrypt_keys")
    settings.SPOT_SECRET_KEYS = ["new"]
    assert ApiKey.objects.get(last_four="3210").secret == Secret(KEY)
