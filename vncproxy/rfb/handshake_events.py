"""What comes out of a handshake, in either direction.

Source: RFC 6143, sections 7.1 to 7.3; rfbproto, Handshaking Messages and Initialisation Messages.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from vncproxy.rfb.pixel_format import PixelFormat
from vncproxy.rfb.protocol_version import VERSION_BYTES


@dataclass(frozen=True, slots=True)
class Send:
    """Bytes for the peer, to be sent in the order of the events."""

    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class HandshakeBroken:
    """The handshake can't go on: the last event. `reason` is for the log and quotes no bytes."""

    reason: str


# As a server to a viewer


@dataclass(frozen=True, slots=True)
class PasswordAccepted:
    """The viewer knows the password; it waits for `ViewerHandshake.admit()` or `.fail()`."""


@dataclass(frozen=True, slots=True)
class PasswordRejected:
    """The viewer gave a wrong password, and has the refusal: the last event."""


@dataclass(frozen=True, slots=True)
class ViewerReady:
    """ClientInit came: the viewer waits for ServerInit.

    Args:
        shared: False asks for the others to be thrown out, which is the console's decision.
    """

    shared: bool


@dataclass(frozen=True, slots=True)
class RefusalSent:
    """The viewer was sent why it can't go on, as far as its version allows: the last event."""


ViewerHandshakeEvent: TypeAlias = (
    Send | PasswordAccepted | PasswordRejected | ViewerReady | RefusalSent | HandshakeBroken
)


# As a client to the upstream


@dataclass(frozen=True, slots=True)
class PasswordNeeded:
    """The upstream asks for VNC Authentication and no password is known.

    The handshake waits for `UpstreamHandshake.answer(password)`.
    """

    challenge: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class AuthenticationFailed:
    """The upstream refused the password: the last event.

    Args:
        reason: The upstream's words, cleaned and cut; empty before 3.8. For the log: it may name
            hosts.
    """

    reason: str


@dataclass(frozen=True, slots=True)
class Refused:
    """The upstream refused the connection whatever the password: the last event.

    Args:
        reason: The upstream's words, cleaned and cut. For the log: it may name hosts.
    """

    reason: str


@dataclass(frozen=True, slots=True)
class UnknownSecurity:
    """The upstream offers only security types that the daemon doesn't know: the last event.

    Or it is known to go on in a way that the daemon doesn't know.

    What came and went so far is kept, so that one viewer can take the connection over as it is:
    see `OpaqueStart`.

    Args:
        types: The types offered.
        received: Every byte that came.
        sent: Every byte that the daemon answered, its version line.
    """

    types: tuple[int, ...]
    received: bytes = field(repr=False)
    sent: bytes = field(repr=False)

    @property
    def greeting(self) -> bytes:
        """The upstream's version line."""
        return self.received[:VERSION_BYTES]

    @property
    def rest(self) -> bytes:
        """What the upstream sent after its version line."""
        return self.received[VERSION_BYTES:]


@dataclass(frozen=True, slots=True)
class Ready:
    """ServerInit came: the last event.

    Args:
        width, height: Pixels.
        name: Cleaned and cut.
        trailing: Bytes that follow ServerInit.
    """

    width: int
    height: int
    pixel_format: PixelFormat
    name: str
    trailing: bytes = field(repr=False)


UpstreamHandshakeEvent: TypeAlias = (
    Send
    | PasswordNeeded
    | AuthenticationFailed
    | Refused
    | UnknownSecurity
    | Ready
    | HandshakeBroken
)
