"""What only the shared ledger does; test_ledger_interface.py has the contract."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.clock import FakeClock
from tests.real.peers.valkey import ValkeyServer
from tests.unit.throttle.switched_store import SwitchedStore
from tests.unit.throttle.usage import usage_of
from vncproxy.errors import LedgerError, LedgerSlow
from vncproxy.throttle import valkey_ledger
from vncproxy.throttle.ledger_interface import Booking, Dial, TooLong
from vncproxy.throttle.reconnect_budget import Budget
from vncproxy.throttle.valkey_connection import StoreAddress, ValkeyStore
from vncproxy.throttle.valkey_ledger import ID_PREFIX, LATELY_S, ValkeyLedger

pytestmark = [pytest.mark.real, pytest.mark.sockets]

BUDGET = Budget(limit=3, window_s=60.0, margin_s=1.0, hold_s=10.0)


@pytest.fixture
def clock() -> FakeClock:
    """True time, as each machine's steady clock has it."""
    return FakeClock()


@pytest.fixture
def wall() -> FakeClock:
    """The server's clock."""
    return FakeClock(1_795_000_000.0)


@pytest.fixture
def store(store_address: StoreAddress) -> SwitchedStore:
    return SwitchedStore(store_address)


@pytest.fixture
async def ledger(
    store: SwitchedStore, clock: FakeClock, wall: FakeClock
) -> AsyncIterator[ValkeyLedger]:
    made = ValkeyLedger(store, lambda: BUDGET, steady=clock, clock=wall)
    yield made
    store.cut = False
    await made.close()


@pytest.fixture
async def other(
    store_address: StoreAddress, clock: FakeClock, wall: FakeClock
) -> AsyncIterator[ValkeyLedger]:
    made = ValkeyLedger(ValkeyStore(store_address), lambda: BUDGET, steady=clock, clock=wall)
    yield made
    await made.close()


async def booked(ledger: ValkeyLedger, key: str = "i-1") -> Booking:
    answer = await ledger.book(key, 1000.0)
    assert isinstance(answer, Booking)
    return answer


async def dialled(ledger: ValkeyLedger, key: str = "i-1") -> None:
    assert await ledger.spend(await booked(ledger, key))


async def test_the_server_s_own_clock_is_the_default(store_address: StoreAddress) -> None:
    """Without a clock of the tests, a permit is booked and spent by the server's time."""
    ledger = ValkeyLedger(ValkeyStore(store_address), lambda: BUDGET)
    for _ in range(3):
        booking = await booked(ledger)
        assert booking.wait_s == 0.0
        assert booking.id.startswith(ID_PREFIX)
        assert await ledger.spend(booking)
    answer = await ledger.book("i-1", 1.0)
    assert isinstance(answer, TooLong)
    assert 60.0 < answer.wait_s <= 61.0
    await ledger.close()


async def test_two_daemons_share_the_budget(ledger: ValkeyLedger, other: ValkeyLedger) -> None:
    """Twenty who book at once through two ledgers get the permits of one budget."""
    ledgers = (ledger, other)
    answers = await asyncio.gather(*(ledgers[n % 2].book("i-1", 0.0) for n in range(20)))
    assert sum(isinstance(answer, Booking) for answer in answers) == 3


async def test_a_permit_is_known_by_every_daemon(ledger: ValkeyLedger, other: ValkeyLedger) -> None:
    """What one booked, another may cancel."""
    for _ in range(3):
        await other.cancel(await booked(ledger))
    assert (await usage_of(other, "i-1")).used == 0


async def test_daemons_with_other_limits_each_keep_their_own(
    ledger: ValkeyLedger, store_address: StoreAddress, clock: FakeClock, wall: FakeClock
) -> None:
    """A smaller limit counts the dials of all, and a shorter hold believes the longer one."""
    small = ValkeyLedger(
        ValkeyStore(store_address), lambda: Budget(limit=1, hold_s=2.0), steady=clock, clock=wall
    )
    await booked(ledger)
    assert (await booked(small)).wait_s == 10.0 + 61.0
    await small.close()


