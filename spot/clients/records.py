"""The rows of keys and plans as the contents of a book, and the news of their changes."""

from __future__ import annotations

import ipaddress
from collections import defaultdict
from collections.abc import Hashable, Iterable
from datetime import date, datetime

import structlog
from django.conf import settings
from django.db import Error as DatabaseError
from django.db import connection, transaction
from django.db.models import Count, Max, Model, Sum
from django.db.models.signals import post_delete, post_save

from spot.clients import desk
from spot.clients.book import CHANGED, GROUP, Contents, Key
from spot.clients.models import ClientKey, ClientPlan, ClientUsage, Protocol
from spot.clients.plans import default_plan
from spot.clients.protocols import protocols
from spot.clients.usage import today
from spot.snapshots import nudges

log = structlog.get_logger(__name__)

#: Each protocol's share of documents as last read; None: as the setting says.
_shares: dict[str, float | None] = {}
_FIELDS = (
    "pk", "plan_id", "digest", "old_digest", "old_until", "expires_at", "revoked_at", "origins", "networks",
)  # fmt: skip


def read() -> Contents:
    """Everything that a book holds, in four queries. Raises `django.db.Error`."""
    rows = list(ClientKey.objects.values_list(*_FIELDS))  # before the plans, so that each of theirs is among them
    plans = {row.pk: row for row in ClientPlan.objects.all()}
    limits = {pk: row.plan for pk, row in plans.items()}
    made = []
    for pk, plan, digest, old_digest, old_until, expires, revoked, origins, networks in rows:
        key = Key(
            id=str(pk),
            digest=bytes.fromhex(digest),
            plan=limits[plan],
            expires=_ms(expires),
            revoked=revoked is not None,
            suspended=not plans[plan].enabled,
            origins=frozenset(origins.split()) if origins else frozenset(),
            networks=tuple(map(ipaddress.ip_network, networks.split())) if networks else (),
        )
        made.append(key)
        if old_digest and old_until:
            ends = min(filter(None, (key.expires, _ms(old_until))))
            made.append(_replaced(key, bytes.fromhex(old_digest), ends))
    everybody = next((row for row in plans.values() if row.is_anonymous), None)
    is_open = everybody is None or everybody.enabled
    plan = None if everybody is None or everybody.plan == default_plan() else everybody.plan
    off = frozenset(Protocol.objects.filter(enabled=False).values_list("name", flat=True))
    return Contents(tuple(made), is_open, plan, _used(today()), off)


def version() -> Hashable:
    """A value that differs once keys or plans have changed, in three small queries. Raises `django.db.Error`."""
    return tuple(
        tuple(model.objects.aggregate(Count("pk"), Max("changed_at")).values())
        for model in (ClientKey, ClientPlan, Protocol)
    )


def read_if_changed(known: Hashable) -> tuple[Hashable, Contents | None]:
    """The version, and everything unless that is the known one. For a thread that has no other use of the database: its
    connection is closed."""
    try:
        newest = version()  # before the rows: what changes in between is read once more
        return newest, None if newest == known else read()
    finally:
        connection.close()


def watch(models: Iterable[type[Model]]) -> None:
    """Tell every web process when rows of keys or plans have changed, once the change is in force."""
    for model in models:
        if model is not ClientUsage:
            for signal in (post_save, post_delete):
                signal.connect(_announce_later, sender=model, dispatch_uid=f"{model.__name__} for books")


def add_protocols(using: str, **_: object) -> None:
    """A row for each protocol of another vendor, which the operator may switch off. No web process is told: a new row
    changes nothing, and the step that migrates may have no Redis."""
    Protocol.objects.using(using).bulk_create((Protocol(name=name) for name in protocols()), ignore_conflicts=True)


def document_share(protocol: str) -> float:
    """The percentage of the calls that polls leave over which documents for a protocol may use; while the database does
    not answer, as last read. Workers ask before each document, so that a change holds from the next."""
    try:
        _shares[protocol] = Protocol.objects.filter(name=protocol).values_list("document_share", flat=True).first()
    except DatabaseError as error:
        log.warning("share of documents unread, the last known holds", protocol=protocol, error=str(error))
    share = _shares.get(protocol)
    return settings.SPOT_DOCUMENT_SHARE if share is None else share


def _announce_later(instance: Model, using: str, **_: object) -> None:
    transaction.on_commit(announce, using=using)
    if isinstance(instance, ClientKey) and instance.secret is not None:  # it is shown next
        transaction.on_commit(desk.renew, using=using)


def announce() -> None:
    """Have every web process read its book again."""
    nudges.announce(GROUP, {"type": CHANGED})


def _replaced(key: Key, digest: bytes, expires: int) -> Key:
    """The key that was replaced by a new one, while it is still good."""
    return Key(key.id, digest, key.plan, expires, key.revoked, key.suspended, key.origins, key.networks)


def _used(now: date) -> dict[str, tuple[int, int]]:
    """The millicredits of this month by key: up to yesterday, and today."""
    used: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    rows = ClientUsage.objects.filter(day__gte=now.replace(day=1), day__lte=now).order_by()
    for pk, day, amount in rows.values_list("key_id", "day").annotate(Sum("millicredits")):
        used[str(pk)][day == now] += amount
    return {key: (before, of_today) for key, (before, of_today) in used.items()}


def _ms(moment: datetime | None) -> int | None:
    return None if moment is None else int(moment.timestamp() * 1000)
