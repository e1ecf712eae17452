"""Who controls a console; wishes about that, who is asked, and what is recorded before."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.clock import ProcessClock
from tests.unit.console.fakes import settle
from tests.unit.console.surroundings import INSTANCE
from vncproxy.audit.record import Entry
from vncproxy.console.control import Control, ControlAudit, ControlChange, ControlRequests
from vncproxy.console.page_messages import Message, Pages
from vncproxy.console.viewer import ViewerIdentity
from vncproxy.errors import AuditError
from vncproxy.tasks import Tasks


def people(*names: str, watcher: str = "") -> Control:
    """These came in this order; all may control but the watcher."""
    control = Control()
    for name in names:
        control.join(name, may_control=name != watcher, take=False)
    return control


def state(control: Control) -> tuple[str | None, tuple[str, ...]]:
    """Who has it, who asks for it."""
    return control.controller, control.asking


def test_the_first_that_may_controls() -> None:
    """A watcher never does; who comes later watches."""
    control = people("watcher", "ann", "bob", watcher="watcher")
    assert control.controller == "ann"
    assert control.may("bob")
    assert not control.may("watcher")
    assert not control.may("stranger")


def test_who_comes_may_take() -> None:
    """If it may have control at all."""
    control = people("ann")
    control.join("watcher", may_control=False, take=True)
    assert control.controller == "ann"
    control.join("bob", may_control=True, take=True)
    assert control.controller == "bob"


def test_control_of_one_that_leaves_goes_to_who_asked_first() -> None:
    """In the order of asking, not of coming."""
    control = people("ann", "bob", "cid", "dan")
    assert control.ask("cid")
    assert control.ask("bob")
    assert control.ask("cid")
    assert state(control) == ("ann", ("cid", "bob"))
    control.leave("ann")
    assert state(control) == ("cid", ("bob",))
    control.release("cid")
    assert state(control) == ("bob", ())


def test_control_that_nobody_asked_for_is_free() -> None:
    """It isn't pushed onto a watcher; who asks gets it at once, and so does who comes."""
    control = people("ann", "bob")
    control.leave("ann")
    assert control.controller is None
    assert not control.ask("bob")
    assert control.controller == "bob"
    control.release("bob")
    assert control.controller is None
    control.join("cid", may_control=True, take=False)
    assert control.controller == "cid"


def test_who_may_not_control_gets_nothing_by_asking_or_taking() -> None:
    """Nor does who isn't here."""
    control = people("ann", "watcher", watcher="watcher")
    for name in ("watcher", "stranger"):
        assert not control.ask(name)
        assert not control.take(name)
    assert state(control) == ("ann", ())


def test_a_refusal_ends_the_request() -> None:
    """And leaving does."""
    control = people("ann", "bob", "cid")
    control.ask("bob")
    control.ask("cid")
    control.refuse("bob")
    control.leave("cid")
    control.leave("ann")
    assert state(control) == (None, ())


def test_only_the_controller_gives_control_back() -> None:
    """From anybody else it means nothing."""
    control = people("ann", "bob")
    control.release("bob")
    assert control.controller == "ann"
    assert not control.ask("ann")


_NAMES = st.sampled_from(["ann", "bob", "cid", "watcher"])
_WISHES = st.sampled_from(["join", "join and take", "leave", "take", "ask", "refuse", "release"])


@given(st.lists(st.tuples(_WISHES, _NAMES)))
def test_whatever_is_wished_the_laws_hold(wishes: list[tuple[str, str]]) -> None:
    """The controller is here and may control; who asks is here, may, and isn't the controller."""
    control = Control()
    here: set[str] = set()
    for wish, name in wishes:
        before = control.controller
        if wish.startswith("join"):
            if name not in here:
                here.add(name)
                control.join(name, may_control=name != "watcher", take=wish == "join and take")
        elif wish == "leave":
            here.discard(name)
            control.leave(name)
        else:
            getattr(control, wish)(name)
        allowed = here - {"watcher"}
        assert control.controller in {None, *allowed}
        assert set(control.asking) <= allowed - {control.controller}
        assert len(set(control.asking)) == len(control.asking)
        if control.controller is None:
            assert control.asking == ()
        if wish in ("ask", "refuse", "join") and before is not None:
            assert control.controller == before


