"""Who is asking: keys and tickets at both doors, their refusals, and what they cost on the way."""

import asyncio
import ipaddress
import json
from dataclasses import replace

import pytest
from redis.asyncio.connection import AbstractConnection

from spot.clients import limits, tickets
from spot.clients.book import book
from spot.clients.desk import Desk, judged
from spot.clients.roster import roster
from spot.clients.usage import usage
from spot.snapshots import now_ms
from tests.spot.asking import ask
from tests.spot.keyed import fill, given, made, plan_with
from tests.spot.sockets import Socket, eventually, put_market, run

TWIN = "/tzone_apis/services/spot/market"
TICKET = "/tzone_apis/services/spot/ticket"
PARTNER = "https://partner.example"
pytestmark = pytest.mark.usefixtures("redis")


def socket(query: str = "", **more) -> Socket:
    return Socket("market", query, denying=True, **more)


async def refusal(query: str = "", **more) -> tuple[int, dict]:
    """Status and body of the same refusal at both doors, which must be one."""
    origin = more.get("headers", {}).get("origin")
    async with socket(query, **more) as refused:
        assert refused.accepted is None
        headers = dict(refused.refused["headers"])
        status, body = refused.status, json.loads(await refused.body())
        assert headers[b"content-type"] == b"application/json"
    answer = await ask(TWIN + (f"?{query}" if query else ""), **more)
    assert (answer.status_code, answer.json()) == (status, body)
    assert (answer.get("Retry-After") or "") == headers.get(b"retry-after", b"").decode()
    if status == 401:
        assert headers[b"www-authenticate"] == b"Bearer"
        assert answer["WWW-Authenticate"] == "Bearer"
    assert origin is None or "Origin" in answer["Vary"]
    return status, body


@pytest.mark.parametrize("header", ["x-api-key", "authorization"])
def test_a_key_makes_a_client_of_its_own(header) -> None:
    text, key = given(plan_with(requests_per_minute=60))
    headers = {header: text if header == "x-api-key" else f"bearer {text}"}

    async def story() -> None:
        await put_market(2)
        async with socket(headers=headers) as one:
            assert (await one.frame())["rows"]
            assert [connection.who.key for connection in roster.connections] == [key.id]
        answer = await ask(TWIN, headers=headers)
        assert (answer.status_code, answer["RateLimit-Limit"]) == (200, "15")
        assert (await ask(TWIN))["RateLimit-Limit"] == "300"

    run(story())


def test_other_schemes_of_authorization_are_for_a_proxy_before_us() -> None:
    async def story() -> None:
        await put_market(1)
        assert (await ask(TWIN, headers={"authorization": "Basic dTpw"})).status_code == 200

    run(story())


def test_no_database_and_no_redis_is_asked_on_the_way_of_a_key(monkeypatch) -> None:
    """pytest-django fails any query here; commands to Redis are counted by the task that sends them."""
    text, _ = given(plan_with(connections=5))
    asking = []
    send = AbstractConnection.send_packed_command

    async def counted(self, *arguments, **options):
        asking.append(asyncio.current_task().get_name())
        return await send(self, *arguments, **options)

    async def story() -> None:
        await put_market(1)
        monkeypatch.setattr(AbstractConnection, "send_packed_command", counted)
        Desk.current()
        async with socket(headers={"x-api-key": text}) as one:
            assert (await one.frame())["rows"]
        assert (await ask(TWIN, headers={"x-api-key": text})).status_code == 200
        assert not [name for name in asking if not name.startswith(("hub ", "desk ", "Task-"))]
        assert not [name for name in asking if name == asyncio.current_task().get_name()]

    run(story())


def test_a_wrong_key_is_refused_in_words_at_both_doors() -> None:
    good, key = made()
    expired, old = made(expires=1_700_000_000_000)
    revoked, gone = made(revoked=True)
    suspended, off = made(suspended=True)
    fill(key, old, gone, off)

    async def story() -> None:
        await put_market(1)
        for text in ("nonsense", "spot_", good[:-1], good + "x", good.upper(), "spot_" + "A" * 40, "ü" * 10):
            status, body = await refusal(headers={"x-api-key": text})
            assert (status, body["code"], body["retry"]) == (401, "bad_key", False)
            assert text not in json.dumps(body) or len(text) < 6
            limits.mistakes.forget()
        assert (await refusal(headers={"x-api-key": revoked}))[1]["code"] == "key_revoked"
        assert (await refusal(headers={"x-api-key": suspended}))[1]["code"] == "key_revoked"
        status, body = await refusal(headers={"x-api-key": expired})
        assert (status, body["code"]) == (401, "key_expired")
        assert "2023-11-14 22:13 UTC" in body["message"]

    run(story())


