"""Tickets: once, for a minute, for one instance."""

from __future__ import annotations

import io

from tests.clock import FakeClock
from vncproxy.access.identity import ANYONE, Identity
from vncproxy.access.tickets import (
    LIFE_S,
    MAX_TICKETS,
    MAX_TICKETS_OF_ONE,
    EntryTicket,
    Tickets,
    ViewerTicket,
)
from vncproxy.observe.redaction import Redactor

OWNER = Identity("owner", "bearer")


def named(user: str) -> Identity:
    """One of many users."""
    return Identity(user, "cookie", "users")


def viewer_ticket(instance_id: str = "i-1") -> ViewerTicket:
    """A ticket of a page that may control."""
    return ViewerTicket(OWNER, "v-1", instance_id, view=False, take=False)


def test_an_entry_ticket_is_good_once() -> None:
    """The second use finds nothing."""
    tickets = Tickets(Redactor(), FakeClock())
    text = tickets.issue(EntryTicket(OWNER, "/console/web-1"))
    found = tickets.enter(text)
    assert found is not None
    assert (found.identity, found.next) == (OWNER, "/console/web-1")
    assert tickets.enter(text) is None


def test_tickets_live_for_a_minute() -> None:
    """Just before it is over both kinds are good, at the minute neither is."""
    clock = FakeClock()
    tickets = Tickets(Redactor(), clock)
    early, late = (tickets.issue(EntryTicket(OWNER, "/")) for _ in range(2))
    page = tickets.issue(viewer_ticket())
    clock.forward(LIFE_S - 0.001)
    assert tickets.enter(early) is not None
    assert tickets.use(page, "control", "i-1") is not None
    clock.forward(0.001)
    assert tickets.enter(late) is None
    assert tickets.use(page, "websockify", "i-1") is None
    assert tickets.holder(page) is None


def test_a_viewers_ticket_is_good_once_for_each_socket() -> None:
    """Both sockets of one page, in any order, and no third."""
    tickets = Tickets(Redactor(), FakeClock())
    text = tickets.issue(viewer_ticket())
    for purpose in ("websockify", "control"):
        assert tickets.holder(text) == OWNER
        assert tickets.use(text, purpose, "i-1") is not None
        assert tickets.use(text, purpose, "i-1") is None
    assert tickets.holder(text) is None


def test_a_viewers_ticket_is_bound_to_its_instance() -> None:
    """For another instance it is no good, and isn't used up by the attempt."""
    tickets = Tickets(Redactor(), FakeClock())
    text = tickets.issue(viewer_ticket("i-1"))
    assert tickets.use(text, "websockify", "i-2") is None
    assert tickets.use(text, "websockify", "i-1") is not None


def test_the_kinds_are_not_exchangeable() -> None:
    """A page's ticket makes no cookie, a link's ticket opens no socket."""
    tickets = Tickets(Redactor(), FakeClock())
    page, link = tickets.issue(viewer_ticket()), tickets.issue(EntryTicket(ANYONE, "/"))
    assert tickets.enter(page) is None
    assert tickets.use(link, "websockify", "i-1") is None
    assert tickets.holder(link) is None
    assert tickets.use(page, "elsewhere", "i-1") is None


def test_texts_are_random_and_long() -> None:
    """Nobody guesses 144 bits, and no two are alike."""
    tickets = Tickets(Redactor(), FakeClock())
    texts = {tickets.issue(EntryTicket(OWNER, "/")) for _ in range(100)}
    assert len(texts) == 100
    assert min(map(len, texts)) == 32


def test_tickets_are_bounded() -> None:
    """When there are too many the oldest goes."""
    tickets = Tickets(Redactor(), FakeClock())
    first = tickets.issue(EntryTicket(OWNER, "/first"))
    others = [tickets.issue(EntryTicket(named(f"user-{n}"), "/")) for n in range(MAX_TICKETS)]
    assert tickets.enter(first) is None
    assert tickets.enter(others[0]) is not None
    assert tickets.enter(others[-1]) is not None


def test_each_user_has_a_share_of_the_tickets() -> None:
    """Who asks for more and more makes nobody's void but the own oldest."""
    tickets = Tickets(Redactor(), FakeClock())
    other = tickets.issue(EntryTicket(named("bob"), "/"))
    own = [tickets.issue(EntryTicket(named("eve"), "/")) for _ in range(MAX_TICKETS_OF_ONE + 1)]
    assert tickets.enter(own[0]) is None
    assert tickets.enter(own[1]) is not None
    assert tickets.enter(other) is not None


def test_a_ticket_never_shows_in_a_log() -> None:
    """The redactor knows it as long as it is good."""
    redactor = Redactor()
    tickets = Tickets(redactor, FakeClock())
    text = tickets.issue(EntryTicket(OWNER, "/"))
    line = io.StringIO()
    line.write(redactor.clean(f"GET /enter {text}"))
    assert text not in line.getvalue()