async def test_everything_on_the_server_is_ours_and_expires(
    ledger: ValkeyLedger, valkey_server: ValkeyServer
) -> None:
    """Keys have the prefix, and go by themselves about a day after the last use."""
    await dialled(ledger)
    await ledger.heartbeat("d-1")
    listed = valkey_server.command("KEYS", "*").decode().split("\r\n")[2::2]
    assert sorted(listed) == [
        "vncproxy:claims:i-1",
        "vncproxy:clock",
        "vncproxy:daemons",
        "vncproxy:keys",
    ]
    for key in listed:
        assert 86_000 < int(valkey_server.command("TTL", key)[1:]) <= 86_400


async def test_old_claims_are_deleted(
    ledger: ValkeyLedger, valkey_server: ValkeyServer, clock: FakeClock, wall: FakeClock
) -> None:
    """The record of a busy key doesn't grow."""
    for _ in range(10):
        await dialled(ledger)
        clock.seconds += 61.0
        wall.seconds += 61.0
    assert valkey_server.command("HLEN", "vncproxy:claims:i-1") == b":1\r\n"


async def test_a_damaged_claim_counts_as_dialled_just_now(
    ledger: ValkeyLedger, valkey_server: ValkeyServer, clock: FakeClock, wall: FakeClock
) -> None:
    """What can't be read, or lies absurdly far ahead, costs one window and no more."""
    valkey_server.command("HSET", "vncproxy:claims:i-1", "x", "garbage", "y", f"{2**52} {2**52} 1")
    assert (await usage_of(ledger, "i-1")).used == 2
    assert (await booked(ledger)).wait_s == 0.0
    clock.seconds += 71.0
    wall.seconds += 71.0
    assert (await usage_of(ledger, "i-1")).used == 0


async def test_a_clock_set_back_makes_nobody_wait_longer(
    ledger: ValkeyLedger, clock: FakeClock, wall: FakeClock
) -> None:
    """The ledger's clock stands still at the jump and runs on from there."""
    for _ in range(3):
        await dialled(ledger)
    wall.seconds -= 7200.0
    assert (await booked(ledger)).wait_s == 61.0
    clock.seconds += 30.0
    wall.seconds += 30.0
    assert (await usage_of(ledger, "i-1")).next_free_s < 61.0 + 71.0


async def test_a_clock_set_forward_frees_nothing(
    ledger: ValkeyLedger, other: ValkeyLedger, clock: FakeClock, wall: FakeClock
) -> None:
    """A daemon that called before knows that no hour has passed; all others profit from it."""
    for _ in range(3):
        await dialled(ledger)
    clock.seconds += 5.0
    wall.seconds += 3600.0
    answer = await ledger.book("i-1", 0.0)
    assert isinstance(answer, TooLong)
    assert 55.0 < answer.wait_s <= 56.0
    assert isinstance(await other.book("i-1", 0.0), TooLong)


async def test_clocks_that_differ_a_little_are_believed(
    ledger: ValkeyLedger, clock: FakeClock, wall: FakeClock
) -> None:
    """As much as two machines' clocks may, and a call's travel time besides."""
    for _ in range(3):
        await dialled(ledger)
    await ledger.send_settled()
    clock.seconds += 60.0
    wall.seconds += 60.3
    assert (await usage_of(ledger, "i-1")).next_free_s == pytest.approx(0.7)


async def test_an_answer_that_was_overtaken_makes_no_jump_credible(
    ledger: ValkeyLedger, store: SwitchedStore, clock: FakeClock, wall: FakeClock
) -> None:
    """How late the server's clock can be is reckoned from the youngest call."""
    for _ in range(3):
        await dialled(ledger)
    await ledger.send_settled()
    held, go_on = asyncio.Event(), asyncio.Event()

    async def hold() -> None:
        held.set()
        await go_on.wait()

    store.before_question = hold
    overtaken = asyncio.create_task(ledger.check_writable())
    await held.wait()
    store.before_question = None
    clock.seconds += 5.0
    wall.seconds += 5.0
    await ledger.check_writable()
    go_on.set()
    await overtaken
    wall.seconds += 4.0
    assert (await usage_of(ledger, "i-1")).next_free_s == pytest.approx(55.75)


