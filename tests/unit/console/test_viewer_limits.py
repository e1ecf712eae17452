"""How long a viewer may stay, wait and take."""

from __future__ import annotations

import asyncio

from tests.clock import ProcessClock
from tests.unit.console.one_viewer import KICKED, QUEUE_BYTES, Make
from tests.unit.console.surroundings import code_of
from vncproxy.config.model import Limits
from vncproxy.console.viewer_limits import ViewerLimits
from vncproxy.errors import CloseCode, CloseReason, Side


async def test_the_wait_for_a_link_ends_as_the_console_says(
    make: Make, clock: ProcessClock
) -> None:
    """With the reason of the moment at which it ends; a second wait doesn't lengthen the first."""
    setup = make()
    reasons = [CloseReason(CloseCode.UPSTREAM_LOST, Side.CLOUD)]
    setup.viewer.time_limits.wait_at_most(100, lambda: reasons[-1])
    assert 99 < setup.viewer.time_limits.patience_s <= 100
    await clock.forward(60)
    setup.viewer.time_limits.wait_at_most(100, lambda: reasons[-1])
    assert 39 < setup.viewer.time_limits.patience_s <= 40
    reasons.append(CloseReason(CloseCode.UPSTREAM_REFUSED, Side.CLOUD))
    await clock.forward(41)
    assert code_of(setup.viewer) == (4502, "upstream-refused")


async def test_the_wait_is_over_when_the_console_runs(make: Make, clock: ProcessClock) -> None:
    """Then there is no limit."""
    setup = make()
    setup.viewer.time_limits.wait_at_most(100, lambda: KICKED)
    setup.viewer.time_limits.waiting_is_over()
    assert setup.viewer.time_limits.patience_s == 0
    await clock.forward(1000)
    assert setup.viewer.end is None


async def test_a_viewer_may_stay_so_long(make: Make, clock: ProcessClock) -> None:
    """Whatever it does."""
    setup = make(ViewerLimits(0, 100, 30, QUEUE_BYTES)).stream()
    await clock.forward(99)
    setup.viewer.touched()
    assert setup.viewer.end is None
    await clock.forward(2)
    assert code_of(setup.viewer) == (4410, "session-limit")
    assert 100 < setup.viewer.age_s < 110


async def test_a_viewer_without_input_is_idle(make: Make, clock: ProcessClock) -> None:
    """What its user does begins the time anew."""
    setup = make(ViewerLimits(100, 0, 30, QUEUE_BYTES)).stream()
    for _ in range(3):
        await clock.forward(60)
        setup.viewer.touched()
    assert setup.viewer.end is None
    await clock.forward(99)
    assert setup.viewer.end is None
    await clock.forward(2)
    assert code_of(setup.viewer) == (4408, "idle")


async def test_how_long_ago_its_user_did_something(make: Make, clock: ProcessClock) -> None:
    """Nothing is told before the first time."""
    viewer = make().viewer
    await clock.forward(5.0)
    assert viewer.input_age_s is None
    viewer.touched()
    await clock.forward(7.0)
    age_s = viewer.input_age_s
    assert age_s is not None
    assert 7.0 <= age_s < 12.0


async def test_an_opaque_viewers_bytes_count_as_input(make: Make, clock: ProcessClock) -> None:
    """They can't be told apart."""
    setup = make(ViewerLimits(100, 0, 30, QUEUE_BYTES))
    setup.viewer.go_opaque([])
    await clock.forward(60)
    setup.transport.deliver(b"?")
    await clock.forward(60)
    assert setup.viewer.end is None


async def test_a_viewer_that_reads_nothing_is_too_slow(make: Make, clock: ProcessClock) -> None:
    """One that reads a little is only slow."""
    setup = make().stream()
    setup.transport.stuck = True
    setup.viewer.send([bytes(500)])
    for _ in range(3):
        await clock.forward(29)
        setup.transport.drain(1)
        await clock.forward(2)
    assert setup.viewer.end is None
    await clock.forward(62)
    assert code_of(setup.viewer) == (4413, "too-slow")


async def test_a_viewer_that_has_read_all_has_time_again(make: Make, clock: ProcessClock) -> None:
    """The console is told that it has caught up."""
    setup = make().stream()
    setup.transport.stuck = True
    setup.viewer.send([bytes(500)])
    await clock.forward(29)
    setup.transport.drain()
    assert setup.host.received == ["caught up"]
    await clock.forward(100)
    assert setup.viewer.end is None


async def test_nothing_runs_on_after_the_end(make: Make, clock: ProcessClock) -> None:
    """No timer closes it a second time."""
    setup = make(ViewerLimits(10, 10, 10, QUEUE_BYTES)).stream()
    setup.viewer.time_limits.wait_at_most(10, lambda: KICKED)
    setup.transport.end(Side.VIEWER)
    before = setup.viewer.end
    await clock.forward(100)
    assert setup.viewer.end == before
    assert asyncio.all_tasks() == {asyncio.current_task()}


def test_its_limits_are_the_configurations() -> None:
    """Under other names."""
    limits = Limits(viewer_idle_timeout=1, session_max_age=2, slow_viewer_timeout=3, viewer_queue=4)
    assert ViewerLimits.of(limits) == ViewerLimits(1, 2, 3, 4)
