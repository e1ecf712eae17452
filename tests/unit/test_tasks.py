"""Tasks have an owner."""

from __future__ import annotations

import asyncio

from structlog.testing import capture_logs

from vncproxy.tasks import Flag, Tasks, all_ended, in_turns, run_periodically


async def test_closing_ends_what_runs() -> None:
    """What still runs is cancelled, and has ended when `close` returns."""
    tasks, ended = Tasks(), []

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            ended.append(True)

    task = tasks.start(work(), "work")
    await asyncio.sleep(0)
    await tasks.close()
    assert task.cancelled()
    assert ended == [True]


async def test_a_failure_is_logged_once() -> None:
    """It is reported with the task's name, and neither gets lost nor stops the closing."""
    tasks = Tasks()

    async def fail() -> None:
        raise ZeroDivisionError

    with capture_logs() as logs:
        tasks.start(fail(), "divider")
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        await tasks.close()
    assert [(line["event"], line["task"]) for line in logs] == [("task.failed", "divider")]


async def test_a_failure_while_closing_is_logged_too() -> None:
    """A task that fails because it was cancelled is logged, and the others still end."""
    tasks = Tasks()

    async def fail() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            raise ZeroDivisionError

    other = tasks.start(asyncio.Event().wait(), "other")
    tasks.start(fail(), "divider")
    await asyncio.sleep(0)
    with capture_logs() as logs:
        await tasks.close()
    assert other.cancelled()
    assert [line["task"] for line in logs] == ["divider"]


async def test_a_task_may_close_its_owner() -> None:
    """The calling task goes on."""
    tasks, after = Tasks(), []

    async def closer() -> None:
        await tasks.close()
        after.append(True)

    other = tasks.start(asyncio.Event().wait(), "other")
    await asyncio.sleep(0)
    await tasks.start(closer(), "closer")
    assert other.cancelled()
    assert after == [True]


async def test_what_has_ended_is_not_kept() -> None:
    """A task gives its result; a long-lived owner doesn't collect the dead."""
    tasks = Tasks()

    async def give() -> int:
        return 7

    assert [await tasks.start(give(), "give") for _ in range(3)] == [7, 7, 7]
    await asyncio.sleep(0)
    assert not tasks._tasks


async def test_all_are_ended_whatever_one_raises() -> None:
    """The fault is logged, and the others are carried out."""
    done = []

    async def breaks() -> None:
        raise RuntimeError("planted")

    async def ends(name: str) -> None:
        done.append(name)

    with capture_logs() as log:
        await all_ended(ends("a"), breaks(), ends("b"))
    assert done == ["a", "b"]
    assert [str(one["exc_info"]) for one in log] == ["planted"]


async def test_looking_goes_on_after_a_fault() -> None:
    """The same fault again is counted, not logged each time."""
    looks = 0
    enough = asyncio.Event()

    async def look() -> None:
        nonlocal looks
        looks += 1
        if looks == 5:
            enough.set()
        raise RuntimeError("planted")

    with capture_logs() as log:
        watching = asyncio.create_task(run_periodically("rates", 0.001, look))
        await enough.wait()
        watching.cancel()
        await asyncio.wait([watching])
    assert [(one["task"], one["times"]) for one in log] == [("rates", 1)]


async def test_so_many_in_a_turn() -> None:
    """Who else has something to do does it in between; the order is kept."""
    seen: list[int] = []

    async def walk() -> None:
        async for number in in_turns(range(10), 4):
            seen.append(number)

    walking = asyncio.create_task(walk())
    lengths = []
    while not walking.done():
        await asyncio.sleep(0)
        lengths.append(len(seen))
    assert seen == list(range(10))
    assert lengths[:3] == [4, 8, 10]


async def test_a_flag_lets_all_go_on_who_wait() -> None:
    """Those who wait when it is set, also if it is cleared at once; later ones wait anew."""
    flag = Flag()
    first, second, leaves = [asyncio.create_task(flag.wait()) for _ in range(3)]
    await asyncio.sleep(0)
    leaves.cancel()
    await asyncio.wait([leaves])
    assert not flag.is_set()
    flag.set()
    flag.set()
    assert flag.is_set()
    flag.clear()
    await asyncio.gather(first, second)
    third = asyncio.create_task(flag.wait())
    await asyncio.sleep(0)
    assert not third.done()
    flag.set()
    await third
    await flag.wait()
    assert flag._waiting is None
