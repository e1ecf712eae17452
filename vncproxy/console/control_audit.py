"""Tells the audit who controls a console: before a wish is carried out, and when somebody left."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from vncproxy.audit.log import Audit
from vncproxy.audit.record import Entry, Event
from vncproxy.console.audit_entries import got_control
from vncproxy.console.instance import ConsoleInstance
from vncproxy.console.viewer_identity import ViewerIdentity


@dataclass(frozen=True, slots=True)
class Move:
    """Control goes from one viewer to another.

    Args: before, after - viewers, None: nobody; taken - over whoever had it, unasked; why - in
    words.
    """

    before: str | None
    after: str | None
    taken: bool = False
    why: str | None = None


class ControlAudit:
    """Of one console."""

    def __init__(
        self,
        instance: ConsoleInstance,
        audit: Audit,
        identity_of: Callable[[str], ViewerIdentity | None],
    ) -> None:
        """Args: identity_of - who is behind a viewer, None if it has left."""
        self._instance = instance
        self._audit = audit
        self._identity_of = identity_of

    async def moves(self, move: Move) -> None:
        """Return once it is recorded. Raises: AuditError - it may not take effect."""
        entries = []
        if move.before is not None:
            entries.append(self._entry(Event.CONTROL_LOST, move.before, move.after, move.why))
        if move.after is not None:
            got = Event.CONTROL_TAKEN if move.taken else Event.CONTROL_GRANTED
            entries.append(self._entry(got, move.after, move.before, move.why))
        await self._audit.record(*entries)

    def failed(self, move: Move) -> None:
        """A move was recorded, and didn't come about."""
        if move.after is not None:
            why = "it didn't come to that"
            self._audit.record_later(self._entry(Event.CONTROL_LOST, move.after, None, why))

    def left(self, who: ViewerIdentity, heir: str | None) -> None:
        """The controller is gone. Args: heir - whoever had asked for control and has it now."""
        after = self._identity_of(heir) if heir is not None else None
        lost = got_control(Event.CONTROL_LOST, self._instance, who.id, who, after, "it left")
        self._audit.record_later(lost)
        if heir is not None:
            why = "the one who had it left"
            got = got_control(Event.CONTROL_GRANTED, self._instance, heir, after, who, why)
            self._audit.record_later(got)

    def _entry(self, event: Event, viewer_id: str, other: str | None, why: str | None) -> Entry:
        return got_control(
            event,
            self._instance,
            viewer_id,
            self._identity_of(viewer_id),
            self._identity_of(other) if other is not None else None,
            why,
        )
