"""The way to a link: permit, fresh VncUrl, dial; and what is given back when it ends early."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.clock import ProcessClock
from tests.unit.console.fakes import settle, until
from tests.unit.console.surroundings import (
    INSTANCE,
    TOKEN,
    Cloud,
    Gateway,
    Notes,
    NotingLedger,
)
from tests.unit.throttle.usage import usage_of
from vncproxy.config.model import Limits
from vncproxy.console.dependencies import ConsoleDependencies
from vncproxy.console.lifecycle import Trigger
from vncproxy.console.link_opener import LinkOpener
from vncproxy.errors import (
    CloudError,
    CloudErrorKind,
    LedgerError,
    Throttled,
    UpstreamLost,
    UrlExpired,
)
from vncproxy.instances.keepalive_memory import LearnedStore
from vncproxy.observe.metrics import Metrics
from vncproxy.throttle.reconnect_budget import ACCOUNT, Budget

DENIED = CloudError("may not", CloudErrorKind.PERMANENT, code="Forbidden.RAM")


class Steps:
    """Keeps what it learns of the link opener's progress."""

    def __init__(self) -> None:
        """Nothing happened yet."""
        self.triggers: list[Trigger] = []
        self.waits_s: list[float] = []

    def advance(self, trigger: Trigger) -> None:
        """Keep it."""
        self.triggers.append(trigger)

    def waiting(self, wait_s: float) -> None:
        """Keep it."""
        self.waits_s.append(wait_s)


class Setup:
    """A link opener and what is around it."""

    def __init__(self, limit: int = 29) -> None:
        """Everything works."""
        self.notes = Notes()
        self.ledger = NotingLedger(self.notes, limit)
        self.cloud = Cloud(self.notes)
        self.gateway = Gateway(self.notes)
        self.steps = Steps()
        self.slot = asyncio.Event()
        self.slot.set()
        self.metrics = Metrics()
        self.link_opener = LinkOpener(
            INSTANCE,
            ConsoleDependencies(
                Limits(url_ttl=URL_TTL_S, upstream_timeout=DIAL_TIMEOUT_S),
                self.ledger,
                self.cloud,
                self.gateway,
                LearnedStore(Path("not-there"), time.time),
                self.metrics,
            ),
        )

    @property
    def dials(self) -> float:
        """How many dials the metrics have."""
        lines = self.metrics.render().decode().splitlines()
        return next(float(x.split()[1]) for x in lines if x.startswith("vncproxy_dials_total "))

    async def open(self, patience_s: float = 120.0) -> object:
        """One link."""
        return await self.link_opener.open(self.steps, lambda: patience_s, self._slot_free)

    async def _slot_free(self) -> None:
        await self.slot.wait()

    async def used(self) -> int:
        """How many dials the ledger has on record."""
        return (await usage_of(self.ledger, INSTANCE.id)).used

    async def cancelled_at(self, point: Callable[[], object]) -> None:
        """Open, and be cancelled once `point` is reached."""
        opening = asyncio.create_task(self.open())
        await until(point)
        await settle()
        opening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await opening


URL_TTL_S, DIAL_TIMEOUT_S = 15.0, 12.0


async def test_the_permit_comes_before_the_call_and_is_spent_right_before_the_dial() -> None:
    """A VncUrl's life doesn't pass in a queue, and nothing is dialled that wasn't counted."""
    setup = Setup()
    assert await setup.open() is setup.gateway.transports[0]
    assert setup.notes == ["book", "call", "spend", "dial"]
    assert setup.steps.triggers == [Trigger.PERMIT_GRANTED, Trigger.URL_OBTAINED]
    assert (setup.dials, setup.steps.waits_s) == (1, [])
    assert await setup.used() == 1


async def test_nothing_is_asked_for_while_the_cloud_s_slot_is_taken() -> None:
    """The permit is booked meanwhile; a VncUrl would grow old, a dial be refused."""
    setup = Setup()
    setup.slot.clear()
    opening = asyncio.create_task(setup.open())
    await until(lambda: setup.steps.triggers)
    await settle()
    assert setup.notes == ["book"]
    setup.slot.set()
    await opening
    assert setup.notes == ["book", "call", "spend", "dial"]


async def test_a_call_that_fails_costs_no_permit() -> None:
    """The booking is given back, since nothing was dialled."""
    setup = Setup()
    setup.cloud.answers.append(DENIED)
    with pytest.raises(CloudError) as caught:
        await setup.open()
    assert caught.value is DENIED
    assert setup.notes == ["book", "call", "cancel"]
    assert (await setup.used(), setup.dials) == (0, 0)


