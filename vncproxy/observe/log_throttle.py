"""What happens again and again, told now and then. Pure.

Whoever knocks at a door without end must not fill the disk with the records of it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable

WINDOW_S = 60.0
MAX_KEYS = 1024
"""The one told longest ago is forgotten first."""


class LogThrottle:
    """Counts what comes again within a window after it was told."""

    def __init__(self, window_s: float = WINDOW_S) -> None:
        """Nothing has happened yet."""
        self._window_s = window_s
        self._told: OrderedDict[Hashable, tuple[float, int]] = OrderedDict()

    def seen(self, key: Hashable, now: float) -> int:
        """How often it happened since it was told last, this time included; 0: not to be told.

        Args:
            key: What happened; equal keys are counted together.
            now: Monotonic seconds.
        """
        told_at, since = self._told.get(key, (None, 0))
        if told_at is not None and now < told_at + self._window_s:
            self._told[key] = (told_at, since + 1)
            return 0
        self._told[key] = (now, 0)
        self._told.move_to_end(key)
        if len(self._told) > MAX_KEYS:
            self._told.popitem(last=False)
        return since + 1
