"""Coins by the address of their contract: CoinGecko's `/simple/token_price` and `/coins/{platform}/contract`. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import replace

from spot.codes import Refused
from spot.dialects.coingecko.asked import Asked
from spot.dialects.coingecko.market import prices
from spot.dialects.rest import Pages, Reading, Reply, pages_of
from spot.feeds.lists import COIN_LIST
from spot.feeds.view import View, view_of
from spot.query.jsontext import dumps
from spot.query.table import Table


def _contracts(table: Table, platform: str) -> Mapping[str, str]:
    """The coins of a platform by address, in the form of `_folded`."""

    def read() -> dict[str, str]:
        pairs = zip(table.keys, table.column("platforms"), strict=True)
        return {_folded(address): coin for coin, platforms in pairs if (address := (platforms or {}).get(platform))}

    return table.memo(("contracts", platform), read)


def _folded(address: str) -> str:
    """An address as it is compared: letter case means nothing where it is hexadecimal."""
    return address.lower() if address[:2].lower() == "0x" else address


def token_price(asked: Asked) -> Reading:
    """`/simple/token_price/{platform}`, by the addresses that are asked for; unknown ones are absent."""
    asked.need("contract_addresses")
    asked.need("vs_currencies")
    addresses = [_folded(address) for address in asked.parameters.items("contract_addresses")]

    def write(pages: Pages) -> Reply | Reading:
        contracts = _contracts(pages_of(pages)[0].answer.table, asked.names[0])
        keys: dict[str, list[str]] = defaultdict(list)
        for address in dict.fromkeys(addresses):
            if address in contracts:
                keys[contracts[address]].append(address)
        return prices(asked, keys) if keys else Reply(b"{}")

    return Reading((_list(asked),), write)


def by_contract(read: Callable[[Asked], Reading]) -> Callable[[Asked], Reading]:
    """What reads the path of a coin by its contract as `read` reads that of the coin by its id."""

    def read_contract(asked: Asked) -> Reading:
        platform, address = asked.names

        def write(pages: Pages) -> Reading:
            coin = _contracts(pages_of(pages)[0].answer.table, platform).get(_folded(address))
            if coin is None:
                raise Refused("unknown_coin", "No coin has its contract at this address.")
            rest = asked.path.partition(f"/contract/{address}")[2]
            reading = read(asked._replace(path=f"coins/{coin}{rest}", names=(coin,)))
            return reading if rest else _with_address(reading, _folded(address))

        return Reading((_list(asked),), write)

    return read_contract


def _with_address(reading: Reading, address: str) -> Reading:
    """A reading of a coin whose answer begins with the address of its contract."""

    def write(pages: Pages) -> Reply | Reading:
        reply = reading.write(pages)
        if isinstance(reply, Reading):
            return _with_address(reply, address)
        if reply.status != 200:
            return reply
        return reply._replace(body=b'{"contract_address":%b,%b' % (dumps(address), reply.body[1:]))

    return replace(reading, write=write)


def _list(asked: Asked) -> View:
    """The list of coins with their addresses."""
    return view_of(COIN_LIST, {"platforms": True, "page_size": 1}, asked.depth)
