"""Requests for control: who is asked, who is told, and what happens without an answer."""

from __future__ import annotations

import asyncio
from typing import Protocol

from vncproxy.console.control import Control
from vncproxy.console.report import Message, notice


class DeskHost(Protocol):
    """The console, as the desk sees it."""

    def controller_changed(self, before: str | None) -> None:
        """Control may have moved away from `before`."""

    def tell(self, viewer_id: str | None, message: Message) -> None:
        """Show something once on the page of one viewer."""

    def user_of(self, viewer_id: str) -> str:
        """The name behind a viewer."""

    def changed(self) -> None:
        """What pages show has changed."""


class ControlDesk:
    """Carries out what pages wish about control."""

    def __init__(self, control: Control, host: DeskHost, *, request_timeout_s: float) -> None:
        """Args: request_timeout_s - an unanswered request is granted after it."""
        self._control = control
        self._host = host
        self._request_timeout_s = request_timeout_s
        self._timers: dict[str, asyncio.TimerHandle] = {}

    def request(self, viewer_id: str) -> None:
        """A watcher asks for control; it gets it at once if nobody has it."""
        before = self._control.controller
        if not self._control.ask(viewer_id):
            self._host.controller_changed(before)
            return
        if viewer_id in self._timers:
            return
        self._timers[viewer_id] = asyncio.get_running_loop().call_later(
            self._request_timeout_s, self._unanswered, viewer_id
        )
        self._host.tell(
            before,
            {
                "type": "control-request",
                "from": {"id": viewer_id, "user": self._host.user_of(viewer_id)},
                "timeout_s": self._request_timeout_s,
            },
        )
        self._host.changed()

    def answer(self, controller: str, viewer_id: str, *, grant: bool) -> None:
        """The controller's answer; from anybody else it means nothing."""
        if self._control.controller != controller or viewer_id not in self._control.asking:
            return
        if grant:
            self.take(viewer_id)
            return
        self._forget(viewer_id)
        self._control.refuse(viewer_id)
        self._host.tell(viewer_id, notice("Your request for control was refused."))
        self._host.changed()

    def take(self, viewer_id: str) -> None:
        """Control goes to this viewer, if it may have it."""
        before = self._control.controller
        self._forget(viewer_id)
        self._control.take(viewer_id)
        self._host.controller_changed(before)

    def release(self, viewer_id: str) -> None:
        """The controller gives control back."""
        before = self._control.controller
        self._control.release(viewer_id)
        self._host.controller_changed(before)

    def close(self) -> None:
        """Forget all requests."""
        for viewer_id in list(self._timers):
            self._forget(viewer_id)

    def _unanswered(self, viewer_id: str) -> None:
        self._timers.pop(viewer_id, None)
        if viewer_id in self._control.asking:
            self.take(viewer_id)

    def _forget(self, viewer_id: str) -> None:
        if timer := self._timers.pop(viewer_id, None):
            timer.cancel()
