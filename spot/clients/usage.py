"""What each key uses: counted in memory, added up in Redis every second or so, and copied into the database each
minute, a row a key and day (UTC). Copying twice changes nothing.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

from redis import Redis

from spot.clients.plans import PRICES, Client
from spot.codes import Refused
from spot.snapshots import now_ms

FIELDS = ("connections", "messages", "requests", "bytes", "millicredits")
_LAST = "last"
#: Days for which the counters stay in Redis, should the database be unreachable.
_KEEP_DAYS = 40
#: Rows that one statement writes.
_BATCH = 500

Amounts = dict[str, Counter[str]]


class Usage:
    """The counters of this process."""

    def __init__(self) -> None:
        self._pending: Amounts = defaultdict(Counter)
        #: The millicredits of each key: those of this month up to yesterday, and those of today, in all processes.
        self._before: dict[str, int] = {}
        self._today: dict[str, int] = {}
        self._day = today()

    # --- counting ----------------------------------------------------------------------------------------------------

    def connect(self, key: str) -> None:
        """Count a connection."""
        self._add(key, {"connections": 1, "millicredits": PRICES["connection"]})

    def send(self, key: str, messages: int, size: int) -> None:
        """Count messages to a connection, and their bytes."""
        if messages:
            self._add(key, {"messages": messages, "bytes": size, "millicredits": messages * PRICES["message"]})

    def request(self, key: str) -> None:
        """Count an HTTP request; its cost is counted by `charge`."""
        self._add(key, {"requests": 1})

    def charge(self, key: str, cost: float) -> None:
        """Count the cost of an HTTP request."""
        self._add(key, {"millicredits": round(cost * PRICES["request"])})

    def answer(self, key: str, size: int) -> None:
        """Count the bytes of an answer over HTTP."""
        self._add(key, {"bytes": size})

    def _add(self, key: str, amounts: Mapping[str, int]) -> None:
        pending = self._pending[key]
        for field, amount in amounts.items():
            pending[field] += amount

    # --- credits -----------------------------------------------------------------------------------------------------

    def learn(self, used: Mapping[str, tuple[int, int]]) -> None:
        """Take over what the database says of this month."""
        self._turn()
        for key, (before, now) in used.items():
            self._before[key] = max(before, self._before.get(key, 0))
            self._today[key] = max(now, self._today.get(key, 0))

    def spent(self, key: str) -> int:
        """The millicredits of this month, as far as they are known here."""
        pending = self._pending[key]["millicredits"] if key in self._pending else 0
        return self._before.get(key, 0) + self._today.get(key, 0) + pending

    def problem(self, client: Client) -> Refused | None:
        """The refusal of a client that has used up its credits."""
        limit = client.plan.credits_per_month
        if not limit or client.key is None or self.spent(client.key) < limit * 1000:
            return None
        start = (self._day.replace(day=1) + timedelta(days=32)).replace(day=1)
        seconds = int(datetime(start.year, start.month, start.day, tzinfo=UTC).timestamp()) - now_ms() // 1000
        message = (
            f"The {limit:,} credits of this month are used up ({self.spent(client.key) / 1000:,.1f}); "
            f"there are new ones on {start} at 00:00 UTC."
        )
        return Refused("out_of_credits", message, wait=max(1, seconds))

    def _turn(self) -> None:
        """Begin a new day."""
        if (day := today()) != self._day:
            same_month = (day.year, day.month) == (self._day.year, self._day.month)
            keys = {*self._before, *self._today}
            self._before = (
                {key: self._before.get(key, 0) + self._today.get(key, 0) for key in keys} if same_month else {}
            )
            self._today, self._day = {}, day

    # --- adding up ---------------------------------------------------------------------------------------------------

    @property
    def is_pending(self) -> bool:
        """Whether something has been counted that is not in Redis."""
        return any(self._pending.values())

    async def flush(self, redis: Any) -> None:
        """Add what has been counted to the counters of all processes, in one round trip; it is kept when that fails."""
        self._turn()
        pending, self._pending = self._pending, defaultdict(Counter)
        name, spending = _name(self._day), []
        pipe = redis.pipeline(transaction=False)
        for key, amounts in pending.items():
            for field, amount in amounts.items():
                if amount:
                    pipe.hincrby(name, f"{key} {field}", amount)
                    spending.append(key if field == "millicredits" else None)
            pipe.hset(name, f"{key} {_LAST}", now_ms())
            spending.append(None)
        pipe.expire(name, _KEEP_DAYS * 86_400)
        answers = None
        try:
            answers = await pipe.execute()
        finally:
            if answers is None:
                for key, amounts in pending.items():
                    self._pending[key].update(amounts)
        for spender, total in zip(spending, answers, strict=False):
            if spender is not None:
                self._today[spender] = max(int(total), self._today.get(spender, 0))


def today() -> date:
    """The day, in UTC."""
    return datetime.fromtimestamp(now_ms() / 1000, UTC).date()


def _name(day: object) -> str:
    return f"spot:client:usage:{day}"


#: The counters of this process.
usage = Usage()


# --- copying ----------------------------------------------------------------------------------------------------------


def keep(redis: Redis, day: date) -> int:
    """Copy the counters into the database; the number of rows written. Complete counters of days before `day` are
    deleted. A counter that Redis lost never lowers the number in the database."""
    rows = 0
    for name in sorted(redis.scan_iter(match=_name("*"))):
        counted = date.fromisoformat(name.decode().rpartition(":")[2])
        rows += _write(counted, _by_key(redis.hgetall(name)))
        if counted < day - timedelta(days=1):
            redis.delete(name)
    return rows


def _by_key(counters: Mapping[Any, Any]) -> dict[str, dict[str, int]]:
    amounts: dict[str, dict[str, int]] = defaultdict(dict)
    for field, amount in counters.items():
        key, name = field.decode().split(" ")
        amounts[key][name] = int(amount)
    return amounts


def _write(day: date, by_key: Mapping[str, Mapping[str, int]]) -> int:
    """Write the rows of a day that have changed, all together."""
    from spot.clients.models import ClientKey, ClientUsage  # noqa: PLC0415 - not before the apps are ready

    written = {row.key_id: row for row in ClientUsage.objects.filter(day=day)}
    changed, used = [], []
    for key in ClientKey.objects.only("pk", "last_used_at"):
        if (amounts := by_key.get(str(key.pk))) is None:
            continue
        row = written.get(key.pk) or ClientUsage(key_id=key.pk, day=day)
        sums = {field: max(amounts.get(field, 0), getattr(row, field)) for field in FIELDS}
        if row.pk is None or any(getattr(row, field) != amount for field, amount in sums.items()):
            for field, amount in sums.items():
                setattr(row, field, amount)
            changed.append(row)
        last = datetime.fromtimestamp(amounts.get(_LAST, 0) / 1000, UTC)
        if _LAST in amounts and (key.last_used_at is None or last > key.last_used_at):
            key.last_used_at = last
            used.append(key)
    ClientUsage.objects.bulk_create(
        changed, batch_size=_BATCH, update_conflicts=True, unique_fields=["key", "day"], update_fields=FIELDS
    )
    ClientKey.objects.bulk_update(used, ["last_used_at"], batch_size=_BATCH)
    return len(changed)
