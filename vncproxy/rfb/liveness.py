"""Whether an upstream still answers, whatever its TCP connection says.

A still screen sends nothing, and neither does a server that hangs. So when nothing has come for
long, a question is asked that RFB has to answer at once: a non-incremental request of one pixel. An
upstream that has never answered such a question isn't judged by it, but is asked for the whole
screen, and judged by that: even one that has shown nothing yet owes it. So that it is known in time
how an upstream answers, the first question is asked as soon as the screen is still.

Time during which the daemon itself reads nothing doesn't count (`held`).
Source: RFC 6143, section 7.5.3 (a request that isn't incremental is answered).
"""

from __future__ import annotations

from enum import Enum, auto

FIRST_QUIET_S = 1.0
"""Nothing has come for so long: a good time to find out whether this upstream answers."""
LATE_S = 1.0
"""A check that is later than this was held up: the answer may be there, and not read yet."""

_ANSWER_MAX_PIXELS = 256
"""Servers send some neighbours of the pixel, too: QEMU a row of 16."""


class LivenessAction(Enum):
    """What to do about a quiet upstream."""

    WAIT = auto()
    ASK = auto()
    ASK_ALL = auto()
    DEAD = auto()


class Liveness:
    """One console's upstream, over all its links. All times are monotonic seconds.

    Args:
        quiet_s: Without a byte for so long, the upstream is asked.
        answer_timeout_s: How long it may then take to send anything.
    """

    def __init__(self, *, quiet_s: float, answer_timeout_s: float) -> None:
        """Nothing is known of the upstream."""
        self.answers = False
        """Whether it has answered a question for one pixel, on any link."""
        self._quiet_s = quiet_s
        self._answer_timeout_s = answer_timeout_s
        self._not_before = 0.0
        self._asked_at: float | None = None
        self._deadline = 0.0
        self._first = True
        self._asked_all = False

    def link_started(self, now: float) -> None:
        """A link has its ServerInit."""
        self._asked_at = None
        self._not_before = now
        self._first = True

    def held(self, now: float) -> None:
        """The daemon has read nothing for a while; from now on it does."""
        self._asked_at = None
        self._not_before = now

    def next_at(self, received_at: float) -> float:
        """When to check next, in monotonic seconds.

        Args:
            received_at: When the last byte came.
        """
        if self._asked_at is not None and received_at <= self._asked_at:
            return self._deadline
        quiet_s = self._quiet_s
        if self._first and not self.answers:
            quiet_s = min(quiet_s, FIRST_QUIET_S)
        return max(received_at, self._not_before) + quiet_s

    def check(self, now: float, received_at: float) -> LivenessAction:
        """What to do now.

        After ASK one pixel has to be asked for, after ASK_ALL the whole screen; after DEAD the link
        is to be ended.
        """
        due = self.next_at(received_at)
        if now < due:
            return LivenessAction.WAIT
        if self._asked_at is not None and received_at <= self._asked_at:
            return self._unanswered(now)
        self._first = self._asked_all = False
        self._ask(now)
        return LivenessAction.ASK

    def _ask(self, now: float) -> None:
        self._asked_at = now
        self._deadline = now + self._answer_timeout_s

    def _unanswered(self, now: float) -> LivenessAction:
        if now > self._deadline + LATE_S:
            self._deadline = now + LATE_S
            return LivenessAction.WAIT
        if self.answers or self._asked_all:
            return LivenessAction.DEAD
        self._asked_all = True
        self._ask(now)
        return LivenessAction.ASK_ALL

    @property
    def is_learning(self) -> bool:
        """Whether a rectangle of the picture may yet show how this upstream answers."""
        return self._asked_at is not None and not self.answers

    def rectangle(self, now: float, x: int, y: int, width: int, height: int) -> None:
        """A rectangle of the picture came; it is of interest while `is_learning`.

        A large one may be no answer to a question for one pixel.
        """
        if self._asked_at is None:
            return
        is_small = width * height <= _ANSWER_MAX_PIXELS
        if (x, y) == (0, 0) and is_small and now <= self._deadline:
            self.answers = True
