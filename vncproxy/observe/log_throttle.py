"""What happens again and again, logged now and then. Pure.

A client that is refused without end must not fill the disk with the records of it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable

WINDOW_S = 60.0
MAX_KEYS = 1024
"""The one logged longest ago is forgotten first."""


class LogThrottle:
    """Counts what comes again within a window after it was logged."""

    def __init__(self, window_s: float = WINDOW_S) -> None:
        """Nothing has happened yet."""
        self._window_s = window_s
        self._logged: OrderedDict[Hashable, tuple[float, int]] = OrderedDict()

    def seen(self, key: Hashable, now: float) -> int:
        """How often it happened since it was logged last, this time included; 0: not to be logged.

        Args:
            key: What happened; equal keys are counted together.
            now: Monotonic seconds.
        """
        logged_at, since = self._logged.get(key, (None, 0))
        if logged_at is not None and now < logged_at + self._window_s:
            self._logged[key] = (logged_at, since + 1)
            return 0
        self._logged[key] = (now, 0)
        self._logged.move_to_end(key)
        if len(self._logged) > MAX_KEYS:
            self._logged.popitem(last=False)
        return since + 1
