"""Signs of life, and the line of status."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from tests.setup import until
from vncproxy.observe.sd_notify import Notifier
from vncproxy.service.watchdog import BEATS, beat, open_in_words, send_status


class Manager(Notifier):
    """Keeps what it is called with."""

    def __init__(self) -> None:
        """Nothing yet."""
        super().__init__(None)
        self.beats = 0
        self.statuses: list[str] = []

    def alive(self) -> bool:
        """One more."""
        self.beats += 1
        return True

    def status(self, text: str) -> bool:
        """Another line."""
        self.statuses.append(text)
        return True


async def ended(task: asyncio.Task[Any]) -> None:
    """Cancel it and wait."""
    task.cancel()
    await asyncio.wait([task])


async def test_signs_of_life_come_by_themselves() -> None:
    """At once, and then again and again while the loop turns."""
    manager = Manager()
    task = asyncio.create_task(beat(manager, 0.03))
    await until(lambda: manager.beats >= 4, "four signs of life")
    await ended(task)


async def test_a_blocked_loop_gives_no_sign_of_life() -> None:
    """Neither while it is blocked nor at its late awakening."""
    manager = Manager()
    interval_s = 0.6
    task = asyncio.create_task(beat(manager, interval_s))
    await until(lambda: manager.beats == 1, "the first")
    time.sleep(interval_s / BEATS * 2)  # what must not happen in a daemon
    for _ in range(5):
        await asyncio.sleep(0)
    assert manager.beats == 1
    await until(lambda: manager.beats > 1, "one more, once it turns again")
    await ended(task)


async def test_the_status_is_reported_when_it_differs() -> None:
    """Once for each change that lasts, not for each look; not what it knows already."""
    manager = Manager()
    looks = iter(["a"] * 5 + ["b"] * 5)
    task = asyncio.create_task(send_status(manager, lambda: next(looks, "c"), "a", 0.001))
    await until(lambda: "c" in manager.statuses, "the last")
    await ended(task)
    assert manager.statuses == ["b", "c"]


def test_what_is_open_in_words() -> None:
    """Numbers with the right plural."""
    assert open_in_words(0, 0) == "no console open"
    assert open_in_words(1, 0) == "1 console open, 0 viewers"
    assert open_in_words(2, 1) == "2 consoles open, 1 viewer"
