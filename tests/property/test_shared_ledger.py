"""The shared ledger, on a real server: the law of reconnect_budget.py, whatever its clock does."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.clock import FakeClock
from tests.current_budget import CurrentBudget
from tests.property.test_budget import worst
from tests.real.peers.valkey import ValkeyServer
from tests.real.peers.valkey import valkey_server as start_valkey_server
from tests.unit.throttle.switched_store import SwitchedStore
from tests.unit.throttle.usage import usage_of
from vncproxy.throttle.daemon_count import DaemonCount
from vncproxy.throttle.fallback_ledger import SETTLE_S, FallbackLedger, share_of
from vncproxy.throttle.ledger_interface import Booking, TooLong
from vncproxy.throttle.memory_ledger import MemoryLedger
from vncproxy.throttle.reconnect_budget import Budget
from vncproxy.throttle.sqlite_ledger import SqliteLedger
from vncproxy.throttle.valkey_connection import StoreAddress, ValkeyStore
from vncproxy.throttle.valkey_ledger import ValkeyLedger

pytestmark = [pytest.mark.real, pytest.mark.sockets]

BUDGET = Budget(limit=4, window_s=60.0, margin_s=1.0, hold_s=10.0)
SETTINGS = settings(
    max_examples=60,
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ValkeyServer]:
    """One server for all examples, emptied for each."""
    with start_valkey_server(tmp_path_factory.mktemp("v")) as running:
        yield running


def run(server: ValkeyServer, scene: Callable[[StoreAddress], Awaitable[None]]) -> None:
    """One example, on an empty server."""
    server.command("FLUSHALL")

    async def bounded() -> None:
        async with asyncio.timeout(60):
            await scene(StoreAddress(socket=str(server.socket)))

    asyncio.run(bounded())


def micros(seconds: float) -> float:
    """A time that both ledgers can hold without rounding."""
    return round(seconds, 4)


CALLS = st.lists(
    st.one_of(
        st.tuples(st.just("book"), st.sampled_from(["a", "b"]), st.floats(0.0, 200.0)),
        st.tuples(st.just("spend"), st.integers(0, 30)),
        st.tuples(st.just("cancel"), st.integers(0, 30)),
        st.tuples(st.just("usage"), st.sampled_from(["a", "b"])),
        st.tuples(st.just("renew"), st.integers(1, 5), st.integers(0, 30), st.booleans()),
        st.tuples(st.just("wait"), st.one_of(st.floats(0.0, 3.0), st.floats(0.0, 80.0))),
    ),
    min_size=20,
    max_size=60,
)


@SETTINGS
@given(calls=CALLS)
def test_the_script_answers_as_the_law_does(
    server: ValkeyServer, calls: list[tuple[object, ...]]
) -> None:
    """Any calls, changes of the law among them, get the answers of the ledger in memory."""

    async def scene(address: StoreAddress) -> None:
        clock = FakeClock()
        budget = CurrentBudget(BUDGET)
        model = MemoryLedger(budget, clock)
        shared = ValkeyLedger(ValkeyStore(address), budget, steady=clock, clock=clock)
        pairs: list[tuple[Booking, Booking]] = []
        for call in calls:
            match call:
                case ("book", str(key), float(longest_s)):
                    wanted = await model.book(key, micros(longest_s))
                    found = await shared.book(key, micros(longest_s))
                    assert found.wait_s == pytest.approx(wanted.wait_s, abs=1e-5)
                    if isinstance(wanted, Booking):
                        assert isinstance(found, Booking)
                        pairs.append((wanted, found))
                    else:
                        assert isinstance(found, TooLong)
                case ("spend", int(which)) if pairs:
                    wanted_one, found_one = pairs[which % len(pairs)]
                    assert await shared.spend(found_one) is await model.spend(wanted_one)
                case ("cancel", int(which)) if pairs:
                    wanted_one, found_one = pairs[which % len(pairs)]
                    await model.cancel(wanted_one)
                    await shared.cancel(found_one)
                case ("usage", str(key)):
                    before, after = await usage_of(model, key), await usage_of(shared, key)
                    assert after.used == before.used
                    assert after.next_free_s == pytest.approx(before.next_free_s, abs=1e-5)
                case ("renew", int(limit), int(hold_s), bool(by_account)):
                    budget.now = Budget(limit=limit, hold_s=hold_s, by_account=by_account)
                case ("wait", float(seconds)):
                    clock.seconds = micros(clock.seconds + seconds)
        await shared.close()

    run(server, scene)


@dataclass
class Machines:
    """True time, the server's wall clock and each daemon's steady one."""

    true: float = 0.0
    wall_offset: float = 1_795_000_000.0
    dials: list[float] = field(default_factory=list)

    def wall(self) -> float:
        return self.true + self.wall_offset

    def steady(self, offset: float) -> Callable[[], float]:
        return lambda: self.true + offset


JUMPY = st.lists(
    st.one_of(
        st.tuples(st.just("dial"), st.integers(0, 1), st.integers(1, 5)),
        st.tuples(st.just("wait"), st.one_of(st.floats(0.0, 3.0), st.floats(0.0, 80.0))),
        st.tuples(st.just("jump"), st.floats(-80.0, 80.0)),
    ),
    min_size=5,
    max_size=40,
)


@SETTINGS
@given(steps=JUMPY)
def test_jumps_of_the_server_s_clock_free_nothing(
    server: ValkeyServer, steps: list[tuple[object, ...]]
) -> None:
    """Daemons that know the server dial no more often in true time, whatever its clock does."""

    async def scene(address: StoreAddress) -> None:
        machines = Machines()
        ledgers = [
            ValkeyLedger(
                ValkeyStore(address),
                lambda: BUDGET,
                steady=machines.steady(n * 1e5),
                clock=machines.wall,
            )
            for n in range(2)
        ]
        jumped_at = float("-inf")
        for ledger in ledgers:
            await usage_of(ledger, "a")
        for step in steps:
            match step:
                case ("dial", int(which), int(times)):
                    for _ in range(times):
                        answer = await ledgers[which].book("a", 0.0)
                        if isinstance(answer, Booking) and await ledgers[which].spend(answer):
                            machines.dials.append(machines.true)
                case ("wait", float(seconds)):
                    machines.true += seconds
                case ("jump", float(seconds)) if machines.true - jumped_at > BUDGET.span_s:
                    # More than one in a window is another machine's fault.
                    machines.wall_offset += seconds
                    jumped_at = machines.true
        for ledger in ledgers:
            await ledger.close()
        assert worst(machines.dials, BUDGET.window_s) <= BUDGET.limit

    run(server, scene)


OUTAGES = st.lists(
    st.one_of(
        st.tuples(st.just("dial"), st.integers(0, 2), st.integers(1, 5)),
        st.tuples(st.just("wait"), st.one_of(st.floats(0.0, 3.0), st.floats(0.0, 80.0))),
        st.just(("lost",)),
        st.just(("back",)),
    ),
    min_size=5,
    max_size=25,
)


@settings(SETTINGS, max_examples=40)
@given(steps=OUTAGES)
@example(steps=[("dial", 0, 4), ("lost",), ("dial", 1, 1), ("dial", 2, 1)])
@example(steps=[("lost",), ("dial", 0, 2), ("dial", 1, 2), ("back",), ("dial", 2, 4)])
@example(steps=[("dial", 0, 4), ("wait", 75.0), ("dial", 1, 4), ("lost",), ("dial", 2, 1)])
def test_the_law_holds_while_the_server_comes_and_goes(
    server: ValkeyServer, steps: list[tuple[object, ...]]
) -> None:
    """Daemons that lose and find it together keep the budget together, before, between, after."""

    async def scene(address: StoreAddress) -> None:
        clock = FakeClock()
        dials: list[float] = []
        with tempfile.TemporaryDirectory() as folder:
            stores, ledgers = [], []
            for n in range(3):
                store = SwitchedStore(address)
                stores.append(store)
                daemon_count = DaemonCount(Path(folder) / f"{n}")
                ledgers.append(
                    FallbackLedger(
                        ValkeyLedger(store, lambda: BUDGET, steady=clock, clock=clock),
                        SqliteLedger(
                            Path(folder) / f"{n}.sqlite",
                            partial(share_of, BUDGET, daemon_count),
                            clock,
                        ),
                        lambda: BUDGET,
                        daemon_count,
                        daemon_id=f"d-{n}",
                        steady=clock,
                    )
                )

            async def beat() -> None:
                for ledger in ledgers:
                    await ledger._heartbeat()

            async def dial(ledger: FallbackLedger) -> None:
                answer = await ledger.book("a", 0.0)
                if isinstance(answer, Booking) and await ledger.spend(answer):
                    dials.append(clock.seconds)

            # So that each knows how many they are.
            await beat()
            await beat()
            for step in steps:
                match step:
                    case ("dial", int(which), int(times)):
                        for _ in range(times):
                            await dial(ledgers[which])
                            if not stores[which].cut:
                                await beat()
                    case ("wait", float(seconds)):
                        # A heartbeat now and then, as `watch` gives it.
                        for _ in range(4):
                            clock.seconds += seconds / 4
                            await beat()
                    case ("lost",):
                        for store in stores:
                            store.cut = True
                        await beat()
                    case ("back",):
                        for store in stores:
                            store.cut = False
                        await beat()
                        clock.seconds += SETTLE_S
                        await beat()
            for store, ledger in zip(stores, ledgers, strict=True):
                store.cut = False
                await ledger.close()
        # A share is at least one, and three daemons share four: the law can hold.
        assert worst(dials, BUDGET.window_s) <= BUDGET.limit

    run(server, scene)
