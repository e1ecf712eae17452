"""Single-use tickets: they stand for a log-in for a minute, where a token must not show."""

from __future__ import annotations

import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from vncproxy.access.identity import Identity
from vncproxy.observe.redaction import Redactor

LIFE_S = 60.0
MAX_TICKETS = 512
"""The oldest goes when there are more; the redactor keeps as many."""
MAX_TICKETS_OF_ONE = 64
"""A user's own oldest goes when that user has more."""


@dataclass(slots=True)
class EntryTicket:
    """Exchanged for a cookie by `/enter`; then the browser goes on to `next`."""

    identity: Identity
    next: str


@dataclass(slots=True)
class ViewerTicket:
    """Given to a console page for its two WebSockets, each once.

    Args:
        wishes: What the page asked for at admission, so that a WebSocket can't ask for more.
    """

    identity: Identity
    viewer_id: str
    instance_id: str
    view: bool
    take: bool
    uses: set[str] = field(default_factory=lambda: {"websockify", "control"})


class Tickets:
    """Tickets of both kinds, in memory: a restart makes them void."""

    def __init__(self, redactor: Redactor, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin without any.

        Args:
            redactor: Hides each ticket in the log.
            clock: Monotonic seconds.
        """
        self._redactor = redactor
        self._clock = clock
        self._held: OrderedDict[str, tuple[float, EntryTicket | ViewerTicket]] = OrderedDict()

    def issue(self, ticket: EntryTicket | ViewerTicket) -> str:
        """The ticket's text, valid for `LIFE_S`."""
        self._prune()
        text = secrets.token_urlsafe(24)
        self._redactor.register(text, short_lived=True)
        self._held[text] = (self._clock() + LIFE_S, ticket)
        who = _holder(ticket)
        own = [held for held, (_, other) in self._held.items() if _holder(other) == who]
        for held in own[:-MAX_TICKETS_OF_ONE]:
            self._drop(held)
        while len(self._held) > MAX_TICKETS:
            self._drop(next(iter(self._held)))
        return text

    def entry(self, text: str) -> EntryTicket | None:
        """The entry ticket of this text, if it is good."""
        self._prune()
        held = self._held.get(text)
        return held[1] if held is not None and isinstance(held[1], EntryTicket) else None

    def enter(self, text: str) -> EntryTicket | None:
        """Use up an entry ticket."""
        ticket = self.entry(text)
        if ticket is not None:
            self._drop(text)
        return ticket

    def holder(self, text: str) -> Identity | None:
        """Whose viewer's ticket this is, if it may be good for something still."""
        self._prune()
        held = self._held.get(text)
        return held[1].identity if held is not None and isinstance(held[1], ViewerTicket) else None

    def use(self, text: str, purpose: str, instance_id: str) -> ViewerTicket | None:
        """Use a viewer's ticket for one of its two WebSockets; None if it isn't good for it."""
        self._prune()
        held = self._held.get(text)
        if held is None or not isinstance(held[1], ViewerTicket):
            return None
        ticket = held[1]
        if purpose not in ticket.uses or ticket.instance_id != instance_id:
            return None
        ticket.uses.discard(purpose)
        if not ticket.uses:
            self._drop(text)
        return ticket

    def _prune(self) -> None:
        now = self._clock()
        while self._held:
            text, (until, _) = next(iter(self._held.items()))
            if until > now:
                break
            self._drop(text)

    def _drop(self, text: str) -> None:
        del self._held[text]
        self._redactor.unregister(text)


def _holder(ticket: EntryTicket | ViewerTicket) -> tuple[str, str]:
    return ticket.identity.kind, ticket.identity.user
