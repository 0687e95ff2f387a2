"""No secret reaches a line of the log, whatever carries it there."""

import logging

import pytest

from spot_project import logs


@pytest.fixture
def secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "_secrets", ["s3cret#word", "s3cret%23word"])


@pytest.mark.parametrize("password", ["s3cret", "s3/cret", "s3#cret", "s3?cret", "s3@cret", "s3%cret", "s3:cret"])
@pytest.mark.parametrize("scheme", ["redis", "rediss", "unix", "postgres", "redis+socket", "https"])
def test_a_password_is_masked_however_unreadable_its_address_is(scheme: str, password: str) -> None:
    text = logs.scrub(f"cannot connect to {scheme}://user:{password}@127.0.0.1:6379/0: refused")
    assert "cret" not in text
    assert "127.0.0.1:6379/0: refused" in text


@pytest.mark.usefixtures("secrets")
@pytest.mark.parametrize("text", ["port 's3cret#word'", "args: s3cret%23word", "unknown command HELLO, 3 s3cret#word"])
def test_the_secrets_of_this_site_are_masked_wherever_they_stand(text: str) -> None:
    assert "s3cret" not in logs.scrub(text)


@pytest.mark.usefixtures("secrets")
def test_what_is_no_text_is_masked_too() -> None:
    event = logs.redact(None, "", {"event": "x", "error": ValueError("s3cret#word"), "many": ["s3cret#word"], "n": 1})
    assert "s3cret" not in str(event)
    assert event["n"] == 1


def test_settings_hand_their_secrets_over() -> None:
    logger_state = list(logs._secrets)
    logs.config("INFO", secrets={"pass'word#1", "abc"})
    try:
        assert "pass%27word%231" in logs._secrets
        assert "abc" not in logs._secrets
    finally:
        logs._secrets[:] = logger_state
        logging.getLogger(__name__).debug("restored")
