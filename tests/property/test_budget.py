"""Whatever callers, crashes and reboots do: never more than the limit in any true window."""

from __future__ import annotations

import asyncio
import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.clock import FakeClock
from tests.current_budget import CurrentBudget
from tests.disks import LedgerDisk
from vncproxy.throttle.ledger_interface import Booking
from vncproxy.throttle.memory_ledger import MemoryLedger
from vncproxy.throttle.reconnect_budget import ACCOUNT, Budget, Claim, counting_for
from vncproxy.throttle.sqlite_ledger import SqliteLedger
from vncproxy.throttle.sqlite_queries import Booked, LedgerFile

LIMIT = 29
WINDOW_S = 60.0
BUDGET = Budget(limit=LIMIT, window_s=WINDOW_S, margin_s=1.0, hold_s=10.0)


def worst(dials: list[float], window_s: float) -> int:
    """The most dials in any half-open window."""
    dials = sorted(dials)
    return max((sum(first <= d < first + window_s for d in dials) for first in dials), default=0)


@dataclass
class Waiting:
    """A booking whose owner will dial, unless it leaves."""

    due: float
    late_s: float
    travel_s: float
    claim: int


ARRIVALS = st.lists(
    st.tuples(
        st.one_of(st.just(0.0), st.floats(0.0, 3.0), st.floats(0.0, 80.0)),  # until the arrival
        st.integers(1, 40),  # how many arrive at once
        st.floats(0.0, 12.0),  # how late each dials: beyond the hold it lapses
        st.floats(0.0, 0.95),  # from the record to the dial
        st.sampled_from(["dial", "dial", "dial", "cancel", "die"]),
    ),
    max_size=25,
)


@settings(max_examples=80)
@given(ARRIVALS)
def test_the_law_holds_for_any_arrivals(
    arrivals: list[tuple[float, int, float, float, str]],
) -> None:
    """Late dials, lapsed permits, leavers, dead callers: at most 29 in any 60 s, in order."""
    now = 0.0
    claims: dict[int, Claim] = {}
    waiting: list[Waiting] = []
    dials: list[float] = []
    promised: dict[int, float] = {}

    def dial_until(instant: float) -> None:
        for one in sorted(waiting, key=lambda w: w.due + w.late_s):
            at = one.due + one.late_s
            if at > instant:
                continue
            waiting.remove(one)
            promised.pop(one.claim)
            if claims[one.claim].may_be_spent(at):
                claims[one.claim] = Claim.dialled(at)
                dials.append(at + one.travel_s)

    for number, (gap_s, crowd, late_s, travel_s, fate) in enumerate(arrivals):
        dial_until(now + gap_s)
        now += gap_s
        for member in range(crowd):
            due = BUDGET.next_free(claims.values(), now)
            assert due >= max([now, *promised.values()])  # nobody overtakes
            name = number * 100 + member
            claims[name] = BUDGET.booked(due)
            promised[name] = due
            if fate == "cancel" and member % 2:
                del claims[name], promised[name]
            elif fate != "die":
                waiting.append(Waiting(due, late_s * member / crowd, travel_s, name))
        for name in [n for n, claim in claims.items() if BUDGET.is_forgettable(claim, now)]:
            del claims[name]
    dial_until(float("inf"))
    assert worst(dials, WINDOW_S) <= LIMIT


@dataclass(frozen=True)
class Made:
    """A dial, when its claim was booked among all, and by which budget."""

    at: float
    instance: str
    order: int
    budget: Budget

    def follows(self, other: Made) -> bool:
        """Whether it was booked after it, or is it, and counts for the same."""
        counts = other.instance == self.instance or self.budget.by_account
        return counts and other.order <= self.order


def overrun(dials: list[Made]) -> Made | None:
    """One whose window holds more dials, booked until it was, than its own limit."""
    for first in dials:
        window = [one for one in dials if first.at <= one.at < first.at + WINDOW_S]
        for last in window:
            if sum(last.follows(one) for one in window) > last.budget.limit:
                return last
    return None


RENEWALS = st.lists(
    st.one_of(
        st.tuples(st.just("book"), st.integers(0, 1), st.sampled_from("ab"), st.floats(0.0, 12.0)),
        st.tuples(
            st.just("renew"),
            st.integers(0, 1),
            st.integers(1, 5),
            st.sampled_from([0.0, 2.0, 10.0, 30.0]),
            st.booleans(),
        ),
        st.tuples(st.just("cancel"), st.integers(0, 9)),
        st.tuples(st.just("wait"), st.one_of(st.floats(0.0, 2.0), st.floats(0.0, 70.0))),
    ),
    min_size=15,
    max_size=60,
)