async def test_a_paused_machine_makes_the_others_wait_at_most(
    ledger: ValkeyLedger, other: ValkeyLedger, wall: FakeClock
) -> None:
    """A daemon whose own clock stood still holds the ledger's clock back, not its record."""
    await dialled(ledger)
    wall.seconds += 50.0  # the steady clock didn't move
    assert (await usage_of(ledger, "i-1")).used == 1
    assert (await usage_of(other, "i-1")).used == 1


async def test_a_dial_does_not_wait_for_the_server(
    ledger: ValkeyLedger, other: ValkeyLedger, store: SwitchedStore
) -> None:
    """Its booking covers it; that it was made, and that another wasn't, the next call tells."""
    dialled_with, given_back = await booked(ledger), await booked(ledger)
    store.calls = 0
    assert await ledger.spend(dialled_with)
    await ledger.cancel(given_back)
    assert store.calls == 0
    assert (await usage_of(other, "i-1")).used == 2
    await usage_of(ledger, "i-2")
    assert (await usage_of(other, "i-1")).used == 1


async def test_a_dial_is_reported_with_its_own_time(
    ledger: ValkeyLedger, other: ValkeyLedger, clock: FakeClock, wall: FakeClock
) -> None:
    """However late it is reported, the window counts from the dial; a second time does no harm."""
    for _ in range(3):
        assert await ledger.spend(await booked(ledger))
    clock.seconds += 20.0
    wall.seconds += 20.0
    settled = list(ledger._settled)
    await ledger.send_settled()
    assert (await usage_of(other, "i-1")).next_free_s == pytest.approx(41.0)
    ledger._settled.extend(settled)
    await ledger.send_settled()
    assert (await usage_of(other, "i-1")).used == 3


async def test_what_could_not_be_told_is_reported_later(
    ledger: ValkeyLedger, other: ValkeyLedger, store: SwitchedStore
) -> None:
    """A call that fails forgets nothing, and a server that lost the booking learns of the dial."""
    assert await ledger.spend(await booked(ledger))
    store.cut = True
    with pytest.raises(LedgerError):
        await ledger.send_settled()
    store.cut = False
    await other._store.call("FLUSHALL")
    await ledger.send_settled()
    assert (await usage_of(other, "i-1")).used == 1


@pytest.mark.parametrize("took_s", [0.6, 1.9])
async def test_a_slow_server_s_permits_are_good(
    ledger: ValkeyLedger, store: SwitchedStore, clock: FakeClock, took_s: float
) -> None:
    """They come later, and last as long as ever; nothing is dialled more often."""

    async def take_long() -> None:
        clock.seconds += took_s

    store.before_answer = take_long
    await ledger.check_writable()
    for _ in range(3):
        booking = await booked(ledger)
        clock.seconds += BUDGET.hold_s
        assert await ledger.spend(booking)
    assert isinstance(await ledger.book("i-1", 0.0), TooLong)


async def test_a_permit_is_good_until_its_last_instant(
    ledger: ValkeyLedger, store: SwitchedStore, clock: FakeClock
) -> None:
    """Also if somebody else books then, or if it comes no earlier."""
    booking = await booked(ledger)
    clock.seconds += BUDGET.hold_s
    await booked(ledger, "i-2")
    assert await ledger.spend(booking)

    async def take_long() -> None:
        clock.seconds += BUDGET.hold_s

    store.before_answer = take_long
    assert await ledger.spend(await booked(ledger, "i-3"))


async def test_a_permit_that_lapsed_on_its_way_is_given_back(
    ledger: ValkeyLedger, other: ValkeyLedger, store: SwitchedStore, clock: FakeClock
) -> None:
    """And the store is blamed."""

    async def take_long() -> None:
        clock.seconds += 11.0

    store.before_answer = take_long
    with pytest.raises(LedgerSlow, match="the shared store took 11 s"):
        await ledger.book("i-1", 0.0)
    store.before_answer = None
    await ledger.send_settled()
    assert (await usage_of(other, "i-1")).used == 0


