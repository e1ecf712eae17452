"""A console's viewers and pages: joining, leaving, lingering, waiting, being closed."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.clock import ProcessClock
from tests.unit.console.fakes import VERSION, VIEWER_HANDSHAKE, greeting, key, settle, until
from tests.unit.console.surroundings import (
    KICKED,
    LEFT,
    Surroundings,
    code_of,
    ended,
    surroundings,
)
from tests.unit.throttle.usage import usage_of
from vncproxy.console import console as module
from vncproxy.console.console import Console
from vncproxy.console.lifecycle import State
from vncproxy.console.viewer import Viewer
from vncproxy.errors import (
    CloudError,
    CloudErrorKind,
    UpstreamLost,
    VncproxyError,
)

WAITS = CloudError("not ready", CloudErrorKind.WAITS, code="InstanceNotReady")
NAMELESS = CloudError("a time-out", CloudErrorKind.TRANSIENT)
ASKS_PASSWORD = VERSION + b"\x01\x02" + bytes(16)


async def reached(console: Console, state: State) -> None:
    """Wait until the console is there."""
    await until(lambda: console.state is state)


async def running(around: Surroundings) -> tuple[Console, Viewer]:
    """A console with a link, and its viewer."""
    console = await around.console()
    viewer = around.join(console)
    await reached(console, State.RUNNING)
    return console, viewer


async def test_nothing_is_dialled_before_a_viewer_comes(around: Surroundings) -> None:
    """A console that nobody joined asks nobody for anything."""
    console = await around.console()
    await settle()
    assert (console.state, around.notes) == (State.IDLE, [])


async def test_viewers_share_one_link(around: Surroundings) -> None:
    """However many come, before the link is there or after, there is one dial."""
    console = await around.console()
    transports = []
    for _ in range(2):
        viewer, transport = around.viewer()
        console.join(viewer)
        transports.append(transport)
    await reached(console, State.RUNNING)
    late, transport = around.viewer()
    console.join(late)
    transports.append(transport)
    for each in transports:
        for data in VIEWER_HANDSHAKE:
            each.deliver(data)
        assert b"guest" in each.taken
    assert around.count("dial") == 1
    assert console.supervisor.saved.dials_avoided == 1
    assert len(console.viewers) == 3


async def test_a_reload_costs_no_dial(around: Surroundings) -> None:
    """The link outlives its last viewer, and the next one finds it in place."""
    console, viewer = await running(around)
    viewer.close(LEFT)
    assert console.viewers == []
    again, transport = around.viewer()
    console.join(again)
    assert transport.take() == VERSION
    await settle()
    assert (console.state, around.count("dial")) == (State.RUNNING, 1)
    assert console.supervisor.saved.dials_avoided == 1


@pytest.mark.parametrize("first", [b"", ASKS_PASSWORD])
async def test_a_reload_while_the_link_is_being_opened_costs_no_dial(
    around: Surroundings, first: bytes
) -> None:
    """From the dial on, which is spent, the console waits for the page to come back."""
    around.gateway.first = first
    console = await around.console()
    viewer = around.join(console, page=True)
    await reached(console, State.PASSWORD if first else State.HANDSHAKE)
    viewer.close(LEFT)
    await settle()
    around.join(console, page=True)
    await settle()
    if not first:
        around.transport.deliver(greeting())
        await reached(console, State.RUNNING)
    assert console.state in (State.PASSWORD, State.RUNNING)
    assert around.count("dial") == 1


async def test_after_linger_the_link_is_closed(clock: ProcessClock, around: Surroundings) -> None:
    """Nobody came back: the cloud's slot is free, and the console is forgotten, once."""
    console, viewer = await running(around)
    viewer.close(LEFT)
    await clock.forward(29.0)
    assert not around.transport.closed
    await clock.forward(2.0)
    await reached(console, State.CLOSED)
    await console.closed()
    assert around.transport.closed
    assert around.closed == [console]


async def test_linger_ends_when_somebody_comes(clock: ProcessClock, around: Surroundings) -> None:
    """The old timer doesn't close the console under the new viewer."""
    console, viewer = await running(around)
    viewer.close(LEFT)
    await clock.forward(20.0)
    again, transport = around.viewer()
    console.join(again)
    for data in VIEWER_HANDSHAKE:
        transport.deliver(data)
    await clock.forward(29.0)
    assert console.state is State.RUNNING


