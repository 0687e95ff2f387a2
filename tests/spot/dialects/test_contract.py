"""The contract with clients: the present one breaks no client of the last release, and what breaks one is named."""

from dataclasses import replace

import pytest

from spot.codes import ERRORS
from spot.dialects import contract
from spot.dialects.contract import Fact, Summary, breaks, permitted, read, written
from spot.feeds import FEEDS, TAPE
from spot.feeds.params import Whole
from spot.management.commands.contract import FILE, present, release
from spot.web import http, twins


def test_no_client_of_the_last_release_is_broken() -> None:
    before, after = read(FILE.read_text()), present()
    broken = breaks(before, after)
    assert not broken or permitted(before, after), "\n".join(
        [f"This breaks clients of contract {before.version} (docs/contract.txt):", *broken]
    )


def test_the_summary_is_that_of_the_present_release() -> None:
    assert read(FILE.read_text()).release == release(), "a release begins with: manage.py contract --renew"


def test_the_summary_is_read_as_it_was_written() -> None:
    summary = present()
    assert read(written(summary)) == summary
    assert not breaks(summary, summary)


@pytest.fixture
def without_batch(monkeypatch) -> None:
    """Its interface is made of all feeds', and would hold the unchanged one beside."""
    monkeypatch.delitem(http._PUBLIC, "/tzone_apis/services/spot/batch")


def feed_changed(monkeypatch, channel: str, **changes: object) -> None:
    """The HTTP path of a feed as it would be with another declaration."""
    path = f"/tzone_apis/services/spot/{channel}"
    handler = http._PUBLIC[path]
    feed = replace(FEEDS[channel], **changes)
    monkeypatch.setitem(http._PUBLIC, path, handler._replace(operation=twins.operation(feed)))


def test_a_parameter_that_is_gone_is_named(monkeypatch) -> None:
    before = present()
    feed_changed(monkeypatch, "market", params=FEEDS["market"].params[1:])
    assert "GET /tzone_apis/services/spot/market, ?vs_currency: is gone" in breaks(before, present())


def test_a_narrower_parameter_is_named(monkeypatch, without_batch) -> None:
    before = present()
    params = [replace(one, kind=Whole(1, 400)) if one.name == "per_page" else one for one in FEEDS["market"].params]
    feed_changed(monkeypatch, "market", params=tuple(params))
    found = breaks(before, present())
    assert found == ["GET /tzone_apis/services/spot/market, ?per_page: no longer takes integer 1..500"]


def test_a_parameter_that_becomes_required_is_named(monkeypatch, without_batch) -> None:
    before = present()
    more = replace(TAPE.params[0], name="ids")
    feed_changed(monkeypatch, "market", params=(*FEEDS["market"].params, more))
    assert breaks(before, present()) == ["GET /tzone_apis/services/spot/market, ?ids: is new and required"]


def test_a_path_that_is_gone_is_named(monkeypatch) -> None:
    before = present()
    monkeypatch.delitem(http._PUBLIC, "/currencies.json")
    assert "GET /currencies.json is gone" in breaks(before, present())


def test_a_code_that_is_gone_or_means_another_status_is_named(monkeypatch) -> None:
    before = present()
    monkeypatch.setitem(ERRORS, "unknown_coin", ERRORS["unknown_coin"]._replace(status=410))
    found = breaks(before, present())
    assert "errors, unknown_coin: may be 410, which it was not" in found
    assert "GET /tzone_apis/services/spot/ticker-tape, 404: no longer has unknown_coin" in found


@pytest.mark.parametrize(
    ("arrow", "old", "new", "broken"),
    [
        ("->", ("number",), ("number", "null"), "may be null, which it was not"),
        ("->", ("number", "null"), ("number",), None),
        ("->", ("number",), ("integer",), None),
        ("->", ("integer",), ("number",), "may be number, which it was not"),
        ("->", ("string",), ("string", "absent"), "may be absent, which it was not"),
        ("->", ('"live"',), ('"live"', '"idle"'), None),
        ("<-", ("integer", "absent"), ("integer",), "no longer takes absent"),
        ("<-", ('"asc"', '"desc"'), ('"asc"',), 'no longer takes "desc"'),
        ("<-", ("integer 1..500",), ("integer 1..1000", "null"), None),
        ("<-", ("integer 1..500",), ("number",), None),
        ("<-", ("string",), ("string ..100",), "no longer takes string"),
        ("<->", ("string",), ("string", "null"), "may be null, which it was not"),
    ],
)
def test_what_is_sent_may_widen_and_what_is_received_may_narrow(arrow, old, new, broken) -> None:
    def summary(words: tuple[str, ...]) -> Summary:
        return Summary("1", "1.0.0", {"schema X": {".x": Fact(arrow, words)}})

    assert breaks(summary(old), summary(new)) == ([f"schema X, .x: {broken}"] if broken else [])


def test_a_raised_version_permits_what_breaks(monkeypatch) -> None:
    before = present()
    monkeypatch.setattr(contract, "VERSION", "2.0.0")
    assert permitted(before, present())
    assert not permitted(before, before)
