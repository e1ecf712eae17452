"""Which consoles are open: one for each instance, and no more than allowed."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

import pytest

from tests.clock import ProcessClock
from tests.unit.console.fakes import settle, until
from tests.unit.console.surroundings import (
    INSTANCE,
    KICKED,
    LEFT,
    Surroundings,
    code_of,
    surroundings,
)
from vncproxy.cluster.ownership import Owner
from vncproxy.console import registry as registry_module
from vncproxy.console.console import Console
from vncproxy.console.lifecycle import State
from vncproxy.console.registry import Registry
from vncproxy.console.viewer import ViewerIdentity
from vncproxy.errors import (
    AccessError,
    CloseCode,
    CloseReason,
    ConsoleElsewhere,
    Side,
)
from vncproxy.instances.instance_list import ConsoleInstance
from vncproxy.throttle.reconnect_budget import Usage

OTHER = replace(INSTANCE, id="i-two", alias="two")
RESTARTING = CloseReason(CloseCode.RESTARTING, Side.DAEMON, "the daemon is restarting")


async def opened(registry: Registry, instance: ConsoleInstance = INSTANCE) -> Console:
    """Its open console, kept by a page that waits to see its viewer join."""
    async with registry.hold(instance) as hold:
        hold.console.subscribe("page")
        return hold.console


async def closed(registry: Registry) -> None:
    """Close whatever is open."""
    for console in registry.consoles:
        await console.close(KICKED)


def refusal(registry: Registry, instance_id: str) -> tuple[int, str, bool]:
    """Status, word, and whether it says when to come back."""
    with pytest.raises(AccessError) as caught:
        registry.admit(instance_id)
    return caught.value.status, caught.value.word, caught.value.retry_after_s is not None


async def test_two_viewers_at_once_make_one_console(around: Surroundings) -> None:
    """However they race, an instance has one console, and one dial."""
    registry = Registry(around.parts)
    first, second = await asyncio.gather(opened(registry), opened(registry))
    assert first is second is registry.get(INSTANCE.id)
    around.join(first)
    around.join(second)
    await until(lambda: first.state is State.RUNNING)
    assert around.count("dial") == 1
    await closed(registry)


async def test_a_closed_console_is_forgotten(around: Surroundings) -> None:
    """The next viewer gets a new one."""
    registry = Registry(around.parts)
    console = await opened(registry)
    around.join(console)
    await console.close(KICKED)
    assert (registry.consoles, registry.get(INSTANCE.id)) == ([], None)
    assert await opened(registry) is not console


async def test_who_comes_while_a_console_closes_waits_for_the_slot(around: Surroundings) -> None:
    """The old link is closed before a new console may dial."""
    registry = Registry(around.parts)
    console = await opened(registry)
    around.join(console)
    await until(lambda: console.state is State.RUNNING)
    around.transport.close_hangs = True
    closing = asyncio.create_task(console.close(KICKED))
    await until(lambda: console.state is State.CLOSED)
    coming = asyncio.create_task(opened(registry))
    other = await opened(registry, OTHER)
    await settle()
    assert not coming.done()
    closing.cancel()
    fresh = await coming
    assert fresh not in (console, other)
    assert fresh.state is State.IDLE


async def test_a_console_nobody_joined_ends(around: Surroundings) -> None:
    """Who was being let in and a page that asked for its state leave nothing behind."""
    registry = Registry(around.parts)
    async with registry.hold(INSTANCE) as hold:
        console = hold.console
        page = console.subscribe("v1")
        console.unsubscribe(page)
        assert registry.get(INSTANCE.id) is console
        page = console.subscribe("v1")
    assert registry.get(INSTANCE.id) is console
    console.unsubscribe(page)
    assert registry.get(INSTANCE.id) is None
    assert console.state is State.CLOSED


async def test_a_console_is_held_for_each_that_is_let_in(around: Surroundings) -> None:
    """One that leaves doesn't take it from another, by whichever door that comes."""
    registry = Registry(around.parts)
    async with registry.hold(INSTANCE, "v1") as first:
        async with registry.hold(INSTANCE, "v2") as second:
            assert second.console is first.console
        console = first.console
        assert registry.get(INSTANCE.id) is console
        around.join(console)
    assert registry.get(INSTANCE.id) is console
    await closed(registry)


