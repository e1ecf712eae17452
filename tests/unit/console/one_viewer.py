"""One viewer, its far end, and its console."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.unit.console.fakes import (
    VIEWER_HANDSHAKE,
    FakeTransport,
    server_init,
)
from vncproxy.console.viewer import Viewer, ViewerIdentity
from vncproxy.console.viewer_limits import ViewerLimits
from vncproxy.errors import CloseCode, CloseReason, Side
from vncproxy.rfb.client_events import ClientEvent
from vncproxy.rfb.vnc_auth import PasswordVerifier

CHALLENGE = bytes(range(16))
QUEUE_BYTES = 1000
LIMITS = ViewerLimits(idle_timeout_s=0, max_age_s=0, slow_timeout_s=30, queue_bytes=QUEUE_BYTES)
KICKED = CloseReason(CloseCode.KICKED, Side.DAEMON, "an administrator ended it")


class Host:
    """A console that lets everybody in."""

    def __init__(self) -> None:
        """Nothing was reported."""
        self.received: list[object] = []

    def viewer_ready(self, viewer: Viewer) -> None:
        """Welcome it."""
        self.received.append("ready")

    def viewer_sent(self, viewer: Viewer, events: list[ClientEvent]) -> None:
        """Messages."""
        self.received += events

    def viewer_opaque(self, viewer: Viewer, data: bytes) -> None:
        """Bytes."""
        self.received.append(data)

    def viewer_caught_up(self, viewer: Viewer) -> None:
        """Drained."""
        self.received.append("caught up")

    def viewer_ended(self, viewer: Viewer) -> None:
        """The end."""
        self.received.append("ended")


class Setup:
    """A viewer, its far end, and its console."""

    def __init__(
        self,
        limits: ViewerLimits = LIMITS,
        password: str = "",
        *,
        opened: bool = True,
        **who: Any,
    ) -> None:
        """Waiting for a link, if it is `opened`."""
        self.transport, self.host = FakeTransport(), Host()
        verifier = PasswordVerifier(password, CHALLENGE) if password else None
        identity = ViewerIdentity("v-1", "ann", "127.0.0.1", "local", **who)
        self.viewer = Viewer(identity, self.transport, limits, verifier)
        if opened:
            self.viewer.open(self.host)

    def shake(self) -> None:
        """Up to the wish for ServerInit."""
        self.viewer.greet()
        for piece in VIEWER_HANDSHAKE:
            self.transport.deliver(piece)

    def stream(self) -> Setup:
        """Up to the first message."""
        self.shake()
        self.viewer.welcome(server_init())
        self.transport.take()
        self.host.received.clear()
        return self


Make = Callable[..., Setup]
