"""The numbers of coins, renewed from the asset table."""

import pytest

from providers.models import Asset, AssetAlias
from spot.clients import desk
from spot.dialects.coinmarketcap.numbers import Numbers, numbers
from spot.web import numbering


@pytest.mark.django_db
def test_the_asset_table_says_which_coin_has_which_number(monkeypatch) -> None:
    monkeypatch.setattr(numbering, "numbers", made := Numbers())
    monkeypatch.setattr(numbering.connection, "close", lambda: None)
    Asset.objects.create(id="made-up", symbol="MU", name="Made up")
    for foreign_id, asset in (("36000", "made-up"), ("36001", None), ("abc", "made-up"), ("9" * 30, "made-up")):
        AssetAlias.objects.create(provider="coinmarketcap", foreign_id=foreign_id, symbol="MU", name="", asset_id=asset)
    AssetAlias.objects.create(provider="other", foreign_id="36002", symbol="MU", name="", asset_id="made-up")
    numbering.renew()
    assert [made.coin(number) for number in (36000, 36001, 36002, 1)] == ["made-up", None, None, "bitcoin"]
    assert made.number("made-up") == 36000


def test_the_desk_renews_them() -> None:
    assert numbering.renew in desk.renewals
    assert numbering.numbers is numbers