async def test_a_viewer_that_is_gone_already_doesnt_stop_the_linger(
    clock: ProcessClock, around: Surroundings
) -> None:
    """Else the link would be kept for nobody."""
    console, viewer = await running(around)
    viewer.close(LEFT)
    dead, _ = around.viewer()
    dead.close(LEFT)
    console.join(dead)
    await clock.forward(31.0)
    await reached(console, State.CLOSED)


async def test_without_linger_the_link_goes_with_its_last_viewer(tmp_path: Path) -> None:
    """Linger = 0."""
    async with surroundings(tmp_path, linger=0.0) as around:
        console, viewer = await running(around)
        viewer.close(LEFT)
        await reached(console, State.CLOSED)
        await console.closed()
        assert around.transport.closed


async def test_who_leaves_the_queue_for_the_budget_frees_its_place(tmp_path: Path) -> None:
    """Nobody else waits: the booking is given back at once."""
    async with surroundings(tmp_path, limit=1) as around:
        await around.ledger.spend(await around.ledger.book("i-one", 0))  # type: ignore[arg-type]
        console = await around.console()
        viewer = around.join(console)
        await until(lambda: console.supervisor.wait_until)
        viewer.close(LEFT)
        await reached(console, State.CLOSED)
        await console.closed()
        assert around.notes[-1] == "cancel"


# Waiting


@pytest.mark.parametrize(
    ("failure", "expected"),
    [
        (WAITS, (4502, "upstream-refused: InstanceNotReady")),
        (NAMELESS, (4504, "upstream-lost")),
        (UpstreamLost("refused"), (4504, "upstream-lost")),
        (None, (4504, "upstream-lost")),
    ],
)
async def test_a_viewer_waits_at_most_max_wait(
    clock: ProcessClock,
    around: Surroundings,
    failure: VncproxyError | None,
    expected: tuple[int, str],
) -> None:
    """Then it learns what the last failure was, and the console ends with it."""
    if failure is None:
        around.cloud.hanging = True
    elif isinstance(failure, CloudError):
        around.cloud.answers += [failure] * 1000
    else:
        around.gateway.faults.extend([failure] * 1000)
    console = await around.console(first_pause_s=10.0)
    viewer = around.join(console)
    await settle()
    for _ in range(23):
        await clock.forward(5.0)
    assert viewer.end is None
    await clock.forward(6.0)
    assert code_of(viewer) == expected
    await console.closed()
    assert console.state is State.CLOSED


async def test_a_password_is_waited_for_at_most_max_wait(
    clock: ProcessClock, around: Surroundings
) -> None:
    """Counted from when it was asked for; 4401."""
    around.gateway.first = ASKS_PASSWORD
    console = await around.console()
    viewer = around.join(console, page=True)
    await reached(console, State.PASSWORD)
    await clock.forward(115.0)
    assert viewer.end is None
    await clock.forward(6.0)
    assert code_of(viewer) == (4401, "vnc-password")


async def test_a_lost_link_starts_the_wait_anew(clock: ProcessClock, around: Surroundings) -> None:
    """A viewer that had a picture waits as long as one that just came."""
    console = await around.console()
    viewer, transport = around.viewer()
    console.join(viewer)
    await reached(console, State.RUNNING)
    for data in VIEWER_HANDSHAKE:
        transport.deliver(data)
    await clock.forward(500.0)
    assert console._patience_s() == 0.0
    around.cloud.hanging = True
    around.transport.end()
    await until(lambda: around.count("call") == 2)
    assert console._patience_s() == pytest.approx(120.0, abs=1.0)
    await clock.forward(115.0)
    assert viewer.end is None
    await clock.forward(6.0)
    assert code_of(viewer) == (4504, "upstream-lost")


async def test_the_most_patient_viewer_counts(clock: ProcessClock, around: Surroundings) -> None:
    """One that came later waits longer; the first is closed in its own time."""
    around.cloud.hanging = True
    console = await around.console()
    first = around.join(console)
    await clock.forward(100.0)
    second = around.join(console)
    assert console._patience_s() == pytest.approx(120.0, abs=1.0)
    await clock.forward(25.0)
    assert (first.ended.is_set(), second.ended.is_set()) == (True, False)
    assert console.state is State.FETCHING_URL