@settings(max_examples=40)
@given(RENEWALS, st.booleans())
def test_the_law_holds_while_it_is_exchanged(steps: list[tuple[object, ...]], shared: bool) -> None:
    """Any limit, hold and key, of each of two processes at any time: no window has more dials than
    the limit by which the last of them was booked, counted for what it was booked for.
    """
    clock = FakeClock()
    first = CurrentBudget(Budget(limit=4, hold_s=10.0))
    budgets = [first, replace(first) if shared else first]
    waiting: list[tuple[float, int, Booking, Made]] = []
    dials: list[Made] = []
    order = 0
    with tempfile.TemporaryDirectory() as directory:
        ledgers: list[MemoryLedger | SqliteLedger]
        if shared:
            path = Path(directory) / "ledger.sqlite"
            ledgers = [SqliteLedger(path, budget, clock) for budget in budgets]
        else:
            ledgers = [MemoryLedger(first, clock)] * 2

        async def pass_time(until: float) -> None:
            while waiting and (due := min(waiting, key=lambda one: one[0]))[0] <= until:
                waiting.remove(due)
                clock.seconds = max(clock.seconds, due[0])
                if await ledgers[due[1]].spend(due[2]):
                    dials.append(replace(due[3], at=clock.seconds))
            clock.seconds = until

        async def scene() -> None:
            nonlocal order
            for step in steps:
                match step:
                    case ("book", int(which), str(instance), float(late_s)):
                        for member in range(3):
                            answer = await ledgers[which].book(instance, 200.0)
                            if isinstance(answer, Booking):
                                order += 1
                                due = clock.seconds + answer.wait_s + late_s * member / 2
                                made = Made(0.0, instance, order, budgets[which].now)
                                waiting.append((due, which, answer, made))
                    case ("renew", int(which), int(limit), float(hold_s), bool(by_account)):
                        budget = Budget(limit=limit, hold_s=hold_s, by_account=by_account)
                        budgets[which].now = budget
                    case ("cancel", int(which)) if waiting:
                        _, process, booking, _ = waiting.pop(which % len(waiting))
                        await ledgers[process].cancel(booking)
                    case ("wait", float(seconds)):
                        await pass_time(clock.seconds + seconds)
            await pass_time(clock.seconds + 2000.0)
            for ledger in ledgers:
                await ledger.close()

        asyncio.run(scene())
    assert overrun(dials) is None


@dataclass
class Machine:
    """True time, and a boot clock that starts again somewhere at each boot."""

    true: float = 0.0
    offset: float = 500.0
    boots: int = 0
    epoch: str = field(default="boot-0")

    def now(self) -> float:
        return self.true + self.offset

    def reboot(self, down_s: float, clock: float) -> None:
        self.true += down_s
        self.offset = clock - self.true
        self.boots += 1
        self.epoch = f"boot-{self.boots}"


@dataclass
class Process:
    """One process on the file: what it was promised, and dials that aren't recorded yet."""

    file: LedgerFile
    permits: list[tuple[float, Booked]] = field(default_factory=list)
    unrecorded: list[tuple[Booked, float]] = field(default_factory=list)


STEPS = st.lists(
    st.one_of(
        st.tuples(
            st.just("book"),
            st.integers(0, 1),
            st.integers(2, 6),
            st.sampled_from([0.0, 70.0, 200.0]),  # the longest wait
            st.sampled_from([0.0, 0.3, 1.0, 1.1]),  # at which part of its permit each dials
        ),
        st.tuples(st.just("wait"), st.one_of(st.floats(0.0, 2.0), st.floats(0.0, 70.0))),
        st.tuples(st.just("cancel"), st.integers(0, 1), st.integers(0, 20)),
        st.tuples(st.just("record"), st.integers(0, 1), st.integers(1, 8)),
        st.tuples(st.just("forget"), st.integers(0, 1)),
        st.tuples(st.just("restart"), st.integers(0, 1)),
        st.tuples(st.just("reboot"), st.floats(0.0, 20.0), st.sampled_from([0.0, 9.0, 1e7])),
        st.tuples(st.just("disk"), st.sampled_from([0.0, 0.0, 0.6, 4.0, 14.0, 40.0])),
    ),
    min_size=8,
    max_size=30,
)


