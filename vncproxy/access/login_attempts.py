"""Wrong tokens and proxies' secrets by source: after a few in a minute the next has to wait.

Longer each time; the right one never has to. None can be guessed; this keeps guesses from costing
anything, and reports them. Pure.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

FREE = 5
"""Wrong tokens in `WINDOW_S` that cost nothing: a person may mistype."""
WINDOW_S = 60.0
FIRST_WAIT_S = 2.0
LONGEST_WAIT_S = 300.0
MAX_SOURCES = 4096
"""The one that was quiet for longest is forgotten when there are more."""


@dataclass(slots=True)
class _Source:
    wrong: int
    last_at: float
    until: float


class LoginAttempts:
    """Counts; instants are monotonic seconds."""

    def __init__(self) -> None:
        self._sources: OrderedDict[str, _Source] = OrderedDict()

    def __bool__(self) -> bool:
        """Whether anybody has been wrong lately: else nobody has to be looked up."""
        return bool(self._sources)

    def wait_s(self, source: str, now: float) -> float:
        """How long this source has to wait before its next try counts; 0: not at all."""
        found = self._sources.get(source)
        return 0.0 if found is None else max(0.0, found.until - now)

    def failed(self, source: str, now: float) -> int:
        """A wrong token came; gives how many have in a row, each within a minute of its wait."""
        found = self._sources.pop(source, None)
        if found is None or now > max(found.last_at, found.until) + WINDOW_S:
            found = _Source(0, now, now)
        found.wrong += 1
        found.last_at = now
        over = found.wrong - FREE
        if over >= 0:
            # The exponent is bounded, since a patient guesser could make it overflow.
            found.until = now + min(LONGEST_WAIT_S, FIRST_WAIT_S * 2 ** min(over, 16))
        self._sources[source] = found
        while len(self._sources) > MAX_SOURCES:
            self._sources.popitem(last=False)
        return found.wrong

    def succeeded(self, source: str) -> None:
        """The right token came: what went before was a slip."""
        self._sources.pop(source, None)
