"""Wishes about control: who is asked, who is told, what is recorded before it takes effect."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from tests.unit.console.fakes import settle
from tests.unit.console.surroundings import INSTANCE, Clock
from vncproxy.audit.record import Entry
from vncproxy.console.control import Control
from vncproxy.console.control_audit import ControlAudit
from vncproxy.console.control_requests import ControlRequests
from vncproxy.console.page_messages import Message
from vncproxy.console.viewer_identity import ViewerIdentity
from vncproxy.errors import AuditError

TIMEOUT_S = 15.0


class Record:
    """An audit in memory. `broken`: nothing can be written; `slow`: it waits for `written`."""

    def __init__(self) -> None:
        """An empty one."""
        self.problem: str | None = None
        self.entries: list[Entry] = []
        self.broken = self.slow = False
        self.written = asyncio.Event()

    async def record(self, *entries: Entry) -> None:
        """See `Audit.record`."""
        if self.slow:
            await self.written.wait()
        if self.broken:
            raise AuditError("the audit can't be written")
        self.entries += entries

    def record_later(self, entry: Entry) -> None:
        """See `Audit.record_later`."""
        self.entries.append(entry)

    @property
    def told(self) -> list[tuple[str, str | None]]:
        """What was recorded: event and viewer."""
        return [(entry.event.value, entry.viewer) for entry in self.entries]


class House:
    """A console with a desk. `told` is what pages are shown, `moves` where control came from."""

    def __init__(self, *names: str, watcher: str = "") -> None:
        """These are on, in this order; all may control but the watcher."""
        self.control = Control()
        self.record = Record()
        self.told: list[tuple[str | None, Message]] = []
        self.moves: list[str | None] = []
        self.changes = 0
        self.tasks: list[asyncio.Task[None]] = []
        witness = ControlAudit(INSTANCE, self.record, self._identity_of)
        self.desk = ControlRequests(self.control, self, witness, request_timeout_s=TIMEOUT_S)
        for name in names:
            self.control.join(name, may_control=name != watcher, take=False)

    def _identity_of(self, viewer_id: str) -> ViewerIdentity:
        return ViewerIdentity(viewer_id, viewer_id.upper(), "127.0.0.1", "local")

    def controller_changed(self, before: str | None) -> None:
        """Note it."""
        self.moves.append(before)

    def tell(self, viewer_id: str | None, message: Message) -> None:
        """Note it."""
        self.told.append((viewer_id, message))

    def user_of(self, viewer_id: str) -> str:
        """The id in capitals."""
        return viewer_id.upper()

    def changed(self) -> None:
        """Count it."""
        self.changes += 1

    def start(self, work: Coroutine[Any, Any, None], name: str) -> object:
        """Run it."""
        self.tasks.append(asyncio.create_task(work, name=name))
        return self.tasks[-1]

    async def admits(self, name: str, *, may_control: bool = True, take: bool = False) -> None:
        """A viewer comes."""

        def join() -> bool:
            self.control.join(name, may_control=may_control, take=take)
            return True

        assert await self.desk.admit(name, may_control=may_control, take=take, join=join)


REQUEST = {
    "type": "control-request",
    "from": {"id": "bob", "user": "BOB"},
    "timeout_s": TIMEOUT_S,
}


# Asking


async def test_the_controller_is_asked() -> None:
    """Once, with the name of who asks; everybody sees that it asks."""
    house = House("ann", "bob")
    await house.desk.request("bob")
    await house.desk.request("bob")
    assert house.told == [("ann", REQUEST)]
    assert house.control.asking == ("bob",)
    assert (house.changes, house.moves, house.record.told) == (1, [], [])
    house.desk.close()


async def test_a_grant_moves_control() -> None:
    """It is recorded first: who lost it and who got it."""
    house = House("ann", "bob")
    await house.desk.request("bob")
    await house.desk.answer("ann", "bob", grant=True)
    assert house.control.controller == "bob"
    assert house.moves == ["ann"]
    assert [viewer for _, viewer in house.record.told] == ["ann", "bob"]
    house.desk.close()


async def test_a_refusal_is_told(clock: Clock) -> None:
    """And the request has no effect later."""
    house = House("ann", "bob")
    await house.desk.request("bob")
    await house.desk.answer("ann", "bob", grant=False)
    assert house.told[-1][0] == "bob"
    assert "refused" in house.told[-1][1]["text"]
    assert house.control.asking == ()
    await clock.forward(TIMEOUT_S + 1)
    await settle()
    assert house.control.controller == "ann"
    assert house.record.told == []


async def test_a_request_without_an_answer_is_granted(clock: Clock) -> None:
    """After its time, and recorded."""
    house = House("ann", "bob")
    await house.desk.request("bob")
    await clock.forward(TIMEOUT_S - 1)
    assert house.control.controller == "ann"
    await clock.forward(2)
    await settle()
    assert house.control.controller == "bob"
    assert house.moves == ["ann"]
    assert [viewer for _, viewer in house.record.told] == ["ann", "bob"]


@pytest.mark.parametrize("who", ["cid", "bob"])
@pytest.mark.parametrize("grant", [True, False])
async def test_only_the_controllers_answer_counts(who: str, grant: bool) -> None:
    """Nobody grants a request for others, least of all for himself."""
    house = House("ann", "bob", "cid")
    await house.desk.request("bob")
    await house.desk.answer(who, "bob", grant=grant)
    assert (house.control.controller, house.control.asking) == ("ann", ("bob",))
    assert house.record.told == []
    house.desk.close()


async def test_a_refusal_of_what_was_not_asked_means_nothing() -> None:
    """A page may be slow."""
    house = House("ann", "bob")
    await house.desk.answer("ann", "bob", grant=False)
    assert house.control.controller == "ann"
    assert house.told == []


async def test_control_is_handed_over_unasked() -> None:
    """To one that may have it, by the controller only."""
    house = House("ann", "bob", "cid", watcher="cid")
    for who, whom in (("bob", "bob"), ("ann", "cid"), ("ann", "ann"), ("ann", "nobody")):
        await house.desk.answer(who, whom, grant=True)
        assert house.control.controller == "ann"
    assert house.record.told == []
    await house.desk.answer("ann", "bob", grant=True)
    assert house.control.controller == "bob"
    assert house.moves == ["ann"]


async def test_a_request_settled_by_a_leave_can_be_made_again() -> None:
    """The time of the old one doesn't count for it."""
    house = House("ann", "bob", "cid")
    await house.desk.request("bob")
    house.control.leave("ann")
    await house.desk.take("cid")
    await house.desk.request("bob")
    assert [who for who, _ in house.told] == ["ann", "cid"]
    house.desk.close()


