"""The methods whose parameters and rows are those of a feed.

Written by `python -m clients.generate` from the server's declarations: change those.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, overload

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from spot_client.following import Tail, Watch
    from spot_client.models import (
        CoinHeatmapParams,
        CoinHeatmapRow,
        HistoricalOhlcvParams,
        HistoricalOhlcvRow,
        ListingsParams,
        ListingsRow,
        MarketParams,
        MarketRow,
        MostActiveParams,
        MostActiveRow,
        OnchainParams,
        OnchainRow,
        TickerTapeParams,
        TickerTapeRow,
        TopGainersParams,
        TopGainersRow,
        TopLosersParams,
        TopLosersRow,
    )
    from spot_client.page import Page
    from spot_client.sync import Tail as SyncTail
    from spot_client.sync import Watch as SyncWatch


class AsyncViews:
    """Methods that follow a feed, asynchronous."""

    def _watch(self, feed: str, params: Mapping[str, Any]) -> Watch[Any]:
        raise NotImplementedError

    def _tail(self, feed: str, params: Mapping[str, Any], *, last: int, since: str | None) -> Tail[Any]:
        raise NotImplementedError

    @overload
    def watch(self, feed: Literal["market"], **params: Unpack[MarketParams]) -> Watch[MarketRow]: ...
    @overload
    def watch(self, feed: Literal["coin-heatmap"], **params: Unpack[CoinHeatmapParams]) -> Watch[CoinHeatmapRow]: ...
    @overload
    def watch(self, feed: Literal["ticker-tape"], **params: Unpack[TickerTapeParams]) -> Watch[TickerTapeRow]: ...
    @overload
    def watch(self, feed: Literal["top-gainers"], **params: Unpack[TopGainersParams]) -> Watch[TopGainersRow]: ...
    @overload
    def watch(self, feed: Literal["top-losers"], **params: Unpack[TopLosersParams]) -> Watch[TopLosersRow]: ...
    @overload
    def watch(self, feed: Literal["most-active"], **params: Unpack[MostActiveParams]) -> Watch[MostActiveRow]: ...
    @overload
    def watch(
        self, feed: Literal["historical-ohlcv"], **params: Unpack[HistoricalOhlcvParams]
    ) -> Watch[HistoricalOhlcvRow]: ...
    @overload
    def watch(self, feed: Literal["listings"], **params: Unpack[ListingsParams]) -> Watch[ListingsRow]: ...
    @overload
    def watch(self, feed: Literal["onchain"], **params: Unpack[OnchainParams]) -> Watch[OnchainRow]: ...
    def watch(self, feed: str, **params: Any) -> Watch[Any]:
        """The pages of a feed as they change: iterate over it."""
        return self._watch(feed, params)

    @overload
    def tail(
        self, feed: Literal["listings"], *, last: int = 0, since: str | None = None, **params: Unpack[ListingsParams]
    ) -> Tail[ListingsRow]: ...
    @overload
    def tail(
        self, feed: Literal["onchain"], *, last: int = 0, since: str | None = None, **params: Unpack[OnchainParams]
    ) -> Tail[OnchainRow]: ...
    def tail(self, feed: str, *, last: int = 0, since: str | None = None, **params: Any) -> Tail[Any]:
        """The events of a feed as they come, each once, oldest first: iterate over it. `last`: begin with so many
        of the newest; `since`: begin after the event with this id."""
        return self._tail(feed, params, last=last, since=since)


class AsyncFeeds(AsyncViews):
    """Methods of the asynchronous client."""

    async def _get(self, feed: str, params: Mapping[str, Any]) -> Page[Any]:
        raise NotImplementedError

    async def _csv(self, feed: str, params: Mapping[str, Any]) -> str:
        raise NotImplementedError

    @overload
    async def get(self, feed: Literal["market"], **params: Unpack[MarketParams]) -> Page[MarketRow]: ...
    @overload
    async def get(self, feed: Literal["coin-heatmap"], **params: Unpack[CoinHeatmapParams]) -> Page[CoinHeatmapRow]: ...
    @overload
    async def get(self, feed: Literal["ticker-tape"], **params: Unpack[TickerTapeParams]) -> Page[TickerTapeRow]: ...
    @overload
    async def get(self, feed: Literal["top-gainers"], **params: Unpack[TopGainersParams]) -> Page[TopGainersRow]: ...
    @overload
    async def get(self, feed: Literal["top-losers"], **params: Unpack[TopLosersParams]) -> Page[TopLosersRow]: ...
    @overload
    async def get(self, feed: Literal["most-active"], **params: Unpack[MostActiveParams]) -> Page[MostActiveRow]: ...
    @overload
    async def get(
        self, feed: Literal["historical-ohlcv"], **params: Unpack[HistoricalOhlcvParams]
    ) -> Page[HistoricalOhlcvRow]: ...
    @overload
    async def get(self, feed: Literal["listings"], **params: Unpack[ListingsParams]) -> Page[ListingsRow]: ...
    @overload
    async def get(self, feed: Literal["onchain"], **params: Unpack[OnchainParams]) -> Page[OnchainRow]: ...
    async def get(self, feed: str, **params: Any) -> Page[Any]:
        """One page of a feed."""
        return await self._get(feed, params)

    @overload
    async def csv(self, feed: Literal["market"], **params: Unpack[MarketParams]) -> str: ...
    @overload
    async def csv(self, feed: Literal["coin-heatmap"], **params: Unpack[CoinHeatmapParams]) -> str: ...
    @overload
    async def csv(self, feed: Literal["ticker-tape"], **params: Unpack[TickerTapeParams]) -> str: ...
    @overload
    async def csv(self, feed: Literal["top-gainers"], **params: Unpack[TopGainersParams]) -> str: ...
    @overload
    async def csv(self, feed: Literal["top-losers"], **params: Unpack[TopLosersParams]) -> str: ...
    @overload
    async def csv(self, feed: Literal["most-active"], **params: Unpack[MostActiveParams]) -> str: ...
    @overload
    async def csv(self, feed: Literal["historical-ohlcv"], **params: Unpack[HistoricalOhlcvParams]) -> str: ...
    @overload
    async def csv(self, feed: Literal["listings"], **params: Unpack[ListingsParams]) -> str: ...
    @overload
    async def csv(self, feed: Literal["onchain"], **params: Unpack[OnchainParams]) -> str: ...
    async def csv(self, feed: str, **params: Any) -> str:
        """The whole filtered and sorted range of a feed as CSV, independent of the page."""
        return await self._csv(feed, params)


class SyncViews:
    """Methods that follow a feed, synchronous."""

    def _watch(self, feed: str, params: Mapping[str, Any]) -> SyncWatch[Any]:
        raise NotImplementedError

    def _tail(self, feed: str, params: Mapping[str, Any], *, last: int, since: str | None) -> SyncTail[Any]:
        raise NotImplementedError

    @overload
    def watch(self, feed: Literal["market"], **params: Unpack[MarketParams]) -> SyncWatch[MarketRow]: ...
    @overload
    def watch(
        self, feed: Literal["coin-heatmap"], **params: Unpack[CoinHeatmapParams]
    ) -> SyncWatch[CoinHeatmapRow]: ...
    @overload
    def watch(self, feed: Literal["ticker-tape"], **params: Unpack[TickerTapeParams]) -> SyncWatch[TickerTapeRow]: ...
    @overload
    def watch(self, feed: Literal["top-gainers"], **params: Unpack[TopGainersParams]) -> SyncWatch[TopGainersRow]: ...
    @overload
    def watch(self, feed: Literal["top-losers"], **params: Unpack[TopLosersParams]) -> SyncWatch[TopLosersRow]: ...
    @overload
    def watch(self, feed: Literal["most-active"], **params: Unpack[MostActiveParams]) -> SyncWatch[MostActiveRow]: ...
    @overload
    def watch(
        self, feed: Literal["historical-ohlcv"], **params: Unpack[HistoricalOhlcvParams]
    ) -> SyncWatch[HistoricalOhlcvRow]: ...
    @overload
    def watch(self, feed: Literal["listings"], **params: Unpack[ListingsParams]) -> SyncWatch[ListingsRow]: ...
    @overload
    def watch(self, feed: Literal["onchain"], **params: Unpack[OnchainParams]) -> SyncWatch[OnchainRow]: ...
    def watch(self, feed: str, **params: Any) -> SyncWatch[Any]:
        """The pages of a feed as they change: iterate over it."""
        return self._watch(feed, params)

    @overload
    def tail(
        self, feed: Literal["listings"], *, last: int = 0, since: str | None = None, **params: Unpack[ListingsParams]
    ) -> SyncTail[ListingsRow]: ...
    @overload
    def tail(
        self, feed: Literal["onchain"], *, last: int = 0, since: str | None = None, **params: Unpack[OnchainParams]
    ) -> SyncTail[OnchainRow]: ...
    def tail(self, feed: str, *, last: int = 0, since: str | None = None, **params: Any) -> SyncTail[Any]:
        """The events of a feed as they come, each once, oldest first: iterate over it. `last`: begin with so many
        of the newest; `since`: begin after the event with this id."""
        return self._tail(feed, params, last=last, since=since)


class SyncFeeds(SyncViews):
    """Methods of the synchronous client."""

    def _get(self, feed: str, params: Mapping[str, Any]) -> Page[Any]:
        raise NotImplementedError

    def _csv(self, feed: str, params: Mapping[str, Any]) -> str:
        raise NotImplementedError

    @overload
    def get(self, feed: Literal["market"], **params: Unpack[MarketParams]) -> Page[MarketRow]: ...
    @overload
    def get(self, feed: Literal["coin-heatmap"], **params: Unpack[CoinHeatmapParams]) -> Page[CoinHeatmapRow]: ...
    @overload
    def get(self, feed: Literal["ticker-tape"], **params: Unpack[TickerTapeParams]) -> Page[TickerTapeRow]: ...
    @overload
    def get(self, feed: Literal["top-gainers"], **params: Unpack[TopGainersParams]) -> Page[TopGainersRow]: ...
    @overload
    def get(self, feed: Literal["top-losers"], **params: Unpack[TopLosersParams]) -> Page[TopLosersRow]: ...
    @overload
    def get(self, feed: Literal["most-active"], **params: Unpack[MostActiveParams]) -> Page[MostActiveRow]: ...
    @overload
    def get(
        self, feed: Literal["historical-ohlcv"], **params: Unpack[HistoricalOhlcvParams]
    ) -> Page[HistoricalOhlcvRow]: ...
    @overload
    def get(self, feed: Literal["listings"], **params: Unpack[ListingsParams]) -> Page[ListingsRow]: ...
    @overload
    def get(self, feed: Literal["onchain"], **params: Unpack[OnchainParams]) -> Page[OnchainRow]: ...
    def get(self, feed: str, **params: Any) -> Page[Any]:
        """One page of a feed."""
        return self._get(feed, params)

    @overload
    def csv(self, feed: Literal["market"], **params: Unpack[MarketParams]) -> str: ...
    @overload
    def csv(self, feed: Literal["coin-heatmap"], **params: Unpack[CoinHeatmapParams]) -> str: ...
    @overload
    def csv(self, feed: Literal["ticker-tape"], **params: Unpack[TickerTapeParams]) -> str: ...
    @overload
    def csv(self, feed: Literal["top-gainers"], **params: Unpack[TopGainersParams]) -> str: ...
    @overload
    def csv(self, feed: Literal["top-losers"], **params: Unpack[TopLosersParams]) -> str: ...
    @overload
    def csv(self, feed: Literal["most-active"], **params: Unpack[MostActiveParams]) -> str: ...
    @overload
    def csv(self, feed: Literal["historical-ohlcv"], **params: Unpack[HistoricalOhlcvParams]) -> str: ...
    @overload
    def csv(self, feed: Literal["listings"], **params: Unpack[ListingsParams]) -> str: ...
    @overload
    def csv(self, feed: Literal["onchain"], **params: Unpack[OnchainParams]) -> str: ...
    def csv(self, feed: str, **params: Any) -> str:
        """The whole filtered and sorted range of a feed as CSV, independent of the page."""
        return self._csv(feed, params)
