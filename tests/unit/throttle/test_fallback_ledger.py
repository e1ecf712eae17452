"""The shared ledger and its substitute: what holds while the server is away, and at the change."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from tests.clock import FakeClock, ProcessClock, settle
from tests.disks import LedgerDisk
from tests.real.peers.valkey import ValkeyServer
from tests.unit.throttle.switched_store import SwitchedStore
from tests.unit.throttle.usage import usage_of
from vncproxy.errors import LedgerError
from vncproxy.throttle import fallback_ledger
from vncproxy.throttle.daemon_count import DaemonCount
from vncproxy.throttle.fallback_ledger import SETTLE_S, FallbackLedger, share_of
from vncproxy.throttle.ledger_interface import Booking, TooLong
from vncproxy.throttle.reconnect_budget import Budget
from vncproxy.throttle.sqlite_ledger import SqliteLedger
from vncproxy.throttle.valkey_connection import StoreAddress
from vncproxy.throttle.valkey_ledger import ValkeyLedger

pytestmark = [pytest.mark.real, pytest.mark.sockets]

BUDGET = Budget(limit=6, window_s=60.0, margin_s=1.0, hold_s=10.0)


@dataclass
class Daemon:
    """One daemon's ledger, and the way to its server."""

    ledger: FallbackLedger
    store: SwitchedStore
    local: SqliteLedger
    degradations: list[bool] = field(default_factory=list)

    async def dial(self, key: str = "i-1") -> bool:
        """Whether a dial is allowed at once."""
        answer = await self.ledger.book(key, 0.0)
        return isinstance(answer, Booking) and await self.ledger.spend(answer)

    async def dial_on(self, key: str = "i-1") -> int:
        """How many dials are allowed at once, one after the other."""
        count = 0
        while await self.dial(key):
            count += 1
        return count


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


Maker = Callable[..., Daemon]


@pytest.fixture
async def make(
    store_address: StoreAddress, clock: FakeClock, tmp_path: Path
) -> AsyncIterator[Maker]:
    """Makes daemons, each with a state directory of its own."""
    made: list[Daemon] = []
    numbers = itertools.count(1)

    def make(*, folder: Path | None = None, counted: bool = True) -> Daemon:
        number = next(numbers)
        folder = folder or tmp_path / f"d{number}"
        folder.mkdir(exist_ok=True)
        store = SwitchedStore(store_address)
        degradations: list[bool] = []
        count = DaemonCount(folder / "daemons")
        local = SqliteLedger(folder / "ledger.sqlite", lambda: share_of(BUDGET, count), clock)
        ledger = FallbackLedger(
            ValkeyLedger(store, lambda: BUDGET, steady=clock, clock=clock),
            local,
            lambda: BUDGET,
            count,
            daemon_id=f"d-{number}" if counted else None,
            on_degraded=degradations.append,
            steady=clock,
        )
        made.append(Daemon(ledger, store, local, degradations))
        return made[-1]

    yield make
    for daemon in made:
        daemon.store.cut = False
        await daemon.ledger.close()


async def beat(*daemons: Daemon) -> None:
    """Each looks at the server once."""
    for daemon in daemons:
        await daemon.ledger._heartbeat()


async def back(clock: FakeClock, *daemons: Daemon) -> None:
    """The server is back, and the time of settling is over."""
    for daemon in daemons:
        daemon.store.cut = False
    await beat(*daemons)
    clock.seconds += SETTLE_S
    await beat(*daemons)


async def test_while_the_server_answers_the_budget_is_shared(make: Maker) -> None:
    """Two daemons dial as often as one may, and nothing is logged."""
    one, two = make(), make()
    assert await one.dial_on() == 6
    assert await two.dial_on() == 0
    assert one.ledger.degraded is two.ledger.degraded is None
    assert one.degradations == two.degradations == []


async def test_without_the_server_each_has_its_share(make: Maker, clock: FakeClock) -> None:
    """Three daemons make a third of the dials each, together no more than the budget."""
    daemons = [make() for _ in range(3)]
    await beat(*daemons)
    await beat(*daemons)
    for daemon in daemons:
        daemon.store.cut = True
    assert [await daemon.dial_on() for daemon in daemons] == [2, 2, 2]
    clock.seconds += 61.0
    assert [await daemon.dial_on() for daemon in daemons] == [2, 2, 2]


