"""The contract of `Ledger`, kept by every store."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Collection
from dataclasses import replace
from pathlib import Path

import pytest

from tests.clock import FakeClock
from tests.current_budget import CurrentBudget
from tests.unit.throttle.switched_store import SwitchedStore
from tests.unit.throttle.usage import usage_of
from vncproxy.errors import LedgerError
from vncproxy.throttle.daemon_count import DaemonCount
from vncproxy.throttle.fallback_ledger import FallbackLedger, share_of
from vncproxy.throttle.ledger_interface import LATE, Booking, Ledger, TooLong, usages
from vncproxy.throttle.memory_ledger import MemoryLedger
from vncproxy.throttle.reconnect_budget import ACCOUNT, MAX_AHEAD_S, Budget, Usage
from vncproxy.throttle.sqlite_ledger import SqliteLedger
from vncproxy.throttle.valkey_connection import StoreAddress, ValkeyStore
from vncproxy.throttle.valkey_ledger import ValkeyLedger

pytestmark = pytest.mark.sockets

BUDGET = Budget(limit=3, window_s=60.0, margin_s=1.0, hold_s=10.0)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def budget() -> CurrentBudget:
    return CurrentBudget(BUDGET)


REAL = [
    pytest.param(name, marks=pytest.mark.real) for name in ("valkey", "fallback", "fallback, away")
]


@pytest.fixture(params=["memory", "sqlite", *REAL])
async def ledger(
    request: pytest.FixtureRequest, budget: CurrentBudget, clock: FakeClock, tmp_path: Path
) -> AsyncIterator[Ledger]:
    made: Ledger
    if request.param == "memory":
        made = MemoryLedger(budget, clock)
    elif request.param == "valkey":
        address: StoreAddress = request.getfixturevalue("store_address")
        made = ValkeyLedger(ValkeyStore(address), budget, steady=clock, clock=clock)
    elif request.param == "sqlite":
        made = SqliteLedger(tmp_path / "ledger.sqlite", budget, clock)
    else:
        made = _fallback(request, budget, clock, tmp_path)
    yield made
    await made.close()


def _fallback(
    request: pytest.FixtureRequest, budget: CurrentBudget, clock: FakeClock, folder: Path
) -> FallbackLedger:
    """One whose server answers, or is away; a single daemon's share is the whole budget."""
    store = SwitchedStore(request.getfixturevalue("store_address"))
    store.cut = request.param == "fallback, away"
    (folder / "daemons").write_text("1")
    count = DaemonCount(folder / "daemons")
    return FallbackLedger(
        ValkeyLedger(store, budget, steady=clock, clock=clock),
        SqliteLedger(folder / "ledger.sqlite", lambda: share_of(budget.now, count), clock),
        budget,
        count,
        daemon_id="d-1",
        steady=clock,
    )


async def booked(ledger: Ledger, key: str = "i-1", max_wait_s: float = 1000.0) -> Booking:
    answer = await ledger.book(key, max_wait_s)
    assert isinstance(answer, Booking)
    return answer


async def dialled(ledger: Ledger, key: str = "i-1") -> None:
    booking = await booked(ledger, key)
    assert booking.wait_s == 0.0
    assert await ledger.spend(booking)


async def test_the_limit_is_granted_at_once_and_the_next_waits(ledger: Ledger) -> None:
    """With all dials made at once, the next permit is a window and a margin away."""
    for _ in range(3):
        await dialled(ledger)
    assert (await booked(ledger)).wait_s == 61.0


async def test_each_key_has_its_own_budget(ledger: Ledger) -> None:
    """A key that is used up costs another nothing."""
    for _ in range(3):
        await dialled(ledger, "i-1")
    assert (await booked(ledger, "i-2")).wait_s == 0.0


async def test_too_long_a_wait_books_nothing(ledger: Ledger) -> None:
    """The answer names the wait and leaves the budget as it was."""
    for _ in range(3):
        await dialled(ledger)
    before = await usage_of(ledger, "i-1")
    assert await ledger.book("i-1", 60.9) == TooLong(61.0)
    assert await usage_of(ledger, "i-1") == before
    assert (await booked(ledger, max_wait_s=61.0)).wait_s == 61.0


async def test_nothing_is_booked_absurdly_far_ahead(ledger: Ledger) -> None:
    """However patient the caller, the queue ends somewhere."""
    for _ in range(1000):
        answer = await ledger.book("i-1", 1e9)
        if isinstance(answer, TooLong):
            break
    assert isinstance(answer, TooLong)
    assert answer.wait_s > MAX_AHEAD_S


async def test_a_permit_lapses(ledger: Ledger, clock: FakeClock) -> None:
    """A permit whose hold has passed can't be spent, and a fresh one must be booked."""
    booking = await booked(ledger)
    clock.seconds += 10.5
    assert not await ledger.spend(booking)


