"""Guessing passwords: slowed by address and name, logged, and bounded in what it may cost."""

import asyncio
import re
import threading

import pytest
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.test import Client
from redis import Redis
from structlog.testing import capture_logs

from providers.admin import queue, sign_in
from providers.admin.sign_in import NAME, NETWORK, PAIR, Attempts, network_of
from tests.live import NOWHERE

pytestmark = [pytest.mark.django_db]
PASSWORD = "a good password"
HOME, ELSEWHERE = "192.0.2.1", "198.51.100.7"


@pytest.fixture(autouse=True)
def hasty(redis: Redis, monkeypatch) -> None:
    """Fresh counters and no pauses."""
    monkeypatch.setattr(sign_in, "attempts", Attempts())
    monkeypatch.setattr(sign_in, "PAUSE_SECONDS", 0)
    User.objects.create_superuser("root", password=PASSWORD)


def attempt(password: str = "wrong", name: str = "root", address: str = ELSEWHERE) -> HttpResponse:
    data = {"username": name, "password": password}
    return Client(REMOTE_ADDR=address).post("/admin/login/?next=/admin/", data)


def statuses(times: int, **kwargs: str) -> list[int]:
    return [attempt(**kwargs).status_code for _ in range(times)]


def test_the_sixth_wrong_password_is_not_looked_at_and_the_page_says_when_it_would_be() -> None:
    assert statuses(PAIR.amount + 1) == [200] * PAIR.amount + [429]
    refused = attempt(PASSWORD)  # a right one would not be either: nothing tells the guesser
    assert refused.status_code == 429
    assert 200 <= int(refused["Retry-After"]) <= 301
    words = re.search(r'errornote">\s*(.*?)\s*</p>', refused.content.decode(), re.DOTALL)
    assert words is not None
    assert re.fullmatch(
        r"Too many sign-ins have failed\. You may try again at .*\d\d:\d\d:\d\d UTC, in 5 min\.", words[1]
    )


def test_a_stranger_locks_out_himself_and_nobody_else() -> None:
    statuses(PAIR.amount)
    assert attempt(PASSWORD, address=HOME).status_code == 302
    assert attempt(PASSWORD).status_code == 429


def test_a_pause_ends_by_itself(monkeypatch, redis: Redis) -> None:
    statuses(PAIR.amount)
    for key in redis.keys("spot:signin:*"):
        assert redis.pttl(key) > 0  # every counter ends by itself
    redis.delete(*redis.keys("spot:signin:*"))
    assert attempt(PASSWORD).status_code == 302


def test_a_right_password_forgets_the_wrong_ones() -> None:
    for _ in range(3):
        statuses(PAIR.amount - 1)
        assert attempt(PASSWORD).status_code == 302


def test_one_network_may_not_go_through_many_names() -> None:
    found = [attempt(name=f"name{n}").status_code for n in range(NETWORK.amount + 1)]
    assert found == [200] * NETWORK.amount + [429]


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("2001:db8:1:2:3::9", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff:ffff:ffff:ffff", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("fe80::1%eth0", "fe80::/64"),
        ("192.0.2.1", "192.0.2.1"),
        ("", ""),
    ],
)
def test_an_ipv6_network_is_one_stranger(address: str, network: str) -> None:
    assert network_of(address) == network


def test_addresses_of_one_network_share_their_failures() -> None:
    found = [attempt(address=f"2001:db8::{n}").status_code for n in range(1, PAIR.amount + 2)]
    assert found == [200] * PAIR.amount + [429]


def test_a_name_guessed_from_everywhere_is_slowed_but_not_for_those_who_are_known() -> None:
    assert attempt(PASSWORD, address=HOME).status_code == 302
    assert [attempt(address=f"203.0.113.{n}").status_code for n in range(NAME.amount)] == [200] * NAME.amount
    assert attempt(address="203.0.113.200").status_code == 200  # one in ten seconds
    slowed = attempt(PASSWORD, address="203.0.113.201")
    assert slowed.status_code == 429
    assert int(slowed["Retry-After"]) <= 10
    assert attempt(PASSWORD, address=HOME).status_code == 302


def test_without_redis_each_process_counts_for_itself(settings) -> None:
    settings.REDIS = NOWHERE
    assert statuses(PAIR.amount + 1) == [200] * PAIR.amount + [429]
    assert attempt(PASSWORD, address=HOME).status_code == 302


def test_each_failure_is_one_line_without_the_password() -> None:
    with capture_logs() as lines:
        attempt("a secret typed wrong")
        attempt("x", name="a secret in the wrong field")
        attempt(PASSWORD, address=HOME)
    assert [(one["event"], one["address"], one["user"]) for one in lines] == [
        ("sign-in failed", ELSEWHERE, "root"),
        ("sign-in failed", ELSEWHERE, "(no such user)"),
        ("signed in", HOME, "root"),
    ]
    assert "secret" not in str(lines)


def test_somebody_who_may_not_use_the_admin_counts_as_a_failure() -> None:
    User.objects.create_user("visitor", password=PASSWORD)
    assert statuses(PAIR.amount + 1, name="visitor", password=PASSWORD) == [200] * PAIR.amount + [429]


def test_an_empty_form_costs_and_counts_nothing() -> None:
    assert statuses(PAIR.amount + 2, password="") == [200] * (PAIR.amount + 2)
    assert attempt(PASSWORD).status_code == 302


def test_when_the_queue_is_full_the_next_one_is_sent_away_at_once(monkeypatch) -> None:
    monkeypatch.setattr(sign_in, "_queue", threading.BoundedSemaphore(1))
    with sign_in._queue:
        refused = attempt(PASSWORD)
    assert (refused.status_code, refused["Retry-After"]) == (429, "5")
    assert "Try again in a few seconds" in refused.content.decode()
    assert attempt(PASSWORD).status_code == 302


# --- how many requests for the admin are worked on at once ------------------------------------------------------------


def asked(path: str) -> HttpRequest:
    request = HttpRequest()
    request.path = request.path_info = path
    return request


def test_so_many_requests_for_the_admin_are_worked_on_at_once_and_others_do_not_wait() -> None:
    async def run() -> None:
        gate, inside = asyncio.Event(), []

        async def view(request: HttpRequest) -> HttpResponse:
            inside.append(request.path)
            if request.path.startswith("/admin/"):
                await gate.wait()
            return HttpResponse()

        middleware = queue.AdminQueue(view)
        tasks = [asyncio.create_task(middleware(asked("/admin/login/"))) for _ in range(queue.AT_ONCE + queue.WAITING)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert len(inside) == queue.AT_ONCE
        assert (await middleware(asked("/admin/"))).status_code == 503
        assert (await middleware(asked("/status.json"))).status_code == 200
        tasks[-1].cancel()  # a visitor who leaves while waiting
        gate.set()
        done = await asyncio.gather(*tasks, return_exceptions=True)
        assert [getattr(one, "status_code", 0) for one in done] == [200] * (len(tasks) - 1) + [0]
        assert (await middleware(asked("/admin/"))).status_code == 200

    asyncio.run(run())


# --- cookies ----------------------------------------------------------------------------------------------------------


def test_the_token_of_a_form_is_no_business_of_scripts_or_other_sites() -> None:
    cookie = Client().get("/admin/login/").cookies["spot-csrf"]
    assert cookie["httponly"]
    assert cookie["samesite"] == "Strict"