async def test_falling_back_is_logged_once(make: Maker) -> None:
    """The log has the reason and the share; the daemon's owner is informed of the change."""
    one, two = make(), make()
    await beat(one, two, one)
    one.store.cut = True
    with capture_logs() as events:
        assert await one.dial()
        assert await one.dial()
        await beat(one)
    [event] = [event for event in events if event["event"] == "throttle.fallback"]
    assert event["log_level"] == "warning"
    assert (event["why"], event["share"], event["limit"], event["daemons"]) == (
        "the shared store is away",
        3,
        6,
        2,
    )
    assert one.degradations == [True]
    assert one.ledger.degraded == (
        "the shared store is away; this daemon alone makes at most 3 of the 6 connections in 60 s, "
        "its share among 2"
    )


async def test_dials_before_the_loss_count_afterwards(make: Maker) -> None:
    """What was dialled by the shared ledger is known to the local one."""
    one, two = make(), make()
    await beat(one, two, one)
    assert await one.dial()
    assert await one.dial()
    one.store.cut = True
    assert await one.dial_on() == 1


async def test_the_others_dials_before_the_loss_count_too(make: Maker) -> None:
    """What the server had sent of a key is known to the local ledger."""
    one, two = make(), make()
    await beat(one, two, one)
    for _ in range(2):
        assert await two.dial()
    assert await one.dial()
    one.store.cut = two.store.cut = True
    assert await one.dial_on() == 0
    # The last thing that the second received was that there were two dials.
    assert await two.dial_on() == 1


async def test_a_heartbeat_brings_the_others_dials(make: Maker) -> None:
    """Each heartbeat tells of all dials, also for keys that this daemon never asked for."""
    one, two = make(), make()
    await beat(one, two, one)
    for _ in range(2):
        assert await two.dial()
    await beat(one)
    one.store.cut = True
    assert await one.dial_on() == 1


async def test_the_others_dials_count_for_their_time_only(make: Maker, clock: FakeClock) -> None:
    """What was known when the server was lost is put on record once."""
    one, two = make(), make()
    await beat(one, two, one)
    assert await two.dial_on() == 6
    await beat(one)
    one.store.cut = True
    assert await one.dial_on() == 0
    for _ in range(2):
        clock.seconds += 61.0
        assert await one.dial_on() == 3


async def test_a_local_permit_is_given_back(make: Maker) -> None:
    """As one of the server's."""
    one = make()
    one.store.cut = True
    booking = await one.ledger.book("i-1", 0.0)
    assert isinstance(booking, Booking)
    await one.ledger.cancel(booking)
    assert (await usage_of(one.ledger, "i-1")).used == 0


async def test_a_permit_of_the_lost_server_has_lapsed(make: Maker) -> None:
    """Who booked before the loss books again, and giving it back does nothing."""
    one = make()
    booking = await one.ledger.book("i-1", 0.0)
    assert isinstance(booking, Booking)
    one.store.cut = True
    await beat(one)
    assert one.degradations == [True]
    with pytest.raises(LedgerError, match="the shared store was lost since"):
        await one.ledger.spend(booking)
    await one.ledger.cancel(booking)


async def test_the_server_is_used_again_after_a_time_of_settling(
    make: Maker, clock: FakeClock
) -> None:
    """First the dials are reported, then the share still holds, then the whole budget is back."""
    one, two = make(), make()
    await beat(one, two, one)
    one.store.cut = two.store.cut = True
    assert await one.dial_on() == 3
    one.store.cut = False
    await beat(one)
    assert one.ledger.degraded is not None
    assert "is back since a moment" in one.ledger.degraded
    assert await one.dial_on() == 0
    with capture_logs() as events:
        clock.seconds += SETTLE_S
        await beat(one)
    assert [event["event"] for event in events] == ["throttle.shared_again"]
    assert one.ledger.degraded is None
    assert one.degradations == [True, False]
    # Three were made without the server: three are left.
    assert await one.dial_on() == 3


