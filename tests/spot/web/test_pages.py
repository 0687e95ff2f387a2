"""The pages' HTML: what the server gives before any script runs."""

import re

import pytest
from django.test import AsyncClient, Client

from spot.hub.hub import Hub
from tests.spot.rows import COINS
from tests.spot.sockets import eventually, put, run


@pytest.fixture
def client() -> Client:
    return Client()


@pytest.mark.usefixtures("redis")
@pytest.mark.parametrize("path", ["/", "/coin/bitcoin/", "/status/", "/docs/", "/docs/market/", "/docs/console/"])
def test_a_page_obeys_its_own_content_policy(path: str) -> None:
    answers = []

    async def story() -> None:
        answers.append(await AsyncClient().get(path))

    run(story())
    response, page = answers[0], answers[0].content.decode()
    assert response.status_code == 200
    assert "script-src 'self'" in response["Content-Security-Policy"]
    assert "unsafe" not in response["Content-Security-Policy"]
    assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:|<script(?![^>]* src=)", page)
    assert not re.search(r"(?:src|href)=\"(?:https?:)?//", page)


def test_the_dashboard_names_the_tapes_coins_and_the_movers_floor(client: Client) -> None:
    page = client.get("/").content.decode()
    assert 'coins="bitcoin,ethereum,' in page
    assert 'floor="50000"' in page


@pytest.mark.parametrize("coin", ["bitcoin", "usd-coin", "0x", "figure-heloc.v2_1"])
@pytest.mark.usefixtures("redis")
def test_a_coin_page_carries_its_id(coin: str) -> None:
    async def story() -> None:
        page = (await AsyncClient().get(f"/coin/{coin}/")).content.decode()
        assert f'<spot-candles class="panel" coin="{coin}">' in page

    run(story())


@pytest.mark.parametrize("coin", ["..", "a b", "<script>", '"x', "x" * 101, "-x", "ö"])
def test_what_cannot_be_an_id_is_not_found(client: Client, coin: str) -> None:
    response = client.get(f"/coin/{coin}/")
    assert response.status_code == 404
    assert "nothing at this address" in response.content.decode()


def test_an_id_has_one_spelling(client: Client) -> None:
    response = client.get("/coin/USD-Coin/?vs=eur")
    assert (response.status_code, response["Location"]) == (301, "/coin/usd-coin/?vs=eur")


@pytest.mark.usefixtures("redis")
def test_a_coin_that_is_not_listed_is_not_found_and_a_symbol_leads_to_its_coins() -> None:
    async def story() -> None:
        names = (("bitcoin", "BTC", "Bitcoin"), ("pepe", "PEPE", "Pepe"), ("cat", "AA", "A"), ("cow", "AA", "B"))
        await put(COINS, [dict(zip(("id", "symbol", "name"), row, strict=True)) for row in names], 86_400)
        assert (await AsyncClient().get("/coin/btc/")).status_code == 200  # nothing is known yet
        await eventually(lambda: Hub.current().lists.coins)
        page = await AsyncClient().get("/coin/bitcoin/")
        assert page.status_code == 200
        assert "<title>Bitcoin · Spot</title>" in page.content.decode()
        pages = {coin: await AsyncClient().get(f"/coin/{coin}/") for coin in ("btc", "aa", "nosuch")}
        assert {page.status_code for page in pages.values()} == {404}
        texts = {coin: page.content.decode() for coin, page in pages.items()}
        assert 'Did you mean <a href="/coin/bitcoin/">Bitcoin</a>?' in texts["btc"]
        assert re.findall(r'href="/coin/(\w+)/"', texts["aa"]) == ["cat", "cow"]
        assert "renamed" in texts["nosuch"]
        assert all("<h1>There is no coin" in text and "spot-connection" not in text for text in texts.values())

    run(story())


def test_browsers_and_crawlers_find_what_they_ask_for_unasked(client: Client) -> None:
    assert client.get("/favicon.ico").status_code == 302
    assert "Disallow: /admin/" in client.get("/robots.txt").content.decode()
    icons = client.get("/manifest.webmanifest").json()["icons"]
    page = client.get("/").content.decode()
    assert icons[-1]["src"] in page
    assert '<meta name="description" content="' in page


def test_pages_only_answer_to_reading(client: Client) -> None:
    assert client.post("/").status_code == 405
