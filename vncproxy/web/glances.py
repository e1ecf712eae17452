"""Which pictures in lists the audit knows of: they come anew each minute, for each instance."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable

RECORDED_EVERY_S = 3600.0
"""A list that stays open is in the audit once in this time, for each instance that it shows."""
KEPT_MAX = 16384
"""What is forgotten is recorded once more."""


class Glances:
    """What was recorded lately."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Nothing was.

        Args:
            clock: Monotonic seconds.
        """
        self._clock = clock
        self._recorded: OrderedDict[Hashable, float] = OrderedDict()

    def is_new(self, glance: Hashable) -> bool:
        """Whether this one is to be recorded; it counts as recorded then."""
        now_s = self._clock()
        recorded_s = self._recorded.get(glance)
        if recorded_s is not None and now_s - recorded_s < RECORDED_EVERY_S:
            return False
        self._recorded[glance] = now_s
        self._recorded.move_to_end(glance)
        if len(self._recorded) > KEPT_MAX:
            self._recorded.popitem(last=False)
        return True
