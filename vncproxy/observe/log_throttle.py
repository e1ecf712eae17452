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

    def __init__(self, window_s: float = WINDOW_S, max_keys: int = MAX_KEYS) -> None:
        """Nothing has happened yet.

        Args:
            window_s: For so long after it was logged, nothing is logged anew.
            max_keys: So many different things are remembered.
        """
        self._window_s = window_s
        self._max_keys = max_keys
        self._logged: OrderedDict[Hashable, tuple[float, int]] = OrderedDict()

    def seen(self, key: Hashable, now: float) -> int:
        """How often it happened since it was logged last, this time included; 0: not to be logged.

        Args:
            key: What happened; equal keys are counted together.
            now: Monotonic seconds.
        """
        logged_at, since = self._logged.get(key, (now, 0))
        if self.has_logged(key, now):
            self._logged[key] = (logged_at, since + 1)
            return 0
        self._logged[key] = (now, 0)
        self._logged.move_to_end(key)
        if len(self._logged) > self._max_keys:
            self._logged.popitem(last=False)
        return since + 1

    def has_logged(self, key: Hashable, now: float) -> bool:
        """Whether it was logged within the window; it isn't counted.

        Args:
            key: What happened.
            now: Monotonic seconds.
        """
        logged = self._logged.get(key)
        return logged is not None and now < logged[0] + self._window_s