@pytest.mark.parametrize(
    ("query", "headers", "field"),
    [
        ("api_key=x", {}, "api_key"),
        ("page=1&apiKey=x", {}, "api_key"),
        ("access_token=x", {}, "api_key"),
        ("", {"x-api-key": ""}, "X-API-Key"),
        ("", {"authorization": "Bearer "}, "Authorization"),
        ("", {"x-api-key": "a", "authorization": "Bearer b"}, None),
        ("ticket=a", {"x-api-key": "a"}, None),
    ],
)
def test_a_key_in_a_wrong_place_is_refused(query, headers, field) -> None:
    async def story() -> None:
        status, body = await refusal(query, headers=headers)
        assert (status, body.get("field")) == (400, field)
        if query and field:
            assert "X-API-Key" in body["message"]

    run(story())


def test_a_key_is_bound_to_its_networks_and_origins(settings) -> None:
    networks = (ipaddress.ip_network("192.0.2.0/24"), ipaddress.ip_network("2001:db8::/32"))
    text, _ = given(networks=networks, origins=frozenset({PARTNER}))
    headers = {"x-api-key": text}

    async def story() -> None:
        await put_market(1)
        for address in ("192.0.2.77", "2001:db8::1", "::ffff:192.0.2.5"):
            assert (await ask(TWIN, headers=headers, address=address)).status_code == 200
        status, body = await refusal(headers=headers, address="198.51.100.1")
        assert (status, body["code"]) == (403, "forbidden_network")
        status, body = await refusal(headers={**headers, "origin": "https://evil.example"})
        assert (status, body["code"], body["allowed"]) == (403, "forbidden_origin", PARTNER)
        async with socket(headers={**headers, "origin": PARTNER}) as page:  # no SPOT_ALLOWED_ORIGINS names it
            assert (await page.frame())["rows"]
        async with socket(headers={"origin": PARTNER}) as page:
            assert page.accepted is None

    run(story())


def test_pages_may_read_what_their_key_is_for() -> None:
    text, _ = given(origins=frozenset({PARTNER}))

    async def story() -> None:
        await put_market(1)
        asked = await ask(TWIN, "OPTIONS", headers={"origin": PARTNER})
        assert asked["Access-Control-Allow-Origin"] == PARTNER
        assert {"X-API-Key", "Authorization"} <= set(asked["Access-Control-Allow-Headers"].split(", "))
        answer = await ask(TWIN, headers={"origin": PARTNER, "x-api-key": text})
        assert (answer.status_code, answer["Access-Control-Allow-Origin"]) == (200, PARTNER)
        refused = await ask(TWIN, headers={"origin": PARTNER, "x-api-key": "spot_wrong"})
        assert (refused.status_code, refused["Access-Control-Allow-Origin"]) == (401, PARTNER)
        assert "Access-Control-Allow-Origin" not in await ask(TWIN, headers={"origin": PARTNER})
        assert "Access-Control-Allow-Origin" not in await ask(TWIN, headers={"origin": "https://evil.example"})

    run(story())


def test_wrong_keys_of_one_network_are_slowed_and_right_ones_are_not(monkeypatch) -> None:
    text, _ = given()
    monkeypatch.setattr(limits.mistakes, "_clock", lambda: 1000.0)

    async def story() -> None:
        await put_market(1)
        statuses = [(await ask(TWIN, headers={"x-api-key": f"no{n}"})).status_code for n in range(25)]
        assert statuses == [401] * 20 + [429] * 5
        refused = await ask(TWIN, headers={"x-api-key": "no"})
        assert (refused.json()["code"], refused["Retry-After"]) == ("too_many_attempts", "6")
        async with socket(headers={"x-api-key": "no"}) as one:
            assert one.status == 429
        assert (await ask(TWIN, headers={"x-api-key": text})).status_code == 200
        assert (await ask(TWIN, headers={"x-api-key": "no"}, address="198.51.100.1")).status_code == 401

    run(story())


# --- tickets ----------------------------------------------------------------------------------------------------------


def test_a_ticket_lets_one_request_in(redis) -> None:
    text, key = given(origins=frozenset({PARTNER}))

    async def bought() -> str:
        answer = await ask(TICKET, "POST", headers={"x-api-key": text})
        assert (answer.status_code, answer["Cache-Control"]) == (200, "no-store")
        assert answer.json()["expires_in"] == tickets.SECONDS == 60
        return answer.json()["ticket"]

    async def story() -> None:
        await put_market(2)
        ticket = await bought()
        (name,) = redis.keys("spot:client:ticket:*")
        assert 0 < redis.ttl(name) <= 60
        assert ticket.encode() not in name + redis.get(name)
        async with socket(f"page_size=1&ticket={ticket}", headers={"origin": PARTNER}) as page:
            assert len((await page.frame())["rows"]) == 1
            assert [connection.who.key for connection in roster.connections] == [key.id]
        status, body = await refusal(f"page_size=1&ticket={ticket}", headers={"origin": PARTNER})
        assert (status, body["code"]) == (401, "bad_ticket")
        protocol = f"spot.ticket.{await bought()}"
        async with socket(subprotocols=[protocol], headers={"origin": PARTNER}) as page:
            assert page.accepted["subprotocol"] == protocol  # a browser fails a handshake that takes none
            assert (await page.frame())["rows"]
        protocol = f"spot.ticket.{await bought()}"
        async with socket(subprotocols=[protocol, "spot.v2"], headers={"origin": PARTNER}) as page:
            assert page.accepted["subprotocol"] == "spot.v2"
        answer = await ask(f"{TWIN}?ticket={await bought()}&page_size=1")
        assert len(answer.json()["rows"]) == 1

    run(story())


