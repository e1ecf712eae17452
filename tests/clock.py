"""The tests' clocks: one that stands still, two in place of this process's own; its time zone."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

_TURNS = 20
"""Of the event loop."""
_TICK_S = 1e-6
_ANSWER_S = 0.01
"""Really waited for other programs, whose answers no test of a limit depends on."""


class Monotonic:
    """`time.monotonic` of this process, in whose place a test may put another clock.

    It is exchanged before the package is imported, whose functions have it as a default: theirs
    passes with the event loop's.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        """Be this one."""
        self.clock = clock

    def __call__(self) -> float:
        """Seconds."""
        return self.clock()


_MONOTONIC = Monotonic(time.monotonic)
time.monotonic = _MONOTONIC


@contextmanager
def time_zone(name: str) -> Iterator[None]:
    """Have this process in a time zone, named as in the variable TZ."""
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("TZ", name)
            time.tzset()
            yield
    finally:
        time.tzset()


async def settle() -> None:
    """Let what is due run, and what that starts."""
    for _ in range(_TURNS):
        await asyncio.sleep(0)


@dataclass(slots=True)
class FakeClock:
    """Seconds since the origin named by `epoch`, that pass only when a test says so."""

    seconds: float = 1000.0
    epoch: str = "boot-1"

    def __call__(self) -> float:
        """The time."""
        return self.seconds

    def now(self) -> float:
        """The time."""
        return self.seconds

    def forward(self, seconds: float) -> None:
        """Let this time pass at once."""
        self.seconds += seconds


class ProcessClock:
    """`time.monotonic`, that a test sets forward; the event loop's timers follow it."""

    def __init__(self) -> None:
        """Keep the true one."""
        self._true = _MONOTONIC.clock
        self._ahead_s = 0.0

    def __call__(self) -> float:
        """Seconds."""
        return self._true() + self._ahead_s

    async def forward(self, seconds: float) -> None:
        """Let this time pass at once; what is due then runs."""
        self._ahead_s += seconds
        await settle()

    async def pass_by(self, seconds: float, step_s: float) -> None:
        """Let this time pass in steps; in each, what is due runs, and other programs may answer."""
        for _ in range(math.ceil(seconds / step_s)):
            await self.forward(step_s)
            await asyncio.sleep(_ANSWER_S)


class IdleClock(ProcessClock):
    """`time.monotonic`, that stands still while this process works or waits for a processor.

    It passes only while the event loop waits. So a limit of some tenths of a second, which nothing
    in this process ever exceeds, isn't exceeded on a busy machine either.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin now.

        Args:
            loop: Asyncio's own, which waits by a selector.
        """
        super().__init__()
        self._seconds = self._true()
        self._selector: Any = loop._selector  # type: ignore[attr-defined]
        self._select = self._selector.select

    def __call__(self) -> float:
        """Seconds; what comes later is later."""
        self._seconds += _TICK_S
        return self._seconds + self._ahead_s

    @contextmanager
    def in_place(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        """Be the process's clock as long as the block lasts."""
        with monkeypatch.context() as patch:
            patch.setattr(_MONOTONIC, "clock", self)
            patch.setattr(self._selector, "select", self._wait)
            yield

    def _wait(self, timeout_s: float | None = None) -> Any:
        began_at = self._true()
        events = self._select(timeout_s)
        waited_s = self._true() - began_at
        self._seconds += waited_s if timeout_s is None else min(waited_s, max(timeout_s, 0.0))
        return events