async def test_control_that_is_free_is_had_by_asking() -> None:
    """At once, and nobody is asked."""
    house = House("ann", "bob")
    await house.desk.release("ann")
    await house.desk.request("bob")
    assert house.control.controller == "bob"
    assert house.moves == ["ann", None]
    assert house.told == []


async def test_a_watcher_asks_in_vain() -> None:
    """Its rule says so; nobody is bothered."""
    house = House("ann", "bob", watcher="bob")
    await house.desk.request("bob")
    await house.desk.take("bob")
    assert house.control.controller == "ann"
    assert (house.told, house.record.told) == ([], [])


# Taking and giving back


async def test_control_may_be_taken_over() -> None:
    """An open request of the taker is settled with it."""
    house = House("ann", "bob")
    await house.desk.request("bob")
    await house.desk.take("bob")
    assert (house.control.controller, house.control.asking) == ("bob", ())
    assert house.moves == ["ann"]
    await house.desk.take("bob")
    assert house.moves == ["ann"], "it has it already"


async def test_a_settled_request_does_not_stand_in_the_way_of_the_next() -> None:
    """Whoever asks again is asked for again, with the whole time to answer."""
    house = House("ann", "bob")
    await house.desk.request("bob")
    await house.desk.take("bob")
    await house.desk.take("ann")
    await house.desk.request("bob")
    assert house.told == [("ann", REQUEST)] * 2
    house.desk.close()


