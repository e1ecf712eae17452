"""Laws of both handshakes, for any bytes in any pieces: for hypothesis, and to be fuzzed.

The cuts don't matter, and an end is the end.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

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
UPSTREAM_ENDS = (AuthenticationFailed, Refused, UnknownSecurity, Ready, HandshakeBroken)
VIEWER_ENDS = (PasswordRejected, RefusalSent, HandshakeBroken)


def with_upstream(
    parts: Sequence[bytes], password: str | None
) -> tuple[list[UpstreamHandshakeEvent], list[UpstreamHandshakeEvent]]:
    """All events, and what the connection's end adds.

    Args:
        parts: What the upstream sends.
        password: That is known; None: it is found out when it is needed.
    """
    handshake = UpstreamHandshake(password)
    events: list[UpstreamHandshakeEvent] = []
    for part in parts:
        events += handshake.feed(part)
        if events and isinstance(events[-1], PasswordNeeded):
            events += handshake.answer("found out")
    return events, handshake.ended()


def check_upstream(wire: bytes, password: str | None, cuts: Iterable[Sequence[bytes]]) -> None:
    """The cuts don't matter but for what follows the end.

    Args:
        wire: What an upstream sends.
        password: As for `with_upstream`.
        cuts: Ways in which it may come.

    Raises:
        AssertionError: They do.
    """
    whole, last = with_upstream([wire], password)
    assert not any(isinstance(event, UPSTREAM_ENDS) for event in whole[:-1]), whole
    assert len(last) == (not (whole and isinstance(whole[-1], UPSTREAM_ENDS))), (whole, last)
    for parts in cuts:
        cut, cut_last = with_upstream(parts, password)
        assert len(cut) == len(whole), (cut, whole)
        assert cut[:-1] == whole[:-1], (cut, whole)
        match whole[-1:], cut[-1:]:
            case [Ready() as one], [Ready() as other]:
                assert one.trailing.startswith(other.trailing), (other, one)
                assert (one.width, one.height, one.name) == (other.width, other.height, other.name)
            case [UnknownSecurity() as one], [UnknownSecurity() as other]:
                assert (one.types, one.sent) == (other.types, other.sent)
                assert wire == one.received
                assert wire.startswith(other.received), (other, one)
            case _:
                assert (cut, cut_last) == (whole, last), (cut, cut_last, whole, last)


def with_viewer(
    parts: Sequence[bytes], password: str | None, *, ahead: bool = False, failure: bool = False
) -> tuple[list[ViewerHandshakeEvent], bytes]:
    """All events, the viewer admitted when it may be, and the bytes that follow.

    Args:
        parts: What the viewer sends.
        password: That it is asked for; None: for none.
        ahead: As for `ViewerHandshake`.
        failure: Whether it is refused at last.
    """
    verifier = PasswordVerifier(password, CHALLENGE) if password else None
    handshake = ViewerHandshake(verifier, ahead=ahead)
    handshake.start()
    events: list[ViewerHandshakeEvent] = []
    for part in parts:
        events += handshake.feed(part)
        if events and events[-1] == PasswordAccepted():
            events.append(Send(handshake.admit()))
            events += handshake.feed(b"")
    if failure and not handshake.finished:
        handshake.fail("The instance is stopped.")
        events += handshake.feed(b"")
    return events, handshake.trailing


def check_viewer(
    wire: bytes,
    password: str | None,
    cuts: Iterable[Sequence[bytes]],
    *,
    ahead: bool = False,
    failure: bool = False,
) -> None:
    """The cuts don't matter, and nobody gets in without the password.

    Args:
        wire: What a viewer sends.
        password: As for `with_viewer`, like `ahead` and `failure`.
        cuts: Ways in which it may come.
        ahead: See there.
        failure: See there.

    Raises:
        AssertionError: They do, or somebody does.
    """
    whole = with_viewer([wire], password, ahead=ahead, failure=failure)
    events, trailing = whole
    assert not any(isinstance(event, VIEWER_ENDS) for event in events[:-1]), events
    assert len(trailing) <= TRAILING_MAX_BYTES
    if password and any(isinstance(event, ViewerReady) for event in events):
        assert response(password, CHALLENGE) in wire
    for parts in cuts:
        cut = with_viewer(parts, password, ahead=ahead, failure=failure)
        assert cut == whole, (cut, whole)
