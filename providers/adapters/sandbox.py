"""The simulated market of `providers.sandbox`: the protocol of CoinGecko at another address, without limits."""

from __future__ import annotations

from dataclasses import replace

from providers.adapters import coingecko
from providers.base import Plan

provider = replace(
    coingecko.provider,
    name="sandbox",
    label="Sandbox",
    order=1000,
    simulated=True,
    key_hint="",
    url="",
    plans=(Plan(name="open", base_url="", per_minute=0, per_month=0),),  # the address is settings.SANDBOX_BASE_URL
)
