"""A console's links: what is retried and when, passwords, opaque links, and what is learned."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from tests.clock import ProcessClock
from tests.unit.console.fakes import (
    VERSION,
    VIEWER_HANDSHAKE,
    greeting,
    key,
    pointer,
    raw,
    request,
    server_init,
    settle,
    until,
    update,
)
from tests.unit.console.surroundings import (
    INSTANCE,
    LEFT,
    BrowserTransport,
    Surroundings,
    code_of,
    ended,
    surroundings,
)
from vncproxy.console import keepalive_learning as module
from vncproxy.console.console import Console
from vncproxy.console.lifecycle import State
from vncproxy.console.viewer import Viewer
from vncproxy.errors import (
    CertificateRefused,
    CloudError,
    CloudErrorKind,
    LedgerUnusable,
    Side,
    UpstreamLost,
    UpstreamProtocolError,
    UrlExpired,
    VncproxyError,
)
from vncproxy.rfb.keepalive import KeepaliveClass, KeepaliveMemory
from vncproxy.rfb.vnc_auth import response
from vncproxy.throttle.ledger_interface import Booking
from vncproxy.web.console_json import state_of

CHALLENGE = bytes(range(16))
ASKS_PASSWORD = VERSION + b"\x01\x02" + CHALLENGE
UNKNOWN = VERSION + b"\x01\x12"
"""The upstream offers security type 18 (TLS) only."""
ONE_PIXEL = request(incremental=False, width=1, height=1)
WRONG = b"\0\0\0\1" + b"\0\0\0\5wrong"


def cloud_error(kind: CloudErrorKind, code: str, retry_after_s: float | None = None) -> CloudError:
    return CloudError("the cloud said no", kind, code=code, retry_after_s=retry_after_s)


def busy(retry_after_s: float | None = None) -> CloudError:
    return cloud_error(CloudErrorKind.TRANSIENT, "Throttling.User", retry_after_s)


async def reached(console: Console, state: State) -> None:
    """Wait until the console is there."""
    await until(lambda: console.state is state)


async def on_screen(around: Surroundings, console: Console) -> tuple[Viewer, BrowserTransport]:
    """A viewer that sees the console's screen, and its far end."""
    viewer, transport = around.viewer()
    console.join(viewer)
    await reached(console, State.RUNNING)
    for data in VIEWER_HANDSHAKE:
        transport.deliver(data)
    return viewer, transport


async def running(around: Surroundings, console: Console) -> Viewer:
    """A viewer on a console that has its link."""
    viewer, _ = await on_screen(around, console)
    return viewer


async def lose(around: Surroundings, console: Console) -> None:
    """The upstream ends the link; wait for the next one."""
    links = len(around.gateway.transports)
    around.transport.end()
    await until(lambda: len(around.gateway.transports) > links)
    await reached(console, State.RUNNING)


# Errors


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (CloudErrorKind.PERMANENT, "Forbidden.RAM"),
        (CloudErrorKind.CREDENTIALS, "InvalidSecurityToken.Expired"),
        (CloudErrorKind.CLOCK, "InvalidTimeStamp.Expired"),
    ],
)
async def test_what_the_cloud_refuses_for_good_ends_the_console(
    around: Surroundings, kind: CloudErrorKind, code: str
) -> None:
    """One call, no dial, and the viewer gets the cloud's code at once."""
    around.cloud.answers.append(cloud_error(kind, code))
    viewer = around.join(await around.console())
    await until(ended(viewer))
    assert code_of(viewer) == (4502, f"upstream-refused: {code}")
    assert (around.count("call"), around.count("dial")) == (1, 0)
    assert around.links("refused") == 1


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (CloudErrorKind.WAITS, "IncorrectInstanceStatus"),
        (CloudErrorKind.TRANSIENT, "InternalError"),
        (CloudErrorKind.TRANSIENT, ""),
    ],
)
async def test_what_may_pass_is_tried_again(
    around: Surroundings, kind: CloudErrorKind, code: str
) -> None:
    """The viewer stays, each try is a call of its own, and only the last one dials."""
    around.cloud.answers += [cloud_error(kind, code)] * 3
    console = await around.console()
    viewer = await running(around, console)
    assert viewer.end is None
    assert (around.count("call"), around.count("dial")) == (4, 1)
    assert around.count("cancel") == 3
    assert console.supervisor.failure is None


