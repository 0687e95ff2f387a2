"""What web processes tell each other of clients that have no key, so that their limits hold in all of them together.

Addresses are many, and those that take little concern nobody: a process tells the others only of clients that use a
64th of a limit or more, and of each limit of 256 at most, those with most. So neither Redis nor a report grows with the
number of addresses. Of requests in progress only those count that have lasted since the last report.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from spot.clients import limits
from spot.clients.leases import Progress
from spot.clients.limits import Admission, Allowance
from spot.clients.payments import payments
from spot.clients.plans import anonymous
from spot.clients.roster import Connected, roster
from spot.codes import Refused

Report = Mapping[str, Any]

_PLACES: dict[str, Admission] = {"connections": limits.admission, "requests": limits.answering}
_TOKENS: dict[str, Allowance] = {"spent": limits.requests, "mistakes": limits.mistakes}


class Addresses:
    """The reports of this process and of the others."""

    def __init__(self) -> None:
        self._progress = {name: Progress() for name in _TOKENS}

    def report(self, *, ending: bool) -> dict[str, Any]:
        """What the other processes need to know of this one; of one that is ending, no places: its clients are about to
        come to them."""
        places = {name: {} if ending else admission.largest() for name, admission in _PLACES.items()}
        tokens = {name: allowance.recent(keyed=False) for name, allowance in _TOKENS.items()}
        return {**places, **tokens, "paid": payments.recent()}

    def learn(self, process: str, own: Report, others: Mapping[str, Report]) -> list[tuple[Connected, Refused]]:
        """Take over the reports of the others; `own` is the one that this process has left. Returns the connections
        here that are too many, with the reason."""
        for name, admission in _PLACES.items():
            admission.elsewhere = Counter()
            for report in others.values():
                admission.elsewhere.update(report.get(name, {}))
        for name, allowance in _TOKENS.items():
            totals = {other: report.get(name, {}) for other, report in others.items()}
            for client, cost in self._progress[name].since(totals).items():
                allowance.take_elsewhere(client, cost)
        payments.learn({other: report.get("paid", ()) for other, report in others.items()})
        return _surplus(process, own["connections"], others)


def forget() -> None:
    """Let the limits hold in this process alone: what was heard last is no longer true."""
    for admission in _PLACES.values():
        admission.elsewhere = Counter()


def _surplus(process: str, own: Mapping[str, int], others: Mapping[str, Report]) -> list[tuple[Connected, Refused]]:
    """The newest connections here of clients that have too many in all. Processes come first by their names, so that
    all of them come to the same result."""
    before: Counter[str] = Counter()
    for name, report in others.items():
        if name < process:
            before.update(report.get("connections", {}))
    limit = anonymous("").plan.connections
    many = {client: here - max(0, limit - before[client]) for client, here in own.items()} if limit else {}
    many = {client: number for client, number in many.items() if number > 0}
    surplus = []
    for connection in reversed(roster.connections) if many else ():
        client = connection.who.id
        if many.get(client, 0) > 0:
            many[client] -= 1
            message = f"At most {limit} connections from one address, in all; close one and try again."
            surplus.append((connection, Refused("too_many_connections", message)))
    return surplus
