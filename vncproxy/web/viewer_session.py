"""A viewer's session on a console, whatever it came through."""

from __future__ import annotations

import structlog

from vncproxy.console.audit_entries import closed
from vncproxy.console.console import Console, withdrawn
from vncproxy.console.lifecycle import State
from vncproxy.console.link_supervisor import LinkSupervisor
from vncproxy.console.page_messages import ending
from vncproxy.console.registry import Hold
from vncproxy.console.viewer import Viewer, ViewerIdentity
from vncproxy.errors import (
    AccessError,
    AuditError,
    CloseCode,
    CloseReason,
    ConsoleElsewhere,
    RecordingError,
    Side,
    VncproxyError,
)
from vncproxy.web.context import Services

_DRAINING = 503
_INTERNAL = CloseReason(CloseCode.INTERNAL, Side.DAEMON, "a fault of the daemon")
_log = structlog.get_logger("vncproxy.viewer")


async def announce(console: Console, who: ViewerIdentity) -> None:
    """Record that a viewer comes, before anything is opened.

    Raises:
        AuditError: Nothing may be opened.
        RecordingError: This session has to be recorded, and can't be.
    """
    try:
        await console.announce(who)
        await console.recordings.check(who, opaque=console.state is State.OPAQUE)
        # Before the upgrade: afterwards it couldn't be refused with its status.
        await console.recordings.begin(who)
    except (AuditError, RecordingError) as error:
        # It may have reached the file all the same: every opening has its end.
        console.never_began(who, error.close_reason())
        raise


async def serve(hold: Hold, viewer: Viewer, services: Services) -> None:
    """One viewer from its first to its last byte.

    It was announced already, and the audit's record of that is in the log; its end is recorded
    here, and the log's line of it tells the whole session.

    Args:
        hold: The console, held open; released once the viewer has joined.
        viewer: The one to serve.
        services: What the daemon has.
    """
    with services.open_sockets.one(), services.metrics.viewer():
        await _serve(hold, viewer, services)


async def _serve(hold: Hold, viewer: Viewer, services: Services) -> None:
    identity = viewer.identity
    names = {"instance": hold.instance.id, "viewer": viewer.id, "user": identity.user}
    supervisor: LinkSupervisor | None = None
    first_link = 0
    try:
        await _enter(hold, viewer, services)
        _expect_page(viewer, hold.console, services)
        supervisor = hold.console.supervisor
        first_link = supervisor.next_link
        hold.release()
        await viewer.closed()
    except (AccessError, AuditError, RecordingError) as error:
        # Its page is told why: the close code alone would leave that open.
        _expect_page(viewer, hold.console, services)
        hold.console.pages.notify(viewer.id, ending(error.public_text))
        await viewer.turn_away(_refusal(error))
    except Exception:
        # An answer in HTTP, as the guard makes it, has no place on a WebSocket.
        _log.exception("viewer.fault", **names)
        viewer.close(_INTERNAL)
        await viewer.closed()
    finally:
        await viewer.abandon()
        # Control that it was to have is given up before its end is recorded.
        hold.release()
        end = viewer.end
        assert end is not None, "abandon leaves an end"
        links = supervisor.links_since(first_link) if supervisor is not None else ()
        services.audit.record_later(closed(hold.instance, viewer, links))
        services.metrics.viewer_closed(end.code)
        _log.info(
            "viewer.closed",
            **names,
            address=identity.address,
            door=identity.door,
            code=int(end.code),
            reason=end.reason,
            text=end.text,
            side=end.side.value,
            bytes_in=viewer.bytes_in,
            bytes_out=viewer.bytes_out,
            seconds=round(viewer.age_s, 1),
            links=len(links),
        )


def _expect_page(viewer: Viewer, console: Console, services: Services) -> None:
    """Its page isn't there yet, or it has none."""
    if viewer.identity.has_page and not console.pages.has(viewer.id):
        services.awaited_pages.expect(viewer.id, console)


async def _enter(hold: Hold, viewer: Viewer, services: Services) -> None:
    """The viewer joins the console that is held, or the next one if that is over meanwhile.

    Raises:
        AccessError: There is no next one.
        AuditError: The audit can't be written.
        RecordingError: The session has to be recorded, and can't be.
    """
    while True:
        # From when it was let in until it enters, `recheck` doesn't see it.
        if (why := services.authority.objection(viewer.identity, hold.instance)) is not None:
            await viewer.turn_away(withdrawn(why))
            return
        if await hold.console.enter(viewer):
            return
        await hold.take_another()


def _refusal(error: VncproxyError) -> CloseReason:
    """How a viewer's connection ends that was let in already."""
    if isinstance(error, AccessError) and not isinstance(error, ConsoleElsewhere):
        code = CloseCode.RESTARTING if error.status == _DRAINING else CloseCode.KICKED
        return CloseReason(code, Side.DAEMON, error.public_text)
    return error.close_reason()