async def test_who_leaves_while_a_console_is_opened_doesnt_spoil_it(around: Surroundings) -> None:
    """The others that wait for it get it; if nobody is left, it ends."""
    ownership = FakeOwnership()
    ownership.claiming.clear()
    registry = Registry(around.parts, ownership)
    first, second = (asyncio.create_task(opened(registry)) for _ in range(2))
    await settle()
    first.cancel()
    await settle()
    ownership.claiming.set()
    assert await second is registry.get(INSTANCE.id)
    ownership.claiming.clear()
    alone = asyncio.create_task(opened(registry, OTHER))
    await settle()
    alone.cancel()
    await settle()
    ownership.claiming.set()
    await until(lambda: ownership.calls[-1] == ("release", OTHER.id))
    assert registry.get(OTHER.id) is None
    assert ownership.calls.count(("claim", INSTANCE.id)) == 1
    await closed(registry)


async def test_nobody_waits_for_another_instance_s_claim(around: Surroundings) -> None:
    """However slowly the other daemons are asked about it."""
    ownership = FakeOwnership()
    ownership.claiming.clear()
    registry = Registry(around.parts, ownership)
    slow = asyncio.create_task(opened(registry))
    await settle()
    ownership.claiming.set()
    ownership.releasing.clear()
    await (await slow).close(KICKED)
    assert registry.get(INSTANCE.id) is None
    again = asyncio.create_task(opened(registry))
    assert await opened(registry, OTHER) is registry.get(OTHER.id)
    assert not again.done()
    ownership.releasing.set()
    assert await again is registry.get(INSTANCE.id)
    assert ownership.calls[-1] == ("claim", INSTANCE.id)
    await closed(registry)


async def test_a_console_that_ends_while_somebody_is_let_in(around: Surroundings) -> None:
    """The next one is there for it, whatever the first died of."""
    registry = Registry(around.parts)
    async with registry.hold(INSTANCE) as hold:
        first = hold.console
        await first.close(KICKED)
        viewer, _ = around.viewer()
        assert not await first.enter(viewer)
        await hold.take_another()
        second = hold.console
        assert second is not first
        assert await second.enter(viewer)
    assert registry.get(INSTANCE.id) is second
    await closed(registry)


async def test_linger_doesnt_end_what_somebody_comes_back_to(
    clock: ProcessClock, around: Surroundings
) -> None:
    """However long it takes to let it in; and lingering begins anew if it doesn't come."""
    registry = Registry(around.parts)
    console = await opened(registry)
    viewer = around.join(console)
    await until(lambda: console.state is State.RUNNING)
    viewer.close(LEFT)
    await clock.forward(29.9)
    async with registry.hold(INSTANCE) as hold:
        assert hold.console is console
        await clock.forward(100.0)
        assert console.state is State.RUNNING
    await clock.forward(29.0)
    assert console.state is State.RUNNING
    await clock.forward(2.0)
    await console.closed()
    assert around.count("dial") == 1


async def test_a_lost_link_is_replaced_for_who_is_let_in(around: Surroundings) -> None:
    """As for a viewer that is on."""
    registry = Registry(around.parts)
    console = await opened(registry)
    viewer = around.join(console)
    await until(lambda: console.state is State.RUNNING)
    async with registry.hold(INSTANCE):
        viewer.close(LEFT)
        around.transport.end()
        await until(lambda: around.count("dial") == 2)
        await until(lambda: console.state is State.RUNNING)
        around.join(console)
    await closed(registry)


