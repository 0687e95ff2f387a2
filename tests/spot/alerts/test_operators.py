"""Operators are told once of each trouble, and once when it is over: by a real mail server, and by signed webhooks."""

import json
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from smtplib import SMTPException
from typing import Any

import pytest
from django.db import connection as database
from redis import Redis

from providers import access
from providers import get as provider
from providers.breaker import Breaker
from providers.budget import Budget, month_of
from providers.errors import Unauthorized, Unavailable
from spot import snapshots
from spot.alerts import couriers, operators, tasks
from spot.alerts.episodes import Episode, Patience, Trouble, step
from spot.alerts.models import Alert, Delivery, Target
from spot.alerts.signing import HEADER, signature
from tests.mail_server import MailServer
from tests.spot.alerts.conftest import SECRET
from tests.spot.rows import USD
from tests.webhook_target import Target as Listener

OPERATOR = "operator@example.org"


@pytest.fixture
def mail(settings) -> Iterator[MailServer]:
    """A mail server, and an operator who gets mail from it."""
    with MailServer() as server:
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT, settings.EMAIL_USE_TLS = "127.0.0.1", server.port, False
        settings.SPOT_OPERATORS, settings.DEFAULT_FROM_EMAIL = [OPERATOR], "spot@example.org"
        settings.ALLOWED_HOSTS = ["spot.example.org"]
        yield server