async def test_the_page_is_shown_the_state_of_an_instance_that_isnt_ready(
    around: Surroundings,
) -> None:
    """While the cloud says IncorrectInstanceStatus, the instance's own state is asked for."""
    around.cloud.answers += [cloud_error(CloudErrorKind.WAITS, "IncorrectInstanceStatus")]
    around.cloud.states = ["Starting"]
    console = await around.console(first_pause_s=10.0)
    around.join(console)
    await until(
        lambda: console.supervisor.wait_until is not None and console.supervisor.learning.status
    )
    shown = state_of(console)
    assert shown["state"] == "resuming"
    assert shown["text"] == "There was no connection yet; the next try follows."
    assert shown["instance_status"] == "Starting"
    assert shown["error"]["code"] == "IncorrectInstanceStatus"


@pytest.mark.parametrize(
    ("fault", "outcome"),
    [
        (UpstreamLost("refused"), "unreachable"),
        (UrlExpired("too late"), "expired"),
    ],
)
async def test_a_dial_that_fails_is_tried_again_with_a_fresh_url(
    around: Surroundings, fault: VncproxyError, outcome: str
) -> None:
    """No VncUrl is dialled twice: each try has a call and a permit."""
    around.gateway.faults += [fault, fault]
    await running(around, await around.console())
    assert around.notes == ["book", "call", "spend", "dial"] * 3
    assert around.links(outcome) == 2
    assert around.links("running") == 1


async def test_a_link_that_ends_during_its_handshake_is_tried_again(around: Surroundings) -> None:
    """Whatever step it had reached."""
    console = await around.console()
    for first in (b"", VERSION, VERSION + b"\x01\x01", greeting()[:30]):
        around.gateway.first = first
        links = len(around.gateway.transports)
        if not links:
            around.join(console)
        await until(lambda links=links: len(around.gateway.transports) > links)  # type: ignore[misc]
        await until(lambda: around.transport.is_attached)
        await settle()
        around.gateway.first = greeting()
        around.transport.end()
    await reached(console, State.RUNNING)
    assert around.count("dial") == 5


async def test_a_handshake_that_hangs_is_given_up_and_tried_again(around: Surroundings) -> None:
    """handshake_timeout_s counts from the open WebSocket, which is closed properly."""
    around.gateway.first = VERSION
    console = await around.console(handshake_timeout_s=0.02)
    around.join(console)
    await until(lambda: around.transport.closed if around.gateway.transports else False)
    around.gateway.first = greeting()
    await reached(console, State.RUNNING)
    assert around.gateway.transports[0].is_shut


@pytest.mark.parametrize(
    ("fault", "ends"),
    [
        (UpstreamProtocolError("no WebSocket"), (4500, "upstream-protocol")),
        (CertificateRefused("not trusted"), (4502, "upstream-refused: CertificateUnverified")),
    ],
)
async def test_a_dial_that_will_never_do_ends_the_console(
    around: Surroundings, fault: VncproxyError, ends: tuple[int, str]
) -> None:
    """One dial, and the reason at once."""
    around.gateway.faults.append(fault)
    viewer = around.join(await around.console())
    await until(ended(viewer))
    assert code_of(viewer) == ends
    assert around.count("dial") == 1


async def test_an_upstream_that_doesnt_speak_rfb_ends_the_console(around: Surroundings) -> None:
    """4500: another try would meet the same server."""
    around.gateway.first = b"HTTP/1.1 400 Bad Request\r\n\r\n"
    viewer = around.join(await around.console())
    await until(ended(viewer))
    assert code_of(viewer) == (4500, "upstream-protocol")
    assert around.count("dial") == 1


async def test_broken_websocket_rules_end_the_console(around: Surroundings) -> None:
    """4500, after a link that had worked too."""
    console = await around.console()
    viewer = await running(around, console)
    around.transport.end(broke_rules=True)
    await until(ended(viewer))
    assert code_of(viewer) == (4500, "upstream-protocol")
    assert around.links("protocol") == 1


async def test_a_ledger_that_cannot_be_written_is_waited_for(around: Surroundings) -> None:
    """As any other hop: the page learns why, and the console opens once the disk has room."""
    around.ledger.broken.add("book")
    console = await around.console()
    viewer = around.join(console)
    await until(lambda: around.count("book") >= 3)
    assert state_of(console)["error"]["text"] == "the reconnect ledger can't be written"
    assert around.count("call") == 0
    around.ledger.broken.clear()
    await until(lambda: console.state is State.RUNNING)
    assert viewer.end is None


async def test_a_ledger_that_cannot_be_written_while_a_link_is_lost(around: Surroundings) -> None:
    """The viewers wait for the disk like for the cloud, and go on afterwards."""
    console = await around.console()
    viewer = await running(around, console)
    around.ledger.broken.add("book")
    around.transport.end()
    await until(lambda: around.count("book") >= 3)
    assert viewer.end is None
    around.ledger.broken.clear()
    await until(lambda: console.state is State.RUNNING)
    assert len(around.gateway.transports) == 2
    assert viewer.end is None


