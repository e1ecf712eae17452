"""A viewer's session on a console, whatever it came through."""

from __future__ import annotations

import structlog

from vncproxy.console.console import Console, withdrawn
from vncproxy.console.evidence import closed, never_began, opened
from vncproxy.console.instance import ConsoleInstance
from vncproxy.console.lifecycle import State
from vncproxy.console.viewer import Viewer
from vncproxy.console.viewer_identity import ViewerIdentity
from vncproxy.errors import AuditError, CloseCode, CloseReason, RecordingError, Side
from vncproxy.observe.metrics import Metrics
from vncproxy.web.context import Services

_INTERNAL = CloseReason(CloseCode.INTERNAL, Side.DAEMON, "a fault of the daemon")
_log = structlog.get_logger("vncproxy.viewer")


async def announce(console: Console, who: ViewerIdentity) -> None:
    """Record that somebody comes, before anything is opened.

    Raises: AuditError - nothing may be opened; RecordingError - this session has to be recorded,
    and can't be.
    """
    try:
        await console.audit.record(opened(console.instance, who))
        await console.recordings.check(who, opaque=console.state is State.OPAQUE)
    except (AuditError, RecordingError) as error:
        # It may have reached the file all the same: every opening has its end.
        console.audit.record_later(never_began(console.instance, who, error.close_reason()))
        raise


async def serve(
    console: Console, viewer: Viewer, parts: Services, instance: ConsoleInstance
) -> None:
    """One viewer from its first to its last byte: one line in the log for each.

    It was announced already; its end is recorded here. Args: instance - as the rules were asked
    about it when the viewer was let in.
    """
    # From when it was let in until it enters, `recheck` doesn't see it.
    if (why := parts.authority.objection(viewer.identity, instance)) is not None:
        reason = withdrawn(why)
        console.audit.record_later(never_began(instance, viewer.identity, reason))
        await viewer.turn_away(reason)
        return
    with parts.presence.here(), parts.metrics.viewer():
        await _serve(console, viewer, parts.metrics)


async def _serve(console: Console, viewer: Viewer, metrics: Metrics) -> None:
    identity = viewer.identity
    names = {"instance": console.instance.id, "viewer": viewer.id, "user": identity.user}
    _log.info("viewer.opened", **names, address=identity.address, door=identity.door)
    first_link = console.runner.next_link
    try:
        await console.enter(viewer)
        await viewer.closed()
    except (AuditError, RecordingError) as error:
        await viewer.turn_away(error.close_reason())
    except Exception:
        # An answer in HTTP, as the guard makes it, has no place on a WebSocket.
        _log.exception("viewer.fault", **names)
        viewer.close(_INTERNAL)
        await viewer.closed()
    finally:
        await viewer.abandon()
        end = viewer.end
        assert end is not None, "abandon leaves an end"
        links = console.runner.links_since(first_link)
        console.audit.record_later(closed(console.instance, viewer, links))
        metrics.viewer_closed(end.code)
        _log.info(
            "viewer.closed",
            **names,
            code=int(end.code),
            reason=end.reason,
            text=end.text,
            side=end.side.value,
            bytes_in=viewer.bytes_in,
            bytes_out=viewer.bytes_out,
            seconds=round(viewer.age_s, 1),
            links=len(links),
        )