@pytest.fixture
def pass_time(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Lets time pass for those who look."""
    clock = [snapshots.now_ms()]
    monkeypatch.setattr(operators, "now_ms", lambda: clock[0])

    def wait(seconds: float) -> None:
        clock[0] += int(seconds * 1000)

    return wait


def told(messages: list[Any]) -> list[tuple[str, str]]:
    return [(message.event, message.key) for message in messages]


# --- episodes ---------------------------------------------------------------------------------------------------------

_PATIENCE = {"stale": Patience(before=60, after=60)}
_TROUBLE = {"stale:markets": Trouble("Markets are stale.", "Markets are fresh again.")}


def run(*looks: tuple[int, bool]) -> list[tuple[int, str]]:
    """What is told when there is trouble, or none, at these times."""
    episodes: dict[str, Episode] = {}
    messages = []
    for now, trouble in looks:
        episodes, news = step(episodes, _TROUBLE if trouble else {}, _PATIENCE, now)
        messages += [(now, message.event) for message in news]
    return messages


@pytest.mark.parametrize(
    ("looks", "messages"),
    [
        ([(0, True), (59, True)], []),
        ([(0, True), (60, True), (80, True), (500, True)], [(60, "problem")]),
        ([(0, True), (40, False), (60, True), (119, True)], []),
        ([(0, True), (60, True), (80, False), (139, False)], [(60, "problem")]),
        ([(0, True), (60, True), (80, False), (140, False), (160, False)], [(60, "problem"), (140, "recovered")]),
        ([(0, True), (60, True), (80, False), (100, True), (200, False), (259, False)], [(60, "problem")]),
        ([(0, True), (60, True), (80, False), (140, False), (160, True), (220, True)],
         [(60, "problem"), (140, "recovered"), (220, "problem")]),
    ],
    ids=["too short", "told once", "came and went", "not over yet", "recovered", "one episode", "a second one"],
)  # fmt: skip
def test_a_trouble_is_told_once_and_once_more_when_it_is_over(
    looks: list[tuple[int, bool]], messages: list[tuple[int, str]]
) -> None:
    assert run(*looks) == messages


# --- the rules --------------------------------------------------------------------------------------------------------


def test_stale_data_are_mailed_once_and_so_is_their_recovery(
    redis: Redis, store: Callable[..., None], mail: MailServer, pass_time: Callable[[float], None], db: None
) -> None:
    before = snapshots.now_ms() - 3_600_000
    store({"fetched_at": before, "as_of": before}, bitcoin=100.0)
    snapshots.want([USD])
    snapshots.set_trouble(USD, snapshots.Trouble("unavailable", "CoinGecko: answered 500", snapshots.now_ms(), None))
    assert operators.look() == []
    pass_time(61)
    assert told(operators.look()) == [("problem", "stale:markets in usd")]
    pass_time(20)
    assert operators.look() == []
    (letter,) = mail.letters
    assert letter["To"] == OPERATOR
    assert letter["Subject"].startswith("[Spot spot.example.org] Markets in usd are stale, 61 min old")
    assert "CoinGecko: answered 500" in letter.get_content()
    later = snapshots.now_ms() + 80_000
    store({"fetched_at": later, "as_of": later}, bitcoin=101.0)
    assert operators.look() == []
    pass_time(61)
    assert told(operators.look()) == [("recovered", "stale:markets in usd")]
    assert "Markets in usd: fresh again." in mail.letters[1].get_content()
    assert operators.look() == []


def test_a_refused_key_is_told(redis: Redis, mail: MailServer, settings, db: None) -> None:
    settings.COINGECKO_API_KEY = "CG-abcdefghijkl"
    coingecko = provider("coingecko")
    assert coingecko is not None
    entry = access.of(coingecko)
    Budget(redis).failed(entry, Unauthorized("401: wrong key"))
    (message,) = operators.look()
    assert message.sentence == "CoinGecko (••••ijkl): the key is refused."
    assert "CG-abcdefghijkl" not in mail.letters[0].as_string()


def test_a_provider_that_is_left_alone_is_told(
    redis: Redis, mail: MailServer, pass_time: Callable[[float], None], db: None
) -> None:
    breaker = Breaker(redis)
    for _ in range(3):
        breaker.failed("coingecko", Unavailable("answered 503"))
    assert operators.look() == []
    pass_time(31)
    (message,) = operators.look()
    assert message.sentence == "CoinGecko is left alone after 3 failures: answered 503"
    breaker.reset("coingecko")
    operators.look()
    pass_time(121)
    (message,) = operators.look()
    assert (message.event, message.sentence) == ("recovered", "CoinGecko is asked again.")


@pytest.mark.parametrize(
    ("used", "sentence"),
    [
        (1500, ""),
        (3000, "at this rate the month's 10,000 calls or credits are used up on 2026-11-17."),
        (10_000, "the month's 10,000 calls or credits are used up."),
    ],
)
def test_a_month_that_will_not_last_is_told(
    redis: Redis, mail: MailServer, settings, db: None, monkeypatch: pytest.MonkeyPatch, used: int, sentence: str
) -> None:
    now = int(datetime(2026, 11, 6, tzinfo=UTC).timestamp() * 1000)
    start, _ = month_of(now)
    settings.COINGECKO_API_KEY = "CG-abcdefghijkl"
    coingecko = provider("coingecko")
    assert coingecko is not None
    entry = access.of(coingecko)
    usage = Budget(redis).usage(entry)
    figures = {"month": used, "since": start}
    real = Budget.usage
    changed = type(usage)(**{**{name: getattr(usage, name) for name in usage.__slots__}, **figures})
    monkeypatch.setattr(Budget, "usage", lambda self, one: changed if one == entry else real(self, one))
    monkeypatch.setattr(operators, "now_ms", lambda: now)
    sentences = [message.sentence for message in operators.look()]
    assert sentences == ([f"CoinGecko (••••ijkl): {sentence}"] if sentence else [])


# --- how they are told ------------------------------------------------------------------------------------------------


@pytest.fixture
def refused(redis: Redis, settings, db: None) -> None:
    settings.COINGECKO_API_KEY = "CG-abcdefghijkl"
    coingecko = provider("coingecko")
    assert coingecko is not None
    Budget(redis).failed(access.of(coingecko), Unauthorized("401: wrong key"))


def test_a_webhook_is_signed_and_goes_to_operators_targets_only(
    refused: None, make_target: Callable[..., Target], settings
) -> None:
    settings.SPOT_WEBHOOK_NETWORKS = ["127.0.0.0/8"]
    with Listener() as listener:
        make_target(listener, "customers")
        Target.objects.filter(pk=make_target(listener, "pager").pk).update(for_operators=True)
        tasks.tell_operators()
        (delivery,) = Delivery.objects.all()
        assert delivery.target.name == "pager"
        couriers.attempt(delivery)
        (request,) = listener.requests
    body = json.loads(request.body)
    assert (body["type"], body["event"], body["about"]) == ("operator", "problem", "refused")
    assert body["sentence"] == "CoinGecko (••••ijkl): the key is refused."
    at = int(request.headers[HEADER.lower()].partition(",")[0].removeprefix("t="))
    assert request.headers[HEADER.lower()] == signature(SECRET.encode(), at, request.body)
    tasks.tell_operators()
    assert Delivery.objects.count() == 1


def test_what_cannot_be_mailed_is_mailed_later_and_no_webhook_is_doubled(
    refused: None, mail: MailServer, make_target: Callable[..., Target], pass_time: Callable[[float], None]
) -> None:
    Target.objects.filter(pk=make_target("http://192.0.2.1/", "pager").pk).update(for_operators=True)
    mail.refuse(refuses=True)
    with pytest.raises(SMTPException):
        operators.look()
    pass_time(20)
    tasks.tell_operators()  # logs it
    assert not mail.letters
    assert Alert.objects.count() == Delivery.objects.count() == 1
    mail.refuse(refuses=False)
    pass_time(20)
    assert len(operators.look()) == 1
    assert operators.look() == []
    assert len(mail.letters) == 1
    assert Alert.objects.count() == Delivery.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_of_several_workers_one_tells(refused: None, mail: MailServer) -> None:
    start, counts = threading.Barrier(4), []

    def worker() -> None:
        start.wait()
        counts.append(len(operators.look()))
        database.close()

    threads = [threading.Thread(target=worker) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(counts) == [0, 0, 0, 1]
    assert len(mail.letters) == 1


def test_nobody_looks_where_nobody_is_to_be_told(refused: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operators, "RULES", None)
    assert operators.look() == []
