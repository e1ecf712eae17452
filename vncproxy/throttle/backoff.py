"""Growing, scattered pauses between tries: many who fail together don't come back together."""

from __future__ import annotations

from collections.abc import Callable


class Backoff:
    """Exponential back-off with jitter: each pause is drawn from below a growing ceiling.

    Args:
        first_s: The first ceiling.
        factor: By which it grows.
        max_s: Where it stops growing.
        least: The part of the ceiling that a pause has at least; 0: full jitter.

    Raises:
        ValueError: For values that would not grow or not pause.
    """

    def __init__(self, first_s: float, factor: float, max_s: float, least: float = 0.0) -> None:
        if not (0 < first_s <= max_s and factor >= 1 and 0 <= least <= 1):
            raise ValueError(f"impossible back-off: {first_s} s, times {factor}, up to {max_s} s")
        self._first_s = first_s
        self._factor = factor
        self._max_s = max_s
        self._least = least
        self._ceiling_s = first_s

    def next(self, random: Callable[[], float], retry_after_s: float | None = None) -> float:
        """The pause before the next try, in seconds.

        Args:
            random: Draws from [0, 1).
            retry_after_s: What the peer asked to wait: the pause is drawn on top of it, since the
                peer asks the same of all its clients.
        """
        pause_s = (self._least + (1 - self._least) * random()) * self._ceiling_s
        self._ceiling_s = min(self._max_s, self._ceiling_s * self._factor)
        if retry_after_s is not None and retry_after_s > 0:
            return retry_after_s + pause_s
        return pause_s

    def reset(self) -> None:
        """Begin again with the first ceiling: something has worked."""
        self._ceiling_s = self._first_s