async def test_dials_while_settling_are_reported_at_once(make: Maker, clock: FakeClock) -> None:
    """A daemon that uses the server already knows of those that one makes by its share."""
    one, two = make(), make()
    await beat(one, two, one)
    one.store.cut = True
    assert not isinstance(await one.ledger.book("i-9", 0.0), TooLong)
    one.store.cut = False
    await beat(one)
    assert await one.dial_on() == 3
    assert await two.dial_on() == 3


async def test_losing_it_again_while_settling(make: Maker, clock: FakeClock) -> None:
    """A server that comes and goes stays unused, and it is one time of falling back."""
    one = make()
    await beat(one)
    one.store.cut = True
    await beat(one)
    one.store.cut = False
    await beat(one)
    one.store.cut = True
    assert await one.dial()
    await beat(one)
    clock.seconds += SETTLE_S
    await beat(one)
    assert one.ledger.degraded is not None
    assert one.degradations == [True]
    await back(clock, one)
    assert one.degradations == [True, False]


async def test_a_dial_notices_that_it_is_lost_again(make: Maker) -> None:
    """Before the next heartbeat does: what can't be announced is made by the share all the same."""
    one = make()
    await beat(one)
    one.store.cut = True
    await beat(one)
    one.store.cut = False
    await beat(one)
    assert "is back" in (one.ledger.degraded or "")
    one.store.cut = True
    assert await one.dial()
    assert "is back" not in (one.ledger.degraded or "")


async def test_a_local_permit_lapses_when_the_server_is_back(make: Maker, clock: FakeClock) -> None:
    """Who booked by the share books again by the budget, and may give the first one back."""
    one = make()
    one.store.cut = True
    booking = await one.ledger.book("i-1", 0.0)
    assert isinstance(booking, Booking)
    await back(clock, one)
    with pytest.raises(LedgerError, match="the shared store has come back since"):
        await one.ledger.spend(booking)
    await one.ledger.cancel(booking)
    assert await one.local.dials() == []


async def test_a_start_without_the_server(make: Maker, tmp_path: Path) -> None:
    """A daemon that never met the others takes half; one that did remembers how many they are."""
    one = make()
    one.store.cut = True
    assert await one.dial_on() == 3
    folder = tmp_path / "known"
    known = make(folder=folder)
    others = [make(), make()]
    await beat(*others, known)
    await known.ledger.close()
    restarted = make(folder=folder)
    restarted.store.cut = True
    assert await restarted.dial_on() == 2


async def test_dials_before_a_restart_are_reported_when_the_server_is_back(
    make: Maker, clock: FakeClock, tmp_path: Path
) -> None:
    """What was dialled without the server outlives the daemon that did it."""
    folder = tmp_path / "restarted"
    before, other = make(folder=folder), make()
    await beat(other)
    before.store.cut = True
    assert await before.dial_on() == 3
    await before.ledger.close()
    after = make(folder=folder)
    await beat(after)
    assert await other.dial_on() == 3


async def test_a_server_that_lost_its_data_is_reported_again(
    make: Maker, valkey_server: ValkeyServer, clock: FakeClock
) -> None:
    """Each daemon puts its own dials back with the next heartbeat."""
    one, two = make(), make()
    await beat(one, two)
    assert await one.dial()
    assert await two.dial()
    # So that both are on record, and nothing is left to be sent for another reason.
    await beat(one, two)
    valkey_server.command("FLUSHALL")
    clock.seconds += 1.0
    await beat(one, two)
    assert (await usage_of(one.ledger, "i-1")).used == 2
    assert one.degradations == []


async def test_a_server_that_knows_the_dials_is_sent_them_once(make: Maker) -> None:
    """From then on a heartbeat is one call, and one for the key that has dials."""
    one = make()
    assert await one.dial()
    for _ in range(2):
        await beat(one)
    before = one.store.calls
    await beat(one)
    assert one.store.calls == before + 2