@settings(max_examples=50)
@given(STEPS)
@example([("disk", 4.0), ("book", 0, 6, 0.0, 1.0), ("wait", 14.0), ("book", 0, 6, 200.0, 0.0)])
@example([("book", 0, 6, 0.0, 1.0), ("wait", 10.0), ("record", 0, 4), ("book", 1, 6, 200.0, 0.0)])
def test_the_file_keeps_the_law_on_any_disk_over_restarts_and_reboots(
    monkeypatch: pytest.MonkeyPatch, steps: list[tuple[object, ...]]
) -> None:
    """Two processes on one file, killed and rebooted at will, on a disk of any slowness, whose
    dials are recorded late, in any order or never, don't overrun in true time.
    """
    budget = Budget(limit=4, window_s=60.0, margin_s=1.0, hold_s=10.0)
    machine = Machine()
    dials: list[float] = []

    def pass_time(until: float) -> None:
        """Who has a permit dials at the instant that it likes, if that is in its time."""
        while True:
            due = [(at, who, n) for who in processes for n, (at, _) in enumerate(who.permits)]
            due = [one for one in due if one[0] <= until]
            if not due:
                break
            at, who, number = min(due, key=lambda one: one[0])
            _, booked = who.permits.pop(number)
            machine.true = max(machine.true, at)
            if booked.claim.may_be_spent(machine.now()):
                dials.append(machine.true)
                who.unrecorded.append((booked, machine.now()))
        machine.true = max(machine.true, until)

    def kill(who: Process) -> None:
        who.file.close()
        who.file = LedgerFile(path, lambda: budget, machine)
        who.permits.clear()
        who.unrecorded.clear()

    with tempfile.TemporaryDirectory() as directory, monkeypatch.context() as patch:
        disk = LedgerDisk(patch, lambda seconds: pass_time(machine.true + seconds))
        path = Path(directory) / "ledger.sqlite"
        processes = [Process(LedgerFile(path, lambda: budget, machine)) for _ in range(2)]
        for step in steps:
            match step:
                case ("book", int(which), int(crowd), float(max_wait_s), float(part)):
                    who = processes[which]
                    for _ in range(crowd):
                        answer = who.file.book("i-1", max_wait_s)
                        if isinstance(answer, Booked):
                            claim = answer.claim
                            due = claim.at + part * (claim.latest - claim.at) - machine.now()
                            who.permits.append((machine.true + due, answer))
                case ("wait", float(seconds)):
                    pass_time(machine.true + seconds)
                case ("cancel", int(which), int(number)) if processes[which].permits:
                    permits = processes[which].permits
                    _, booked = permits.pop(number % len(permits))
                    processes[which].file.cancel(booked.id)
                case ("record", int(which), int(number)):
                    unrecorded = processes[which].unrecorded
                    with processes[which].file.batch():
                        for booked, at in unrecorded[-number:]:
                            processes[which].file.spent(booked.id, booked.key, at)
                    del unrecorded[-number:]
                case ("forget", int(which)):
                    processes[which].unrecorded.clear()
                case ("restart", int(which)):
                    kill(processes[which])
                case ("reboot", float(down_s), float(clock)):
                    pass_time(machine.true + 3.0)
                    for who in processes:
                        kill(who)
                    machine.reboot(down_s, clock)
                case ("disk", float(commit_s)):
                    disk.commit_s = commit_s
        pass_time(machine.true + 500.0)
        for who in processes:
            who.file.close()
    assert worst(dials, 60.0) <= 4


_KEYS = ["i-1", "i-2", ACCOUNT]
_ROWS = st.lists(
    st.tuples(
        st.sampled_from(_KEYS),
        st.sampled_from(["boot-1", "boot-1", "boot-1", "boot-0"]),
        st.integers(-90, 40),  # when it was booked for, from now on
        st.integers(0, 12),  # how long it is held
        st.booleans(),
        st.sampled_from([0.0, 0.0, 0.0, 1e6]),  # damage
    ),
    max_size=24,
)


@settings(max_examples=150)
@given(_ROWS, st.integers(1, 5))
def test_what_the_file_adds_up_is_what_the_law_says(
    rows: list[tuple[str, str, int, int, bool, float]], limit: int
) -> None:
    """Of any claims on record, for instances and the account, some of another boot or damaged."""
    clock = FakeClock(1000.0)
    now, law = clock.now(), replace(BUDGET, limit=limit)
    claims: dict[str, list[Claim]] = {}
    with tempfile.TemporaryDirectory() as folder:
        file = LedgerFile(Path(folder) / "ledger", lambda: law, clock)
        file.check_writable()
        for number, (key, epoch, at, held, spent, wrong) in enumerate(rows):
            claim = Claim(now + at, now + at + (0 if spent else held), spent)
            with file._transaction() as db:
                db.execute(
                    "INSERT INTO booking VALUES (?, ?, ?, ?, ?, ?)",
                    (str(number), key, epoch, claim.at + wrong, claim.latest + wrong, spent),
                )
            adopted = epoch != clock.epoch or wrong
            claims.setdefault(key, []).append(Claim.dialled(now) if adopted else claim)
        found = file.usages(_KEYS)
        file.close()
    for key in _KEYS:
        counting = [one for some in counting_for(key, claims) for one in some]
        assert found[key] == law.usage(counting, now), key
