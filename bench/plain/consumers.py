"""The consumer that tutorials write: every client filters, sorts, pages and encodes the rows for itself."""

import json
from typing import Any
from urllib.parse import parse_qs

from channels.generic.websocket import AsyncWebsocketConsumer

from bench.coins import followed
from bench.straightforward import HEADERS, cells, select


class CoinsConsumer(AsyncWebsocketConsumer):
    """One socket in the groups of a hundred coins."""

    async def connect(self) -> None:
        """Join the group of each coin."""
        self.names = followed(int(self.scope["query_string"]))
        for name in self.names:
            await self.channel_layer.group_add(name, self.channel_name)
        await self.accept()

    async def disconnect(self, _code: int) -> None:
        """Leave the groups."""
        for name in self.names:
            await self.channel_layer.group_discard(name, self.channel_name)

    async def coin_price(self, event: dict[str, Any]) -> None:
        """A coin's message."""
        await self.send(text_data=event["text"])


class MarketConsumer(AsyncWebsocketConsumer):
    """One socket in one room."""

    async def connect(self) -> None:
        """Join the room's group, with the query in the URL."""
        query = {name: values[0] for name, values in parse_qs(self.scope["query_string"].decode()).items()}
        self.query = query | {"filters": json.loads(query.get("filters", "{}"))}
        self.group = f"market_{self.scope['url_route']['kwargs']['room']}"
        await self.channel_layer.group_add(self.group, self.channel_name)
        await self.accept()

    async def disconnect(self, _code: int) -> None:
        """Leave the group."""
        await self.channel_layer.group_discard(self.group, self.channel_name)

    async def market_rows(self, event: dict[str, Any]) -> None:
        """New rows for the group."""
        rows = select(event["rows"], self.query)
        await self.send(text_data=json.dumps({"headers": HEADERS, "rows": cells(rows, self.query)}))