async def test_control_given_back_goes_to_who_asked_first() -> None:
    """Its own request is settled; those of others stay."""
    house = House("ann", "bob", "cid")
    await house.desk.request("cid")
    await house.desk.request("bob")
    await house.desk.release("ann")
    assert (house.control.controller, house.control.asking) == ("cid", ("bob",))
    await house.desk.release("ann")
    assert house.control.controller == "cid"
    house.desk.close()


# What is recorded, and when


async def test_nothing_takes_effect_before_it_is_recorded() -> None:
    """Not while the record is being written."""
    house = House("ann", "bob")
    house.record.slow = True
    taking = asyncio.create_task(house.desk.take("bob"))
    await settle()
    assert house.control.controller == "ann"
    house.record.written.set()
    await taking
    assert house.control.controller == "bob"


async def test_what_can_not_be_recorded_does_not_happen() -> None:
    """Who wished it is told why."""
    house = House("ann", "bob")
    house.record.broken = True
    await house.desk.take("bob")
    assert house.control.controller == "ann"
    assert house.moves == []
    assert house.told == [
        ("bob", {"type": "notice", "level": "warning", "text": "the audit can't be written"})
    ]


async def test_an_unanswered_request_that_can_not_be_recorded_can_be_made_again(
    clock: Clock,
) -> None:
    """It isn't forgotten on one side and open on the other."""
    house = House("ann", "bob")
    await house.desk.request("bob")
    house.record.broken = True
    await clock.forward(TIMEOUT_S + 1)
    await settle()
    assert (house.control.controller, house.control.asking) == ("ann", ())
    house.record.broken = False
    await house.desk.request("bob")
    assert house.control.asking == ("bob",)
    house.desk.close()


async def test_wishes_take_turns() -> None:
    """The second sees what the first has done."""
    house = House("ann", "bob", "cid")
    house.record.slow = True
    wishes = [asyncio.create_task(house.desk.take(name)) for name in ("bob", "cid")]
    await settle()
    house.record.written.set()
    await asyncio.gather(*wishes)
    assert house.control.controller == "cid"
    assert house.moves == ["ann", "bob"]
    assert [viewer for _, viewer in house.record.told] == ["ann", "bob", "bob", "cid"]


async def test_who_left_meanwhile_gets_nothing() -> None:
    """What was recorded for it is taken back in the record."""
    house = House("ann", "bob")
    house.record.slow = True
    taking = asyncio.create_task(house.desk.take("bob"))
    await settle()
    house.control.leave("bob")
    house.record.written.set()
    await taking
    assert house.control.controller == "ann"
    assert house.moves == []
    assert house.record.told[-1][1] == "bob"
    assert house.record.told[-1][0] != house.record.told[-2][0]


async def test_who_comes_is_recorded_if_control_moves_with_it() -> None:
    """The first who may control, or one that takes it; watchers aren't recorded here."""
    house = House()
    await house.admits("watcher", may_control=False)
    await house.admits("ann")
    await house.admits("bob")
    assert [viewer for _, viewer in house.record.told] == ["ann"]
    await house.admits("cid", take=True)
    assert house.control.controller == "cid"
    assert [viewer for _, viewer in house.record.told] == ["ann", "ann", "cid"]


async def test_who_would_have_control_unrecorded_may_not_join() -> None:
    """The door turns it away."""
    house = House()
    house.record.broken = True
    with pytest.raises(AuditError):
        await house.admits("ann")
    assert house.control.controller is None
    assert not house.control.may("ann")


async def test_who_has_left_before_it_joins_never_had_control() -> None:
    """The audit, which said that it would, is told that it didn't come to that."""
    house = House()
    assert not await house.desk.admit("ann", may_control=True, take=False, join=lambda: False)
    assert house.control.controller is None
    assert house.record.told == [("control-granted", "ann"), ("control-lost", "ann")]


async def test_after_the_close_nothing_is_granted(clock: Clock) -> None:
    """The requests are forgotten."""
    house = House("ann", "bob")
    await house.desk.request("bob")
    house.desk.close()
    await clock.forward(TIMEOUT_S + 1)
    await settle()
    assert house.tasks == []