async def test_a_permit_is_not_spent_before_its_time(ledger: Ledger, clock: FakeClock) -> None:
    """Who has to wait can't dial at once."""
    for _ in range(3):
        await dialled(ledger)
    booking = await booked(ledger)
    assert not await ledger.spend(booking)
    clock.seconds += booking.wait_s
    assert await ledger.spend(booking)


async def test_a_permit_is_spent_once(ledger: Ledger) -> None:
    """The second dial with the same permit is refused."""
    booking = await booked(ledger)
    assert await ledger.spend(booking)
    assert not await ledger.spend(booking)


async def test_a_late_dial_moves_the_window(ledger: Ledger, clock: FakeClock) -> None:
    """The window counts from the dial, not from the permit."""
    bookings = [await booked(ledger) for _ in range(3)]
    clock.seconds += 8.0
    for booking in bookings:
        assert await ledger.spend(booking)
    assert (await booked(ledger)).wait_s == 61.0


async def test_a_cancelled_permit_is_given_back(ledger: Ledger) -> None:
    """A permit that wasn't dialled costs nothing once cancelled, also after its time has come."""
    for _ in range(3):
        await ledger.cancel(await booked(ledger))
    for _ in range(3):
        await dialled(ledger)


async def test_a_cancelled_permit_is_void(ledger: Ledger) -> None:
    """Who gave a permit back can't dial with it."""
    booking = await booked(ledger)
    await ledger.cancel(booking)
    assert not await ledger.spend(booking)


async def test_a_dial_can_not_be_taken_back(ledger: Ledger) -> None:
    """Cancelling after the dial changes nothing."""
    for _ in range(3):
        booking = await booked(ledger)
        assert await ledger.spend(booking)
        await ledger.cancel(booking)
    assert (await booked(ledger)).wait_s == 61.0


async def test_cancelling_the_unknown_does_nothing(ledger: Ledger) -> None:
    """A permit of another ledger, or one long forgotten, may be cancelled without harm."""
    await ledger.cancel(Booking("no such id", "i-1", 0.0))
    assert not await ledger.spend(Booking("no such id", "i-1", 0.0))


async def test_first_come_first_served(ledger: Ledger) -> None:
    """Permits are never earlier than those booked before, also when one in between is cancelled."""
    bookings = [await booked(ledger) for _ in range(8)]
    waits = [booking.wait_s for booking in bookings]
    assert waits == sorted(waits)
    await ledger.cancel(bookings[4])
    assert (await booked(ledger)).wait_s >= waits[-1]


async def test_usage_tells_how_full_the_budget_is(ledger: Ledger, clock: FakeClock) -> None:
    """Used, limit, window and the next free time, without changing anything."""
    assert await usage_of(ledger, "i-1") == Usage(used=0, limit=3, window_s=61.0, next_free_s=0.0)
    for _ in range(3):
        await dialled(ledger)
    clock.seconds += 20.0
    for _ in range(2):
        assert await usage_of(ledger, "i-1") == Usage(3, 3, 61.0, 41.0)
    clock.seconds += 41.0
    assert await usage_of(ledger, "i-1") == Usage(0, 3, 61.0, 0.0)


async def test_many_usages_at_once(ledger: Ledger, budget: CurrentBudget, clock: FakeClock) -> None:
    """Each as if asked for alone, whatever the dials are counted for."""
    await dialled(ledger, "i-1")
    clock.seconds += 5.0
    for _ in range(3):
        await dialled(ledger, "i-2")
    await booked(ledger, "i-2")
    names = ["i-1", "i-2", "i-3"]
    found = await ledger.usages(names)
    assert {name: found[name].used for name in found} == {"i-1": 1, "i-2": 4, "i-3": 0}
    assert found == {name: await usage_of(ledger, name) for name in names}
    budget.now = replace(BUDGET, by_account=True)
    everything = await ledger.usages(["i-3", ACCOUNT])
    assert everything["i-3"] == everything[ACCOUNT]
    assert everything["i-3"].used == 5
    await booked(ledger, "i-3")
    budget.now = BUDGET
    found = await ledger.usages(names)
    assert {name: found[name].used for name in found} == {"i-1": 2, "i-2": 5, "i-3": 1}
    assert await ledger.usages([]) == {}


async def test_another_limit_counts_at_once(ledger: Ledger, budget: CurrentBudget) -> None:
    """A smaller one counts what was dialled before, a larger one lets more dial."""
    await dialled(ledger)
    budget.now = replace(BUDGET, limit=1)
    assert isinstance(await ledger.book("i-1", 0.0), TooLong)
    assert (await usage_of(ledger, "i-1")).limit == 1
    budget.now = replace(BUDGET, limit=5)
    for _ in range(4):
        await dialled(ledger)
    assert isinstance(await ledger.book("i-1", 0.0), TooLong)


