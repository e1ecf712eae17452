"""How often the request under way is repeated, where the upstream is far away.

An upstream that gets one request for each update that has arrived shows one picture in a round
trip. So while its screen moves, the same request is sent again in between: servers merge requests,
so it finds one whenever it has something new. Pure; `now` is monotonic seconds.
"""

from __future__ import annotations

INTERVAL_S = 0.04
"""Between two requests: so a picture is under way whenever one of 20 a second comes up."""
LONG_S = 0.1
"""A line whose answers take less shows as many pictures without."""
MOST = 16
"""Requests under way, as far as is known."""
_SAMPLES = 5
"""Of the last answers the fastest tells how long the line is: others waited for something new."""
_STILL_S = 0.25
"""A screen that shows nothing for this long, beyond what an answer takes, has come to rest."""
_FORGOTTEN_S = 0.5
"""What was asked for so long ago, beyond what an answer takes, was merged with what came later."""
_SETTLED_S = 2.0
"""Beyond what an answer takes: by then nothing is under way but one request at most."""


class RequestPipeline:
    """The requests under way on one link, and what their answers show of its line."""

    def __init__(self) -> None:
        """Nothing was asked for."""
        # Lists, since each console has them: an empty deque takes ten times as much.
        self._sent: list[float] = []
        self._answers_s: list[float] = []
        self._least_s = 0.0
        self._began_at: float | None = None
        self._transfer_s = 0.0
        self._moved_at = float("-inf")
        self._repeated_at: float | None = None

    def asked(self, now: float, *, repeated: bool = False) -> None:
        """A request was sent.

        Args:
            now: When.
            repeated: It was due only by `repeat_at`.
        """
        while self._sent and self._sent[0] + self._least_s + _FORGOTTEN_S < now:
            del self._sent[0]
        self._sent.append(now)
        if repeated:
            self._repeated_at = now

    def update_began(self, now: float) -> None:
        """An update begins to come."""
        if len(self._sent) == 1:
            # Beside others it isn't known which was answered.
            self._answers_s = [*self._answers_s[1 - _SAMPLES :], now - self._sent[0]]
            self._least_s = min(self._answers_s)
        self._began_at = now

    def update_ended(self, now: float, updates: int = 1) -> None:
        """It is complete, or so many are."""
        del self._sent[:updates]
        self._moved_at = now
        if self._began_at is not None:
            self._transfer_s = now - self._began_at
            self._began_at = None

    def repeat_at(self) -> float | None:
        """When the request is to be sent again; None: not at all.

        It is less often where updates take long to come: the line is kept half free, so that a
        key's echo needn't wait behind pictures.
        """
        if self._least_s <= LONG_S or not 0 < len(self._sent) < MOST:
            return None
        at = self._sent[-1] + max(INTERVAL_S, 2 * self._transfer_s)
        return at if at <= self._moved_at + self._least_s + _STILL_S else None

    @property
    def settled_at(self) -> float | None:
        """From when on, if no more is asked for, at most one update is still to come.

        None: no more than one ever was under way.
        """
        if self._repeated_at is None:
            return None
        return self._repeated_at + self._least_s + _SETTLED_S
