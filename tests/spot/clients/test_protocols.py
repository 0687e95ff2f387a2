"""Switches of other vendors' protocols, and how much each is used."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from django.test import Client

from spot import snapshots
from spot.clients import records
from spot.clients.book import Book
from spot.clients.desk import Desk, judged
from spot.clients.models import Protocol
from spot.clients.protocols import Used, note_fetched, protocol_of, protocols, used, uses
from spot.clients.roster import roster
from spot.hub.hub import Hub
from tests.providers.pages import page, post, text
from tests.spot.asking import ask
from tests.spot.keyed import fill
from tests.spot.rows import USD, market
from tests.spot.sockets import PATIENCE, Socket, eventually, put, put_lists, put_market, run

PING = "/compat/coingecko/api/v3/ping"
pytestmark = pytest.mark.usefixtures("redis")


@pytest.mark.parametrize(
    ("path", "protocol"),
    [(PING, "coingecko"), ("/compat/", ""), ("/tzone_apis/services/spot/market", ""), ("/x/compat/coingecko/", "")],
)
def test_a_path_names_its_protocol(path, protocol) -> None:
    assert protocol_of(path) == protocol


@pytest.mark.django_db(transaction=True)
def test_rows_of_new_protocols_are_added_without_redis(monkeypatch: pytest.MonkeyPatch) -> None:
    announcements: list[None] = []
    Protocol.objects.all().delete()
    monkeypatch.setattr(records, "announce", lambda: announcements.append(None))
    for _ in range(2):
        records.add_protocols("default")
    assert {row.name for row in Protocol.objects.all()} == set(protocols())
    assert announcements == []


@pytest.mark.django_db
def test_each_protocol_has_a_switch_and_its_change_reaches_the_books(admin_client: Client) -> None:
    records.add_protocols("default")
    assert {row.name for row in Protocol.objects.all()} == set(protocols())
    row = Protocol.objects.get(name="coingecko")
    before = records.version()
    post(admin_client, "admin:clients_protocol_change", row.pk)  # the box is not ticked
    assert records.version() != before
    filled = Book()
    filled.fill(records.read())
    assert (filled.serves("coingecko"), filled.serves("")) == (False, True)
    listed = text(page(admin_client, "admin:clients_protocol_changelist"))
    assert "CoinGecko" in listed
    assert "switched off" in listed


@pytest.mark.django_db
def test_a_protocol_that_passes_documents_on_has_a_share_on_its_page(admin_client: Client) -> None:
    records.add_protocols("default")
    row, other = (Protocol.objects.get(name=name) for name in ("coingecko", "tokenmetrics"))
    change = "admin:clients_protocol_change"
    assert "share for documents" in text(page(admin_client, change, row.pk)).lower()
    assert "share for documents" not in text(page(admin_client, change, other.pk)).lower()
    for entered, kept in (("12.5", 12.5), ("0", 0.0), ("101", 0.0), ("-1", 0.0), ("", None)):
        post(admin_client, change, row.pk, enabled="on", document_share=entered)
        assert Protocol.objects.get(pk=row.pk).document_share == kept
    listed = text(page(admin_client, "admin:clients_protocol_changelist"))
    assert "30%, as SPOT_DOCUMENT_SHARE says" in listed


def test_a_protocol_that_is_switched_off_serves_nobody() -> None:
    class Speaker:
        who, meter, protocol = None, None, "coingecko"

    async def story() -> None:
        await put_market(1)
        assert (await ask(PING)).status_code == 200
        fill(switched_off=frozenset({"coingecko"}))
        answer = await ask(PING)
        assert (answer.status_code, answer["Access-Control-Allow-Origin"]) == (404, "*")
        assert (await ask("/tzone_apis/services/spot/market")).status_code == 200
        speaker = Speaker()
        roster.connections[speaker] = None
        try:
            assert [refused.code for one, refused in judged() if one is speaker] == ["unknown_feed"]
        finally:
            roster.connections.pop(speaker, None)

    run(story())


def use_of(*asked: Callable[[], Awaitable[object]]) -> dict[str, Used]:
    """What is counted while these are asked, one after another."""

    async def story() -> None:
        await uses.flush(Desk.current().redis)  # what other tests have counted
        snapshots.connection().flushdb()
        for one in asked:
            await one()
        await uses.flush(Desk.current().redis)

    run(story())
    return used(snapshots.connection(), 7)


def test_use_is_added_up_by_day_in_the_store() -> None:
    async def ping() -> None:
        await ask(PING)

    async def fetch() -> None:
        note_fetched(snapshots.connection(), "coingecko", 2)
        note_fetched(snapshots.connection(), "coingecko", 0)

    use = use_of(ping, ping, fetch, ping, ping)["coingecko"]
    assert use == Used(calls=4, waited=0, fetched=2)
    assert (use.hits, use.saved) == (4, 2)


def test_requests_that_wait_for_a_provider_are_counted(settings) -> None:
    settings.SPOT_FIRST_ANSWER_SECONDS = PATIENCE
    price = "/compat/coingecko/api/v3/simple/price?ids=bitcoin&vs_currencies=usd"

    async def wait() -> None:
        await put_lists()
        asking = [asyncio.create_task(ask(price)) for _ in range(3)]
        await eventually(lambda: USD.name in Hub.current().topics)
        await put(USD, market(10))
        assert {answer.status_code for answer in await asyncio.gather(*asking)} == {200}

    async def find() -> None:
        assert (await ask(price)).status_code == 200

    async def find_in_the_store() -> None:
        await Hub.current().aclose()  # as after a restart
        await find()

    assert use_of(wait, find, find_in_the_store, find) == {"coingecko": Used(calls=6, waited=3)}


def test_time_that_is_over_was_waited_for_a_provider(settings) -> None:
    settings.SPOT_FIRST_ANSWER_SECONDS = 0.05

    async def wait() -> None:
        await put_lists()
        assert (await ask("/compat/coingecko/api/v3/coins/markets?vs_currency=usd")).status_code == 503

    assert use_of(wait) == {"coingecko": Used(calls=1, waited=1)}


def test_messages_that_subscribe_are_counted() -> None:
    async def stream() -> None:
        await put_market(3)
        async with Socket("", path="/compat/coinmarketcap/v1") as socket:
            for ids in ([1, 1027], [1, 1027], [825]):
                wish = {"channel": "market@crypto_latest_price", "params": {"crypto_ids": ids}}
                await socket.send({"id": str(ids), "method": "subscribe", **wish})
            await socket.send({"id": "bad", "method": "subscribe", "channel": "no_such"})
            await socket.send({"id": "end", "method": "ping"})
            await socket.next("pong")

    async def open_one() -> None:
        async with Socket("", path="/compat/cryptolisting") as socket:
            await socket.frame()

    async def open_our_own() -> None:
        async with Socket("market") as socket:
            await socket.frame()

    assert use_of(stream, open_one, open_our_own) == {
        "coinmarketcap": Used(calls=3),
        "cryptolisting": Used(calls=1),
    }