async def test_a_command_is_not_counted(make: Maker) -> None:
    """`vncproxy url` uses the budget, and no share is made smaller for it."""
    one, command = make(), make(counted=False)
    assert await one.dial()
    assert await command.dial()
    await beat(one)
    one.store.cut = True
    assert one.ledger.share == 6
    assert await one.dial_on() == 4


async def test_a_command_that_ends_leaves_nothing(make: Maker) -> None:
    """It was never counted, so the server isn't asked to forget it."""
    command = make(counted=False)
    await beat(command)
    command.store.calls = 0
    await command.ledger.close()
    assert command.store.calls == 0


async def test_a_daemon_that_stops_leaves(make: Maker) -> None:
    """The others' shares grow at once."""
    one, two = make(), make()
    await beat(one, two, one)
    assert one.ledger.share == 3
    await two.ledger.close()
    await beat(one)
    assert one.ledger.share == 6


async def test_usage_and_the_check_work_without_the_server(make: Maker) -> None:
    """Both tell of the local ledger, with the share as the limit."""
    one, two = make(), make()
    await beat(one, two, one)
    await one.ledger.check_writable()
    one.store.cut = True
    await one.ledger.check_writable()
    assert one.degradations == [True]
    assert (await usage_of(one.ledger, "i-1")).limit == 3
    two.store.cut = True
    assert (await usage_of(two.ledger, "i-1")).limit == 3
    assert two.degradations == [True]


async def test_a_local_ledger_that_fails_is_reported(make: Maker, tmp_path: Path) -> None:
    """With the server the dial counts there; without it nothing may be dialled."""
    folder = tmp_path / "spoiled"
    one = make(folder=folder)
    await beat(one)
    (folder / "ledger.sqlite").unlink(missing_ok=True)
    (folder / "ledger.sqlite").mkdir()
    with capture_logs() as events:
        assert await one.dial()
        with pytest.raises(LedgerError):
            await one.local.check_writable()
    assert "throttle.dial_not_mirrored" in [event["event"] for event in events]
    with pytest.raises(LedgerError):
        await one.ledger.check_writable()
    one.store.cut = True
    with pytest.raises(LedgerError):
        await one.dial()


@contextlib.asynccontextmanager
async def pausing(daemon: Daemon) -> AsyncIterator[None]:
    """The daemon's own task, between two heartbeats; the next one is far."""
    pause = asyncio.create_task(daemon.ledger._pause(3600.0))
    yield
    pause.cancel()
    await asyncio.wait([pause])


@pytest.mark.parametrize("dialled", [True, False])
async def test_what_became_of_permits_is_reported_at_once(make: Maker, dialled: bool) -> None:
    """To the other daemons; the daemon's own task does it: nobody waits for that."""
    one, two = make(), make()
    await beat(one, two, one)
    async with pausing(one):
        bookings = [await one.ledger.book("i-1", 0.0) for _ in range(6)]
        for booking in bookings:
            assert isinstance(booking, Booking)
            if dialled:
                assert await one.ledger.spend(booking)
            else:
                await one.ledger.cancel(booking)
        # Permits that may still be dialled with until their end count for longer.
        free_s = 61.0 if dialled else 0.0
        async with asyncio.timeout(60):
            while (await usage_of(two.ledger, "i-1")).next_free_s != free_s:
                await asyncio.sleep(0.01)


async def test_a_loss_shows_when_a_dial_is_reported(make: Maker) -> None:
    """Before the next heartbeat does."""
    one = make()
    await beat(one)
    booking = await one.ledger.book("i-1", 0.0)
    assert isinstance(booking, Booking)
    async with pausing(one), asyncio.timeout(60):
        one.store.cut = True
        assert await one.ledger.spend(booking)
        while not one.degradations:
            await asyncio.sleep(0.01)
    assert one.degradations == [True]


async def test_a_pause_is_as_long_as_it_is_to_be(make: Maker, process_clock: ProcessClock) -> None:
    """Also if something is reported meanwhile."""
    one = make()
    await beat(one)
    pause = asyncio.create_task(one.ledger._pause(20.0))
    await process_clock.forward(10.0)
    booking = await one.ledger.book("i-1", 0.0)
    assert isinstance(booking, Booking)
    await one.ledger.cancel(booking)
    await settle()
    assert not pause.done()
    await process_clock.forward(10.5)
    await asyncio.wait([pause], timeout=60)
    assert pause.done()