def test_a_ticket_needs_a_key_and_is_no_better_than_it() -> None:
    text, key = given()

    async def story() -> None:
        refused = await ask(TICKET, "POST")
        assert (refused.status_code, refused.json()["code"]) == (401, "key_required")
        wrong = await ask(TICKET, headers={"x-api-key": text})
        assert (wrong.status_code, wrong["Allow"]) == (405, "POST")
        ticket = (await ask(TICKET, "POST", headers={"x-api-key": text})).json()["ticket"]
        fill(replace(key, revoked=True))
        assert (await refusal(f"ticket={'x' * 100}"))[1]["code"] == "bad_ticket"
        answer = await ask(f"{TWIN}?ticket={ticket}")
        assert (answer.status_code, answer.json()["code"]) == (401, "key_revoked")

    run(story())


# --- plans ------------------------------------------------------------------------------------------------------------


def test_nobody_is_served_without_a_key_once_the_site_is_closed() -> None:
    text, key = made()
    fill(key, is_open=False)

    async def story() -> None:
        await put_market(1)
        status, body = await refusal()
        assert (status, body["code"]) == (401, "key_required")
        assert (await ask(TWIN, headers={"x-api-key": text})).status_code == 200
        for path in ("/tzone_apis/services/spot/sse/market", TICKET, "/mcp"):
            assert (await ask(path)).status_code == 401, path
        assert (await ask("/healthz")).status_code == 200
        assert (await ask("/status.json")).status_code == 200

    run(story())


def test_everybody_without_a_key_has_the_plan_of_the_book() -> None:
    async def story() -> None:
        await put_market(1)
        fill(anonymous=plan_with(requests_per_minute=4, channels=frozenset({"market"})))
        assert (await ask(TWIN))["RateLimit-Limit"] == "1"
        async with Socket("coin-heatmap") as other:
            assert (await other.frame())["code"] == "forbidden_channel"
            assert await other.closed() == 4405
        fill()
        assert (await ask(TWIN))["RateLimit-Limit"] == "300"

    run(story())


def test_a_plan_without_a_feed_refuses_it_at_both_doors() -> None:
    text, _ = given(plan_with(channels=frozenset({"market", "top-losers"})))
    headers = {"x-api-key": text}

    async def story() -> None:
        await put_market(1)
        assert (await ask(TWIN, headers=headers)).status_code == 200
        answer = await ask("/tzone_apis/services/spot/top-gainers", headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden_channel")
        assert answer.json()["allowed"] == "market, top-losers"
        async with Socket("top-gainers", headers=headers) as one:
            assert (await one.frame())["code"] == "forbidden_channel"
            assert await one.closed() == 4405

    run(story())


def test_a_key_has_as_many_connections_as_its_plan_whatever_the_addresses() -> None:
    text, key = given(plan_with(connections=2))
    headers = {"x-api-key": text}

    async def story() -> None:
        await put_market(1)
        async with socket(headers=headers) as one, socket(headers=headers, address="198.51.100.1"):
            async with socket(headers=headers, address="198.51.100.2") as third:
                assert third.status == 429
                assert dict(third.refused["headers"])[b"retry-after"] == b"10"
                body = json.loads(await third.body())
                assert (body["code"], "2 connections with one key" in body["message"]) == ("too_many_connections", True)
            assert (await one.frame())["rows"]
        async with socket(headers=headers) as again:
            assert (await again.frame())["rows"]
        roster.elsewhere = {key.id: 2}
        async with socket(headers=headers) as full:
            assert full.status == 429
        roster.elsewhere = {}

    run(story())


# --- what changes under open connections ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "error", "code"),
    [
        ({"revoked": True}, "key_revoked", 4401),
        ({"expires": 1_700_000_000_000}, "key_expired", 4401),
        ({"suspended": True}, "key_revoked", 4401),
        ({"plan": plan_with(connections=9)}, "plan_changed", 4409),
        (None, "bad_key", 4401),
    ],
)
def test_a_change_of_the_key_ends_its_connections_with_a_reason(change, error, code) -> None:
    text, key = given(plan_with(connections=0))

    async def story() -> None:
        await put_market(1)
        async with socket(headers={"x-api-key": text}) as one, Socket("market") as everybody:
            assert (await one.frame())["rows"]
            assert (await everybody.frame())["rows"]
            fill(*([] if change is None else [replace(key, **change)]))
            Desk.current()._end(judged())
            assert (await one.frame())["code"] == error
            assert await one.closed() == code
            assert await everybody.silent(0.05)

    run(story())