ANN = ViewerIdentity("ann", "Ann", "127.0.0.1", "local")
BOB = ViewerIdentity("bob", "Bob", "127.0.0.1", "local")


class SplitAudit:
    """An audit in memory, which keeps apart what somebody waits for."""

    problem: str | None = None

    def __init__(self) -> None:
        """An empty one."""
        self.awaited: list[list[Entry]] = []
        self.later: list[Entry] = []

    async def record(self, *entries: Entry) -> None:
        """See `Audit.record`."""
        if self.problem is not None:
            raise AuditError(self.problem)
        self.awaited.append(list(entries))

    def record_later(self, entry: Entry) -> None:
        """See `Audit.record_later`."""
        self.later.append(entry)


@pytest.fixture
def record() -> SplitAudit:
    """An empty one."""
    return SplitAudit()


@pytest.fixture
def audit(record: SplitAudit) -> ControlAudit:
    """Of a console on which Ann and Bob are."""
    return ControlAudit(INSTANCE, record, {"ann": ANN, "bob": BOB}.get)


def lines_of(entries: list[Entry]) -> list[tuple[object, ...]]:
    return [
        (str(e.event), e.viewer, e.user, e.other_viewer, e.other, e.text, e.instance)
        for e in entries
    ]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            ControlChange(None, "ann", why="nobody had it"),
            [("control-granted", "ann", "Ann", None, None, "nobody had it")],
        ),
        (
            ControlChange("ann", "bob", taken=True),
            [
                ("control-lost", "ann", "Ann", "bob", "Bob", None),
                ("control-taken", "bob", "Bob", "ann", "Ann", None),
            ],
        ),
        (
            ControlChange("ann", "bob", why="granted"),
            [
                ("control-lost", "ann", "Ann", "bob", "Bob", "granted"),
                ("control-granted", "bob", "Bob", "ann", "Ann", "granted"),
            ],
        ),
        (
            ControlChange("ann", None, why="given back"),
            [("control-lost", "ann", "Ann", None, None, "given back")],
        ),
    ],
)
async def test_a_move_is_one_piece(
    record: SplitAudit,
    audit: ControlAudit,
    change: ControlChange,
    expected: list[tuple[object, ...]],
) -> None:
    """Who lost it and who got it stand one below the other, each naming the other."""
    await audit.record(change)
    assert [lines_of(entries) for entries in record.awaited] == [
        [(*line, INSTANCE.id) for line in expected]
    ]
    assert record.later == []


async def test_a_move_that_can_not_be_recorded(record: SplitAudit, audit: ControlAudit) -> None:
    """It is for the caller not to make it."""
    record.problem = "full"
    with pytest.raises(AuditError, match="full"):
        await audit.record(ControlChange(None, "ann"))


def test_a_move_that_did_not_come_about(record: SplitAudit, audit: ControlAudit) -> None:
    """The one for whom it was recorded hasn't got it; of one that has left only the id is known."""
    audit.failed(ControlChange("ann", "bob"))
    audit.failed(ControlChange("ann", "gone"))
    audit.failed(ControlChange("ann", None))
    assert [(str(e.event), e.viewer, e.user) for e in record.later] == [
        ("control-lost", "bob", "Bob"),
        ("control-lost", "gone", None),
    ]


def test_a_controller_that_left(record: SplitAudit, audit: ControlAudit) -> None:
    """With who has it now, if that is anybody."""
    left = ViewerIdentity("cid", "Cid", "127.0.0.1", "local")
    audit.left(left, None)
    audit.left(left, "bob")
    assert [line[:5] for line in lines_of(record.later)] == [
        ("control-lost", "cid", "Cid", None, None),
        ("control-lost", "cid", "Cid", "bob", "Bob"),
        ("control-granted", "bob", "Bob", "cid", "Cid"),
    ]
    assert record.awaited == []