async def test_a_ledger_that_stays_unwritable_is_blamed_after_max_wait(tmp_path: Path) -> None:
    """4504 within max_wait, by the daemon's side, in the ledger's words."""
    async with surroundings(tmp_path, max_wait=0.2) as around:
        around.ledger.broken.add("book")
        viewer = around.join(await around.console())
        await until(ended(viewer))
        assert code_of(viewer) == (4504, "upstream-lost")
        assert viewer.end is not None
        assert viewer.end.side is Side.DAEMON
        assert viewer.end.text == "the reconnect ledger can't be written"


async def test_a_damaged_ledger_ends_the_console(
    around: Surroundings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """1011 at once: no waiting mends it."""

    async def book(instance_id: str, max_wait_s: float) -> Booking:
        raise LedgerUnusable("the reconnect ledger is damaged")

    monkeypatch.setattr(around.ledger, "book", book)
    viewer = around.join(await around.console())
    await until(ended(viewer))
    assert code_of(viewer) == (1011, "internal")


@pytest.mark.usefixtures("clock")
async def test_a_budget_that_is_too_full_ends_the_console(tmp_path: Path) -> None:
    """4429: the wait would be longer than the viewer waits; the page learns how long it is."""
    async with surroundings(tmp_path, limit=1, max_wait=30.0) as around:
        await around.ledger.spend(await around.ledger.book(INSTANCE.id, 0))  # type: ignore[arg-type]
        console = await around.console()
        viewer = around.join(console)
        await until(ended(viewer))
        assert code_of(viewer) == (4429, "throttled")
        assert viewer.end is not None
        assert "61 s" in viewer.end.text
        assert state_of(console)["wait_s"] == pytest.approx(61.0, abs=5.0)


@pytest.mark.usefixtures("clock")
async def test_a_wait_for_the_budget_is_shown_as_a_countdown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page learns when the next dial may be."""
    monkeypatch.setattr(time, "time", lambda: 1_790_000_000.0)
    async with surroundings(tmp_path, limit=1) as around:
        await around.ledger.spend(await around.ledger.book(INSTANCE.id, 0))  # type: ignore[arg-type]
        console = await around.console()
        around.join(console)
        await until(lambda: console.supervisor.wait_until)
        shown = state_of(console)
        assert shown["state"] == "waiting-budget"
        assert shown["wait_s"] == pytest.approx(61.0, abs=1.0)


async def test_a_fault_of_the_daemon_ends_the_console(around: Surroundings) -> None:
    """1011; the fault itself goes to the log only."""
    around.cloud.answers.append(RuntimeError("a bug"))
    viewer = around.join(await around.console())
    await until(ended(viewer))
    assert code_of(viewer) == (1011, "internal")
    assert viewer.end is not None
    assert "bug" not in viewer.end.text


async def test_a_link_whose_receiver_failed_ends_the_console(around: Surroundings) -> None:
    """A transport that ends on the daemon's side unasked is a fault, not a loss to be mended."""
    viewer = await running(around, await around.console())
    around.transport.end(Side.DAEMON)
    await until(ended(viewer))
    assert code_of(viewer) == (1011, "internal")
    assert around.count("dial") == 1


# Pauses


async def test_pauses_grow_and_are_scattered(
    around: Surroundings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is drawn from a ceiling that doubles up to the longest; a hurry cuts it short."""
    now = 1_790_000_000.0
    monkeypatch.setattr(time, "time", lambda: now)
    around.gateway.faults += [UpstreamLost("refused")] * 5
    console = await around.console(first_pause_s=2.0, scatter=lambda: 0.5)
    around.join(console)
    pauses = []
    for attempt in range(1, 6):
        await until(
            lambda attempt=attempt: (  # type: ignore[misc]
                console.state is State.RESUMING
                and console.supervisor.attempt == attempt
                and console.supervisor.wait_until is not None
            )
        )
        assert console.supervisor.wait_until is not None
        pauses.append(console.supervisor.wait_until - now)
        await settle()
        console.supervisor.hurry()
    assert pauses == [1.0, 2.0, 4.0, 7.5, 7.5]
    await reached(console, State.RUNNING)


async def test_what_the_cloud_asks_to_wait_is_waited(
    clock: ProcessClock, around: Surroundings
) -> None:
    """A viewer's hurry cuts only the daemon's own pause; the budget isn't touched meanwhile."""
    around.cloud.answers.append(busy(retry_after_s=20.0))
    console = await around.console(first_pause_s=2.0)
    around.join(console)
    await reached(console, State.RESUMING)
    await settle()
    assert not console.supervisor.may_hurry
    console.supervisor.hurry()
    await clock.forward(19.0)
    assert around.count("call") == 1
    await clock.forward(1.5)
    await until(lambda: console.supervisor.may_hurry)
    console.supervisor.hurry()
    await reached(console, State.RUNNING)
    assert around.count("call") == 2
    assert not console.supervisor.may_hurry


async def test_short_links_are_replaced_ever_more_slowly(
    clock: ProcessClock, around: Surroundings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that greets and hangs up doesn't eat the budget; a link of 30 s begins anew."""
    now = 1_790_000_000.0
    monkeypatch.setattr(time, "time", lambda: now)
    console = await around.console(first_pause_s=2.0, scatter=lambda: 0.5)
    await running(around, console)
    pauses = []
    for age_s in (1.0, 1.0, 1.0, 31.0, 1.0):
        await clock.forward(age_s)
        around.transport.end()
        await until(lambda: console.state is State.RESUMING and console.supervisor.wait_until)
        assert console.supervisor.wait_until is not None
        pauses.append(console.supervisor.wait_until - now)
        await settle()
        console.supervisor.hurry()
        await reached(console, State.RUNNING)
    assert pauses == [1.0, 2.0, 4.0, 1.0, 2.0]


async def test_a_loss_is_seen_at_once(around: Surroundings) -> None:
    """Neither the lost link's close nor a question to the cloud holds up more than the dial."""
    around.cloud.status_hangs = True
    console = await around.console()
    await running(around, console)
    around.transport.close_hangs = True
    around.transport.end()
    await settle(2)
    assert console.state is State.RESUMING
    around.join(console)
    assert console.supervisor.saved.dials_avoided == 0
    await until(lambda: around.count("book") == 2)
    await settle()
    assert (around.count("status"), around.count("call")) == (1, 1)
    around.transport.released.set()
    await reached(console, State.RUNNING)
    assert around.count("dial") == 2


@pytest.mark.parametrize("breaks", [False, True])
async def test_the_end_of_the_last_link_is_not_that_of_the_next(
    around: Surroundings, breaks: bool
) -> None:
    """One that left a question unanswered may take its time to close, or break rules meanwhile."""
    console = await around.console()
    await running(around, console)
    old = around.transport
    old.close_hangs = True
    console.supervisor.link_silent()
    await until(lambda: around.count("book") == 2)
    await settle()
    if breaks:
        old.end(broke_rules=True)
    old.released.set()
    await reached(console, State.RUNNING)
    await settle()
    assert console.state is State.RUNNING
    assert around.count("dial") == 2
    assert around.transport is not old and not around.transport.closed


async def test_broken_rules_are_no_connection_to_share(around: Surroundings) -> None:
    """Who comes while such a link is closed is left for the next console."""
    console = await around.console()
    viewer = around.join(console)
    await reached(console, State.RUNNING)
    around.transport.close_hangs = True
    around.transport.deliver(b"\0\0\0\1" + b"\xff\xff" * 4 + bytes(4))
    await settle()
    assert console.state is State.CLOSED
    late, _ = around.viewer()
    assert not console.join(late)
    assert console.supervisor.saved.dials_avoided == 0
    around.transport.released.set()
    await until(ended(viewer))
    assert code_of(viewer) == (4500, "upstream-protocol")


async def test_who_comes_while_a_deserted_link_is_closed_has_the_next_one(
    around: Surroundings,
) -> None:
    """The console is wanted again before it was given up."""
    console = await around.console()
    viewer = await running(around, console)
    viewer.close(LEFT)
    around.transport.close_hangs = True
    around.transport.end()
    await settle()
    late = around.join(console)
    around.transport.released.set()
    await reached(console, State.RUNNING)
    assert late.end is None
    assert around.count("dial") == 2


async def test_an_upstream_that_stops_answering_is_replaced(
    clock: ProcessClock, around: Surroundings
) -> None:
    """TCP is alive: a pixel is asked for, and the link ends when nothing comes."""
    console = await around.console()
    viewer, _ = await on_screen(around, console)
    await clock.forward(1.0)
    assert around.transport.take().endswith(ONE_PIXEL)
    around.transport.deliver(update(raw(0, 0, 16, 1)))
    await idle(clock, 60.0)
    assert ONE_PIXEL in around.transport.take()
    await idle(clock, 10.0)
    assert len(around.gateway.transports) == 1
    await idle(clock, 5.0)
    await until(lambda: len(around.gateway.transports) == 2)
    await reached(console, State.RUNNING)
    assert viewer.end is None
    assert around.gateway.transports[0].closed
    assert around.links("lost") == 1
    assert memory(console) == KeepaliveMemory()


async def test_a_lost_link_nobody_watches_is_not_replaced(around: Surroundings) -> None:
    """While a console lingers it keeps its link, but doesn't spend dials for nobody."""
    console = await around.console()
    viewer = await running(around, console)
    viewer.close(LEFT)
    assert console.state is State.RUNNING
    around.transport.end()
    await reached(console, State.CLOSED)
    assert around.count("dial") == 1


async def test_an_attempt_nobody_waits_for_is_not_repeated(around: Surroundings) -> None:
    """A page that left while its console was dialling isn't dialled for again."""
    around.gateway.hanging = True
    console = await around.console()
    viewer = around.join(console)
    await until(lambda: "dial" in around.notes)
    viewer.close(LEFT)
    assert console.state is State.CONNECTING
    around.gateway.faults.append(UpstreamLost("refused"))
    around.gateway.released.set()
    await reached(console, State.CLOSED)
    assert around.count("dial") == 1


# Passwords


async def test_a_password_nobody_can_give_ends_the_console(around: Surroundings) -> None:
    """Without a page there is nobody to ask."""
    around.gateway.first = ASKS_PASSWORD
    viewer = around.join(await around.console())
    await until(ended(viewer))
    assert code_of(viewer) == (4401, "vnc-password")
    assert around.links("vnc-password") == 1


async def test_a_page_that_only_watches_isnt_asked_for_the_password(around: Surroundings) -> None:
    """It may not give one, so waiting for it would be in vain."""
    around.gateway.first = ASKS_PASSWORD
    viewer = around.join(await around.console(), page=True, may_control=False)
    await until(ended(viewer))
    assert code_of(viewer) == (4401, "vnc-password")


async def test_the_page_gives_the_password(around: Surroundings) -> None:
    """The first link is closed, the next one answers the challenge; later links do so at once."""
    around.gateway.first = ASKS_PASSWORD
    console = await around.console()
    viewer = around.join(console, page=True)
    await reached(console, State.PASSWORD)
    assert around.gateway.transports[0].closed
    assert console.supervisor.link is None
    console.supervisor.give_password("abc123")
    await until(lambda: len(around.gateway.transports) == 2)
    for links in (2, 3):
        await until(lambda links=links: len(around.gateway.transports) == links)  # type: ignore[misc]
        await until(lambda: bytes(around.transport.taken).endswith(response("abc123", CHALLENGE)))
        around.transport.deliver(bytes(4) + server_init())
        await reached(console, State.RUNNING)
        around.transport.end()
    assert viewer.end is None


async def test_a_wrong_password_is_asked_for_again(around: Surroundings) -> None:
    """The page is informed that it was wrong."""
    around.gateway.first = ASKS_PASSWORD
    console = await around.console()
    around.join(console, page=True)
    await reached(console, State.PASSWORD)
    console.supervisor.give_password("wrong1")
    await until(lambda: len(around.gateway.transports) == 2 and len(around.transport.taken) >= 29)
    around.transport.deliver(WRONG)
    await reached(console, State.PASSWORD)
    assert state_of(console)["error"]["text"] == "the VNC password is wrong"
    console.supervisor.give_password("right1")
    await until(lambda: len(around.gateway.transports) == 3)
    await until(lambda: bytes(around.transport.taken).endswith(response("right1", CHALLENGE)))


@pytest.mark.parametrize("page", [False, True])
async def test_a_wrong_password_from_the_file(around: Surroundings, page: bool) -> None:
    """With a page its user is asked, otherwise it is the end."""
    around.gateway.first = ASKS_PASSWORD
    console = await around.console(password="fromfi")
    viewer = around.join(console, page=page)
    await until(lambda: around.gateway.transports and len(around.transport.taken) >= 29)
    assert bytes(around.transport.taken).endswith(response("fromfi", CHALLENGE))
    around.transport.deliver(WRONG)
    if page:
        await reached(console, State.PASSWORD)
    else:
        await until(ended(viewer))
        assert code_of(viewer) == (4401, "vnc-password")


async def test_a_password_that_isnt_asked_for_is_ignored(around: Surroundings) -> None:
    """A page can't replace the password that works."""
    around.gateway.first = ASKS_PASSWORD
    console = await around.console(password="fromfi")
    around.join(console, page=True)
    await until(lambda: around.gateway.transports and len(around.transport.taken) >= 29)
    around.transport.deliver(bytes(4) + server_init())
    await reached(console, State.RUNNING)
    console.supervisor.give_password("other1")
    around.transport.end()
    await until(lambda: len(around.gateway.transports) == 2 and len(around.transport.taken) >= 29)
    assert bytes(around.transport.taken).endswith(response("fromfi", CHALLENGE))


# Opaque links


async def opaque(around: Surroundings, console: Console) -> tuple[Viewer, BrowserTransport]:
    """A viewer on a console that has turned opaque."""
    viewer, transport = around.viewer()
    console.join(viewer)
    await reached(console, State.OPAQUE)
    return viewer, transport


async def test_an_unknown_security_makes_the_console_opaque(around: Surroundings) -> None:
    """The viewer takes the handshake over where the daemon stopped; bytes pass untouched."""
    around.gateway.first = UNKNOWN
    console = await around.console()
    viewer, transport = around.viewer()
    console.join(viewer)
    await reached(console, State.OPAQUE)
    assert transport.take() == VERSION
    transport.deliver(VERSION)
    assert transport.take() == UNKNOWN[12:]
    transport.deliver(b"\x12anything")
    assert bytes(around.transport.taken) == VERSION + b"\x12anything"
    around.transport.deliver(b"\xff\xfe\xfd")
    assert transport.take() == b"\xff\xfe\xfd"
    assert around.links("opaque") == 1
    assert state_of(console)["state"] == "opaque"


async def test_a_native_viewer_is_reported_that_it_can_not_have_an_opaque_console(
    around: Surroundings,
) -> None:
    """In true words, in RFB; once it is known, without a dial."""
    around.gateway.first = UNKNOWN
    ends = []
    for dials in (1, 1):
        viewer, transport = around.viewer(native=True)
        (await around.console()).join(viewer)
        await until(lambda transport=transport: transport.taken)  # type: ignore[misc]
        transport.deliver(VERSION)
        await until(ended(viewer))
        assert code_of(viewer) == (4500, "upstream-protocol")
        assert viewer.end is not None
        ends.append(viewer.end.text)
        assert around.count("dial") == dials
        await until(lambda: len(around.closed) == len(around.gateway.transports))
    assert all("native" in text for text in ends)


async def test_a_viewer_of_another_version_gets_a_link_of_its_own_the_next_time(
    around: Surroundings,
) -> None:
    """The daemon has answered the version already, so this link is of no use to it."""
    around.gateway.first = UNKNOWN
    console = await around.console()
    viewer, transport = around.viewer()
    console.join(viewer)
    await reached(console, State.OPAQUE)
    transport.deliver(b"RFB 003.007\n")
    await until(ended(viewer))
    assert code_of(viewer) == (4504, "upstream-lost")
    assert around.count("dial") == 1
    again = await around.console()
    assert not again.supervisor.link
    _, transport = await opaque(around, again)
    await until(lambda: bytes(transport.taken) == UNKNOWN)
    assert not around.transport.taken
    transport.deliver(b"RFB 003.007\n")
    assert bytes(around.transport.taken) == b"RFB 003.007\n"


async def test_an_opaque_console_has_one_viewer(around: Surroundings) -> None:
    """Who else is on or comes learns of it, and the one isn't disturbed."""
    around.gateway.first = UNKNOWN
    console = await around.console()
    watcher = around.join(console, may_control=False)
    first = around.join(console)
    second = around.join(console)
    await reached(console, State.OPAQUE)
    late = around.join(console)
    for refused in (watcher, second, late):
        assert code_of(refused) == (4409, "in-use")
    assert first.end is None
    assert console.supervisor.saved.dials_avoided == 0


async def test_a_lost_opaque_link_ends_the_console(around: Surroundings) -> None:
    """It can't be resumed: what was sent on it the daemon doesn't know."""
    around.gateway.first = UNKNOWN
    viewer, _ = await opaque(around, await around.console())
    around.transport.end()
    await until(ended(viewer))
    assert code_of(viewer) == (4504, "upstream-lost")
    assert (around.count("dial"), around.links("lost")) == (1, 1)


async def test_an_opaque_link_has_no_keepalive(clock: ProcessClock, around: Surroundings) -> None:
    """Nothing goes upstream that the viewer didn't say."""
    around.gateway.first = UNKNOWN
    await opaque(around, await around.console())
    around.transport.take()
    for _ in range(6):
        await clock.forward(20.0)
    assert around.transport.take() == b""


async def test_security_that_becomes_unknown_under_a_viewer_ends_the_console(
    around: Surroundings,
) -> None:
    """Bytes have gone to the viewer already: 4500, and opaque the next time."""
    console = await around.console()
    viewer = await running(around, console)
    around.gateway.first = UNKNOWN
    around.transport.end()
    await until(ended(viewer))
    assert code_of(viewer) == (4500, "upstream-protocol")
    await opaque(around, await around.console())


async def break_by(around: Surroundings, message: bytes) -> None:
    """A viewer on a new console, whose upstream says this: it ends with 4500."""
    viewer = await running(around, await around.console())
    around.transport.deliver(message)
    await until(ended(viewer))
    assert code_of(viewer) == (4500, "upstream-protocol")
    await until(lambda: len(around.closed) == len(around.gateway.transports))


async def test_an_unknown_message_twice_in_a_row_is_remembered(around: Surroundings) -> None:
    """4500 both times, opaque the next; the viewer takes the handshake over."""
    await break_by(around, b"\xc8what is this")
    await break_by(around, b"\xc8and again")
    console = await around.console()
    _, transport = await opaque(around, console)
    assert transport.take() == VERSION
    transport.deliver(VERSION)
    assert transport.take() == greeting()[12:]
    transport.deliver(b"\1")
    assert bytes(around.transport.taken) == VERSION + b"\1"
    assert state_of(console)["opaque"] is True


async def test_different_unknown_messages_are_bad_streams(around: Surroundings) -> None:
    """And so is the same one with a good link in between."""
    await break_by(around, b"\xc8what is this")
    await break_by(around, b"\xc9what is that")
    console = await around.console()
    await running(around, console)
    await console.close(LEFT)
    await break_by(around, b"\xc9what is that")
    await running(around, await around.console())


async def test_an_opaque_console_whose_upstream_greets_otherwise_speaks_rfb(
    around: Surroundings,
) -> None:
    """On that very link; the next one knows nothing of it any more."""
    for _ in range(2):
        await break_by(around, b"\xc8what is this")
    around.gateway.first = VERSION + b"\x02\x01\x10" + greeting()[14:]
    console = await around.console()
    await running(around, console)
    assert around.count("dial") == 3
    await until(lambda: console.supervisor.learning.opaque is None)
    await console.close(LEFT)
    around.gateway.first = greeting()
    await running(around, await around.console())


async def test_an_opaque_console_is_tried_as_rfb_after_an_hour(
    around: Surroundings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Healed, it stays so."""
    for _ in range(2):
        await break_by(around, b"\xc8what is this")
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 3601.0)
    console = await around.console()
    await running(around, console)
    await until(lambda: console.supervisor.learning.opaque is None)


async def test_a_link_under_viewers_is_never_opened_opaque(around: Surroundings) -> None:
    """They have been greeted: what was learned of other consoles meanwhile is for the next one."""
    console = await around.console()
    viewer = await running(around, console)
    await console.supervisor.learning.found_security(greeting()[:14])
    await lose(around, console)
    assert viewer.end is None


async def test_a_known_message_that_is_broken_isnt_a_reason_for_opaque(
    around: Surroundings,
) -> None:
    """A server that breaks RFB's rules is met with RFB again."""
    viewer = await running(around, await around.console())
    around.transport.deliver(b"\0\0\0\1" + b"\xff\xff" * 4 + bytes(4))
    await until(ended(viewer))
    assert code_of(viewer) == (4500, "upstream-protocol")
    await running(around, await around.console())


# What is learned


async def idle(clock: ProcessClock, seconds: float) -> None:
    """Let time pass so that every keepalive is sent when it is due."""
    while seconds > 0:
        await clock.forward(min(seconds, 5.0))
        seconds -= 5.0


async def answer(clock: ProcessClock, around: Surroundings) -> None:
    """The upstream is asked whether it is alive, and is."""
    await clock.forward(1.0)
    around.transport.deliver(update(raw(0, 0, 16, 1)))


def memory(console: Console) -> KeepaliveMemory:
    """What is known now."""
    return console.supervisor.learning.keepalive.memory


async def test_two_unexplained_losses_switch_the_keepalive(
    clock: ProcessClock, around: Surroundings
) -> None:
    """Update requests didn't count: the pointer message does from now on, here and next time."""
    console = await around.console()
    _, transport = await on_screen(around, console)
    transport.deliver(pointer(0, 7, 8))
    await answer(clock, around)
    await idle(clock, 60.0)
    assert around.count("status") == 0
    await lose(around, console)
    await until(lambda: memory(console).evidence == 1)
    assert memory(console).kind is KeepaliveClass.ANY
    around.transport.take()
    await idle(clock, 60.0)
    requests = around.transport.take()
    assert requests.count(b"\x03\x01") >= 2
    await lose(around, console)
    await until(lambda: memory(console).kind is KeepaliveClass.POINTER)
    assert console.supervisor.learning.keepalive.kind is KeepaliveClass.POINTER
    around.transport.take()
    await idle(clock, 25.0)
    assert pointer(0, 7, 8) in around.transport.take()

    async def kept() -> bool:
        return memory(await around.console()) == memory(console)

    async with asyncio.timeout(60):
        while not await kept():
            await asyncio.sleep(0.01)


async def test_a_loss_that_the_instances_state_explains_teaches_nothing(
    clock: ProcessClock, around: Surroundings
) -> None:
    """Reboots and stops that the API shows are excluded."""
    console = await around.console()
    around.cloud.states = ["Stopping"]
    await running(around, console)
    await idle(clock, 60.0)
    await lose(around, console)
    await until(lambda: console.supervisor.learning.status == "Stopping")
    await settle()
    assert memory(console) == KeepaliveMemory()


@pytest.mark.parametrize("hangs", [False, True])
async def test_a_state_that_cannot_be_had_explains_nothing(
    clock: ProcessClock, around: Surroundings, monkeypatch: pytest.MonkeyPatch, hangs: bool
) -> None:
    """The next link doesn't wait for an API that fails or hangs."""
    monkeypatch.setattr(module, "STATUS_TIMEOUT_S", 0.01)
    around.cloud.states = [busy()]
    around.cloud.status_hangs = hangs
    console = await around.console()
    await running(around, console)
    await answer(clock, around)
    await idle(clock, 60.0)
    await lose(around, console)
    await until(lambda: memory(console).evidence == 1)
    assert console.supervisor.learning.status == ""


async def test_a_link_that_broke_rules_teaches_nothing(
    clock: ProcessClock, around: Surroundings
) -> None:
    """Its end is explained, though the gateway closed it when an idle link would be closed."""
    console = await around.console()
    viewer = await running(around, console)
    await idle(clock, 60.0)
    around.transport.end(broke_rules=True)
    await until(ended(viewer))
    await settle()
    assert memory(console) == KeepaliveMemory()
    assert around.count("status") == 0


async def test_a_link_closed_on_purpose_teaches_nothing(
    clock: ProcessClock, around: Surroundings
) -> None:
    """The daemon closed it itself."""
    console = await around.console()
    await running(around, console)
    await idle(clock, 60.0)
    await console.close(LEFT)
    assert memory(await around.console()) == KeepaliveMemory()


async def test_a_lost_link_is_replaced_under_its_viewer(around: Surroundings) -> None:
    """The viewer notices nothing; held keys are released on the new link; it is counted."""
    console = await around.console()
    viewer, transport = await on_screen(around, console)
    transport.deliver(key(True, 0x61))
    await lose(around, console)
    assert key(False, 0x61) in bytes(around.transport.taken)
    assert viewer.end is None
    assert console.supervisor.saved.losses_survived == 1
    assert console.supervisor.links_opened == 2
    assert around.gateway.transports[0].is_shut


async def test_bytes_are_counted_over_all_links(clock: ProcessClock, around: Surroundings) -> None:
    """So a link's end neither takes any away nor makes the rate fall below nothing."""
    console = await around.console()
    await running(around, console)
    before = (console.supervisor.traffic.bytes_in, console.supervisor.traffic.bytes_out)
    assert min(before) > 0
    await lose(around, console)
    supervisor = console.supervisor
    assert supervisor.traffic.bytes_in == 2 * before[0]
    assert supervisor.traffic.bytes_out > before[1]
    began_s = clock()
    await clock.forward(5.0)
    console.sample_rates(clock(), began_s)
    traffic = supervisor.traffic
    assert traffic.rate_in.per_s(clock(), traffic.bytes_in, clock()) > 0
    await clock.forward(60.0)
    assert traffic.rate_in.per_s(clock(), traffic.bytes_in, clock()) == 0


async def test_bytes_are_reported_while_the_link_is_up(around: Surroundings) -> None:
    """And each once, whenever they are looked at: a graph would show nothing for hours, else."""
    console = await around.console()
    await running(around, console)

    def ends() -> tuple[float, float]:
        lines = around.metrics.render().decode().splitlines()
        found = dict(line.rsplit(" ", 1) for line in lines if "rfb_bytes_total{" in line)
        values = {name: float(value) for name, value in found.items()}
        return (
            values['vncproxy_rfb_bytes_total{direction="to_viewers"}'],
            values['vncproxy_rfb_bytes_total{direction="to_upstream"}'],
        )

    assert ends() == (0, 0)
    console.sample_rates(time.monotonic(), 0.0)
    console.sample_rates(time.monotonic(), 0.0)
    assert ends() == (console.supervisor.traffic.bytes_in, console.supervisor.traffic.bytes_out)
    assert min(ends()) > 0
    await lose(around, console)
    console.sample_rates(time.monotonic(), 0.0)
    assert ends() == (console.supervisor.traffic.bytes_in, console.supervisor.traffic.bytes_out)


async def test_cancelling_closes_the_link(around: Surroundings) -> None:
    """The cloud's one slot isn't left taken."""
    console = await around.console()
    await running(around, console)
    await console.close(LEFT)
    assert around.transport.closed
    assert around.transport.is_shut
    assert around.links("closed") == 1
