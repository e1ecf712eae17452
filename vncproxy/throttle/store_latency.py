"""How slow a store has been lately."""

from __future__ import annotations

from collections import deque

KEPT = 8
"""Delays that are kept: after so many quick ones a slow one is forgotten."""

LONGEST_S = 30.0
"""No delay is expected to be longer: callers have given up by then."""


class Delays:
    """The last delays of one store."""

    def __init__(self) -> None:
        self._last: deque[float] = deque(maxlen=KEPT)

    def note(self, seconds: float) -> None:
        """Record one more delay."""
        self._last.append(min(max(0.0, seconds), LONGEST_S))

    @property
    def longest_s(self) -> float:
        """The longest of the last ones, in seconds: what the next may take."""
        return max(self._last, default=0.0)