async def test_a_full_console_lets_nobody_in(tmp_path: Path) -> None:
    """max_viewers: 429 with the time to come back; not while it closes, since a new one follows."""
    async with surroundings(tmp_path, max_viewers=1) as around:
        registry = Registry(around.parts)
        console = await opened(registry)
        around.join(console)
        assert refusal(registry, INSTANCE.id) == (429, "too-many-viewers", True)
        with pytest.raises(AccessError):
            await opened(registry)
        registry.admit(OTHER.id)
        await until(lambda: console.state is State.RUNNING)
        around.transport.close_hangs = True
        closing = asyncio.create_task(console.close(KICKED))
        await until(lambda: console.state is State.CLOSED)
        registry.admit(INSTANCE.id)
        around.transport.close_hangs = False
        closing.cancel()
        await asyncio.wait([closing])


async def test_too_many_consoles_are_refused(tmp_path: Path) -> None:
    """max_consoles counts instances; a further viewer on an open console is welcome."""
    async with surroundings(tmp_path, max_consoles=1) as around:
        registry = Registry(around.parts)
        console = await opened(registry)
        assert refusal(registry, OTHER.id) == (429, "too-many-consoles", True)
        registry.admit(INSTANCE.id)
        await console.close(KICKED)
        registry.admit(OTHER.id)


async def test_a_drain_closes_everything_and_lets_nobody_in(around: Surroundings) -> None:
    """Viewers hear 1012 after their links were closed; newcomers get 503."""
    registry = Registry(around.parts)
    console = await opened(registry)
    viewer = around.join(console)
    await until(lambda: console.state is State.RUNNING)
    assert not registry.draining
    await registry.drain(RESTARTING, 5.0)
    assert registry.draining
    assert code_of(viewer) == (1012, "restarting")
    assert around.transport.closed
    assert registry.consoles == []
    assert refusal(registry, INSTANCE.id)[:2] == (503, "draining")