async def test_a_caller_who_leaves_in_the_middle_gives_its_booking_back(
    ledger: ValkeyLedger, other: ValkeyLedger, store: SwitchedStore
) -> None:
    """A booking whose caller was cancelled is cancelled with the next call."""
    made, go_on = asyncio.Event(), asyncio.Event()

    async def hold() -> None:
        made.set()
        await go_on.wait()

    store.before_answer = hold
    booking = asyncio.create_task(ledger.book("i-1", 0.0))
    await made.wait()
    booking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await booking
    store.before_answer = None
    assert (await usage_of(other, "i-1")).used == 1
    await usage_of(ledger, "i-2")
    assert (await usage_of(other, "i-1")).used == 0


async def test_a_booking_whose_answer_is_lost_is_given_back_at_the_end(
    ledger: ValkeyLedger, other: ValkeyLedger, store: SwitchedStore
) -> None:
    """Closing gives back what nobody asked for since."""

    async def lose() -> None:
        raise LedgerError("lost")

    store.before_answer = lose
    with pytest.raises(LedgerError):
        await ledger.book("i-1", 0.0)
    store.before_answer = None
    assert (await usage_of(other, "i-1")).used == 1
    await ledger.close()
    assert (await usage_of(other, "i-1")).used == 0


async def test_dials_made_elsewhere_are_recorded_once(
    ledger: ValkeyLedger, other: ValkeyLedger
) -> None:
    """Telling them again, or by two daemons, changes nothing; their age is kept."""
    dials = [Dial("a", "i-1", 50.0), Dial("b", "i-1", 10.0), Dial("c", "i-2", 0.0)]
    await ledger.record(dials)
    await other.record(dials)
    assert (await usage_of(ledger, "i-1")).used == 2
    assert (await usage_of(ledger, "i-2")).used == 1
    await dialled(ledger)
    assert (await booked(ledger)).wait_s == 11.0


async def test_many_dials_are_recorded(ledger: ValkeyLedger) -> None:
    """A whole window of a large site fits."""
    await ledger.record([Dial(f"d-{n}", "account", 1.0) for n in range(1200)])
    assert (await usage_of(ledger, "account")).used == 1200


async def test_daemons_are_counted_while_they_show_themselves(
    ledger: ValkeyLedger, other: ValkeyLedger, clock: FakeClock, wall: FakeClock
) -> None:
    """Each id counts once, until it leaves or is silent for long."""
    assert (await ledger.heartbeat("d-1")).daemons == 1
    assert (await ledger.heartbeat("d-1")).daemons == 1
    assert (await other.heartbeat("d-2")).daemons == 2
    assert (await other.heartbeat(None)).daemons == 2
    await other.leave("d-2")
    assert (await ledger.heartbeat("d-1")).daemons == 1
    await other.heartbeat("d-2")
    clock.seconds += LATELY_S + 1
    wall.seconds += LATELY_S + 1
    assert (await ledger.heartbeat("d-1")).daemons == 1


async def test_a_server_without_its_data_has_another_identity(
    ledger: ValkeyLedger, other: ValkeyLedger, valkey_server: ValkeyServer, wall: FakeClock
) -> None:
    """Who recorded something learns that it is lost."""
    before = await ledger.heartbeat("d-1")
    assert (await other.heartbeat("d-2")).identity == before.identity
    valkey_server.command("FLUSHALL")
    wall.seconds += 1.0
    assert (await ledger.heartbeat("d-1")).identity != before.identity


async def test_what_was_seen_last_is_known_without_the_server(
    ledger: ValkeyLedger, other: ValkeyLedger, clock: FakeClock, wall: FakeClock
) -> None:
    """The others' dials of a key in use are known, those that still might be made too."""
    await dialled(other)
    clock.seconds += 5.0
    wall.seconds += 5.0
    await booked(other)
    mine = await booked(ledger)
    assert await ledger.spend(mine)
    for _ in range(2):
        await booked(other)
    await ledger.refresh("i-1")
    clock.seconds += 20.0
    seen = ledger.seen()
    ages = sorted(round(dial.age_s, 3) for dial in seen)
    # Those whose time hadn't come aren't among them: nobody can dial them without the server.
    assert ages == [10.0, 20.0, 25.0]
    assert mine.id in {dial.id for dial in seen}
    clock.seconds += 100.0
    assert ledger.seen() == []


