"""The pages' HTML: what the server gives before any script runs."""

import re

import pytest
from django.test import Client


@pytest.fixture
def client() -> Client:
    return Client()


@pytest.mark.parametrize("path", ["/", "/coin/bitcoin/", "/status/"])
def test_a_page_obeys_its_own_content_policy(client: Client, path: str) -> None:
    response = client.get(path)
    page = response.content.decode()
    assert response.status_code == 200
    assert "script-src 'self'" in response["Content-Security-Policy"]
    assert "unsafe" not in response["Content-Security-Policy"]
    assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:|<script(?![^>]* src=)", page)
    assert not re.search(r"(?:src|href)=\"(?:https?:)?//", page)


def test_the_dashboard_names_the_tapes_coins_and_the_movers_floor(client: Client) -> None:
    page = client.get("/").content.decode()
    assert 'coins="bitcoin,ethereum,' in page
    assert 'floor="50000"' in page


@pytest.mark.parametrize("coin", ["bitcoin", "USD-coin", "0x", "figure-heloc.v2_1"])
def test_a_coin_page_carries_its_id(client: Client, coin: str) -> None:
    assert f'<spot-candles class="panel" coin="{coin}">' in client.get(f"/coin/{coin}/").content.decode()


@pytest.mark.parametrize("coin", ["..", "a b", "<script>", '"x', "x" * 101, "-x", "ö"])
def test_what_cannot_be_an_id_is_not_found(client: Client, coin: str) -> None:
    response = client.get(f"/coin/{coin}/")
    assert response.status_code == 404
    assert "nothing at this address" in response.content.decode()


def test_pages_only_answer_to_reading(client: Client) -> None:
    assert client.post("/").status_code == 405
