"""How fast a counter of bytes grows. Pure: instants come in.

Nothing is measured where the bytes pass: they are counted there anyway, and the counter is looked
at now and then.
"""

from __future__ import annotations

from collections import deque

WINDOW_S = 10.0
"""A rate is the mean over about so long."""
LOOK_INTERVAL_S = 2.0
"""A counter is to be looked at so often."""
_LOOKS_MAX = int(WINDOW_S / LOOK_INTERVAL_S) + 1
_LEAST_S = 1.0
"""A burst right at the beginning must not look like a fast line."""


class Rate:
    """The rate of one counter, which never falls, over the last `WINDOW_S` seconds.

    Args: at_s - now, in seconds of a clock that never jumps; total_bytes - the counter now.
    """

    def __init__(self, at_s: float, total_bytes: int = 0) -> None:
        """Begin here: what was counted before is no part of the rate."""
        self._looks: deque[tuple[float, int]] = deque([(at_s, total_bytes)], maxlen=_LOOKS_MAX)

    def note(self, at_s: float, total_bytes: int) -> None:
        """Remember the counter; to be repeated about every `LOOK_INTERVAL_S`."""
        self._looks.append((at_s, total_bytes))

    def per_s(self, at_s: float, total_bytes: int) -> float:
        """Bytes in a second: since the oldest look that is within the window, or the last one."""
        oldest_s = at_s - WINDOW_S - LOOK_INTERVAL_S / 2
        since, before = self._looks[0]
        if since < oldest_s:
            young = (look for look in self._looks if look[0] >= oldest_s)
            since, before = next(young, self._looks[-1])
        return max(0, total_bytes - before) / max(at_s - since, _LEAST_S)
