"""The handshake with a viewer, the daemon being the server.

                  start()
    VERSION  <----------- version line sent
       | viewer's version
       |---- 3.3 ----> type sent ----.
    CHOICE   (3.7, 3.8: list sent)    |
       | viewer's type                |
       |---- None --------------------|--> CLIENT_INIT   (3.8: SecurityResult sent)
    RESPONSE  <-- VncAuth: challenge -'
       | right answer
    ADMISSION
       | admit(): SecurityResult sent
    CLIENT_INIT
       | shared flag
    READY      the console sends ServerInit when the link is up; more bytes are kept in `trailing`

A viewer that is known to speak 3.8 and to take type None can be greeted ahead: start() gives all
that the steps up to CLIENT_INIT would send, and they only take its answers. That saves three round
trips.

Its rule: a refusal is sent where the viewer's version can carry it, and nothing is sent that the
version doesn't allow. Source: RFC 6143, sections 7.1 to 7.3.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import assert_never

from vncproxy.rfb.handshake_events import (
    HandshakeBroken,
    PasswordAccepted,
    PasswordRejected,
    RefusalSent,
    Send,
    ViewerHandshakeEvent,
    ViewerReady,
)
from vncproxy.rfb.protocol_version import VERSION_BYTES, ProtocolVersion
from vncproxy.rfb.vnc_auth import CHALLENGE_BYTES, PasswordVerifier

TRAILING_MAX_BYTES = 65_536
"""What a viewer may send before its ServerInit came: well-behaved ones send nothing."""

_REASON_MAX_BYTES = 1024
_NONE = 1
_VNC_AUTH = 2
_OK = bytes(4)


class _Step(Enum):
    # By what it is, which costs less than Enum's own, by its name.
    __hash__ = object.__hash__

    NEW = auto()
    VERSION = auto()
    CHOICE = auto()
    RESPONSE = auto()
    ADMISSION = auto()
    CLIENT_INIT = auto()
    READY = auto()
    OVER = auto()


_WAITS_FOR = {
    _Step.VERSION: VERSION_BYTES,
    _Step.CHOICE: 1,
    _Step.RESPONSE: CHALLENGE_BYTES,
    _Step.CLIENT_INIT: 1,
}
"""Bytes that each step takes. The others take none and let bytes lie, within bounds."""


class ViewerHandshake:
    """One viewer's handshake: `start()`, then `feed()` until `ViewerReady` or a last event.

    Args:
        verifier: Asks for VNC Authentication with it; None: security type None.
        ahead: Don't wait for its answers; only without a verifier.
    """

    def __init__(self, verifier: PasswordVerifier | None = None, *, ahead: bool = False) -> None:
        """Wait for start()."""
        assert verifier is None or not ahead, "a password has to be waited for"
        self._verifier = verifier
        self.ahead = ahead
        self._security = _NONE if verifier is None else _VNC_AUTH
        self._step = _Step.NEW
        self._version = ProtocolVersion.V3_8
        self._pending = bytearray()
        self._failure: str | None = None

    @property
    def trailing(self) -> bytes:
        """After `ViewerReady`: what the viewer sent after ClientInit."""
        return bytes(self._pending)

    def take_trailing(self) -> bytes:
        """`trailing`, which is forgotten here; also what came ahead of being let in."""
        trailing = self.trailing
        self._pending.clear()
        return trailing

    @property
    def finished(self) -> bool:
        """Whether nothing more can come of it: the connection may be closed."""
        return self._step is _Step.OVER

    def start(self) -> bytes:
        """The version line, which opens the conversation; ahead, all up to ClientInit."""
        assert self._step is _Step.NEW, "start() is called once"
        self._step = _Step.VERSION
        line = ProtocolVersion.V3_8.line
        return line + self._offer + _OK if self.ahead else line

    @property
    def _offer(self) -> bytes:
        return bytes([1, self._security])

    def feed(self, data: bytes | bytearray | memoryview) -> list[ViewerHandshakeEvent]:
        """Take some of the viewer's bytes. Never raises; after a last event nothing is returned."""
        if self.finished:
            return []
        self._pending += data
        events: list[ViewerHandshakeEvent] = []
        while (size := _WAITS_FOR.get(self._step)) is not None and len(self._pending) >= size:
            message = bytes(self._pending[:size])
            del self._pending[:size]
            events += self._take(message)
        if len(self._pending) > TRAILING_MAX_BYTES and not self.finished:
            events.append(self._broken("a viewer that sends much before it was let in"))
        if self.finished:
            self._pending.clear()
        return events

    def admit(self) -> bytes:
        """After `PasswordAccepted`: the SecurityResult that lets the viewer in.

        Bytes that came ahead of it are taken up by the next feed(), which may be of nothing.
        """
        assert self._step is _Step.ADMISSION, "admit() follows PasswordAccepted"
        self._step = _Step.CLIENT_INIT
        return _OK

    def fail(self, reason: str) -> bytes:
        """What to send now so that the viewer shows `reason` and gives up.

        If `finished` is false afterwards, the version doesn't allow it yet: the text follows as a
        `Send` from a later feed(), then `RefusalSent`. Once the viewer was let in, RFB has no way
        left to refuse it: nothing is sent.
        """
        if self._step is _Step.NEW:
            self._failure = reason
            return self.start()
        if self._step in (_Step.VERSION, _Step.CHOICE, _Step.RESPONSE):
            self._failure = reason
            return b""
        refusal = self._result_failed(reason) if self._step is _Step.ADMISSION else b""
        self._step = _Step.OVER
        return refusal

    def _take(self, message: bytes) -> list[ViewerHandshakeEvent]:
        match self._step:
            case _Step.VERSION:
                return self._take_version(message)
            case _Step.CHOICE:
                return self._take_choice(message[0])
            case _Step.RESPONSE:
                return self._take_response(message)
            case _Step.CLIENT_INIT:
                self._step = _Step.READY
                return [ViewerReady(shared=message[0] != 0)]
            case _Step.NEW | _Step.ADMISSION | _Step.READY | _Step.OVER:
                raise AssertionError("these steps take no bytes: they aren't in _WAITS_FOR")
            case step:
                assert_never(step)

    def _take_version(self, line: bytes) -> list[ViewerHandshakeEvent]:
        version = ProtocolVersion.understood(line)
        if version is None:
            return [self._broken("a viewer that doesn't speak RFB")]
        if self.ahead and version is not ProtocolVersion.V3_8:
            return [self._broken("a viewer greeted ahead that doesn't speak RFB 3.8")]
        self._version = version
        if self._failure is not None:
            none = bytes(4) if version is ProtocolVersion.V3_3 else b"\0"
            return self._refused(none + _text(self._failure))
        if version is ProtocolVersion.V3_3:
            return [Send(self._security.to_bytes(4, "big") + self._secure())]
        self._step = _Step.CHOICE
        return [] if self.ahead else [Send(self._offer)]

    def _take_choice(self, choice: int) -> list[ViewerHandshakeEvent]:
        if choice != self._security:
            return [self._broken("a viewer that chose a security type it wasn't offered")]
        if self._verifier is not None:
            return [Send(self._secure())]
        # Before 3.8, None has no SecurityResult: nothing can be sent.
        has_result = self._version is ProtocolVersion.V3_8
        if self._failure is not None:
            return self._refused(self._result_failed(self._failure) if has_result else b"")
        self._secure()
        return [Send(_OK)] if has_result and not self.ahead else []

    def _secure(self) -> bytes:
        """Start the security type: what it sends first."""
        if self._verifier is None:
            self._step = _Step.CLIENT_INIT
            return b""
        self._step = _Step.RESPONSE
        return self._verifier.challenge

    def _take_response(self, answer: bytes) -> list[ViewerHandshakeEvent]:
        assert self._verifier is not None, "only VncAuth gets here"
        if not self._verifier.accepts(answer):
            self._step = _Step.OVER
            return [Send(self._result_failed("The password is wrong.")), PasswordRejected()]
        if self._failure is not None:
            return self._refused(self._result_failed(self._failure))
        self._step = _Step.ADMISSION
        return [PasswordAccepted()]

    def _result_failed(self, reason: str) -> bytes:
        text = _text(reason) if self._version is ProtocolVersion.V3_8 else b""
        return b"\0\0\0\1" + text

    def _refused(self, data: bytes) -> list[ViewerHandshakeEvent]:
        self._step = _Step.OVER
        return [Send(data), RefusalSent()] if data else [RefusalSent()]

    def _broken(self, reason: str) -> HandshakeBroken:
        self._step = _Step.OVER
        return HandshakeBroken(reason)


def _text(reason: str) -> bytes:
    data = reason.encode("utf-8", "replace")[:_REASON_MAX_BYTES]
    return len(data).to_bytes(4, "big") + data
