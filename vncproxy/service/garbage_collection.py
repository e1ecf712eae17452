"""When the daemon looks for garbage: objects that refer to each other, which nothing else frees.

The event loop stands still meanwhile, so few objects are to be looked through at once. Python by
itself begins a round when so many more were made than freed. Idle consoles free a timer for each
that they make: no round comes for long, and the next goes through all that was made since (with
8,000 consoles 86 ms). So what is young is looked through by the clock as well; and everything,
which takes 150 ms with a thousand consoles, only when memory has grown by more than it should.
"""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import Callable

YOUNG_INTERVAL_S = 0.1
"""Between two rounds among the objects that were made since the last one."""
_ROUNDS_PER_LOOK = 100
"""Counting blocks of memory takes a millisecond with thousands of consoles."""
GROWN_LEAST = 2_000_000
"""Blocks of Python's allocator, of some 70 bytes each: 140 MB, which a small host can spare."""
_NEVER = 1_000_000_000
_THRESHOLDS = (2_000, 2, _NEVER)
"""Between the rounds by the clock: of Python's three generations. An opened console stays for long,
so its objects are looked through more rarely than usual (700)."""
_YOUNG, _ALL = 1, 2
"""Up to which generation."""


def begin() -> None:
    """What is there now, all that was imported, stays: no round needs to go there."""
    gc.freeze()
    gc.set_threshold(*_THRESHOLDS)
    gc.enable()


async def collect_garbage(
    collect: Callable[[int], object] = gc.collect,
    blocks: Callable[[], int] = sys.getallocatedblocks,
    interval_s: float = YOUNG_INTERVAL_S,
) -> None:
    """Do so until cancelled.

    Args:
        collect: Called with the oldest generation of a round.
        blocks: Gives how many blocks of memory are in use.
        interval_s: Between two rounds among young objects.
    """
    after_all = blocks()
    while True:
        for _ in range(_ROUNDS_PER_LOOK):
            await asyncio.sleep(interval_s)
            collect(_YOUNG)
        # From the least that there was: a crowd that has left says nothing of what is new.
        after_all = min(after_all, now := blocks())
        if now - after_all > max(GROWN_LEAST, after_all // 2):
            collect(_ALL)
            after_all = blocks()
