"""Switches of other vendors' protocols, and how much each is used."""

import pytest
from django.test import Client

from spot import snapshots
from spot.clients import records
from spot.clients.book import Book
from spot.clients.desk import Desk, judged
from spot.clients.models import Protocol
from spot.clients.protocols import Used, protocol_of, protocols, used, uses
from spot.clients.roster import roster
from tests.providers.pages import page, post, text
from tests.spot.asking import ask
from tests.spot.keyed import fill
from tests.spot.sockets import put_market, run

PING = "/compat/coingecko/api/v3/ping"
pytestmark = pytest.mark.usefixtures("redis")


@pytest.mark.parametrize(
    ("path", "protocol"),
    [(PING, "coingecko"), ("/compat/", ""), ("/tzone_apis/services/spot/market", ""), ("/x/compat/coingecko/", "")],
)
def test_a_path_names_its_protocol(path, protocol) -> None:
    assert protocol_of(path) == protocol


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
        roster.connections.add(speaker)
        try:
            assert [refused.code for one, refused in judged() if one is speaker] == ["unknown_feed"]
        finally:
            roster.connections.discard(speaker)

    run(story())


def test_use_is_added_up_by_day_in_the_store() -> None:
    async def story() -> None:
        await put_market(1)
        redis = Desk.current().redis
        await uses.flush(redis)
        await redis.flushdb()  # what other tests have counted
        for _ in range(3):
            await ask(PING)
        uses.count("coingecko", "waited")
        uses.count("coingecko", "fetched")
        await uses.flush(redis)

    run(story())
    use = used(snapshots.connection(), 7)["coingecko"]
    assert use == Used(calls=3, waited=1, fetched=1)
    assert (use.hits, use.saved) == (2, 2)
