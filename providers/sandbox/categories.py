"""The provider's categories of the simulated market's coins: by kind, and for well-known coins by name. As upstream, a
coin may be in several categories, or in none."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from providers.sandbox.coins import Coin


@dataclass(frozen=True, slots=True)
class _Rule:
    """The coins of these kinds, plus some and without some."""

    kinds: tuple[str, ...] = ()
    besides: str = ""
    but: str = ""

    def holds(self, coin: Coin) -> bool:
        included = coin.kind in self.kinds or coin.id in self.besides.split()
        return included and coin.id not in self.but.split() and not coin.hidden


_LAYER_2 = (
    "arbitrum blast blockstack celo hemi immutable-x katana-network-token linea lisk loopring manta-network mantle"
    " merlin-chain metis-token movement optimism polygon-ecosystem-token scroll starknet syscoin taiko zksync zora"
)
_RULES = {
    "stablecoins": _Rule(("peg",)),
    "meme-token": _Rule(("meme",)),
    "gaming": _Rule(("game",), "floki nexpace wemix-token"),
    "artificial-intelligence": _Rule(("ai",), "act-i-the-ai-prophecy goatseus-maximus turbo the-graph livepeer"),
    "privacy-coins": _Rule(("privacy",), "railgun"),
    "fan-token": _Rule(("fan",)),
    "oracle": _Rule((), "api3 band-protocol chainlink dia-data pyth-network redstone-oracles tellor uma"),
    "layer-2": _Rule((), _LAYER_2),
    "exchange-based-tokens": _Rule(("exchange",), "uniswap hyperliquid", "celsius-degree-token nexo wemix-token"),
    "decentralized-finance-defi": _Rule(("defi",), "dai ethena-usde crvusd mantra", "nexpace"),
    "layer-1": _Rule(
        ("bitcoin", "ether", "layer1"),
        "binancecoin bitcoin-cash bitcoin-cash-sv bittensor crypto-com-chain dash dogecoin filecoin hyperliquid"
        " injective-protocol internet-computer litecoin monero near ripple stellar thorchain xdce-crowd-sale zcash",
        f"caldera eigenlayer espresso gas ong {_LAYER_2}",
    ),
    "real-world-assets-rwa": _Rule(("metal", "fund", "stock"), "chainlink mantra ondo-finance plume polymesh"),
}


def members(coins: Iterable[Coin]) -> dict[str, set[str]]:
    """The ids of the coins in each category."""
    listed = list(coins)
    return {name: {coin.id for coin in listed if rule.holds(coin)} for name, rule in _RULES.items()}