TIMEOUT_S = 15.0


class FakeAudit:
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
    def entered(self) -> list[tuple[str, str | None]]:
        """What was recorded: event and viewer."""
        return [(entry.event.value, entry.viewer) for entry in self.entries]


class NotedTasks(Tasks):
    """Keeps the names of what was started."""

    def __init__(self) -> None:
        """None yet."""
        super().__init__()
        self.names: list[str] = []

    def start(self, work: Coroutine[Any, Any, Any], name: str) -> asyncio.Task[Any]:
        """See `Tasks.start`."""
        self.names.append(name)
        return super().start(work, name)


class FakeConsole(Pages):
    """Around requests for control. `shown`: what pages show; `moves`: where control came from."""

    def __init__(self, *names: str, watcher: str = "") -> None:
        """These are on, in this order; all may control but the watcher."""
        super().__init__()
        self.control = Control()
        self.record = FakeAudit()
        self.shown: list[tuple[str | None, Message]] = []
        self.moves: list[str | None] = []
        self.changes = 0
        self.tasks = NotedTasks()
        self.requests = ControlRequests(
            self.control,
            ControlAudit(INSTANCE, self.record, self._identity_of),
            self,
            self.tasks,
            controller_changed=self.moves.append,
            request_timeout_s=TIMEOUT_S,
        )
        for name in names:
            self.control.join(name, may_control=name != watcher, take=False)

    def _identity_of(self, viewer_id: str) -> ViewerIdentity:
        return ViewerIdentity(viewer_id, viewer_id.upper(), "127.0.0.1", "local")

    def notify(self, viewer_id: str | None, message: Message) -> None:
        """Note it."""
        self.shown.append((viewer_id, message))

    def changed(self) -> None:
        """Count it."""
        self.changes += 1

    async def admits(self, name: str, *, may_control: bool = True, take: bool = False) -> None:
        """A viewer comes."""

        def join() -> bool:
            self.control.join(name, may_control=may_control, take=take)
            return True

        assert await self.requests.admit(name, may_control=may_control, take=take, join=join)


REQUEST = {
    "type": "control-request",
    "from": {"id": "bob", "user": "BOB"},
    "timeout_s": TIMEOUT_S,
}


# Asking


async def test_the_controller_is_asked() -> None:
    """Once, with the name of who asks; everybody sees that it asks."""
    console = FakeConsole("ann", "bob")
    await console.requests.request("bob")
    await console.requests.request("bob")
    assert console.shown == [("ann", REQUEST)]
    assert console.control.asking == ("bob",)
    assert (console.changes, console.moves, console.record.entered) == (1, [], [])
    console.requests.close()


async def test_a_grant_moves_control() -> None:
    """It is recorded first: who lost it and who got it."""
    console = FakeConsole("ann", "bob")
    await console.requests.request("bob")
    await console.requests.answer("ann", "bob", grant=True)
    assert console.control.controller == "bob"
    assert console.moves == ["ann"]
    assert [viewer for _, viewer in console.record.entered] == ["ann", "bob"]
    console.requests.close()


async def test_a_refusal_is_reported(clock: ProcessClock) -> None:
    """And the request has no effect later."""
    console = FakeConsole("ann", "bob")
    await console.requests.request("bob")
    await console.requests.answer("ann", "bob", grant=False)
    assert console.shown[-1][0] == "bob"
    assert "refused" in console.shown[-1][1]["text"]
    assert console.control.asking == ()
    await clock.forward(TIMEOUT_S + 1)
    await settle()
    assert console.control.controller == "ann"
    assert console.record.entered == []


