"""Starting, stopping and restarting: one act for an instance at a time, sent once, then followed.

The calls aren't idempotent: none is repeated because its answer was lost. The status is asked for
instead, and where that doesn't tell, people are told so.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

import structlog

from vncproxy.aliyun.power import PowerAction, may_have_arrived
from vncproxy.errors import AccessError, CloudError, VncproxyError
from vncproxy.instances.instance_list import ConsoleInstance, StatusSource
from vncproxy.tasks import Tasks

_log = structlog.get_logger("vncproxy.power")

STATUS_PAUSE_S = 2.0
"""Between two questions for the status."""
LOST_ANSWER_QUESTIONS = 4
"""How often the status is asked for before an act whose answer was lost counts as uncertain."""
STATUS_TIMEOUT_S = 4.0
"""For one of those questions."""
FOLLOWED_MAX_S = 900.0
"""How long an act is followed; the cloud gives a system minutes to shut down."""
UNSEEN_RESTART_S = 30.0
"""After so long without another status, a restart was too quick to be seen."""
TOLD_FOR_S = 120.0
"""How long the end of an act is told."""
ACTS_MAX = 1024
"""Acts that are followed or told of."""

_BEING_DONE = {
    PowerAction.START: "started",
    PowerAction.STOP: "stopped",
    PowerAction.RESTART: "restarted",
}


class PowerSupply(StatusSource, Protocol):
    """What power needs of the ECS API."""

    async def power(
        self, action: PowerAction, instance_id: str, region: str, *, force: bool = False
    ) -> None:
        """Send one call.

        Raises:
            CloudError: The cloud refused it, or didn't answer.
        """


@dataclass(slots=True, eq=False)
class Act:
    """One start, stop or restart.

    Attributes:
        action: What is done, or to be done.
        force: By cutting the power.
        began_s: When it was asked for, in monotonic seconds.
        status: The instance's, as it was last seen.
        seen_another: Whether the status has changed since.
        ended_s: When it was done, or given up; None: it is under way.
        done: Whether the status says so.
        text: How it ended, in a sentence.
    """

    action: PowerAction
    force: bool
    began_s: float
    status: str = ""
    seen_another: bool = False
    ended_s: float | None = None
    done: bool = False
    text: str = ""


class Power:
    """What is done with instances, and how far it is."""

    def __init__(
        self,
        cloud: PowerSupply,
        tasks: Tasks,
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Nothing is done yet.

        Args:
            cloud: The ECS API.
            tasks: Owns what is under way: the user who asked for it may leave.
            clock: Monotonic seconds.
            pause: Lets so many seconds pass.
        """
        self._cloud = cloud
        self._tasks = tasks
        self._clock = clock
        self._pause = pause
        self._acts: OrderedDict[str, Act] = OrderedDict()
        self._sending: set[str] = set()

    def of(self, instance_id: str) -> Act | None:
        """What is under way with an instance, or has ended lately."""
        act = self._acts.get(instance_id)
        if act is None or act.ended_s is None or self._clock() - act.ended_s < TOLD_FOR_S:
            return act
        del self._acts[instance_id]
        return None

    async def do(
        self,
        instance: ConsoleInstance,
        action: PowerAction,
        *,
        force: bool,
        before_sending: Callable[[], Awaitable[None]],
        after: Callable[[str], None],
    ) -> Act:
        """Send one call to the cloud; returns once the cloud has taken it.

        Args:
            instance: Which.
            action: What to do.
            force: Cut the power.
            before_sending: Called once the call may be made; what it raises prevents it.
            after: Called with what came of the call, in a sentence.

        Raises:
            AccessError: 409: the status doesn't fit, or something is under way; 502: the answer was
                lost, and the status doesn't tell whether the call arrived.
            CloudError: The cloud refused.
            AuditError: As `before_sending` does.
        """
        before = self.of(instance.id)
        under_way = before if before is not None and before.ended_s is None else None
        # Only the power cut helps against a shutdown that hangs.
        may_cut = under_way is None or (force and not under_way.force)
        if instance.id in self._sending or not may_cut:
            what = _BEING_DONE[under_way.action] if under_way is not None else "asked for something"
            raise AccessError(409, "power-under-way", f"{instance.alias} is being {what} already.")
        act = Act(action, force, self._clock())
        # The user who asked may leave: what was begun is ended, and recorded.
        work = self._do(instance, act, under_way is not None, before_sending, after)
        self._sending.add(instance.id)
        doing = self._tasks.start(self._refusal_of(work, instance), f"power-{instance.id}")
        if (refusal := await asyncio.shield(doing)) is not None:
            raise refusal
        return act

    async def _refusal_of(
        self, work: Awaitable[None], instance: ConsoleInstance
    ) -> VncproxyError | None:
        """The error of the work, if it ends by one: it is no fault of the task."""
        try:
            await work
        except VncproxyError as error:
            return error
        finally:
            self._sending.discard(instance.id)
        return None

    async def _do(
        self,
        instance: ConsoleInstance,
        act: Act,
        is_second: bool,
        before_sending: Callable[[], Awaitable[None]],
        after: Callable[[str], None],
    ) -> None:
        """Send it, and see to it that it is followed.

        Raises: as `do`.
        """
        before = await self._cloud.status(instance.id, instance.region)
        fits = before == act.action.wants or (is_second and before == "Stopping")
        if not fits:
            shown = before or "not shown by the cloud"
            raise AccessError(
                409,
                "wrong-status",
                f"{instance.alias} is {shown}: only one that is {act.action.wants} can be "
                f"{_BEING_DONE[act.action]}.",
            )
        await before_sending()
        try:
            await self._cloud.power(act.action, instance.id, instance.region, force=act.force)
        except CloudError as error:
            if not may_have_arrived(error):
                after(f"refused: {error.code or error.final_text}")
                raise
            await self._see_whether_it_arrived(instance, act, before, after)
        else:
            act.status = before
            after("accepted")
        self._acts[instance.id] = act
        self._acts.move_to_end(instance.id)
        while len(self._acts) > ACTS_MAX:
            self._acts.popitem(last=False)
        self._tasks.start(self._follow(instance, act), f"follow-{instance.id}")

    async def _see_whether_it_arrived(
        self, instance: ConsoleInstance, act: Act, before: str, after: Callable[[str], None]
    ) -> None:
        """Return if the status changed.

        Raises:
            AccessError: 502: it didn't, or can't be had.
        """
        for number in range(LOST_ANSWER_QUESTIONS):
            if number:
                await self._pause(STATUS_PAUSE_S)
            await self._see(instance, act)
            if act.status not in ("", before):
                act.seen_another = True
                after(f"the answer was lost, but the status is {act.status}")
                return
        shown = f"is {act.status}" if act.status else "can't be asked for its status"
        after(f"the answer was lost, and the instance {shown}")
        raise AccessError(
            502,
            "power-uncertain",
            f"The cloud's answer was lost, and {instance.alias} {shown}: whether it is going to be "
            f"{_BEING_DONE[act.action]} isn't known. It isn't asked for again by itself; look at "
            "the instance first.",
        )

    async def _follow(self, instance: ConsoleInstance, act: Act) -> None:
        """See how it goes on, until it is done."""
        while self._clock() - act.began_s < FOLLOWED_MAX_S:
            await self._pause(STATUS_PAUSE_S)
            if self._acts.get(instance.id) is not act:
                return
            before = act.status
            await self._see(instance, act)
            act.seen_another = act.seen_another or act.status not in ("", before)
            late = self._clock() - act.began_s >= UNSEEN_RESTART_S
            if act.status == act.action.leads_to and (act.seen_another or late):
                act.done = True
                act.text = f"{instance.alias} is {act.status}."
                break
        else:
            act.text = (
                f"{instance.alias} isn't {act.action.leads_to} after {FOLLOWED_MAX_S / 60:g} "
                "minutes. Its system may not shut down by itself."
            )
        act.ended_s = self._clock()
        _log.info("power.ended", instance=instance.id, action=act.action, done=act.done)

    async def _see(self, instance: ConsoleInstance, act: Act) -> None:
        """Ask for the status; one that can't be had leaves the old."""
        try:
            async with asyncio.timeout(STATUS_TIMEOUT_S):
                found = await self._cloud.status(instance.id, instance.region)
        except (CloudError, TimeoutError):
            return
        act.status = found or act.status