async def test_once_it_runs_nobody_waits(clock: ProcessClock, around: Surroundings) -> None:
    """max_wait is for a link, not for a session."""
    console = await around.console()
    viewer, transport = around.viewer()
    console.join(viewer)
    await reached(console, State.RUNNING)
    for data in VIEWER_HANDSHAKE:
        transport.deliver(data)
    await clock.forward(1000.0)
    assert viewer.end is None


# Closing


async def test_the_link_is_closed_before_the_viewers_end(around: Surroundings) -> None:
    """A viewer that comes back at once finds the cloud's slot free."""
    console, viewer = await running(around)
    await console.close(KICKED)
    await viewer.closed()
    assert around.notes[-2:] == ["link closed", "viewer told"]
    assert code_of(viewer) == (4403, "kicked")
    assert around.closed == [console]


async def test_all_viewers_get_the_same_reason(around: Surroundings) -> None:
    """A kicked console takes everybody along; a kicked viewer only itself."""
    console, first = await running(around)
    second, third = around.join(console), around.join(console)
    first.close(KICKED)
    assert code_of(first) == (4403, "kicked")
    assert (second.end, third.end, console.state) == (None, None, State.RUNNING)
    await console.close(KICKED)
    assert code_of(second) == code_of(third) == (4403, "kicked")


async def test_closing_twice_waits_for_the_first(around: Surroundings) -> None:
    """A drain must not run ahead of a console that is closing already."""
    console, _ = await running(around)
    around.transport.close_hangs = True
    first = asyncio.create_task(console.close(KICKED))
    await reached(console, State.CLOSED)
    second = asyncio.create_task(console.close(KICKED))
    await settle()
    assert not second.done()
    first.cancel()
    await asyncio.wait([first, second])
    assert around.closed == [console]