async def test_a_request_without_an_answer_is_granted(clock: ProcessClock) -> None:
    """After its time, and recorded."""
    console = FakeConsole("ann", "bob")
    await console.requests.request("bob")
    await clock.forward(TIMEOUT_S - 1)
    assert console.control.controller == "ann"
    await clock.forward(2)
    await settle()
    assert console.control.controller == "bob"
    assert console.moves == ["ann"]
    assert [viewer for _, viewer in console.record.entered] == ["ann", "bob"]


@pytest.mark.parametrize("who", ["cid", "bob"])
@pytest.mark.parametrize("grant", [True, False])
async def test_only_the_controllers_answer_counts(who: str, grant: bool) -> None:
    """Nobody grants a request for others, least of all for himself."""
    console = FakeConsole("ann", "bob", "cid")
    await console.requests.request("bob")
    await console.requests.answer(who, "bob", grant=grant)
    assert (console.control.controller, console.control.asking) == ("ann", ("bob",))
    assert console.record.entered == []
    console.requests.close()


async def test_a_refusal_of_what_was_not_asked_means_nothing() -> None:
    """A page may be slow."""
    console = FakeConsole("ann", "bob")
    await console.requests.answer("ann", "bob", grant=False)
    assert console.control.controller == "ann"
    assert console.shown == []


async def test_control_is_handed_over_unasked() -> None:
    """To one that may have it, by the controller only."""
    console = FakeConsole("ann", "bob", "cid", watcher="cid")
    for who, whom in (("bob", "bob"), ("ann", "cid"), ("ann", "ann"), ("ann", "nobody")):
        await console.requests.answer(who, whom, grant=True)
        assert console.control.controller == "ann"
    assert console.record.entered == []
    await console.requests.answer("ann", "bob", grant=True)
    assert console.control.controller == "bob"
    assert console.moves == ["ann"]


async def test_a_request_settled_by_a_leave_can_be_made_again() -> None:
    """The time of the old one doesn't count for it."""
    console = FakeConsole("ann", "bob", "cid")
    await console.requests.request("bob")
    console.control.leave("ann")
    await console.requests.take("cid")
    await console.requests.request("bob")
    assert [who for who, _ in console.shown] == ["ann", "cid"]
    console.requests.close()


async def test_control_that_is_free_is_had_by_asking() -> None:
    """At once, and nobody is asked."""
    console = FakeConsole("ann", "bob")
    await console.requests.release("ann")
    await console.requests.request("bob")
    assert console.control.controller == "bob"
    assert console.moves == ["ann", None]
    assert console.shown == []


async def test_a_watcher_asks_in_vain() -> None:
    """Its rule says so; nobody is bothered."""
    console = FakeConsole("ann", "bob", watcher="bob")
    await console.requests.request("bob")
    await console.requests.take("bob")
    assert console.control.controller == "ann"
    assert (console.shown, console.record.entered) == ([], [])


# Taking and giving back


async def test_control_may_be_taken_over() -> None:
    """An open request of the taker is settled with it."""
    console = FakeConsole("ann", "bob")
    await console.requests.request("bob")
    await console.requests.take("bob")
    assert (console.control.controller, console.control.asking) == ("bob", ())
    assert console.moves == ["ann"]
    await console.requests.take("bob")
    assert console.moves == ["ann"], "it has it already"


async def test_a_settled_request_does_not_stand_in_the_way_of_the_next() -> None:
    """Who asks again is asked for again, with the whole time to answer."""
    console = FakeConsole("ann", "bob")
    await console.requests.request("bob")
    await console.requests.take("bob")
    await console.requests.take("ann")
    await console.requests.request("bob")
    assert console.shown == [("ann", REQUEST)] * 2
    console.requests.close()


async def test_control_given_back_goes_to_who_asked_first() -> None:
    """Its own request is settled; those of others stay."""
    console = FakeConsole("ann", "bob", "cid")
    await console.requests.request("cid")
    await console.requests.request("bob")
    await console.requests.release("ann")
    assert (console.control.controller, console.control.asking) == ("cid", ("bob",))
    await console.requests.release("ann")
    assert console.control.controller == "cid"
    console.requests.close()


