"""How long a viewer may stay, wait and take: its limits, and the timers that keep them."""

from __future__ import annotations

import asyncio
import time
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from vncproxy.config.model import Limits
from vncproxy.console.fault_isolation import contained
from vncproxy.errors import CloseCode, CloseReason, Side
from vncproxy.websocket.transport import Transport

HANDSHAKE_TIMEOUT_S = 30.0
"""A native viewer's user may have to type a password meanwhile."""


@dataclass(frozen=True, slots=True)
class ViewerLimits:
    """How long a viewer may stay, in seconds; 0 means no limit, but for `slow_timeout_s`."""

    idle_timeout_s: float
    max_age_s: float
    slow_timeout_s: float
    queue_bytes: int

    @classmethod
    def of(cls, limits: Limits) -> ViewerLimits:
        """Those of the configuration."""
        return cls(
            idle_timeout_s=limits.viewer_idle_timeout,
            max_age_s=limits.session_max_age,
            slow_timeout_s=limits.slow_viewer_timeout,
            queue_bytes=limits.viewer_queue,
        )


class Limited(Protocol):
    """A viewer, as its time limits see it."""

    def close(self, reason: CloseReason) -> None:
        """End it."""

    def failed(self) -> None:
        """A fault of the daemon on its behalf, which is being handled: end it."""


class TimeLimits:
    """The timers of one viewer; what goes wrong in one ends that viewer alone.

    Attributes:
        input_at: When its user last did something, in monotonic seconds; None: nothing yet.
        owes_since: Since when it has answered no fence; None: none is unanswered.
        watches_answers: A timer will look at `owes_since`.
    """

    def __init__(self, limits: ViewerLimits, transport: Transport, viewer: Limited) -> None:
        """No timer runs.

        Args:
            limits: What may be how long.
            transport: Tells whether the viewer reads.
            viewer: Is closed when a limit is reached.
        """
        self.limits = limits
        self.input_at: float | None = None
        self.owes_since: float | None = None
        self.watches_answers = False
        self._opened_at = time.monotonic()
        self._transport = transport
        # Which owns this: a cycle would stay until the collector comes.
        self._viewer: Limited = weakref.proxy(viewer)
        self._timers: dict[str, asyncio.TimerHandle] = {}

    def failed(self) -> None:
        """A timer's work failed, which is being handled."""
        self._viewer.failed()

    def begin(self) -> None:
        """Its stay counts from now on, and how long its user does nothing."""
        if self.limits.max_age_s:
            self._after("age", self.limits.max_age_s, self._too_old)
        if self.limits.idle_timeout_s:
            self._after("idle", self.limits.idle_timeout_s, self._maybe_idle)

    def end(self) -> None:
        """It is over: no timer runs any more."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()

    # The handshake

    def handshake_begins(self) -> None:
        """It has something to say."""
        self._after("handshake", HANDSHAKE_TIMEOUT_S, self._handshake_hangs)

    def handshake_waits(self) -> None:
        """For the daemon, not for the viewer."""
        self._stop("handshake")

    def _handshake_hangs(self) -> None:
        how = "the viewer: it didn't finish its handshake in time"
        self._viewer.close(CloseReason(CloseCode.VIEWER_PROTOCOL, Side.VIEWER, how))

    # A link that is waited for

    @contained
    def wait_at_most(self, wait_s: float, gave_up: Callable[[], CloseReason]) -> None:
        """Close it as `gave_up` says unless `waiting_is_over` is called within `wait_s`."""
        if "wait" not in self._timers:
            self._after("wait", wait_s, lambda: self._viewer.close(gave_up()))

    @property
    def patience_s(self) -> float:
        """How much longer it will wait for a link; 0 if it doesn't."""
        timer = self._timers.get("wait")
        return max(0.0, timer.when() - asyncio.get_running_loop().time()) if timer else 0.0

    def waiting_is_over(self) -> None:
        """The console runs again."""
        self._stop("wait")

    # Its stay

    def _too_old(self) -> None:
        why = "session_max_age is reached"
        self._viewer.close(CloseReason(CloseCode.SESSION_LIMIT, Side.DAEMON, why))

    def _maybe_idle(self) -> None:
        since = self.input_at if self.input_at is not None else self._opened_at
        rest_s = since + self.limits.idle_timeout_s - time.monotonic()
        if rest_s > 0:
            self._after("idle", rest_s, self._maybe_idle)
        else:
            self._viewer.close(CloseReason(CloseCode.IDLE, Side.VIEWER, "no input for too long"))

    # Whether it reads

    def watch_progress(self) -> None:
        """Something waits for it: it has to read, until `drained`."""
        if "slow" not in self._timers:
            sent_bytes = self._transport.sent_bytes
            self._after(
                "slow", self.limits.slow_timeout_s, lambda: self._check_progress(sent_bytes)
            )

    def drained(self) -> None:
        """Nothing waits for it any more."""
        self._stop("slow")

    def _check_progress(self, sent_bytes: int) -> None:
        self._stop("slow")
        if not self._transport.backlog_bytes:
            return
        if self._transport.sent_bytes != sent_bytes:
            self.watch_progress()
        else:
            self._reads_nothing()

    def watch_answers(self, since: float) -> None:
        """It owes an answer to a fence since then, in monotonic seconds."""
        if not self.watches_answers:
            self._watch_answers(since)

    def _watch_answers(self, since: float) -> None:
        rest_s = since + self.limits.slow_timeout_s - time.monotonic()
        self.watches_answers = True
        self._after("answer", max(0.0, rest_s), self._check_answers)

    def _check_answers(self) -> None:
        self._stop("answer")
        self.watches_answers = False
        if (since := self.owes_since) is None:
            return
        if self._transport.backlog_bytes:
            # The fence may stand behind megabytes of one update; that they are read is watched.
            self._watch_answers(time.monotonic())
        elif since + self.limits.slow_timeout_s > time.monotonic():
            self._watch_answers(since)
        else:
            self._reads_nothing()

    def _reads_nothing(self) -> None:
        self._viewer.close(CloseReason(CloseCode.TOO_SLOW, Side.VIEWER, "it reads nothing"))

    def _after(self, name: str, delay_s: float, call: Callable[[], None]) -> None:
        self._timers[name] = asyncio.get_running_loop().call_later(delay_s, self._due, call)

    def _stop(self, name: str) -> None:
        if timer := self._timers.pop(name, None):
            timer.cancel()

    @contained
    def _due(self, call: Callable[[], None]) -> None:
        call()
