"""Tasks that somebody owns: the one place that starts them.

A task started here is kept, its failure is logged, and closing the owner cancels and awaits it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable
from typing import Any, TypeVar

import structlog

from vncproxy.observe.log_throttle import LogThrottle

_log = structlog.get_logger("vncproxy.tasks")

TIMER_EARLY_S = 0.002
"""uvloop's timers go by whole milliseconds of a clock that it reads once in a turn. What comes so
much too early is due: its timer would be set once more, for nearly every keepalive and ping."""

_T = TypeVar("_T")


class Flag:
    """As asyncio.Event, which takes a kilobyte where this takes 48 bytes until somebody waits."""

    __slots__ = ("_is_set", "_waiting")

    def __init__(self) -> None:
        """It isn't set."""
        self._is_set = False
        self._waiting: list[asyncio.Future[None]] | None = None

    def is_set(self) -> bool:
        """Whether it was set, and not cleared since."""
        return self._is_set

    def set(self) -> None:
        """Let everybody go on who waits, or comes to wait from now on."""
        self._is_set = True
        for waiter in self._waiting or ():
            if not waiter.done():
                waiter.set_result(None)

    def clear(self) -> None:
        """Who waits from now on waits for the next time."""
        self._is_set = False

    async def wait(self) -> None:
        """Wait until it is set; the caller sets the time limit."""
        if self._is_set:
            return
        waiter = asyncio.get_running_loop().create_future()
        self._waiting = [*(self._waiting or ()), waiter]
        try:
            await waiter
        finally:
            self._waiting = [one for one in self._waiting if one is not waiter] or None


class Tasks:
    """The tasks of one owner, such as a console or a transport."""

    __slots__ = ("_tasks",)

    def __init__(self) -> None:
        # A set takes 200 bytes though it is empty, as most are most of the time.
        self._tasks: set[asyncio.Task[Any]] | None = None

    def start(self, work: Coroutine[Any, Any, Any], name: str) -> asyncio.Task[Any]:
        """Run `work` until it ends or the owner closes."""
        task = asyncio.get_running_loop().create_task(work, name=name)
        if self._tasks is None:
            self._tasks = set()
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        if self._tasks is not None:
            self._tasks.discard(task)
            self._tasks = self._tasks or None
        if not task.cancelled() and (fault := task.exception()) is not None:
            _log.error("task.failed", task=task.get_name(), exc_info=fault)

    async def close(self) -> None:
        """Cancel what still runs and wait until it has ended; the calling task is left alone."""
        rest = [task for task in self._tasks or () if task is not asyncio.current_task()]
        for task in rest:
            task.cancel()
        # A failure has been logged by the callback: here only the end counts.
        await asyncio.gather(*rest, return_exceptions=True)


async def all_ended(*works: Coroutine[Any, Any, object]) -> None:
    """Run all of these at once and wait for them; what one raises is logged, and stops no other."""
    for fault in await asyncio.gather(*works, return_exceptions=True):
        if isinstance(fault, Exception):
            _log.error("task.failed", exc_info=fault)


async def in_turns(items: Iterable[_T], per_turn: int) -> AsyncIterator[_T]:
    """The items, so many in one turn of the event loop: what a thousand take is no one turn."""
    for number, item in enumerate(items, 1):
        yield item
        if number % per_turn == 0:
            await asyncio.sleep(0)


async def run_periodically(
    name: str, interval_s: float, action: Callable[[], Awaitable[object]]
) -> None:
    """Run an action again and again, until cancelled; what it raises is logged and ends nothing.

    Args:
        name: For the log, where the same fault comes once a minute, with its count.
        interval_s: Seconds from the end of one run to the next, and before the first.
        action: What to run.
    """
    throttle = LogThrottle()
    while True:
        await asyncio.sleep(interval_s)
        try:
            await action()
        except Exception as fault:
            if count := throttle.seen(repr(fault), asyncio.get_running_loop().time()):
                _log.error("task.failed", task=name, times=count, exc_info=fault)