def test_closing_the_site_ends_connections_without_a_key() -> None:
    async def story() -> None:
        await put_market(1)
        async with Socket("market") as one:
            assert (await one.frame())["rows"]
            fill(is_open=False)
            Desk.current()._end(judged())
            assert (await one.frame())["code"] == "key_required"
            assert await one.closed() == 4401

    run(story())


def test_a_key_that_expires_while_it_is_open_is_closed_by_the_clock(monkeypatch) -> None:
    text, key = given(expires=now_ms() + 3_600_000)

    async def story() -> None:
        await put_market(1)
        desk = Desk.current()
        desk._note_expiries()
        async with socket(headers={"x-api-key": text}) as one:
            assert (await one.frame())["rows"]
            desk._expire()
            assert await one.silent(0.05)
            monkeypatch.setattr("spot.clients.desk.now_ms", lambda: key.expires)
            assert await one.closed() == 4401

    run(story())


def test_a_key_without_credits_is_refused_and_its_connections_end() -> None:
    text, key = given(plan_with(credits_per_month=3))
    headers = {"x-api-key": text}

    async def story() -> None:
        await put_market(1)
        Desk.current()
        async with socket(headers=headers) as one:  # costs 1, its page 0.1
            assert (await one.frame())["rows"]
            assert (await ask(f"{TWIN}?search=new", headers=headers)).status_code == 200  # costs 4
            status, body = await refusal(headers=headers)
            assert (status, body["code"]) == (429, "out_of_credits")
            assert "3 credits of this month" in body["message"]
            assert await one.closed() == 4402
        assert usage.spent(key.id) >= 3000

    run(story())


def test_usage_is_added_up_in_redis_and_counts_broadcasts(redis) -> None:
    text, key = given()

    async def story() -> None:
        await put_market(2)
        Desk.current()
        async with socket(headers={"x-api-key": text}) as one:
            await one.frame()
            await put_market(2, 1.0)
            await one.frame()
            await ask(TWIN, headers={"x-api-key": text})
            await eventually(lambda: roster.keyed and _counted(redis).get(f"{key.id} messages") == 2)
            counted = _counted(redis)
        assert counted[f"{key.id} connections"] == counted[f"{key.id} requests"] == 1
        assert counted[f"{key.id} millicredits"] >= 2200
        assert counted[f"{key.id} bytes"] > 500
        assert abs(counted[f"{key.id} last"] - now_ms()) < 60_000
        assert not usage.is_pending

    run(story())


def _counted(redis) -> dict[str, int]:
    return {
        field.decode(): int(amount)
        for name in redis.keys("spot:client:usage:*")
        for field, amount in redis.hgetall(name).items()
    }


def test_the_book_is_asked_for_before_anybody_is_served(monkeypatch) -> None:
    monkeypatch.setattr(book, "settled", False)
    monkeypatch.setattr(book, "read", False)

    def unreachable(_version):
        raise DatabaseError

    from django.db import DatabaseError

    monkeypatch.setattr("spot.clients.records.read_if_changed", unreachable)

    async def story() -> None:
        await put_market(1)
        assert (await ask(TWIN)).status_code == 200
        assert book.settled
        refused = await ask(TWIN, headers={"x-api-key": "spot_x"})
        assert (refused.status_code, refused.json()["code"]) == (503, "unavailable")

    run(story())


def test_single_coins_on_the_stream_are_a_channel_of_their_own() -> None:
    headers = {"x-api-key": given(plan_with(channels=frozenset({"market", "price"}), subscriptions=2))[0]}
    path = "/tzone_apis/services/spot/ws/stream"

    async def story() -> None:
        await put_market(2)
        async with socket(path=path, headers=headers) as stream:
            assert (await stream.next("welcome"))["sub_limit"] == 2
            for number, (channel, params) in enumerate(
                (("price", {"coin_ids": "coin-1"}), ("top-gainers", {}), ("market", {}), ("market", {"page": 2})), 1
            ):
                await stream.send({"id": number, "method": "subscribe", "channel": channel, "params": params})
            answers = {}
            while len(answers) < 4:
                frame = await stream.frame()
                if frame["type"] in ("ack", "error"):
                    answers[frame["id"]] = frame.get("code", "ack")
            assert (answers[2], answers[4]) == ("forbidden_channel", "too_many_queries")
            assert answers[3] == "ack"

    run(story())
