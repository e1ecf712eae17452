"""The steps of the daemon's end."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress

import pytest
from structlog.testing import capture_logs

from vncproxy.service.shutdown import LEAST_S, Shutdown, Stopped, threads_at_work


async def test_a_step_that_hangs_or_fails_skips_no_other() -> None:
    """Each is logged by its name; what swallows its cancellation isn't waited for either."""
    ours = Shutdown(lambda: 0.0)
    never = asyncio.Event()

    async def deaf() -> None:
        while not never.is_set():
            with suppress(asyncio.CancelledError):
                await never.wait()

    async def broken() -> None:
        raise RuntimeError("planted")

    async def cancelled() -> None:
        raise asyncio.CancelledError

    async def gives_up() -> bool:
        return False

    async def good() -> None:
        done.append("good")

    done: list[str] = []
    with capture_logs() as logs:
        assert not await ours.step("the disk", never.wait(), 0.5)
        assert not await ours.step("the deaf", deaf(), 0.5)
        assert not await ours.step("the broken", broken(), 0.5)
        assert not await ours.step("the cancelled", cancelled(), 0.5)
        assert not await ours.step("the weary", gives_up(), 0.5)
        assert await ours.step("the good", good(), 1.0)
    assert done == ["good"]
    assert ours.left_behind == ["the disk", "the deaf", "the weary"]
    assert [(one["event"], one["what"]) for one in logs] == [
        ("exit.not_waited_for", "the disk"),
        ("exit.not_waited_for", "the deaf"),
        ("exit.step_failed", "the broken"),
        ("exit.step_failed", "the cancelled"),
    ]
    never.set()


async def test_parts_of_the_time() -> None:
    """They count from the beginning, however often it is asked for; each has its least."""
    ours = Shutdown(lambda: 8.0)
    assert not ours.begun
    ours.begin()
    first = ours.left_s(0.5)
    ours.begin()
    assert ours.begun
    assert LEAST_S < ours.left_s(0.5) <= first <= 4.0
    assert ours.left_s(0.0) == LEAST_S
    await ours.wait()


async def test_a_start_is_given_up_when_the_end_is_asked_for() -> None:
    """And not otherwise; its own faults come through."""
    ours = Shutdown(lambda: 8.0)
    assert await ours.unless_begun(asyncio.sleep(0, "started")) == "started"

    async def fails() -> None:
        raise ValueError("planted")

    with pytest.raises(ValueError, match="planted"):
        await ours.unless_begun(fails())
    cancelled = []

    async def hangs() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(True)
            raise

    asyncio.get_running_loop().call_later(0.01, ours.begin)
    with pytest.raises(Stopped):
        await ours.unless_begun(hangs())
    assert cancelled == [True]


def test_threads_at_work_are_named() -> None:
    """But for this one, the log's and those that only wait for something to do."""
    over = threading.Event()
    threads = [
        threading.Thread(target=over.wait, name=name) for name in ("disk", "log", "asyncio_1")
    ]
    for thread in threads:
        thread.start()
    named = threads_at_work()
    over.set()
    for thread in threads:
        thread.join()
    assert "disk" in named
    assert not {"log", "asyncio_1", "MainThread"} & set(named)
    assert "disk" not in threads_at_work()
