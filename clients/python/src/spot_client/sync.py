"""The synchronous client: the asynchronous one in a thread of its own, call by call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import Any, Generic

from anyio.from_thread import BlockingPortal, start_blocking_portal
from typing_extensions import Self

from spot_client import client, following, streaming
from spot_client.errors import Refused
from spot_client.following import Gap
from spot_client.models import Feed, Value
from spot_client.page import Page, RowT
from spot_client.signatures import SyncFeeds, SyncViews

__all__ = ["Client", "Gap", "Stream", "Tail", "Watch"]


class Watch(Generic[RowT]):
    """The pages of a feed: `for page in watch`. As `spot_client.Watch`; the connection is kept by a thread, so a slow
    loop gets the newest page."""

    def __init__(self, portal: BlockingPortal, inner: following.Watch[RowT]) -> None:
        self._portal = portal
        self._inner = inner

    def __iter__(self) -> Watch[RowT]:
        return self

    def __next__(self) -> Page[RowT]:
        try:
            return self._portal.call(self._inner.__anext__)
        except StopAsyncIteration:
            raise StopIteration from None

    def __enter__(self) -> Watch[RowT]:
        self._portal.call(self._inner.__aenter__)
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    @property
    def page(self) -> Page[RowT] | None:
        """The newest page; None before the first."""
        return self._inner.page

    @property
    def params(self) -> dict[str, Any]:
        """The parameters that are wanted."""
        return self._inner.params

    @property
    def connected(self) -> bool:
        """Whether there is a connection."""
        return self._inner.connected

    @property
    def trouble(self) -> str:
        """Why there is no connection, or why there are no fresh data; empty when all is well."""
        return self._inner.trouble

    @property
    def notices(self) -> list[str]:
        """The last messages of the server for people, such as a change of source."""
        return self._inner.notices

    def update(self, **changes: Value) -> None:
        """Ask for something else; None clears a parameter. Raises `Refused`, and the view stays as it is."""

        async def update() -> None:
            await self._inner.update(**changes)

        self._portal.call(update)

    def close(self) -> None:
        """End the connection."""
        self._portal.call(self._inner.aclose)


class Tail(Generic[RowT]):
    """The events of a feed, each once, oldest first: `for event in tail`. As `spot_client.Tail`."""

    def __init__(self, portal: BlockingPortal, inner: following.Tail[RowT]) -> None:
        self._portal = portal
        self._inner = inner

    def __iter__(self) -> Tail[RowT]:
        return self

    def __next__(self) -> RowT | Gap:
        try:
            event: RowT | Gap = self._portal.call(self._inner.__anext__)
        except StopAsyncIteration:
            raise StopIteration from None
        return event

    def __enter__(self) -> Tail[RowT]:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    @property
    def page(self) -> Page[RowT] | None:
        """The newest page behind the events, for its age and source."""
        return self._inner.page

    @property
    def connected(self) -> bool:
        """Whether there is a connection."""
        return self._inner.connected

    @property
    def trouble(self) -> str:
        """Why there is no connection, or why there are no fresh data; empty when all is well."""
        return self._inner.trouble

    def close(self) -> None:
        """End the connection."""
        self._portal.call(self._inner.aclose)


class Stream(SyncViews):
    """Many views over one socket: `watch` and `tail` share the connection. As `spot_client.Stream`."""

    def __init__(self, portal: BlockingPortal, inner: streaming.Stream) -> None:
        self._portal = portal
        self._inner = inner

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        """End the connection, and with it all views."""
        self._portal.call(self._inner.aclose)

    def _watch(self, feed: str, params: Mapping[str, Any]) -> Watch[Any]:
        return Watch(self._portal, self._inner._watch(feed, params))

    def _tail(self, feed: str, params: Mapping[str, Any], *, last: int, since: str | None) -> Tail[Any]:
        return Tail(self._portal, self._inner._tail(feed, params, last=last, since=since))


class Client(SyncFeeds):
    """A client of the server at `url`; `key` goes with each request. Use it as `with Client(url) as client`, from any
    thread. `patience`: as of `spot_client.Client`."""

    def __init__(self, url: str, key: str | None = None, *, patience: float = 30.0) -> None:
        self._stack = ExitStack()
        self._inner = client.Client(url, key, patience=patience)
        self._portal = self._stack.enter_context(start_blocking_portal())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return repr(self._inner)

    def close(self) -> None:
        """End all connections, and the thread."""
        if self._portal is not None:
            self._portal.call(self._inner.aclose)
            self._stack.close()

    def stream(self) -> Stream:
        """One socket for many views: `watch` and `tail` of what it returns share the connection."""
        return Stream(self._portal, self._inner.stream())

    def batch(self, views: Sequence[tuple[Feed, Mapping[str, Value]]]) -> list[Page[Any] | Refused]:
        """Up to 20 views in one request. As of `spot_client.Client`."""
        return self._portal.call(self._inner.batch, views)

    # --- what the signatures call ------------------------------------------------------------------------------------

    def _get(self, feed: str, params: Mapping[str, Any]) -> Page[Any]:
        return self._portal.call(self._inner._get, feed, params)

    def _csv(self, feed: str, params: Mapping[str, Any]) -> str:
        text: str = self._portal.call(self._inner._csv, feed, params)
        return text

    def _watch(self, feed: str, params: Mapping[str, Any]) -> Watch[Any]:
        return Watch(self._portal, self._inner._watch(feed, params))

    def _tail(self, feed: str, params: Mapping[str, Any], *, last: int, since: str | None) -> Tail[Any]:
        return Tail(self._portal, self._inner._tail(feed, params, last=last, since=since))
