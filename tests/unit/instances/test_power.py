"""Start, stop, restart: sent once, followed to the end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.clock import FakeClock, settle
from vncproxy.aliyun.errors import refused, transient
from vncproxy.aliyun.power import PowerAction
from vncproxy.errors import AccessError, AuditError, CloudError
from vncproxy.instances import power as power_module
from vncproxy.instances.instance_list import ConsoleInstance
from vncproxy.instances.power import FOLLOWED_MAX_S, TOLD_FOR_S, Act, Power
from vncproxy.tasks import Tasks

WEB = ConsoleInstance("i-web", "cn-a", "web-1")
LOST = transient("The ECS API didn't answer within 10 s.")


class Machine:
    """A cloud whose status is what the test says, one after the other, and then the last."""

    def __init__(self, tasks: Tasks) -> None:
        """It runs."""
        self.statuses: list[str | CloudError] = ["Running"]
        self.sent: list[tuple[PowerAction, bool]] = []
        self.error: CloudError | None = None
        self.open = asyncio.Event()
        self.open.set()
        self.audit_error: AuditError | None = None
        self.recorded: list[str] = []
        self.clock = FakeClock()
        self.power_of_all = Power(self, tasks, self.clock, self._pause)

    async def power(
        self, action: PowerAction, instance_id: str, region: str, *, force: bool = False
    ) -> None:
        """Taken, unless there is an error."""
        self.sent.append((action, force))
        self.recorded.append("sent")
        await self.open.wait()
        if self.error is not None:
            raise self.error

    async def status(self, instance_id: str, region: str) -> str:
        """The next one."""
        found = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        if isinstance(found, CloudError):
            raise found
        return found

    async def _pause(self, seconds: float) -> None:
        self.clock.seconds += seconds
        await asyncio.sleep(0)

    async def _before(self) -> None:
        if self.audit_error is not None:
            raise self.audit_error
        self.recorded.append("before")

    async def do(self, action: PowerAction, *, force: bool = False) -> Act:
        """Ask for it."""
        return await self.power_of_all.do(
            WEB, action, force=force, before_sending=self._before, after=self.recorded.append
        )

    async def end_of(self, act: Act) -> Act:
        """The same, once it has ended."""
        async with asyncio.timeout(60):
            while act.ended_s is None:
                await asyncio.sleep(0)
        return act


@pytest.fixture
async def machine() -> AsyncIterator[Machine]:
    """Its tasks end with the test."""
    tasks = Tasks()
    yield Machine(tasks)
    await tasks.close()


@pytest.mark.parametrize(
    ("action", "statuses"),
    [
        (PowerAction.START, ["Stopped", "Stopped", "Starting", "Running"]),
        (PowerAction.STOP, ["Running", "Running", "Stopping", "Stopped"]),
        (PowerAction.RESTART, ["Running", "Running", "Stopping", "Starting", "Running"]),
        (PowerAction.RESTART, ["Running", transient("busy."), "Starting", "Running"]),
    ],
)
async def test_an_act_is_followed_until_it_is_done(
    machine: Machine, action: PowerAction, statuses: list[str | CloudError]
) -> None:
    """What it is recorded with comes before it is sent."""
    machine.statuses = [*statuses]
    act = await machine.do(action)
    assert machine.power_of_all.of("i-web") is act
    assert act.ended_s is None
    await machine.end_of(act)
    assert (act.done, act.status) == (True, action.leads_to)
    assert machine.sent == [(action, False)]
    assert machine.recorded == ["before", "sent", "accepted"]
    machine.clock.seconds += TOLD_FOR_S
    assert machine.power_of_all.of("i-web") is None


async def test_a_restart_that_was_too_quick_to_be_seen_is_done(machine: Machine) -> None:
    """After a while in which nothing but Running showed."""
    act = await machine.end_of(await machine.do(PowerAction.RESTART, force=True))
    assert act.done
    assert act.ended_s is not None
    assert act.ended_s - act.began_s >= power_module.UNSEEN_RESTART_S


async def test_a_system_that_does_not_shut_down_is_given_up(machine: Machine) -> None:
    """In a sentence."""
    machine.statuses = ["Running", "Stopping"]
    act = await machine.end_of(await machine.do(PowerAction.STOP))
    assert not act.done
    assert "isn't Stopped after 15 minutes" in act.text
    assert act.ended_s is not None
    assert act.ended_s - act.began_s >= FOLLOWED_MAX_S


async def test_a_second_one_is_refused_while_the_first_is_under_way(machine: Machine) -> None:
    """While it is sent, and while it is followed; never two."""
    machine.open.clear()
    first = asyncio.create_task(machine.do(PowerAction.RESTART))
    await settle()
    with pytest.raises(AccessError) as caught:
        await machine.do(PowerAction.RESTART, force=True)
    assert (caught.value.status, caught.value.word) == (409, "power-under-way")
    machine.statuses = ["Stopping"]
    machine.open.set()
    await first
    with pytest.raises(AccessError, match="being restarted already"):
        await machine.do(PowerAction.STOP)
    assert len(machine.sent) == 1


async def test_only_a_power_cut_helps_against_a_shutdown_that_hangs(machine: Machine) -> None:
    """The act that it replaces is followed no longer."""
    machine.statuses = ["Running", "Stopping"]
    first = await machine.do(PowerAction.STOP)
    second = await machine.do(PowerAction.STOP, force=True)
    machine.statuses = ["Stopped"]
    await machine.end_of(second)
    assert (second.done, first.ended_s) == (True, None)
    assert machine.sent == [(PowerAction.STOP, False), (PowerAction.STOP, True)]


@pytest.mark.parametrize("status", ["Stopped", "Starting", "Pending", ""])
async def test_an_act_that_does_not_fit_the_status_is_not_sent(
    machine: Machine, status: str
) -> None:
    """Nor recorded."""
    machine.statuses = [status]
    with pytest.raises(AccessError) as caught:
        await machine.do(PowerAction.RESTART)
    assert (caught.value.status, caught.value.word) == (409, "wrong-status")
    assert machine.recorded == []


async def test_what_cannot_be_recorded_is_not_sent(machine: Machine) -> None:
    """And may be asked for again."""
    machine.audit_error = AuditError("disk full")
    with pytest.raises(AuditError):
        await machine.do(PowerAction.STOP)
    assert machine.sent == []
    machine.audit_error = None
    await machine.do(PowerAction.STOP)


async def test_a_refusal_is_passed_on(machine: Machine) -> None:
    """Nothing is under way then."""
    machine.error = refused(403, "InstanceLockedForSecurity", action="StopInstance")
    with pytest.raises(CloudError, match="locked"):
        await machine.do(PowerAction.STOP)
    assert machine.power_of_all.of("i-web") is None
    assert machine.recorded == ["before", "sent", "refused: InstanceLockedForSecurity"]


async def test_a_lost_answer_is_followed_by_asking_the_status(machine: Machine) -> None:
    """A status that changed says that the call arrived."""
    machine.error = LOST
    machine.statuses = ["Running", "Running", "Stopping", "Stopped"]
    act = await machine.end_of(await machine.do(PowerAction.STOP))
    assert act.done
    assert len(machine.sent) == 1
    assert machine.recorded[-1] == "the answer was lost, but the status is Stopping"


@pytest.mark.parametrize(
    ("statuses", "words"),
    [
        (["Running"], "web-1 is Running"),
        (["Running", transient("busy.")], "can't be asked for its status"),
    ],
)
async def test_where_the_status_does_not_tell_people_are_told_so(
    machine: Machine, statuses: list[str | CloudError], words: str
) -> None:
    """It isn't sent again."""
    machine.error, machine.statuses = LOST, statuses
    with pytest.raises(AccessError, match=words) as caught:
        await machine.do(PowerAction.STOP)
    assert (caught.value.status, caught.value.word) == (502, "power-uncertain")
    assert len(machine.sent) == 1


async def test_whoever_asked_may_leave(machine: Machine) -> None:
    """What was begun is ended."""
    machine.open.clear()
    asking = asyncio.create_task(machine.do(PowerAction.STOP))
    await settle()
    asking.cancel()
    machine.statuses = ["Stopped"]
    machine.open.set()
    async with asyncio.timeout(60):
        while (act := machine.power_of_all.of("i-web")) is None:
            await asyncio.sleep(0)
    assert (await machine.end_of(act)).done


async def test_acts_that_are_told_of_are_bounded(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The oldest go first."""
    monkeypatch.setattr(power_module, "ACTS_MAX", 2)
    for name in ("i-1", "i-2", "i-3"):
        await machine.power_of_all.do(
            ConsoleInstance(name, "r", name),
            PowerAction.STOP,
            force=False,
            before_sending=machine._before,
            after=machine.recorded.append,
        )
    assert machine.power_of_all.of("i-1") is None
    assert machine.power_of_all.of("i-3") is not None
