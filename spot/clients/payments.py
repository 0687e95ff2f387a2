"""What has been paid for: data that nobody looked at before, which are free for everybody for a while after somebody
paid, in this web process or in another.

Each process tells the others what was paid for lately. They take the price from the payer's allowance there too, unless
they have been paid for the same data meanwhile.
"""

from __future__ import annotations

import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Mapping
from itertools import islice

from spot.clients.limits import SHARED, Allowance, novelties

#: For so many seconds what has been paid for is free, for everybody.
_PAID_SECONDS = 900
_MOST = 20_000
#: For so many seconds the others are told of a payment: longer than any goes without listening, or it has lost Redis.
_TOLD_SECONDS = 5

#: One payment as the others read it: its number, the payer, what was paid for, and the price; below 0 when it was paid
#: back.
Payment = tuple[int, str, str, float]


class Payments:
    """The payments that this process knows of."""

    def __init__(self, allowance: Allowance, clock: Callable[[], float] = time.monotonic) -> None:
        self._allowance, self._clock = allowance, clock
        #: By what was paid for: when, and in which process ("": this one).
        self._paid: OrderedDict[str, tuple[float, str]] = OrderedDict()
        self._told: deque[tuple[float, Payment]] = deque(maxlen=SHARED)
        self._number = 0
        #: The last payment of each other process that was heard of.
        self._heard: dict[str, int] = {}

    def is_paid(self, item: str) -> bool:
        """Whether an item is free now."""
        paid = self._paid.get(item)
        return paid is not None and paid[0] >= self._clock() - _PAID_SECONDS

    def pay(self, payer: str, prices: Mapping[str, float]) -> None:
        """Note what a client has paid for, by item."""
        for item, price in prices.items():
            self._note(item, "")
            self._tell(payer, item, price)

    def pay_back(self, payer: str, prices: Mapping[str, float]) -> None:
        """Note that what a client paid for does not exist."""
        for item, price in prices.items():
            self._paid.pop(item, None)
            self._tell(payer, item, -price)

    def recent(self) -> list[Payment]:
        """The payments of the last seconds, for the other processes."""
        while self._told and self._told[0][0] < self._clock() - _TOLD_SECONDS:
            self._told.popleft()
        return [payment for _, payment in self._told]

    def learn(self, others: Mapping[str, Iterable[Payment]]) -> None:
        """Take over what was paid for in other processes since the last call."""
        heard = {}
        for process, payments in others.items():
            heard[process] = self._heard.get(process, 0)
            for number, payer, item, price in islice(payments, SHARED):
                if number <= heard[process]:
                    continue
                heard[process] = number
                if price >= 0:
                    if not self.is_paid(item):
                        self._note(item, process)
                        self._allowance.take_elsewhere(payer, price)
                elif self._paid.get(item, (0.0, ""))[1] == process:
                    del self._paid[item]
                    self._allowance.take_elsewhere(payer, price)
        self._heard = heard

    def forget(self) -> None:
        """Forget all payments."""
        self._paid.clear()
        self._told.clear()
        self._heard.clear()

    def _note(self, item: str, process: str) -> None:
        self._paid[item] = self._clock(), process
        self._paid.move_to_end(item)
        while len(self._paid) > _MOST:
            self._paid.popitem(last=False)

    def _tell(self, payer: str, item: str, price: float) -> None:
        self._number += 1
        self._told.append((self._clock(), (self._number, payer, item, price)))


#: The payments for what nobody looked at before.
payments = Payments(novelties)