async def test_the_usage_shown_is_the_wait_there_is(
    ledger: Ledger, budget: CurrentBudget, clock: FakeClock
) -> None:
    """With more on record than a smaller limit, too, where not the earliest of them is decisive."""
    for _ in range(3):
        await dialled(ledger)
        clock.seconds += 5.0
    for limit, wait_s in ((1, 56.0), (2, 51.0), (3, 46.0), (4, 0.0)):
        budget.now = replace(BUDGET, limit=limit)
        usage = await usage_of(ledger, "i-1")
        assert usage.used == 3
        assert usage.next_free_s == pytest.approx(wait_s)
        if wait_s:
            assert await ledger.book("i-1", 0.0) == TooLong(usage.next_free_s)


async def test_a_permit_keeps_the_hold_it_was_given_with(
    ledger: Ledger, budget: CurrentBudget, clock: FakeClock
) -> None:
    """Who books by a shorter hold waits for it, and it can be spent until its own end."""
    held = await booked(ledger)
    budget.now = replace(BUDGET, limit=1, hold_s=1.0)
    # Until the end of the longer hold, and a window more.
    answer = await ledger.book("i-1", 0.0)
    assert isinstance(answer, TooLong)
    assert answer.wait_s == pytest.approx(10.0 + 61.0)
    clock.seconds += 9.0
    assert await ledger.spend(held)
    short = await booked(ledger)
    clock.seconds += short.wait_s + 2.0
    assert not await ledger.spend(short)


async def test_the_whole_account_s_budget_overlaps_the_instances(
    ledger: Ledger, budget: CurrentBudget, clock: FakeClock
) -> None:
    """A change of what is counted for frees nothing, in either direction."""
    await dialled(ledger, "i-1")
    await dialled(ledger, "i-2")
    budget.now = replace(BUDGET, by_account=True)
    assert (await booked(ledger, "i-3")).key == ACCOUNT
    for instance_id in ("i-1", "i-4"):
        assert isinstance(await ledger.book(instance_id, 0.0), TooLong)
        assert (await usage_of(ledger, instance_id)).used == 3
    budget.now = BUDGET
    assert (await usage_of(ledger, "i-1")).used == 2
    assert (await usage_of(ledger, "i-4")).used == 1
    await dialled(ledger, "i-1")
    assert isinstance(await ledger.book("i-1", 0.0), TooLong)
    clock.seconds += 71.0
    assert (await usage_of(ledger, "i-1")).used == 0


async def test_check_writable_passes(ledger: Ledger) -> None:
    """A ledger that works says so, and nothing is booked by asking."""
    await ledger.check_writable()
    assert (await usage_of(ledger, "i-1")).used == 0


async def test_closing_twice_is_harmless(ledger: Ledger) -> None:
    """The drain may close what was closed."""
    await ledger.close()
    await ledger.close()


# How full many budgets are, by one question and without holding anybody up


class AskedLedger(MemoryLedger):
    """Notes what it is asked; fails, or hangs."""

    def __init__(self) -> None:
        """An empty budget."""
        super().__init__(Budget, time.monotonic)
        self.asked: list[list[str]] = []
        self.fault: LedgerError | None = None
        self.hangs = False

    async def usages(self, instance_ids: Collection[str]) -> dict[str, Usage]:
        """See `Ledger.usages`."""
        self.asked.append(sorted(instance_ids))
        if self.hangs:
            await asyncio.Event().wait()
        if self.fault is not None:
            raise self.fault
        return await super().usages(instance_ids)


async def test_one_question_however_many_consoles_there_are() -> None:
    """Each key in it once, though many may share one."""
    ledger = AskedLedger()
    await ledger.book("i-3", 0.0)
    keys = [f"i-{number}" for number in range(1000)]
    found = await usages(ledger, [*keys, "i-3", "i-3"], timeout_s=60.0)
    assert ledger.asked == [sorted(keys)]
    used = {key: usage.used for key, usage in found.items() if isinstance(usage, Usage)}
    assert used == dict.fromkeys(keys, 0) | {"i-3": 1}


async def test_nothing_to_ask() -> None:
    """No console, no question."""
    ledger = AskedLedger()
    assert await usages(ledger, []) == {}
    assert ledger.asked == []


async def test_a_fault_is_told_in_words() -> None:
    """Of every key."""
    ledger = AskedLedger()
    ledger.fault = LedgerError("the disk is full")
    assert await usages(ledger, ["i-1", "i-2"]) == dict.fromkeys(["i-1", "i-2"], "the disk is full")


async def test_a_ledger_that_hangs_is_waited_for_no_longer_than_said() -> None:
    """The list comes without it."""
    ledger = AskedLedger()
    ledger.hangs = True
    assert await usages(ledger, ["i-1"], timeout_s=0.05) == {"i-1": LATE}
