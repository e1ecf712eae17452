"""When the daemon looks for garbage."""

from __future__ import annotations

import asyncio
import gc
import weakref

from vncproxy.service.garbage_collection import GROWN_LEAST, collect_garbage

_YOUNG, _ALL = 1, 2


async def _rounds(grown: list[int], count: int) -> list[int]:
    """The first `count` rounds. Args: grown - what each look at the memory finds."""
    looks = iter(grown)
    rounds: list[int] = []
    enough = asyncio.Event()

    def collect(generation: int) -> None:
        rounds.append(generation)
        if len(rounds) >= count:
            enough.set()

    collecting = asyncio.create_task(collect_garbage(collect, lambda: next(looks), 0.0))
    async with asyncio.timeout(30):
        await enough.wait()
    collecting.cancel()
    await asyncio.wait([collecting])
    return rounds[:count]


async def test_only_what_is_young_as_long_as_memory_hardly_grows() -> None:
    """However often it is looked at."""
    rounds = await _rounds([1000, 1000 + GROWN_LEAST, 1000 + GROWN_LEAST, 1000], 250)
    assert rounds == [_YOUNG] * 250


async def test_all_once_memory_has_grown() -> None:
    """And not again before it has grown by as much once more."""
    grown = 1000 + GROWN_LEAST + 1
    rounds = await _rounds([1000, grown, grown, grown, grown, grown + GROWN_LEAST + 1, 9], 302)
    assert rounds.count(_ALL) == 1
    assert rounds[100] == _ALL


async def test_all_once_memory_has_grown_from_the_least() -> None:
    """After a crowd has left, as much is new as without it."""
    crowd = 10 * GROWN_LEAST
    rounds = await _rounds([crowd, 1000, 1000 + GROWN_LEAST + 1, crowd], 201)
    assert rounds == [_YOUNG] * 200 + [_ALL]


async def test_by_half_of_what_there_is() -> None:
    """A daemon with many consoles has more objects to look through."""
    many = 10 * GROWN_LEAST
    rounds = await _rounds([many, many + 2 * GROWN_LEAST, many * 3 // 2 + 1, many], 201)
    assert rounds == [_YOUNG] * 200 + [_ALL]


async def test_young_garbage_goes_by_the_clock() -> None:
    """Without anything that makes Python begin a round."""

    class Ring:
        def __init__(self) -> None:
            self.itself = self

    gone = asyncio.Event()
    loop = asyncio.get_running_loop()
    gc.disable()
    try:
        weakref.finalize(Ring(), loop.call_soon, gone.set)
        collecting = asyncio.create_task(collect_garbage(interval_s=0.0))
        async with asyncio.timeout(30):
            await gone.wait()
        collecting.cancel()
        await asyncio.wait([collecting])
    finally:
        gc.enable()
