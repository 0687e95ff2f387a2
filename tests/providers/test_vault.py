import copy
import pickle

import pytest

from providers import vault
from providers.vault import Locked, Secret
from tests.providers.conftest import KEY


def test_what_is_locked_is_not_to_be_read_and_comes_back_whole(settings) -> None:
    settings.SPOT_SECRET_KEYS = ["any text at all"]
    token = vault.lock(Secret(KEY))
    assert KEY not in token
    assert token != vault.lock(Secret(KEY))
    assert vault.unlock(token).reveal() == KEY


def test_an_older_secret_still_opens_until_it_is_retired(settings) -> None:
    settings.SPOT_SECRET_KEYS = ["old"]
    token = vault.lock(Secret(KEY))
    settings.SPOT_SECRET_KEYS = ["new", "old"]
    renewed = vault.relock(token)
    assert vault.unlock(token) == vault.unlock(renewed) == Secret(KEY)
    settings.SPOT_SECRET_KEYS = ["new"]
    assert vault.unlock(renewed) == Secret(KEY)
    for shut in (vault.unlock, vault.relock):
        with pytest.raises(Locked) as caught:
            shut(token)
        assert KEY not in str(caught.getrepr(style="native"))


@pytest.mark.parametrize("token", ["", "nonsense", "gAAAAA", "é"])
def test_a_token_that_is_none_is_locked(token: str) -> None:
    with pytest.raises(Locked):
        vault.unlock(token)


def test_a_secret_does_not_show_itself() -> None:
    secret = Secret(KEY)
    assert KEY not in f"{secret} {secret!r} {[secret]} {{secret}}"
    assert not hasattr(secret, "__dict__")
    for leak in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError):
            leak(secret)
    assert bool(secret)
    assert not Secret("")