async def test_a_permit_whose_time_is_to_come_is_seen_from_then_on(
    ledger: ValkeyLedger, other: ValkeyLedger, clock: FakeClock, wall: FakeClock
) -> None:
    """To the instant; and dials count until a span after theirs."""
    dials = [await booked(other) for _ in range(3)]
    for dial in dials:
        assert await other.spend(dial)
    clock.seconds += 55.0
    wall.seconds += 55.0
    waiting = await booked(other)
    assert waiting.wait_s == 6.0
    await ledger.refresh("i-1")
    clock.seconds += 5.5
    assert {dial.id for dial in ledger.seen()} == {dial.id for dial in dials}
    clock.seconds += 0.5
    assert [dial.id for dial in ledger.seen()] == [waiting.id]


async def test_keys_in_use_are_reported_to_everybody(
    ledger: ValkeyLedger, other: ValkeyLedger, clock: FakeClock, wall: FakeClock
) -> None:
    """Those that anybody dialled for lately, the last first; a look alone is no use."""
    await usage_of(ledger, "i-1")
    await dialled(ledger, "i-2")
    clock.seconds += 1.0
    wall.seconds += 1.0
    await dialled(other, "i-3")
    assert (await other.heartbeat("d-2")).keys == ("i-3", "i-2")
    assert (await ledger.heartbeat(None)).keys == ("i-3", "i-2")
    clock.seconds += 70.5
    wall.seconds += 70.5
    assert (await ledger.heartbeat(None)).keys == ("i-3",)


async def test_what_is_out_of_use_is_forgotten(
    ledger: ValkeyLedger, clock: FakeClock, wall: FakeClock
) -> None:
    """Memory follows the keys in use."""
    for number in range(50):
        await dialled(ledger, f"i-{number}")
    assert len(ledger.seen()) == 50
    clock.seconds += 72.0
    wall.seconds += 72.0
    await ledger.heartbeat(None)
    assert ledger._seen == {}


async def test_many_budgets_are_asked_for_in_parts(
    ledger: ValkeyLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server serves the other daemons in between."""
    monkeypatch.setattr(valkey_ledger, "USAGES_AT_ONCE", 4)
    for number in range(6):
        for _ in range(number):
            await ledger.book(f"i-{number}", 1000.0)
    found = await ledger.usages([f"i-{number}" for number in range(10)])
    assert [found[f"i-{number}"].used for number in range(10)] == [0, 1, 2, 3, 4, 5, 0, 0, 0, 0]
    assert found == {name: await usage_of(ledger, name) for name in found}


async def test_a_server_that_is_away_is_reported(
    ledger: ValkeyLedger, store: SwitchedStore
) -> None:
    """Every method that asks it raises, and closing is harmless."""
    store.cut = True
    for call in (
        ledger.book("i-1", 0.0),
        ledger.usages(["i-1"]),
        ledger.check_writable(),
        ledger.heartbeat("d"),
        ledger.leave("d"),
        ledger.record([Dial("a", "i-1", 0.0)]),
    ):
        with pytest.raises(LedgerError, match="away"):
            await call
    await ledger.close()


async def test_closing_again_asks_nothing(ledger: ValkeyLedger, store: SwitchedStore) -> None:
    """Of a server that was away the first time: what it wasn't sent lapses by itself."""
    assert await ledger.spend(await booked(ledger))
    store.cut = True
    await ledger.close()
    store.calls = 0
    await ledger.close()
    assert store.calls == 0


@pytest.mark.parametrize("seen", [[5, 1, 2], ["v-1", "old", 2], ["v-1", 1, "old"]])
async def test_claims_that_are_none_are_an_error_in_words(
    ledger: ValkeyLedger, store: SwitchedStore, seen: list[object]
) -> None:
    """As another server than Valkey may send them."""
    store.other_answer = [1, 0, 1, seen]
    with pytest.raises(LedgerError, match="answers what"):
        await ledger.refresh("i-1")


@pytest.mark.parametrize("usages", [[], [1], [1, 0, 1, 0]])
async def test_usages_of_others_than_were_asked_for_are_an_error_in_words(
    ledger: ValkeyLedger, store: SwitchedStore, usages: list[int]
) -> None:
    """There are two numbers for each."""
    store.other_answer = [1, 0, 1, usages]
    with pytest.raises(LedgerError, match="answers what"):
        await ledger.usages(["i-1"])