async def test_pauses_are_short_again_after_an_answer(
    make: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that is lost anew is looked for as at first."""
    monkeypatch.setattr(random, "random", lambda: 1.0)
    one = make()
    pauses = []
    for _ in range(2):
        one.store.cut = True
        pauses.append([await one.ledger._heartbeat() for _ in range(3)])
        one.store.cut = False
        await beat(one)
    assert pauses[0] == pauses[1]
    assert pauses[0] == sorted(set(pauses[0])), "they grow meanwhile"


async def test_a_permit_that_lapsed_is_no_dial(make: Maker, clock: FakeClock) -> None:
    """Only what was dialled is mirrored in the local ledger, for when the server is away."""
    one = make()
    await beat(one)
    lapsed = await one.ledger.book("i-1", 0.0)
    assert isinstance(lapsed, Booking)
    clock.seconds += 10.5
    assert not await one.ledger.spend(lapsed)
    assert await one.local.dials() == []
    assert await one.dial()
    assert len(await one.local.dials()) == 1


async def test_a_slow_local_disk_holds_up_no_shared_dial(
    make: Maker, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That it is mirrored in the local ledger is nobody's wait."""
    disk = LedgerDisk(monkeypatch, clock.forward)
    one = make()
    await beat(one)
    disk.commit_s = 20.0
    assert await one.dial()


async def test_watching_brings_the_server_back_by_itself(
    make: Maker, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pings go on with pauses of a bounded length, then the heartbeat does."""
    pauses: list[float] = []
    one = make()
    enough = asyncio.Event()

    async def pause(seconds: float) -> None:
        pauses.append(seconds)
        clock.seconds += seconds
        if len(pauses) == 10:
            one.store.cut = False
        if one.ledger.degraded is None:
            enough.set()
        await asyncio.sleep(0)

    monkeypatch.setattr(one.ledger, "_pause", pause)
    one.store.cut = True
    watching = asyncio.create_task(one.ledger.watch())
    async with asyncio.timeout(60):
        await enough.wait()
    watching.cancel()
    await asyncio.wait([watching])
    away, settling = pauses[:10], pauses[10:-1]
    longest = fallback_ledger.LEAST_PAUSE_S + fallback_ledger.LONGEST_PAUSE_S
    assert all(fallback_ledger.LEAST_PAUSE_S <= seconds <= longest for seconds in away)
    assert settling == [fallback_ledger.SETTLE_INTERVAL_S] * len(settling)
    assert SETTLE_S - 1 <= sum(settling) <= SETTLE_S + 1
    assert pauses[-1] == fallback_ledger.HEARTBEAT_INTERVAL_S


async def test_closing_while_the_server_is_away(make: Maker) -> None:
    """The drain isn't held up, and afterwards nothing is booked."""
    one = make()
    await beat(one)
    one.store.cut = True
    await one.ledger.close()
    await one.ledger.close()
    assert one.degradations == []
    with pytest.raises(LedgerError, match="is closed"):
        await one.ledger.book("i-1", 0.0)


async def test_a_server_that_is_known_to_be_away_is_not_told_of_the_end(make: Maker) -> None:
    """Asking it would take its time."""
    one = make()
    one.store.cut = True
    await beat(one)
    one.store.calls = 0
    await one.ledger.close()
    assert one.store.calls == 0


async def test_dials_that_can_not_be_reported_are_logged(make: Maker, tmp_path: Path) -> None:
    """The local ledger can't be read: the server is used all the same."""
    folder = tmp_path / "spoiled"
    one = make(folder=folder)
    (folder / "ledger.sqlite").mkdir()
    with capture_logs() as events:
        await beat(one)
    [event] = [event for event in events if event["event"] == "throttle.dials_not_told"]
    assert "ledger" in event["why"]
    assert one.ledger.degraded is None
    (folder / "ledger.sqlite").rmdir()