async def test_a_drain_closes_in_groups(
    around: Surroundings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first group goes at once, the next a little later, all of them in time."""
    monkeypatch.setattr("vncproxy.console.registry.DRAIN_GROUP", 2)
    pauses: list[float] = []
    usual = asyncio.sleep

    async def noted(pause_s: float) -> None:
        pauses.append(pause_s)
        await usual(0)

    registry = Registry(around.parts)
    for number in range(5):
        await opened(registry, replace(INSTANCE, id=f"i-{number}", alias=f"a{number}"))
    monkeypatch.setattr("vncproxy.console.registry.asyncio.sleep", noted)
    await registry.drain(RESTARTING, 1.0)
    assert registry.consoles == []
    assert [round(pause_s / min(pauses)) for pause_s in pauses] == [1, 1, 2]
    assert max(pauses) <= 0.5


async def test_a_drain_waits_for_a_console_that_is_closing(around: Surroundings) -> None:
    """Its link must be gone too before the daemon ends."""
    registry = Registry(around.parts)
    console = await opened(registry)
    around.join(console)
    await until(lambda: console.state is State.RUNNING)
    around.transport.close_hangs = True
    closing = asyncio.create_task(console.close(KICKED))
    await until(lambda: console.state is State.CLOSED)
    draining = asyncio.create_task(registry.drain(RESTARTING, 5.0))
    await settle()
    assert not draining.done()
    around.transport.released.set()
    await draining
    assert around.transport.closed
    await closing


async def test_a_drain_has_a_limit(around: Surroundings) -> None:
    """A link that won't close can't hold up the end of the daemon."""
    registry = Registry(around.parts)
    console = await opened(registry)
    viewer = around.join(console)
    await until(lambda: console.state is State.RUNNING)
    around.transport.close_hangs = True
    with pytest.raises(TimeoutError):
        await registry.drain(RESTARTING, 0.02)
    assert code_of(viewer) == (1012, "restarting")


async def test_a_drain_ends_all_whatever_fails(
    around: Surroundings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither a console's fault nor that of its claim keeps others open."""
    registry = Registry(around.parts, ownership := FakeOwnership())
    consoles = [
        await opened(registry, replace(INSTANCE, id=f"i-{number}", alias=f"a-{number}"))
        for number in range(3)
    ]
    closed: list[str] = []
    usual = Console.close

    async def breaks(console: Console, reason: CloseReason) -> None:
        if console is consoles[0]:
            raise RuntimeError("planted")
        await usual(console, reason)
        closed.append(console.instance.id)

    monkeypatch.setattr(Console, "close", breaks)
    await registry.drain(RESTARTING, 5.0)
    assert sorted(closed) == ["i-1", "i-2"]
    assert ("close", "") in ownership.calls


async def test_a_console_made_during_a_drain_is_refused(
    around: Surroundings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would dial after everything was closed."""
    registry = Registry(around.parts)

    async def slowly(instance_id: str) -> None:
        await registry.drain(RESTARTING, 5.0)

    monkeypatch.setattr(around.parts.learned, "get", slowly)
    with pytest.raises(AccessError) as caught:
        await opened(registry)
    assert caught.value.status == 503
    assert registry.consoles == []


class FakeOwnership:
    """Other daemons, as a test has it: `others` have these consoles; the calls are noted."""

    def __init__(self) -> None:
        self.others: dict[str, Owner] = {}
        self.calls: list[tuple[str, str]] = []
        self.claiming, self.renewing, self.releasing = (asyncio.Event() for _ in range(3))
        for gate in (self.claiming, self.renewing, self.releasing):
            gate.set()

    async def claim(self, instance_id: str) -> Owner | None:
        self.calls.append(("claim", instance_id))
        await self.claiming.wait()
        return self.others.get(instance_id)

    async def owner(self, instance_id: str) -> Owner | None:
        return self.others.get(instance_id)

    async def renew(self, instance_ids: Collection[str]) -> dict[str, Owner]:
        self.calls += [("renew", one) for one in instance_ids]
        await self.renewing.wait()
        return {one: self.others[one] for one in instance_ids if one in self.others}

    async def release(self, instance_id: str) -> None:
        await self.releasing.wait()
        self.calls.append(("release", instance_id))

    async def close(self) -> None:
        self.calls.append(("close", ""))


BASTION_2 = Owner("bastion-2", "https://b2.example.com")


async def test_another_daemon_s_console_is_not_opened(around: Surroundings) -> None:
    """Who comes for it learns who has it; nothing is dialled, nothing is open."""
    ownership = FakeOwnership()
    registry = Registry(around.parts, ownership)
    ownership.others[INSTANCE.id] = BASTION_2
    for call in (registry.approach(INSTANCE.id), opened(registry)):
        with pytest.raises(ConsoleElsewhere, match="bastion-2"):
            await call
    assert registry.consoles == []
    await registry.approach(OTHER.id)
    del ownership.others[INSTANCE.id]
    assert await opened(registry) is registry.get(INSTANCE.id)


async def test_an_open_console_needs_no_second_claim(around: Surroundings) -> None:
    """Who joins it is not asked about other daemons."""
    ownership = FakeOwnership()
    registry = Registry(around.parts, ownership)
    first = await opened(registry)
    ownership.others[INSTANCE.id] = BASTION_2
    await registry.approach(INSTANCE.id)
    assert await opened(registry) is first
    assert ownership.calls == [("claim", INSTANCE.id)]


async def test_a_claim_ends_with_the_console(around: Surroundings) -> None:
    """It is given back once the link has left the cloud's slot, or when nobody ever joined."""
    ownership = FakeOwnership()
    registry = Registry(around.parts, ownership)
    console = await opened(registry)
    around.join(console)
    await until(lambda: console.state is State.RUNNING)
    await console.close(KICKED)
    await until(lambda: ownership.calls[-1] == ("release", INSTANCE.id))
    assert "link closed" in around.notes
    async with registry.hold(OTHER):
        pass
    await until(lambda: ownership.calls[-1] == ("release", OTHER.id))


async def test_who_comes_at_the_end_keeps_the_claim(around: Surroundings) -> None:
    """A console that is opened again at once isn't given back behind its back."""
    ownership = FakeOwnership()
    registry = Registry(around.parts, ownership)
    async with registry.hold(INSTANCE):
        pass
    again = await opened(registry)
    await settle()
    assert ownership.calls[-1] == ("claim", INSTANCE.id)
    assert registry.get(INSTANCE.id) is again


async def test_a_console_that_can_not_be_made_is_given_back(
    around: Surroundings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What fails between claim and console holds nothing."""
    ownership = FakeOwnership()
    registry = Registry(around.parts, ownership)

    def fails(*_: object) -> Console:
        raise OSError("planted")

    monkeypatch.setattr(registry_module, "Console", fails)
    with pytest.raises(OSError, match="planted"):
        await opened(registry)
    await until(lambda: ownership.calls[-1] == ("release", INSTANCE.id))


async def test_a_console_that_another_daemon_took_is_closed(around: Surroundings) -> None:
    """Its viewers learn who has it; the other consoles stay."""
    ownership = FakeOwnership()
    registry = Registry(around.parts, ownership)
    console, other = await opened(registry), await opened(registry, OTHER)
    viewer = around.join(console)
    await registry.renew_claims()
    assert ownership.calls[-2:] == [("renew", INSTANCE.id), ("renew", OTHER.id)]
    assert registry.consoles == [console, other]
    ownership.others[INSTANCE.id] = BASTION_2
    page = console.subscribe(viewer.id)
    await page.news()
    await registry.renew_claims()
    [message] = await page.news()
    assert (message["type"], message["name"], message["pass_on"]) == (
        "elsewhere",
        "bastion-2",
        False,
    )
    await until(lambda: registry.consoles == [other])
    assert viewer.end is not None
    assert viewer.end.code is CloseCode.ELSEWHERE
    assert "https://b2.example.com" in viewer.end.text
    await closed(registry)


async def test_a_console_closed_while_it_was_renewed_is_given_back(around: Surroundings) -> None:
    """The renewal may have set the claim anew after it was released."""
    ownership = FakeOwnership()
    registry = Registry(around.parts, ownership)
    console = await opened(registry)
    ownership.renewing.clear()
    renewing = asyncio.create_task(registry.renew_claims())
    await settle()
    await console.close(KICKED)
    await until(lambda: ("release", INSTANCE.id) in ownership.calls)
    ownership.renewing.set()
    await renewing
    await until(lambda: ownership.calls.count(("release", INSTANCE.id)) == 2)


async def test_rates_follow_what_is_counted(
    around: Surroundings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where something was counted, links and viewers are looked at, until that is cancelled."""
    monkeypatch.setattr(registry_module, "SAMPLE_INTERVAL_S", 0.001)
    registry = Registry(around.parts)
    console = await opened(registry)
    viewer = around.join(console)
    await until(lambda: console.state is State.RUNNING)
    looked: list[float] = []
    monkeypatch.setattr(viewer.rate_out, "note", lambda at_s, total, still_s: looked.append(total))
    watching = asyncio.create_task(registry.watch_rates())
    await until(lambda: looked)
    assert looked == [viewer.bytes_out]
    viewer.send([b"\2"])
    await until(lambda: len(looked) == 2)
    before_s = around.parts.sampling.at_s
    await until(lambda: around.parts.sampling.at_s > before_s)
    watching.cancel()
    await asyncio.wait([watching])
    assert len(looked) == 2, "it is idle"
    assert looked[-1] == viewer.bytes_out > 0
    await closed(registry)


async def test_how_full_the_budgets_are(around: Surroundings) -> None:
    """Of each console, by what its dials count for."""
    registry = Registry(around.parts)
    console = await opened(registry)
    around.join(console)
    await until(lambda: console.state is State.RUNNING)
    found = (await registry.usages([console]))[INSTANCE.id]
    assert isinstance(found, Usage)
    assert found.used == 1
    assert await registry.usages([]) == {}
    await closed(registry)


async def test_claims_are_renewed_in_time(
    around: Surroundings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As long as the daemon runs."""
    monkeypatch.setattr(registry_module, "RENEW_INTERVAL_S", 0.001)
    ownership = FakeOwnership()
    registry = Registry(around.parts, ownership)
    await opened(registry)
    watching = asyncio.create_task(registry.watch_claims())
    await until(lambda: ownership.calls.count(("renew", INSTANCE.id)) > 2)
    watching.cancel()
    await asyncio.wait([watching])


async def test_a_drain_gives_everything_back(around: Surroundings) -> None:
    """The other daemons needn't wait until the claims end."""
    ownership = FakeOwnership()
    registry = Registry(around.parts, ownership)
    around.join(await opened(registry))
    await registry.drain(RESTARTING, 5.0)
    assert ownership.calls[-1] == ("close", "")


async def test_who_may_not_stay_is_sent_away(around: Surroundings) -> None:
    """4403 for those, on every console; the others don't notice."""
    registry = Registry(around.parts)
    console, other = await opened(registry), await opened(registry, OTHER)
    leaving, staying = around.join(console), around.join(console)
    elsewhere = around.join(other)
    asked: list[tuple[str, str]] = []

    def objection(who: ViewerIdentity, instance: ConsoleInstance) -> str | None:
        asked.append((who.id, instance.id))
        return "Not any more." if who.id in (leaving.id, elsewhere.id) else None

    page = console.subscribe(leaving.id)
    assert {one.id for one in registry.present} == {leaving.id, staying.id, elsewhere.id}
    assert registry.recheck(objection) == 2
    assert await page.news() == [{"type": "ending", "text": "Not any more.", "by_hand": False}]
    assert leaving.end is not None
    assert elsewhere.end is not None
    assert leaving.end.code == elsewhere.end.code == CloseCode.KICKED
    assert staying.end is None
    assert (elsewhere.id, OTHER.id) in asked
    assert leaving.end.text == "Not any more."
    assert registry.recheck(lambda *_: None) == 0
    await closed(registry)


async def test_many_consoles_are_not_looked_at_in_one_turn(
    around: Surroundings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others have their turns in between, and each console is looked at."""
    registry = Registry(around.parts)
    looked: dict[int, int] = {}
    turn = 0

    class Counted:
        def sample_rates(self, at_s: float, still_s: float) -> None:
            looked[turn] = looked.get(turn, 0) + 1

    consoles = {str(number): Counted() for number in range(1000)}
    monkeypatch.setattr(registry, "_open", consoles)
    around.parts.sampling.moved.update(consoles, ["one that is over"])
    looking = asyncio.create_task(registry._sample_rates())
    while not looking.done():
        turn += 1
        await asyncio.sleep(0)
    assert sum(looked.values()) == 1000
    assert max(looked.values()) <= registry_module.SAMPLES_PER_TURN


async def test_a_console_that_can_t_be_had_lets_nobody_in_from_that_moment(
    around: Surroundings,
) -> None:
    """Not once its link is closed: who came meanwhile would be ended with what was before them."""
    registry = Registry(around.parts)
    console = await opened(registry)
    around.join(console)
    await until(lambda: console.state is State.RUNNING)
    around.transport.close_hangs = True
    around.transport.deliver(b"\x63")
    try:
        await until(lambda: console.state is State.CLOSED)
        assert "link closed" not in around.notes
        assert not console.hold(object(), "late")
    finally:
        around.transport.released.set()
    next_one = await opened(registry)
    assert next_one is not console
    await closed(registry)


async def test_who_is_being_let_in_waits_as_long_as_a_viewer(around: Surroundings) -> None:
    """A link that is opened for nobody but a hold has all of max_wait."""
    registry = Registry(around.parts)
    async with registry.hold(INSTANCE, "one") as hold:
        assert hold.console._patience_s() == around.parts.limits.max_wait
    await closed(registry)
