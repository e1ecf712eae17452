"""A viewer's session on a console, whatever it came through."""

from __future__ import annotations

import structlog

from vncproxy.console.console import Console
from vncproxy.console.viewer import Viewer
from vncproxy.errors import CloseCode, CloseReason, Side
from vncproxy.observe.metrics import Metrics
from vncproxy.web.presence import Presence

_INTERNAL = CloseReason(CloseCode.INTERNAL, Side.DAEMON, "a fault of the daemon")
_log = structlog.get_logger("vncproxy.viewer")


async def serve(console: Console, viewer: Viewer, metrics: Metrics, presence: Presence) -> None:
    """One viewer from its first to its last byte: one line in the log for each."""
    with presence.here(), metrics.viewer():
        await _serve(console, viewer, metrics)


async def _serve(console: Console, viewer: Viewer, metrics: Metrics) -> None:
    identity = viewer.identity
    names = {"instance": console.instance.id, "viewer": viewer.id, "user": identity.user}
    _log.info("viewer.opened", **names, address=identity.address, door=identity.door)
    links_before = console.runner.links_opened
    try:
        console.join(viewer)
        await viewer.closed()
    except Exception:
        # An answer in HTTP, as the guard makes it, has no place on a WebSocket.
        _log.exception("viewer.fault", **names)
        viewer.close(_INTERNAL)
        await viewer.closed()
    finally:
        await viewer.abandon()
        end = viewer.end
        assert end is not None, "abandon leaves an end"
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
            links=max(1, console.runner.links_opened - links_before),
        )
