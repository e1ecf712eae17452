"""The handshake with the upstream, the daemon being the client.

    VERSION      its version line; ours is sent
    TYPE         3.3: the security type it decided on
    TYPES        3.7, 3.8: its list; our choice is sent: None, else VncAuth
    CHALLENGE    VncAuth: answered at once if the password is known, else
    PASSWORD     after PasswordNeeded, until answer()
    RESULT       SecurityResult: always after VncAuth, after None only in 3.8; ClientInit is sent
    REASON       the words of a refusal
    SERVER_INIT  size, format, length of the name
    NAME         the name

ClientInit always asks to share: QEMU obeys an exclusive request by throwing the others out. Source:
RFC 6143, sections 7.1 to 7.3; rfbproto, Handshaking Messages and Initialisation Messages.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto

from vncproxy.rfb.handshake_events import (
    AuthenticationFailed,
    HandshakeBroken,
    PasswordNeeded,
    Ready,
    Refused,
    Send,
    UnknownSecurity,
    UpstreamHandshakeEvent,
)
from vncproxy.rfb.pixel_format import SIZE as PIXEL_FORMAT_BYTES
from vncproxy.rfb.pixel_format import PixelFormat
from vncproxy.rfb.protocol_version import VERSION_BYTES, ProtocolVersion
from vncproxy.rfb.rectangles import check_framebuffer
from vncproxy.rfb.safe_text import NAME_MAX_BYTES, one_line
from vncproxy.rfb.vnc_auth import CHALLENGE_BYTES, response
from vncproxy.rfb.wire_error import WireError

REASON_MAX_BYTES = 1024
"""What is kept of a refusal; the connection is over, so the rest isn't waited for."""

_NONE = 1
_VNC_AUTH = 2
_SHARED = b"\1"
_UNASKED_MAX_BYTES = 65_536


class _Step(Enum):
    # By what it is, which costs less than Enum's own, by its name.
    __hash__ = object.__hash__

    VERSION = auto()
    TYPE = auto()
    TYPES = auto()
    CHALLENGE = auto()
    PASSWORD = auto()
    RESULT = auto()
    REASON = auto()
    SERVER_INIT = auto()
    NAME = auto()
    OVER = auto()