# What is recorded, and when


async def test_nothing_takes_effect_before_it_is_recorded() -> None:
    """Not while the record is being written."""
    console = FakeConsole("ann", "bob")
    console.record.slow = True
    taking = asyncio.create_task(console.requests.take("bob"))
    await settle()
    assert console.control.controller == "ann"
    console.record.written.set()
    await taking
    assert console.control.controller == "bob"


async def test_what_can_not_be_recorded_does_not_happen() -> None:
    """Who wished it learns why."""
    console = FakeConsole("ann", "bob")
    console.record.broken = True
    await console.requests.take("bob")
    assert console.control.controller == "ann"
    assert console.moves == []
    assert console.shown == [
        ("bob", {"type": "notice", "level": "warning", "text": "the audit can't be written"})
    ]


async def test_an_unanswered_request_that_can_not_be_recorded_can_be_made_again(
    clock: ProcessClock,
) -> None:
    """It isn't forgotten on one side and open on the other."""
    console = FakeConsole("ann", "bob")
    await console.requests.request("bob")
    console.record.broken = True
    await clock.forward(TIMEOUT_S + 1)
    await settle()
    assert (console.control.controller, console.control.asking) == ("ann", ())
    console.record.broken = False
    await console.requests.request("bob")
    assert console.control.asking == ("bob",)
    console.requests.close()


async def test_wishes_take_turns() -> None:
    """The second sees what the first has done."""
    console = FakeConsole("ann", "bob", "cid")
    console.record.slow = True
    wishes = [asyncio.create_task(console.requests.take(name)) for name in ("bob", "cid")]
    await settle()
    console.record.written.set()
    await asyncio.gather(*wishes)
    assert console.control.controller == "cid"
    assert console.moves == ["ann", "bob"]
    assert [viewer for _, viewer in console.record.entered] == ["ann", "bob", "bob", "cid"]


async def test_who_left_meanwhile_gets_nothing() -> None:
    """What was recorded for it is taken back in the record."""
    console = FakeConsole("ann", "bob")
    console.record.slow = True
    taking = asyncio.create_task(console.requests.take("bob"))
    await settle()
    console.control.leave("bob")
    console.record.written.set()
    await taking
    assert console.control.controller == "ann"
    assert console.moves == []
    assert console.record.entered[-1][1] == "bob"
    assert console.record.entered[-1][0] != console.record.entered[-2][0]


async def test_who_comes_is_recorded_if_control_moves_with_it() -> None:
    """The first who may control, or one that takes it; watchers aren't recorded here."""
    console = FakeConsole()
    await console.admits("watcher", may_control=False)
    await console.admits("ann")
    await console.admits("bob")
    assert [viewer for _, viewer in console.record.entered] == ["ann"]
    await console.admits("cid", take=True)
    assert console.control.controller == "cid"
    assert [viewer for _, viewer in console.record.entered] == ["ann", "ann", "cid"]


async def test_who_would_have_control_unrecorded_may_not_join() -> None:
    """The door turns it away."""
    console = FakeConsole()
    console.record.broken = True
    with pytest.raises(AuditError):
        await console.admits("ann")
    assert console.control.controller is None
    assert not console.control.may("ann")


async def test_who_has_left_before_it_joins_never_had_control() -> None:
    """The audit, which has that it would, learns that it didn't come to that."""
    console = FakeConsole()
    assert not await console.requests.admit("ann", may_control=True, take=False, join=lambda: False)
    assert console.control.controller is None
    assert console.record.entered == [("control-granted", "ann"), ("control-lost", "ann")]


async def test_after_the_close_nothing_is_granted(clock: ProcessClock) -> None:
    """The requests are forgotten."""
    console = FakeConsole("ann", "bob")
    await console.requests.request("bob")
    console.requests.close()
    await clock.forward(TIMEOUT_S + 1)
    await settle()
    assert console.tasks.names == []
