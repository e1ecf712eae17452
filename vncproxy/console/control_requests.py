"""Requests for control: who is asked, who is told, and what happens without an answer.

A change that somebody wishes is recorded first and takes effect afterwards; only one is on its way
at a time. A viewer that leaves loses control at once, whatever is being recorded: so what was
recorded is compared with what is the case by then.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from vncproxy.console.control import Control
from vncproxy.console.control_audit import ControlAudit, Move
from vncproxy.console.page_messages import Message, notice
from vncproxy.errors import AuditError


class ControlRequestsHost(Protocol):
    """The console, as the requests for control see it."""

    def controller_changed(self, before: str | None) -> None:
        """Control may have moved away from `before`."""

    def tell(self, viewer_id: str | None, message: Message) -> None:
        """Show something once on the page of one viewer."""

    def user_of(self, viewer_id: str) -> str:
        """The name behind a viewer."""

    def changed(self) -> None:
        """What pages show has changed."""

    def start(self, work: Coroutine[Any, Any, None], name: str) -> object:
        """Run something until the console ends."""


class ControlRequests:
    """Carries out what pages wish about control."""

    def __init__(
        self,
        control: Control,
        host: ControlRequestsHost,
        witness: ControlAudit,
        *,
        request_timeout_s: float,
    ) -> None:
        """Args: request_timeout_s - an unanswered request is granted after it."""
        self._control = control
        self._host = host
        self._control_audit = witness
        self._request_timeout_s = request_timeout_s
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._turn = asyncio.Lock()

    async def admit(
        self, viewer_id: str, *, may_control: bool, take: bool, join: Callable[[], bool]
    ) -> bool:
        """Let a viewer join, once what it means for control is recorded.

        Args: join - makes it join, with control if that is free or `take`; whether it has.
        Returns: the same. Raises: AuditError - it may not join.
        """

        def plan() -> Move | None:
            before = self._control.controller
            if not may_control or not (take or before is None):
                return None
            return Move(before, viewer_id, taken=before is not None)

        async with self._turn:
            move = await self._recorded(plan)
            joined = join()
            if move is not None and not joined:
                self._control_audit.failed(move)
            return joined

    async def request(self, viewer_id: str) -> None:
        """A watcher asks for control; it gets it at once if nobody has it."""

        def plan() -> Move | None:
            free = self._control.controller is None and self._control.may(viewer_id)
            return Move(None, viewer_id, why="nobody had it") if free else None

        if plan() is not None:
            await self._carry_out(viewer_id, plan)
            return
        waits = viewer_id in self._control.asking
        if not self._control.ask(viewer_id) or waits:
            return
        # One that is left is of a request that was settled when a controller left.
        self._forget(viewer_id)
        self._timers[viewer_id] = asyncio.get_running_loop().call_later(
            self._request_timeout_s, self._unanswered, viewer_id
        )
        self._host.tell(
            self._control.controller,
            {
                "type": "control-request",
                "from": {"id": viewer_id, "user": self._host.user_of(viewer_id)},
                "timeout_s": self._request_timeout_s,
            },
        )
        self._host.changed()

    async def answer(self, controller: str, viewer_id: str, *, grant: bool) -> None:
        """The controller's answer; from anybody else it means nothing.

        Args: grant - also hands control to a viewer that hasn't asked for it, but may have it.
        """

        def plan() -> Move | None:
            asks = viewer_id in self._control.asking
            if self._control.controller != controller or viewer_id == controller:
                return None
            if not self._control.may(viewer_id):
                return None
            return Move(
                controller,
                viewer_id,
                why="its request was granted" if asks else "it was handed over",
            )

        if grant:
            await self._carry_out(controller, plan)
            return
        if self._control.controller != controller or viewer_id not in self._control.asking:
            return
        self._forget(viewer_id)
        self._control.refuse(viewer_id)
        self._host.tell(viewer_id, notice("Your request for control was refused."))
        self._host.changed()

    async def take(self, viewer_id: str) -> None:
        """Control goes to this viewer, if it may have it."""

        def plan() -> Move | None:
            before = self._control.controller
            if before == viewer_id or not self._control.may(viewer_id):
                return None
            return Move(before, viewer_id, taken=True)

        await self._carry_out(viewer_id, plan)

    async def release(self, viewer_id: str) -> None:
        """The controller gives control back."""

        def plan() -> Move | None:
            if self._control.controller != viewer_id:
                return None
            return Move(viewer_id, next(iter(self._control.asking), None), why="it was given back")

        await self._carry_out(viewer_id, plan)

    def close(self) -> None:
        """Forget all requests."""
        for viewer_id in list(self._timers):
            self._forget(viewer_id)

    def _unanswered(self, viewer_id: str) -> None:
        self._timers.pop(viewer_id, None)
        self._host.start(self._grant_unanswered(viewer_id), f"control-{viewer_id}")

    async def _grant_unanswered(self, viewer_id: str) -> None:
        def plan() -> Move | None:
            asks = viewer_id in self._control.asking
            why = "its request wasn't answered"
            return Move(self._control.controller, viewer_id, why=why) if asks else None

        if not await self._carry_out(viewer_id, plan):
            # So that it can ask again.
            self._control.refuse(viewer_id)
            self._host.changed()

    async def _carry_out(self, wisher: str, plan: Callable[[], Move | None]) -> bool:
        """Whether nothing stood in the way of what was planned; else the wisher has been told."""
        async with self._turn:
            try:
                move = await self._recorded(plan)
            except AuditError as error:
                self._host.tell(wisher, notice(error.public_text, "warning"))
                return False
            if move is not None:
                if move.after is None:
                    self._control.release(wisher)
                else:
                    self._forget(move.after)
                    self._control.take(move.after)
                self._host.controller_changed(move.before)
            return True

    async def _recorded(self, plan: Callable[[], Move | None]) -> Move | None:
        """The move that is recorded and still to be made, if there is any. Raises: AuditError."""
        recorded: Move | None = None
        while (move := plan()) != recorded:
            if recorded is not None:
                self._control_audit.failed(recorded)
            if move is not None:
                await self._control_audit.moves(move)
            recorded = move
        return recorded

    def _forget(self, viewer_id: str) -> None:
        if timer := self._timers.pop(viewer_id, None):
            timer.cancel()
