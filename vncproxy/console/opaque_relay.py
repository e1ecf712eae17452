"""An opaque console: bytes relayed untouched between one viewer and the upstream (rule 11).

No keepalive, no resume, no sharing, no recording: the bytes aren't RFB as the daemon knows it.
"""

from __future__ import annotations

from collections.abc import Callable

from vncproxy.console.link import Link
from vncproxy.console.session_recordings import OPAQUE
from vncproxy.console.viewer import Viewer
from vncproxy.errors import CloseCode, CloseReason, Side
from vncproxy.rfb.handshake_events import UnknownSecurity
from vncproxy.rfb.opaque_start import Mismatch, OpaqueStart, Relay

QUEUE_BYTES = 1024 * 1024
"""More than this waiting for one side, and the other is read no further."""

NOT_FOR_NATIVE = CloseReason(
    CloseCode.UPSTREAM_PROTOCOL,
    Side.CLOUD,
    "the console's server speaks a kind of VNC that vncproxy doesn't know: native viewers can't be "
    "let in; open it in a browser",
)
"""A native viewer proves itself within the RFB that isn't spoken here."""
_UNRECORDABLE = CloseReason(CloseCode.KICKED, Side.DAEMON, OPAQUE)
_IN_USE = CloseReason(
    CloseCode.IN_USE,
    Side.DAEMON,
    "the console's server speaks a kind of VNC that vncproxy doesn't know: only one viewer can be "
    "on, and one is",
)
_NOT_TO_WATCH = CloseReason(
    CloseCode.IN_USE,
    Side.DAEMON,
    "the console's server speaks a kind of VNC that vncproxy doesn't know: it can't be watched "
    "without control",
)


class OpaqueRelay:
    """Both directions of one opaque link."""

    def __init__(
        self, link: Link, found: UnknownSecurity | None, mismatch: Callable[[], None]
    ) -> None:
        """Wait for a viewer.

        Args:
            link: Both directions of which are relayed.
            found: How the daemon's own handshake ended, which the viewer takes over; None: the link
                is fresh, and the viewer speaks to it from the first byte.
            mismatch: Called when the viewer can't take the connection over.
        """
        self._link = link
        self._start = OpaqueStart(found) if found is not None else None
        self._mismatch = mismatch
        self._viewer: Viewer | None = None
        self._early: list[bytes] = []

    def take(self, viewer: Viewer) -> CloseReason | None:
        """Let this viewer be the one; it is sent what the upstream sent first.

        Returns:
            How to close the viewer, if it can't be the one.
        """
        if viewer.identity.record:
            return _UNRECORDABLE
        if viewer.identity.native:
            return NOT_FOR_NATIVE
        if self._viewer is not None:
            return _IN_USE
        if not viewer.identity.may_control:
            return _NOT_TO_WATCH
        self._viewer = viewer
        viewer.time_limits.waiting_is_over()
        if self._start is not None:
            # What came early follows once the viewer has taken over.
            viewer.go_opaque([self._start.start()])
        else:
            early, self._early = self._early, []
            viewer.go_opaque(early)
        self._link.resume()
        return None

    def from_link(self, data: bytes) -> None:
        """Bytes of the upstream."""
        if self._viewer is None or self._start is not None:
            self._early.append(data)
            self._link.pause()
            return
        self._viewer.send([data])
        if self._viewer.backlog_bytes > QUEUE_BYTES:
            self._link.pause()

    def from_viewer(self, data: bytes) -> None:
        """Bytes of the viewer."""
        if self._start is None:
            self._to_link(data)
            return
        match self._start.feed(data):
            case Relay(to_viewer, to_upstream):
                self._start = None
                early, self._early = self._early, []
                if self._viewer is not None:
                    self._viewer.send([to_viewer, *early])
                self._to_link(to_upstream)
                self._link.resume()
            case Mismatch():
                self._mismatch()
            case None:
                pass

    def _to_link(self, data: bytes) -> None:
        self._link.send([data] if data else [])
        if self._viewer is not None and self._link.backlog_bytes > QUEUE_BYTES:
            self._viewer.pause()

    def viewer_caught_up(self) -> None:
        """The viewer has taken all that was sent."""
        self._link.resume()

    def link_caught_up(self) -> None:
        """The upstream has taken all that was sent."""
        if self._viewer is not None:
            self._viewer.resume()