async def test_a_link_that_wont_close_doesnt_keep_the_viewers(
    around: Surroundings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are informed after LINK_CLOSE_TIMEOUT_S at the latest."""
    monkeypatch.setattr(module, "LINK_CLOSE_TIMEOUT_S", 0.02)
    console, viewer = await running(around)
    around.transport.close_hangs = True
    await console.close(KICKED)
    assert code_of(viewer) == (4403, "kicked")


async def test_a_drain_that_is_cut_short_still_ends_the_viewers_with_a_reason(
    around: Surroundings,
) -> None:
    """Who closes may give up; the console is closed all the same."""
    console, viewer = await running(around)
    around.transport.close_hangs = True
    closing = asyncio.create_task(console.close(KICKED))
    await reached(console, State.CLOSED)
    await settle()
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing
    assert code_of(viewer) == (4403, "kicked")
    await console.closed()


async def test_a_closed_console_takes_nobody_in(around: Surroundings) -> None:
    """Who comes too late is left for another console, without a dial."""
    console, _ = await running(around)
    await console.close(KICKED)
    late, transport = around.viewer()
    assert not await console.enter(late)
    assert not console.join(late)
    assert not console.hold("late", late.id)
    assert (late.end, transport.is_attached, console.viewers) == (None, False, [])
    await settle()
    assert around.count("dial") == 1


async def test_closing_while_waiting_gives_the_permit_back(around: Surroundings) -> None:
    """Nothing was dialled, nothing is counted."""
    around.cloud.hanging = True
    console = await around.console()
    around.join(console)
    await until(lambda: "call" in around.notes)
    await console.close(KICKED)
    assert around.notes[:3] == ["book", "call", "cancel"]
    assert "dial" not in around.notes
    assert (await usage_of(around.ledger, "i-one")).used == 0


async def test_closing_before_the_first_step_is_harmless(around: Surroundings) -> None:
    """A viewer that joins and a kick in the same turn of the loop."""
    console = await around.console()
    viewer = around.join(console)
    await console.close(KICKED)
    assert code_of(viewer) == (4403, "kicked")
    assert around.notes[:1] != ["book"]


# Pages


async def test_pages_learn_of_every_change(around: Surroundings) -> None:
    """A subscriber is woken by the state, by viewers, and at the end; not after it left."""
    console = await around.console()
    subscriber = console.subscribe("v9")
    gone = console.subscribe("v8")
    assert await subscriber.news() == []
    await gone.news()
    console.unsubscribe(gone)
    viewer = around.join(console)
    await subscriber.news()
    await reached(console, State.RUNNING)
    await subscriber.news()
    viewer.close(LEFT)
    await subscriber.news()
    await console.close(KICKED)
    await subscriber.news()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await gone.news()


async def test_what_is_reported_reaches_whom_it_concerns(around: Surroundings) -> None:
    """The page of that viewer, and no other."""
    console = await around.console()
    one, other = console.subscribe("v8"), console.subscribe("v9")
    console.pages.notify("v8", {"type": "notice", "text": "you"})
    assert [message["text"] for message in await one.news()] == ["you"]
    assert await other.news() == []


@pytest.mark.parametrize(
    ("page", "may_control", "has"),
    [(True, True, True), (True, False, False), (False, True, False)],
)
async def test_which_pages_can_give_a_password(
    around: Surroundings, page: bool, may_control: bool, has: bool
) -> None:
    """Only those of viewers that may control."""
    console = await around.console()
    assert not console.supervisor.has_page()
    around.join(console, page=page, may_control=may_control)
    assert console.supervisor.has_page() is has


async def test_it_says_for_whom_it_has_room(tmp_path: Path) -> None:
    """max_viewers counts those who are on and those being let in; nobody counts twice."""
    async with surroundings(tmp_path, max_viewers=2) as around:
        console = await around.console()
        first = around.join(console)
        assert console.has_room_for("another")
        console.hold("a door", "second")
        assert not console.has_room_for("another")
        assert console.has_room_for("second")
        assert console.has_room_for(first.id)
        first.close(LEFT)
        assert console.has_room_for("another")
        console.let_go("a door")
        around.join(console)
        assert console.has_room_for("another")


async def test_the_last_place_is_for_those_who_may_control(tmp_path: Path) -> None:
    """Or somebody who may only watch could keep out everybody who has to act."""
    async with surroundings(tmp_path, max_viewers=3) as around:
        console = await around.console()
        for _ in range(2):
            assert console.has_room_for("another", watches=True)
            around.join(console, may_control=False)
        assert not console.has_room_for("another", watches=True)
        assert console.has_room_for("another")
        around.join(console)
        assert not console.has_room_for("another")
    async with surroundings(tmp_path, max_viewers=1) as around:
        assert (await around.console()).has_room_for("another", watches=True)


async def test_it_knows_its_users(around: Surroundings) -> None:
    """By the viewer's id; nobody for a stranger."""
    console = await around.console()
    viewer = around.join(console, user="berta")
    assert console.identity_of(viewer.id) == viewer.identity
    assert console.identity_of("v99") is None


@pytest.mark.parametrize("page", [False, True])
async def test_a_key_asks_for_control_where_there_is_no_page_to_ask_with(
    around: Surroundings, page: bool
) -> None:
    """A page has a button: its keys alone don't take a console that nobody controls."""
    console, controller = await running(around)
    watcher, transport = around.viewer(page=page)
    console.join(watcher)
    for data in VIEWER_HANDSHAKE:
        transport.deliver(data)
    controller.close(LEFT)
    transport.deliver(key(True, 0x61))
    await settle()
    assert console.control.controller == (None if page else watcher.id)


async def test_the_metrics_follow_it(around: Surroundings) -> None:
    """Open consoles and the keepalive in use are counted, and fall again."""

    def shown(name: str) -> float:
        lines = around.metrics.render().decode().splitlines()
        return next((float(x.rsplit(" ", 1)[1]) for x in lines if x.startswith(name)), 0.0)

    console, _ = await running(around)
    assert shown("vncproxy_consoles ") == 1
    assert shown('vncproxy_keepalive_class_consoles{kind="any"}') == 1
    await console.close(KICKED)
    assert shown("vncproxy_consoles ") == 0
    assert shown('vncproxy_keepalive_class_consoles{kind="any"}') == 0
    assert shown("vncproxy_opaque_consoles ") == 0


async def test_a_viewer_that_leaves_by_itself_is_removed(around: Surroundings) -> None:
    """Its connection ended: the others stay."""
    console = await around.console()
    viewer, transport = around.viewer()
    console.join(viewer)
    other = around.join(console)
    transport.end()
    await until(ended(viewer))
    assert console.viewers == [other]
