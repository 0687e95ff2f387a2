"""What one connection follows: its subscriptions, and the commands that change them, whole or not at all."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Hashable, Iterator
from typing import Any

from django.conf import settings

from spot.clients.limits import Bucket
from spot.clients.plans import Client
from spot.codes import Refused, bad_value
from spot.dialects.base import Amend, Dialect, Follow, Subscribe, Which
from spot.dialects.values import Entry, Missing, Outcome
from spot.feeds.view import View
from spot.hub.hub import Hub
from spot.hub.outbox import Outbox
from spot.hub.subscription import Subscription
from spot.snapshots import now_ms
from spot.web.novelty import admitted


class Following:
    """The subscriptions of one connection. `on_refused` is told when one ends that nobody has ended."""

    __slots__ = ("_client", "_dialect", "_on_refused", "_outbox")

    def __init__(
        self,
        client: Client,
        dialect: Dialect,
        outbox: Outbox,
        on_refused: Callable[[Subscription, Refused], None],
    ) -> None:
        self._client = client
        self._dialect = dialect
        self._outbox = outbox
        self._on_refused = on_refused

    def __len__(self) -> int:
        return len(self._outbox.subscriptions)

    def __iter__(self) -> Iterator[Subscription]:
        return iter(list(self._outbox.subscriptions.values()))

    def become(self, client: Client) -> None:
        """Follow nothing, and what is followed from now on as another client."""
        for subscription in self:
            self._leave(subscription)
        self._client = client

    @property
    def limit(self) -> int:
        """The subscriptions that the protocol and the client's plan allow."""
        most = self._dialect.subscriptions
        return min(most, self._client.plan.subscriptions or most)

    # --- finding -----------------------------------------------------------------------------------------------------

    def find(self, which: Which) -> list[Subscription]:
        """The subscriptions that are meant. Raises `Refused` when there are none, and some are named."""
        found = [subscription for subscription in self if _is_meant(which, subscription)]
        if not found and which.field:
            raise Refused("bad_value", f"{which.field}: there is no such subscription.", which.field)
        return found

    def find_one(self, which: Which) -> Subscription:
        """The only subscription that is meant. Raises `Refused`."""
        found = self.find(which)
        if len(found) != 1:
            count = "several subscriptions are" if found else "no subscription is"
            raise Refused("bad_value", f"{count.capitalize()} meant; name one.", which.field or None)
        return found[0]

    # --- joining and leaving -----------------------------------------------------------------------------------------

    def subscribe(self, wish: Subscribe) -> None:
        """Follow a view under a name, in place of the one that had it. Raises `Refused` and changes nothing then."""
        subscription = self._outbox.subscriptions.get(wish.name)
        if subscription is not None:
            self._join(subscription, wish.view, wish.since)
            return
        self._check_room(1)
        self._join_new(wish, wish.name)

    def follow(self, command: Follow) -> Outcome:
        """Follow several views. Raises `Refused` and changes nothing then."""
        mine, wishes = self._outbox.subscriptions, {wish.name: wish for wish in reversed(command.wishes)}
        there = {name: mine[name] for name in wishes if name in mine}
        kept = {
            name: subscription
            for name, subscription in there.items()
            if not command.instead or _is_as_wished(subscription, wishes[name])
        }
        leaving = [one for name, one in mine.items() if name not in kept] if command.instead else []
        new = [wish for name, wish in reversed(wishes.items()) if name not in kept]
        self._check_tags(new, leaving)
        self._check_room(len(new) - len(leaving))
        joined, missing = self._join_all(new)
        for subscription in leaving:
            self._leave(subscription)
        for name, subscription in joined.items():
            self._outbox.rename(subscription, name)
        return Outcome({name: subscription.tag for name, subscription in kept.items()}, missing, len(leaving))

    def unsubscribe(self, which: Which) -> Outcome:
        """Leave views."""
        found = self.find(which)
        for subscription in found:
            self._leave(subscription)
        return Outcome(left=len(found))

    def leave_all(self) -> None:
        """The connection has ended."""
        for subscription in self:
            Hub.current().leave(subscription)

    def amend(self, command: Amend) -> None:
        """Change views, or how they are sent. Raises `Refused` and changes nothing then."""
        found = self.find(command.which) if not command.changes else [self.find_one(command.which)]
        for subscription in found:
            self._amend(subscription, command)

    def _amend(self, subscription: Subscription, command: Amend) -> None:
        view = _view(subscription)
        if command.changes:
            view = view.updated(command.changes, settings.SPOT_DEPTH)
        name = self._dialect.renamed(subscription.name, view)
        if name != subscription.name and name in self._outbox.subscriptions:
            raise Refused("bad_value", "Another subscription of this connection is the same; this one stays as it was.")
        before = subscription.dialect, subscription.pace
        if command.dialect is not None:
            subscription.dialect = command.dialect
        if command.max_rate is not None:
            subscription.pace = _pace(command.max_rate)
        if subscription.group is not None:
            subscription.group.lanes.suspend(subscription)  # its new pace may not allow broadcasts
        try:
            self._join(subscription, view)
        except Refused:
            subscription.dialect, subscription.pace = before
            raise
        self._outbox.rename(subscription, name)

    def resync(self, which: Which) -> None:
        """Send whole pages once more. Raises `Refused`."""
        for subscription in self.find(which):
            self._join(subscription, _view(subscription))

    def ended(self, subscription: Subscription) -> bool:
        """Whether a subscription has ended whose view does not exist after all: it goes back to the view before, if
        there is one."""
        before, subscription.view = subscription.view_before, None
        if before is not None:
            with contextlib.suppress(Refused):
                self._join(subscription, before)
                self._outbox.rename(subscription, self._dialect.renamed(subscription.name, before))
        if subscription.view is None:
            self._outbox.remove(subscription)
        return subscription.view is None

    def entries(self) -> list[Entry]:
        """The subscriptions, as a list tells them."""
        now, entries = now_ms(), []
        for one in self:
            state = one.group.state(now) if one.group is not None else "waiting"
            rate = one.pace.rate if one.pace is not None else 0.0
            page = one.group.update if one.group is not None else None
            entries.append(Entry(one.tag, _view(one), one.dialect, rate, state, page))
        return entries

    def has_news_since(self, at_ms: int) -> bool:
        """Whether anything that it follows has been sent since then."""
        updates = (one.group.update for one in self if one.group is not None)
        return any(update is not None and update.now_ms >= at_ms for update in updates)

    # --- internals ---------------------------------------------------------------------------------------------------

    def _check_room(self, more: int) -> None:
        if more > 0 and len(self) + more > (limit := self.limit):
            raise Refused(
                "too_many_queries",
                f"At most {limit} subscriptions of one connection; it has {len(self)}, and {more} more are asked for.",
                allowed=str(limit),
            )

    def _check_tags(self, new: list[Subscribe], leaving: list[Subscription]) -> None:
        gone = set(map(id, leaving))
        tags = {one.tag for one in self if one.tag is not None and id(one) not in gone}
        for wish in new:
            if wish.tag in tags:
                raise bad_value("id", "one that no other subscription of this connection has", wish.tag)

    def _join_all(self, wishes: list[Subscribe]) -> tuple[dict[Hashable, Subscription], dict[str, Missing]]:
        """Join all, under names of their own; or none. Coins that do not exist are left out beside others."""
        joined: dict[Hashable, Subscription] = {}
        missing: dict[str, Missing] = {}
        served: dict[Any, Refused | None] = {}
        try:
            for wish in wishes:
                try:
                    joined[wish.name] = self._join_new(wish, object())
                    served[wish.tag] = None
                except Refused as refused:
                    if refused.code != "unknown_coin":
                        raise
                    served.setdefault(wish.tag, refused)
                    coins = wish.view.params.get("coin_ids", ())
                    missing |= {coin: Missing(refused.code, refused.message) for coin in coins}
            for unserved in served.values():
                if unserved is not None:
                    raise unserved
        except Refused:
            for subscription in joined.values():
                self._leave(subscription)
            raise
        return joined, missing

    def _join_new(self, wish: Subscribe, name: Hashable) -> Subscription:
        dialect = wish.dialect or self._dialect
        label = dialect.label(wish)
        subscription = Subscription(
            name, self._client.id, dialect, self._outbox, self._on_refused, label=label, tag=wish.tag
        )
        subscription.pace = _pace(wish.max_rate)
        self._outbox.add(subscription)
        try:
            self._join(subscription, wish.view, wish.since)
        except Refused:
            self._outbox.remove(subscription)
            raise
        return subscription

    def _join(self, subscription: Subscription, view: View, since: Any = None) -> None:
        old = subscription.group
        with admitted(self._client, view, subscription.dialect):
            Hub.current().join(subscription, view, since)
        if old is not None and old.verified:
            subscription.view_before = subscription.view
        subscription.view = view

    def _leave(self, subscription: Subscription) -> None:
        Hub.current().leave(subscription)
        self._outbox.remove(subscription)


def _is_meant(which: Which, subscription: Subscription) -> bool:
    if which.names is not None and subscription.name not in which.names:
        return False
    if which.tag is not None and subscription.tag != which.tag:
        return False
    if which.family is not None and (not isinstance(subscription.name, tuple) or subscription.name[0] != which.family):
        return False
    return which.channel is None or _view(subscription).feed.channel == which.channel


def _is_as_wished(subscription: Subscription, wish: Subscribe) -> bool:
    rate = subscription.pace.rate if subscription.pace is not None else 0
    dialect = wish.dialect or subscription.dialect
    return (subscription.tag, rate, subscription.dialect) == (wish.tag, wish.max_rate, dialect)


def _view(subscription: Subscription) -> View:
    view = subscription.view
    assert view is not None, "only a subscription that was refused has none, and it is gone"
    return view


def _pace(rate: float) -> Bucket | None:
    return Bucket(rate, 1) if rate else None