async def test_a_full_budget_is_waited_for_and_shown(clock: ProcessClock) -> None:
    """The call comes only after the wait, of which the audience is informed."""
    setup = Setup(limit=1)
    await setup.open()
    opening = asyncio.create_task(setup.open())
    await until(lambda: setup.steps.waits_s)
    assert setup.steps.waits_s == [pytest.approx(61.0, abs=1.0)]
    await clock.forward(50.0)
    assert setup.notes.count("call") == 1
    await clock.forward(12.0)
    assert await opening is setup.gateway.transports[1]


@pytest.mark.usefixtures("clock")
async def test_a_wait_that_nobody_would_sit_out_is_refused() -> None:
    """Nothing stays booked and the cloud isn't asked."""
    setup = Setup(limit=1)
    await setup.open()
    before = len(setup.notes)
    with pytest.raises(Throttled) as caught:
        await setup.open(patience_s=30.0)
    assert caught.value.wait_s == pytest.approx(61.0, abs=1.0)
    assert setup.notes[before:] == ["book"]
    assert await setup.used() == 1


async def test_who_leaves_while_waiting_gives_the_permit_back() -> None:
    """The next in the queue moves up."""
    setup = Setup(limit=1)
    await setup.open()
    await setup.cancelled_at(lambda: setup.steps.waits_s)
    assert setup.notes[-1] == "cancel"
    assert setup.notes.count("call") == 1
    assert await setup.used() == 1


async def test_who_leaves_during_the_call_gives_the_permit_back() -> None:
    """Nothing was dialled."""
    setup = Setup()
    setup.cloud.hanging = True
    await setup.cancelled_at(lambda: "call" in setup.notes)
    assert setup.notes == ["book", "call", "cancel"]
    assert await setup.used() == 0


async def test_who_leaves_during_the_dial_has_used_it_up() -> None:
    """The cloud may have seen the dial, so it stays on record."""
    setup = Setup()
    setup.gateway.hanging = True
    await setup.cancelled_at(lambda: "dial" in setup.notes)
    assert "cancel" not in setup.notes
    assert await setup.used() == 1


async def test_a_cloud_that_outlasts_the_permit_is_blamed(clock: ProcessClock) -> None:
    """Nothing is dialled with a lapsed permit, and the next attempt books another."""
    setup = Setup()
    setup.cloud.takes = lambda: clock.forward(12.0)
    with pytest.raises(UpstreamLost, match=r"the cloud took 12 s until it gave the console's"):
        await setup.open()
    assert setup.notes == ["book", "call", "spend", "cancel"]
    assert setup.dials == 0
    assert await setup.used() == 0


@pytest.mark.parametrize("age_s", [15.0, 40.0])
async def test_an_expired_vnc_url_is_dropped_and_costs_nothing(age_s: float) -> None:
    """It is never dialled, and its permit is given back."""
    setup = Setup()
    setup.cloud.answers.append(age_s)
    with pytest.raises(UrlExpired) as caught:
        await setup.open()
    assert setup.notes == ["book", "call", "cancel"]
    assert await setup.used() == 0
    assert TOKEN not in repr(caught.value)


async def test_the_dial_has_the_rest_of_the_vnc_urls_life() -> None:
    """Counted from when it was asked for, not from the answer."""
    setup = Setup()
    setup.cloud.answers.append(4.0)
    await setup.open()
    assert 9.0 < setup.gateway.timeouts_s[0] <= 11.0


async def test_a_slow_ledger_cannot_make_an_expired_url_be_dialled(clock: ProcessClock) -> None:
    """The life is looked at again after the permit was spent."""
    setup = Setup()

    async def slow(booking: object) -> bool:
        await clock.forward(16.0)
        return True

    setup.ledger.spend = slow  # type: ignore[method-assign]
    with pytest.raises(UrlExpired):
        await setup.open()
    assert "dial" not in setup.notes


@pytest.mark.parametrize("step", ["book", "spend"])
async def test_without_its_ledger_nothing_is_dialled(step: str) -> None:
    """A record that can't be kept means no dial."""
    setup = Setup()
    setup.ledger.broken.add(step)
    with pytest.raises(LedgerError):
        await setup.open()
    assert "dial" not in setup.notes


async def test_the_budget_counts_for_what_the_ledger_says_just_now() -> None:
    """A reload may change that while the console is open: its next dial counts so."""
    setup = Setup()
    await setup.open()
    assert setup.link_opener.key == INSTANCE.id
    setup.ledger.budget.now = Budget(limit=2, by_account=True)
    assert setup.link_opener.key == ACCOUNT
    await setup.open()
    assert (await usage_of(setup.ledger, "i-another")).used == 2
    with pytest.raises(Throttled):
        await setup.open(patience_s=1.0)
