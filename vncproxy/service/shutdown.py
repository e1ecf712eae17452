"""The daemon's end: within drain_timeout, whatever hangs, and with words about what was left.

A thread in a call of the operating system, such as a write to a disk that hangs, can't be ended. So
the end is a row of steps, each with a part of the time. A step that fails or is late is logged, and
the next one has its turn.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import structlog

from vncproxy.tasks import Tasks

_log = structlog.get_logger("vncproxy.service")

_T = TypeVar("_T")

CONSOLES_PART = 0.75
"""Of the whole time, after which the links' and viewers' farewells are cut short."""
FILES_PART = 0.9
"""The same for recordings, doors and the ledger."""
AUDIT_PART = 0.97
"""The same for the audit, which records the end of all others; the rest is the log's."""
LEAST_S = 0.2
"""Every step has so long, also where the loop was too late or drain_timeout is 0."""

_GRACE_S = 0.05

_IDLE_OR_OURS = ("MainThread", "log", "asyncio_", "uvloop_")
"""Threads that say nothing about what still goes on: those of executors stay when idle."""


class Stopped(Exception):  # noqa: N818 - what happened
    """The daemon was asked to stop before it had started."""


class Shutdown:
    """When the daemon is to stop, and how far its end has come. For one event loop."""

    def __init__(self, timeout_s: Callable[[], float]) -> None:
        """Nobody asked for it yet.

        Args:
            timeout_s: How long the end may take, once it begins.
        """
        self._timeout_s = timeout_s
        self._begun = asyncio.Event()
        self._tasks = Tasks()
        self._began_at = 0.0
        self._whole_s = 0.0
        self.left_behind: list[str] = []
        """The steps that weren't waited for any longer."""

    @property
    def begun(self) -> bool:
        """Whether the time runs."""
        return self._begun.is_set()

    def begin(self) -> None:
        """The time runs from now on; again: nothing happens."""
        if not self.begun:
            self._began_at = asyncio.get_running_loop().time()
            self._whole_s = self._timeout_s()
            self._begun.set()

    async def wait(self) -> None:
        """Until somebody asks for the end."""
        await self._begun.wait()

    def left_s(self, part: float = 1.0) -> float:
        """What is left of the time up to `part` of it, at least `LEAST_S`."""
        passed_s = asyncio.get_running_loop().time() - self._began_at
        return max(LEAST_S, part * self._whole_s - passed_s)

    async def unless_begun(self, work: Coroutine[Any, Any, _T]) -> _T:
        """What `work`, a part of the start, gives.

        Raises:
            Stopped: The daemon is asked to stop meanwhile: `work` is cancelled.
        """
        working = self._tasks.start(_outcome(work), "start")
        asked = self._tasks.start(self.wait(), "stop")
        try:
            await asyncio.wait({working, asked}, return_when=asyncio.FIRST_COMPLETED)
            if not working.done():
                raise Stopped
            result, fault = working.result()
            if fault is not None:
                raise fault
            found: _T = result
            return found
        finally:
            for task in (asked, working):
                task.cancel()
            await asyncio.wait({asked, working}, timeout=LEAST_S)

    async def step(self, what: str, work: Coroutine[Any, Any, object], part: float) -> bool:
        """Carry out a step of the end; gives whether it came to its own end in time.

        Args:
            what: For people, as in `the ledger`.
            work: Gives False where it gave up by itself.
            part: Of the whole time, after which it is cancelled and not waited for.
        """
        self.begin()
        working = self._tasks.start(_outcome(work), what)
        # A moment more, for work that keeps this time by itself and logs it.
        await asyncio.wait({working}, timeout=self.left_s(part) + _GRACE_S)
        if not working.done():
            working.cancel()
            # One turn for what it leaves behind; longer only for what ends at once.
            await asyncio.wait({working}, timeout=_GRACE_S)
            self.left_behind.append(what)
            _log.error("exit.not_waited_for", what=what, drain_timeout=self._whole_s)
            return False
        if working.cancelled():
            _log.error("exit.step_failed", what=what)
            return False
        result, fault = working.result()
        if fault is not None:
            _log.error("exit.step_failed", what=what, exc_info=fault)
            return False
        if result is False:
            self.left_behind.append(what)
            return False
        return True


async def _outcome(work: Coroutine[Any, Any, Any]) -> tuple[Any, Exception | None]:
    """What it gives, or what it raises."""
    try:
        return await work, None
    except Exception as fault:
        return None, fault


def threads_at_work() -> list[str]:
    """The names of threads that haven't come to their end, for the log."""
    names = (thread.name for thread in threading.enumerate() if thread.is_alive())
    return sorted(name for name in names if not name.startswith(_IDLE_OR_OURS))