class UpstreamHandshake:
    """One link's handshake: `feed()` until `Ready` or another last event.

    Args:
        password: The VNC password if one is known; it is used only when asked for.
        opaque_greeting: An upstream with this `greeting` is handed over, since it goes on in a way
            that the daemon doesn't know.
    """

    def __init__(self, password: str | None = None, opaque_greeting: bytes | None = None) -> None:
        """Wait for the upstream's version."""
        self._password = password
        self._opaque_greeting = opaque_greeting
        self._step = _Step.VERSION
        self._version = ProtocolVersion.V3_8
        self._security = _NONE
        self._pending = bytearray()
        self._greeted = bytearray()
        self._challenge = b""
        self._events: list[UpstreamHandshakeEvent] = []
        self._size = (0, 0)
        self._pixel_format = PixelFormat()
        self._name = b""
        self._name_rest = 0

    @property
    def greeting(self) -> bytes:
        """What the upstream sent unasked: its version line and its security types."""
        return bytes(self._greeted)

    def feed(self, data: bytes | bytearray | memoryview) -> list[UpstreamHandshakeEvent]:
        """Take some of the upstream's bytes. Never raises; after a last event gives nothing."""
        if self._step is _Step.OVER:
            return []
        self._pending += data
        return self._proceed()

    def answer(self, password: str) -> list[UpstreamHandshakeEvent]:
        """After `PasswordNeeded`: go on with this password."""
        assert self._step is _Step.PASSWORD, "answer() follows PasswordNeeded"
        self._events.append(Send(response(password, self._challenge)))
        self._step = _Step.RESULT
        return self._proceed()

    def ended(self) -> list[UpstreamHandshakeEvent]:
        """The connection ended: the text of a refusal as far as it came, else that it broke off."""
        if self._step is _Step.OVER:
            return []
        if self._step is _Step.REASON:
            self._refuse(bytes(self._pending[4:]))
        else:
            self._end(HandshakeBroken("the upstream closed the connection during the handshake"))
        return self._taken()

    def _proceed(self) -> list[UpstreamHandshakeEvent]:
        try:
            while (step := _TAKERS.get(self._step)) is not None and step(self):
                pass
            if len(self._pending) > _UNASKED_MAX_BYTES:
                raise WireError("an upstream that sends much without being asked")
        except WireError as error:
            self._end(HandshakeBroken(str(error)))
        return self._taken()

    def _taken(self) -> list[UpstreamHandshakeEvent]:
        events, self._events = self._events, []
        return events

    def _shift(self, size: int) -> bytes:
        data = bytes(self._pending[:size])
        del self._pending[:size]
        return data

    def _end(self, event: UpstreamHandshakeEvent) -> None:
        self._step = _Step.OVER
        self._pending.clear()
        self._events.append(event)

    # Each of these takes one message off, or gives False when more bytes are needed.

    def _take_version(self) -> bool:
        if len(self._pending) < VERSION_BYTES:
            return False
        line = self._shift(VERSION_BYTES)
        version = ProtocolVersion.understood(line)
        if version is None:
            raise WireError("an upstream that doesn't speak RFB")
        self._version = version
        self._greeted += line
        self._events.append(Send(version.line))
        self._step = _Step.TYPE if version is ProtocolVersion.V3_3 else _Step.TYPES
        return True

    def _take_type(self) -> bool:
        if len(self._pending) < 4:
            return False
        word = self._shift(4)
        self._greeted += word
        kind = int.from_bytes(word, "big")
        if kind == 0:
            self._step = _Step.REASON
        elif kind in (_NONE, _VNC_AUTH) and self.greeting != self._opaque_greeting:
            self._secure(kind)
        else:
            self._hand_over((kind,))
        return True

    def _take_types(self) -> bool:
        if not self._pending or len(self._pending) < 1 + self._pending[0]:
            return False
        message = self._shift(1 + self._pending[0])
        self._greeted += message
        types = tuple(message[1:])
        if not types:
            self._step = _Step.REASON
        elif self.greeting == self._opaque_greeting:
            self._hand_over(types)
        elif known := [kind for kind in (_NONE, _VNC_AUTH) if kind in types]:
            self._events.append(Send(bytes(known[:1])))
            self._secure(known[0])
        else:
            self._hand_over(types)
        return True

    def _hand_over(self, types: tuple[int, ...]) -> None:
        received = bytes(self._greeted + self._pending)
        self._end(UnknownSecurity(types, received, self._version.line))

    def _secure(self, kind: int) -> None:
        self._security = kind
        if kind == _VNC_AUTH:
            self._step = _Step.CHALLENGE
        elif self._version is ProtocolVersion.V3_8:
            self._step = _Step.RESULT
        else:
            self._initialise()

    def _initialise(self) -> None:
        self._events.append(Send(_SHARED))
        self._step = _Step.SERVER_INIT

    def _take_challenge(self) -> bool:
        if len(self._pending) < CHALLENGE_BYTES:
            return False
        self._challenge = self._shift(CHALLENGE_BYTES)
        if self._password is None:
            self._events.append(PasswordNeeded(self._challenge))
            self._step = _Step.PASSWORD
        else:
            self._events.append(Send(response(self._password, self._challenge)))
            self._step = _Step.RESULT
        return True

    def _take_result(self) -> bool:
        if len(self._pending) < 4:
            return False
        if self._shift(4) == bytes(4):
            self._initialise()
        elif self._version is ProtocolVersion.V3_8:
            self._step = _Step.REASON
        else:
            self._refuse(b"")
        return True

    def _take_reason(self) -> bool:
        if len(self._pending) < 4:
            return False
        size = min(int.from_bytes(self._pending[:4], "big"), REASON_MAX_BYTES)
        if len(self._pending) < 4 + size:
            return False
        self._refuse(bytes(self._pending[4 : 4 + size]))
        return True

    def _refuse(self, reason: bytes) -> None:
        text = one_line(reason[:REASON_MAX_BYTES], REASON_MAX_BYTES)
        tried = self._security == _VNC_AUTH
        self._end(AuthenticationFailed(text) if tried else Refused(text))

    def _take_server_init(self) -> bool:
        if len(self._pending) < 8 + PIXEL_FORMAT_BYTES:
            return False
        message = self._shift(8 + PIXEL_FORMAT_BYTES)
        width = int.from_bytes(message[:2], "big")
        height = int.from_bytes(message[2:4], "big")
        check_framebuffer(width, height)
        self._size = (width, height)
        try:
            self._pixel_format = PixelFormat.unpack(message[4 : 4 + PIXEL_FORMAT_BYTES])
        except ValueError as error:
            raise WireError(f"a pixel format with {error}") from error
        self._name_rest = int.from_bytes(message[-4:], "big")
        self._step = _Step.NAME
        return True

    def _take_name(self) -> bool:
        piece = self._shift(self._name_rest)
        self._name_rest -= len(piece)
        self._name += piece[: NAME_MAX_BYTES - len(self._name)]
        if self._name_rest:
            return False
        name, trailing = one_line(self._name, NAME_MAX_BYTES), bytes(self._pending)
        self._end(Ready(*self._size, self._pixel_format, name, trailing))
        return True


_TAKERS: dict[_Step, Callable[[UpstreamHandshake], bool]] = {
    _Step.VERSION: UpstreamHandshake._take_version,
    _Step.TYPE: UpstreamHandshake._take_type,
    _Step.TYPES: UpstreamHandshake._take_types,
    _Step.CHALLENGE: UpstreamHandshake._take_challenge,
    _Step.RESULT: UpstreamHandshake._take_result,
    _Step.REASON: UpstreamHandshake._take_reason,
    _Step.SERVER_INIT: UpstreamHandshake._take_server_init,
    _Step.NAME: UpstreamHandshake._take_name,
}
