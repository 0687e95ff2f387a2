"""One page of a view, for a request that gets one answer and not a stream.

A request is a member of the hub until it has its page, so that it asks for data as a socket does.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from django.conf import settings

from spot.clients.plans import Client
from spot.codes import Refused
from spot.dialects.base import Dialect
from spot.dialects.frames import Message
from spot.feeds.view import View
from spot.hub.groups import Group
from spot.hub.hub import Hub
from spot.hub.topics import Topic
from spot.hub.update import Seen, Update
from spot.snapshots import Snapshot, now_ms
from spot.web.novelty import admitted

#: The pause between two looks at the group, where coins are missing: that a coin has no price changes no row, so the
#: group pushes nothing then.
_LOOK_SECONDS = 0.1


class Waiter:
    """A member of the hub that waits for one page."""

    group: Group | None = None
    seq: Seen = None
    label = b""
    frame_slot = None

    def __init__(self, client: str, dialect: Dialect) -> None:
        self.client = client
        self.dialect = dialect
        self.pages: dict[Waiter, Update] = {}
        self.frames: list[bytes] = []
        self.first: asyncio.Future[Update] = asyncio.get_running_loop().create_future()

    @property
    def outbox(self) -> Waiter:
        """Its pages wait with itself."""
        return self

    def lend(self) -> None:
        """It has no socket."""

    def withdraw(self, _member: Waiter) -> bool:
        """Drop the page that has come."""
        return self.pages.pop(self, None) is not None

    def flush(self) -> None:
        """The page has come, or a newer one that comes too late."""
        if self.pages and not self.first.done():
            self.first.set_result(self.pages.pop(self))

    def say(self, _message: Message, _kind: type) -> None:
        """Control messages are for sockets; but they come when there is a reason why no data will."""
        if self.group is not None and self.group.hopeless is not None:
            self.refuse_later(self.group.hopeless)

    def refuse_later(self, refused: Refused) -> None:
        """The view turned out not to exist."""
        if not self.first.done():
            self.first.set_exception(refused)


async def current(view: View, dialect: Dialect, client: Client) -> Update:
    """The newest page of a view, waiting up to SPOT_FIRST_ANSWER_SECONDS for its first one, for coins that are being
    fetched, and for a newer one of what is fetched on demand and has ceased to hold. Raises `Refused` when the client
    may not ask for it, and when there is nothing to show."""
    if (page := standing(view, dialect, client.id)) is not None:
        return page
    hub, waiter = Hub.current(), Waiter(client.id, dialect)
    try:
        with admitted(client, view, dialect):
            hub.join(waiter, view)
            update = await _first(waiter)
            _check_coins(update)
    finally:
        hub.leave(waiter)
    return update


async def together(
    views: Sequence[tuple[View, Dialect]],
    client: Client,
    *,
    partly: bool = False,
    on_wait: Callable[[], None] = lambda: None,
) -> list[Update | Refused]:
    """The newest pages of several views in their order, each as by `current`. They are of one time: those that show a
    dataset show the same version of it. `partly`: also pages on which none of the coins asked for is. `on_wait` is
    called for each that was not there, and for which a provider was to be asked."""
    if (standing_pages := _all_standing(views, client.id)) is not None:
        return standing_pages
    hub, turn = Hub.current(), asyncio.Lock()

    async def join(waiter: Waiter, view: View) -> Refused | None:
        if standing(view, waiter.dialect, client.id) is not None:
            return None
        try:
            with admitted(client, view, waiter.dialect):
                async with turn:
                    hub.join(waiter, view)
                    await asyncio.sleep(0)  # others are served between two evaluations
                update = await _first(waiter, on_wait)
                if not partly:
                    _check_coins(update)
        except Refused as refused:
            return refused
        return None

    def page(waiter: Waiter, view: View) -> Update | Refused:
        if waiter.group is None:
            if (update := standing(view, waiter.dialect, client.id)) is not None:
                return update
            try:
                hub.join(waiter, view)  # the page was replaced while others were awaited
            except Refused as refused:
                return refused
        return (waiter.group and hub.newest(waiter.group)) or _why_nothing(waiter)

    waiters = [Waiter(client.id, dialect) for _view, dialect in views]
    try:
        joining = (join(waiter, view) for waiter, (view, _dialect) in zip(waiters, views, strict=True))
        refusals = await asyncio.gather(*joining)
        triples = zip(waiters, views, refusals, strict=True)
        return [refused or page(waiter, view) for waiter, (view, _dialect), refused in triples]
    finally:
        for waiter in waiters:
            hub.leave(waiter)


async def _first(waiter: Waiter, on_wait: Callable[[], None] = lambda: None) -> Update:
    """The first page of a member of the hub, or what there is when its time is over. Raises `Refused`. `on_wait` as of
    `together`."""
    begun, at_once = now_ms(), waiter.first.done()
    try:
        async with asyncio.timeout(settings.SPOT_FIRST_ANSWER_SECONDS):
            update = await waiter.first
            while any(why.pending for why in update.missing.values()) or _overdue(waiter):
                at_once = False
                await asyncio.sleep(_LOOK_SECONDS)
                update = _newest(waiter) or update
            if not at_once and update.facts.version >= begun:  # stored since, and not only read
                on_wait()
    except TimeoutError:
        on_wait()
        if (latest := _newest(waiter)) is None:
            raise _why_nothing(waiter) from None
        return latest
    _remember(update, waiter.group)
    return update


def _check_coins(update: Update) -> None:
    """Raise `Refused` where none of the coins asked for is there."""
    if update.missing and len(update.missing) == len(update.answer.view.params["coin_ids"]):
        raise Refused("unavailable", " ".join(dict.fromkeys(why.message for why in update.missing.values())))


# --- pages that still stand -------------------------------------------------------------------------------------------


class _Standing(NamedTuple):
    """A page that a request was given, with the group that it came from, and the snapshots that it shows."""

    update: Update
    group: Group
    snapshots: tuple[Snapshot | None, ...]

    @property
    def size(self) -> int:
        """Its bytes."""
        return len(self.update.answer.data)

    def holds(self, topics: Mapping[str, Topic], now: int) -> bool:
        """Whether a request would be given the same page again, of data that others hold too."""
        return self.update.facts.stale(now) == self.update.stale and all(
            topic.snapshot is snapshot
            and topics.get(topic.name) is topic
            and (topic.gone or topic.groups)
            and not topic.overdue(now)
            for topic, snapshot in zip(self.group.topics, self.snapshots, strict=True)
        )

    def leave(self, client: str, now: int) -> None:
        """Note that a client has looked at the data."""
        for topic in self.group.topics:
            topic.left(self.group, client, now)


class _Pages:
    """Pages given lately, the oldest first: so many, and so many bytes of them."""

    MOST, MOST_BYTES = 256, 16 * 1024 * 1024
    _SWEEP_MS = 1000

    def __init__(self) -> None:
        self._pages: OrderedDict[tuple[object, Dialect], _Standing] = OrderedDict()
        self._bytes = 0
        self._swept_at = 0

    def get(self, key: tuple[object, Dialect]) -> _Standing | None:
        """The page of that group."""
        return self._pages.get(key)

    def keep(self, page: _Standing, now: int) -> None:
        """Keep a page in place of the group's former one, and none that keeps an outdated snapshot in memory."""
        if abs(now - self._swept_at) > self._SWEEP_MS:
            self._swept_at, topics = now, Hub.current().topics
            for key in [key for key, one in self._pages.items() if not one.holds(topics, now)]:
                self._drop(key)
        self._drop(page.group.key)
        self._pages[page.group.key] = page
        self._bytes += page.size
        while len(self._pages) > self.MOST or self._bytes > self.MOST_BYTES:
            self._drop(next(iter(self._pages)))

    def clear(self) -> None:
        """Forget all."""
        self._pages.clear()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._pages)

    def _drop(self, key: tuple[object, Dialect]) -> None:
        if (page := self._pages.pop(key, None)) is not None:
            self._bytes -= page.size


