"""Search in the list of all coins, which is larger than any market: for the page that picks coins. Pure."""

from __future__ import annotations

from spot.query.table import Table


def search(text: str, coins: Table, most: int) -> list[dict[str, str]]:
    """The coins with that text in symbol, name or id, as `id`, `symbol` and `name`: whole words first, then beginnings.

    `coins` is the list of all coins.
    """
    wanted = text.strip().casefold()
    if not wanted:
        return []
    lines = coins.memo("folded", lambda: _folded(coins))
    matches = [at for at, line in enumerate(lines) if f"\n{wanted}\n" in line][:most]
    if len(matches) < most:
        matches += [at for at, line in enumerate(lines) if f"\n{wanted}" in line][:most]
    if len(matches) < most:
        matches += [at for at, line in enumerate(lines) if wanted in line][:most]
    ids, symbols, names = coins.column("id"), coins.column("symbol"), coins.column("name")
    return [
        {"id": ids[at], "symbol": (symbols[at] or "").upper(), "name": names[at] or ids[at]}
        for at in list(dict.fromkeys(matches))[:most]
    ]


def _folded(coins: Table) -> list[str]:
    columns = (coins.column(name) for name in ("symbol", "name", "id"))
    return ["\n".join(("", *(str(value or "").casefold() for value in row), "")) for row in zip(*columns, strict=True)]
