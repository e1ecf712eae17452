"""RFB's handshakes: with an upstream, as its viewer, and with a viewer, as its server."""

from __future__ import annotations

from tests.fuzz.target import Choices, Target, splits
from vncproxy.rfb.handshake_events import (
    AuthenticationFailed,
    HandshakeBroken,
    PasswordAccepted,
    PasswordNeeded,
    PasswordRejected,
    Ready,
    RefusalSent,
    Refused,
    Send,
    UnknownSecurity,
    UpstreamHandshakeEvent,
    ViewerHandshakeEvent,
    ViewerReady,
)
from vncproxy.rfb.upstream_handshake import UpstreamHandshake
from vncproxy.rfb.viewer_handshake import TRAILING_MAX_BYTES, ViewerHandshake
from vncproxy.rfb.vnc_auth import PasswordVerifier, response

CHALLENGE = bytes(range(16))
_UPSTREAM_ENDS = (AuthenticationFailed, Refused, UnknownSecurity, Ready, HandshakeBroken)
_VIEWER_ENDS = (PasswordRejected, RefusalSent, HandshakeBroken)


def _with_upstream(
    pieces: list[bytes], password: str | None
) -> tuple[list[UpstreamHandshakeEvent], list[UpstreamHandshakeEvent]]:
    """The events, and what the connection's end adds."""
    handshake = UpstreamHandshake(password)
    events: list[UpstreamHandshakeEvent] = []
    for piece in pieces:
        events += handshake.feed(piece)
        if events and isinstance(events[-1], PasswordNeeded):
            events += handshake.answer("found out")
    return events, handshake.ended()


def upstream_handshake(data: bytes) -> None:
    """What an upstream sends; the cuts don't matter but for what follows the end."""
    choices = Choices(data)
    password = (None, "secret")[choices.number(1)]
    seed, wire = choices.number(255), choices.rest
    whole, last = _with_upstream([wire], password)
    assert not any(isinstance(event, _UPSTREAM_ENDS) for event in whole[:-1])
    assert len(last) == (not (whole and isinstance(whole[-1], _UPSTREAM_ENDS)))
    for pieces in splits(wire, seed):
        cut, cut_last = _with_upstream(pieces, password)
        assert len(cut) == len(whole)
        assert cut[:-1] == whole[:-1]
        match whole[-1:], cut[-1:]:
            case [Ready() as one], [Ready() as other]:
                assert one.trailing.startswith(other.trailing)
                assert (one.width, one.height, one.name) == (other.width, other.height, other.name)
            case [UnknownSecurity() as one], [UnknownSecurity() as other]:
                assert (one.types, one.sent) == (other.types, other.sent)
                assert wire.startswith(other.received)
            case _:
                assert (cut, cut_last) == (whole, last)


def _with_viewer(
    pieces: list[bytes], password: str | None, *, ahead: bool, failure: int
) -> tuple[list[ViewerHandshakeEvent], bytes]:
    verifier = PasswordVerifier(password, CHALLENGE) if password else None
    handshake = ViewerHandshake(verifier, ahead=ahead)
    handshake.start()
    events: list[ViewerHandshakeEvent] = []
    fed = 0
    for piece in pieces:
        events += handshake.feed(piece)
        fed += len(piece)
        if events and events[-1] == PasswordAccepted():
            events.append(Send(handshake.admit()))
            events += handshake.feed(b"")
    if failure and not handshake.finished:
        handshake.fail("The instance is stopped.")
        events += handshake.feed(b"")
    return events, handshake.trailing


def viewer_handshake(data: bytes) -> None:
    """What a viewer sends."""
    choices = Choices(data)
    password = (None, "secret")[choices.number(1)]
    ahead = password is None and choices.number(1) == 1
    failure, seed = choices.number(1), choices.number(255)
    wire = choices.rest
    events, trailing = _with_viewer([wire], password, ahead=ahead, failure=failure)
    assert not any(isinstance(event, _VIEWER_ENDS) for event in events[:-1])
    assert len(trailing) <= TRAILING_MAX_BYTES
    if password and any(isinstance(event, ViewerReady) for event in events):
        assert response(password, CHALLENGE) in wire
    for pieces in splits(wire, seed):
        assert _with_viewer(pieces, password, ahead=ahead, failure=failure) == (events, trailing)


_WORDS = (b"RFB 003.008\n", b"RFB 003.007\n", b"RFB 003.003\n", b"\x01\x02", b"\0\0\0\1")
TARGETS = (
    Target("upstream-handshake", upstream_handshake, words=_WORDS),
    Target("viewer-handshake", viewer_handshake, words=(*_WORDS, response("secret", CHALLENGE))),
)