PAGES = _Pages()
#: The size from which a body is shared among its readers.
LARGEST_PAGE = 65_536


def standing(view: View, dialect: Dialect, client: str) -> Update | None:
    """The page that the last request for the view was given, if it is still the newest. It is as if the client had
    joined the hub and left, at a third of the cost."""
    page, hub, now = PAGES.get((view.key, dialect)), Hub.current(), now_ms()
    if page is None or not page.holds(hub.topics, now):
        return None
    page.leave(client, now)
    return page.update


def _all_standing(views: Sequence[tuple[View, Dialect]], client: str) -> list[Update | Refused] | None:
    """The pages that the last requests for the views were given, if all of them are still the newest."""
    topics, now = Hub.current().topics, now_ms()
    pages = []
    for view, dialect in views:
        page = PAGES.get((view.key, dialect))
        if page is None or not page.holds(topics, now):
            return None
        pages.append(page)
    for page in pages:
        page.leave(client, now)
    return [page.update for page in pages]


def _remember(update: Update, group: Group | None) -> None:
    """Keep a page for the next request, unless something of it may come at any moment without a newer snapshot."""
    if group is None or not group.verified or any(why.code == "unavailable" for why in update.missing.values()):
        return
    PAGES.keep(_Standing(update, group, tuple(topic.snapshot for topic in group.topics)), now_ms())


def _overdue(waiter: Waiter) -> bool:
    return waiter.group is not None and any(topic.overdue(now_ms()) for topic in waiter.group.topics)


def _newest(waiter: Waiter) -> Update | None:
    return waiter.group.update if waiter.group else None


def _why_nothing(waiter: Waiter) -> Refused:
    topics = waiter.group.topics if waiter.group else []
    if not (troubles := [topic.trouble for topic in topics if topic.trouble]):
        absent = ", ".join(topic.name for topic in topics if topic.snapshot is None and not topic.dataset.traits.by_id)
        what = f"No data have been fetched yet: {absent}." if absent else "No data have been fetched yet."
        return Refused("unavailable", f"{what} Try again in a few seconds.")
    return Refused("unavailable", troubles[0].public, next_try=troubles[0].next_try)
