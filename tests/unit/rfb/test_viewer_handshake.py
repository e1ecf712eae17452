"""The handshake with viewers, byte for byte."""

from __future__ import annotations

import pytest

from vncproxy.rfb.handshake_events import (
    HandshakeBroken,
    PasswordAccepted,
    PasswordRejected,
    RefusalSent,
    Send,
    ViewerHandshakeEvent,
    ViewerReady,
)
from vncproxy.rfb.viewer_handshake import TRAILING_MAX_BYTES, ViewerHandshake
from vncproxy.rfb.vnc_auth import PasswordVerifier, response

V3_3, V3_7, V3_8 = b"RFB 003.003\n", b"RFB 003.007\n", b"RFB 003.008\n"
CHALLENGE = bytes(range(16))
RIGHT = response("secret", CHALLENGE)
WRONG = response("guess", CHALLENGE)
TEXT = b"\0\0\0\x06not up"


def with_password() -> ViewerHandshake:
    """A handshake that asks for the password `secret`."""
    return ViewerHandshake(PasswordVerifier("secret", CHALLENGE))


def started(handshake: ViewerHandshake, version: bytes) -> list[ViewerHandshakeEvent]:
    """What the viewer's version line brings about."""
    assert handshake.start() == V3_8
    return handshake.feed(version)


def sent(events: list[ViewerHandshakeEvent]) -> bytes:
    """The bytes to send among the events."""
    return b"".join(event.data for event in events if isinstance(event, Send))


def test_security_none_in_3_8_has_a_result() -> None:
    """3.8: a list of one type, the viewer's choice, SecurityResult, ClientInit."""
    handshake = ViewerHandshake()
    assert started(handshake, V3_8) == [Send(b"\x01\x01")]
    assert handshake.feed(b"\x01") == [Send(bytes(4))]
    assert handshake.feed(b"\x01") == [ViewerReady(shared=True)]


def test_a_viewer_greeted_ahead_gets_the_same_bytes_at_once() -> None:
    """Its answers bring nothing more about than that it is ready."""
    handshake = ViewerHandshake(ahead=True)
    assert handshake.start() == V3_8 + b"\x01\x01" + bytes(4)
    assert handshake.feed(V3_8) == []
    assert handshake.feed(b"\x01") == []
    assert handshake.feed(b"\x01more") == [ViewerReady(shared=True)]
    assert handshake.trailing == b"more"


@pytest.mark.parametrize("version", [V3_3, V3_7, b"RFB 003.005\n", b"GET / HTTP/1"])
def test_who_is_greeted_ahead_has_to_speak_3_8(version: bytes) -> None:
    """An older one would have read the rest as something else."""
    handshake = ViewerHandshake(ahead=True)
    handshake.start()
    [broken] = handshake.feed(version)
    assert isinstance(broken, HandshakeBroken)
    assert handshake.finished


def test_security_none_in_3_7_has_no_result() -> None:
    """3.7: a list of one type, the viewer's choice, ClientInit."""
    handshake = ViewerHandshake()
    assert started(handshake, V3_7) == [Send(b"\x01\x01")]
    assert handshake.feed(b"\x01") == []
    assert handshake.feed(b"\x00") == [ViewerReady(shared=False)]


@pytest.mark.parametrize("version", [V3_3, b"RFB 003.005\n"])
def test_security_none_in_3_3_is_decided_by_the_server(version: bytes) -> None:
    """3.3, and what is read as 3.3: a word with the type, ClientInit."""
    handshake = ViewerHandshake()
    assert started(handshake, version) == [Send(b"\0\0\0\x01")]
    assert handshake.feed(b"\x01") == [ViewerReady(shared=True)]


def test_a_version_above_3_8_is_3_8() -> None:
    """Apple's 3.889 gets 3.8's handshake."""
    handshake = ViewerHandshake()
    assert started(handshake, b"RFB 003.889\n") == [Send(b"\x01\x01")]
    assert handshake.feed(b"\x01\x01") == [Send(bytes(4)), ViewerReady(shared=True)]


@pytest.mark.parametrize(
    ("version", "hello"),
    [(V3_3, b"\0\0\0\x02" + CHALLENGE), (V3_7, b"\x01\x02"), (V3_8, b"\x01\x02")],
)
def test_the_right_password_waits_to_be_admitted(version: bytes, hello: bytes) -> None:
    """VncAuth always has a result, which the console gives when it is ready to."""
    handshake = with_password()
    assert started(handshake, version) == [Send(hello)]
    if version != V3_3:
        assert handshake.feed(b"\x02") == [Send(CHALLENGE)]
    assert handshake.feed(RIGHT) == [PasswordAccepted()]
    assert handshake.feed(b"\x01") == []
    assert handshake.admit() == bytes(4)
    assert handshake.feed(b"") == [ViewerReady(shared=True)]


@pytest.mark.parametrize(("version", "has_text"), [(V3_3, False), (V3_7, False), (V3_8, True)])
def test_a_wrong_password_is_reported(version: bytes, has_text: bool) -> None:
    """SecurityResult 1, with a reason only in 3.8, and nothing after it."""
    handshake = with_password()
    started(handshake, version)
    if version != V3_3:
        handshake.feed(b"\x02")
    *refusal, last = handshake.feed(WRONG + b"\x01")
    assert last == PasswordRejected()
    assert sent(refusal)[:4] == b"\0\0\0\x01"
    assert (len(sent(refusal)) > 8) == has_text
    assert handshake.finished
    assert handshake.feed(b"\x01") == []


def test_what_follows_client_init_is_kept() -> None:
    """Bytes ahead of ServerInit, together with ClientInit or later, wait in `trailing`."""
    handshake = ViewerHandshake()
    started(handshake, V3_3)
    assert handshake.feed(b"\x01abc") == [ViewerReady(shared=True)]
    assert handshake.feed(b"def") == []
    assert handshake.trailing == b"abcdef"


@pytest.mark.parametrize("before", [b"", b"\x01\x01"])
def test_a_flood_before_the_console_is_ready_is_cut_off(before: bytes) -> None:
    """Memory is bounded: a viewer that sends on and on before ServerInit is ended."""
    handshake = with_password() if not before else ViewerHandshake()
    started(handshake, V3_8)
    handshake.feed(before or b"\x02" + RIGHT)
    assert handshake.feed(bytes(TRAILING_MAX_BYTES)) == []
    (end,) = handshake.feed(b"x")
    assert isinstance(end, HandshakeBroken)
    assert handshake.finished
    assert handshake.trailing == b""


@pytest.mark.parametrize(
    ("version", "refusal"),
    [(V3_3, b"\0\0\0\0" + TEXT), (V3_7, b"\0" + TEXT), (V3_8, b"\0" + TEXT)],
)
def test_a_failure_before_the_version_is_reported_in_every_version(
    version: bytes, refusal: bytes
) -> None:
    """Where no type was offered yet, each version has its way to carry the words."""
    for early in (True, False):
        handshake = with_password()
        if early:
            assert handshake.fail("not up") == V3_8
        else:
            handshake.start()
            assert handshake.fail("not up") == b""
        assert not handshake.finished
        assert handshake.feed(version) == [Send(refusal), RefusalSent()]
        assert handshake.finished


def test_a_failure_after_the_list_is_reported_after_the_choice() -> None:
    """3.8 carries the words in its SecurityResult; 3.7 has none for security None."""
    for version, refusal in ((V3_8, b"\0\0\0\x01" + TEXT), (V3_7, b"")):
        handshake = ViewerHandshake()
        started(handshake, version)
        assert handshake.fail("not up") == b""
        events = handshake.feed(b"\x01")
        assert sent(events) == refusal
        assert events[-1] == RefusalSent()
        assert handshake.finished


def test_a_failure_during_the_challenge_is_reported_to_those_who_know_the_password() -> None:
    """The words wait for the answer: a stranger learns only that the password is wrong."""
    for answer in (RIGHT, WRONG):
        handshake = with_password()
        started(handshake, V3_8)
        assert handshake.fail("not up") == b""
        assert handshake.feed(b"\x02") == [Send(CHALLENGE)]
        events = handshake.feed(answer)
        assert (TEXT in sent(events)) == (answer == RIGHT)
        assert sent(events)[:4] == b"\0\0\0\x01"
        assert events[-1] == (RefusalSent() if answer == RIGHT else PasswordRejected())


@pytest.mark.parametrize(
    ("version", "refusal"),
    [(V3_3, b"\0\0\0\x01"), (V3_7, b"\0\0\0\x01"), (V3_8, b"\0\0\0\x01" + TEXT)],
)
def test_a_failure_before_admission_is_reported_at_once(version: bytes, refusal: bytes) -> None:
    """A link that can't be had is reported in place of the SecurityResult."""
    handshake = with_password()
    started(handshake, version)
    if version != V3_3:
        handshake.feed(b"\x02")
    handshake.feed(RIGHT)
    assert handshake.fail("not up") == refusal
    assert handshake.finished


def test_a_failure_after_admission_can_not_be_reported() -> None:
    """RFB has no word for it between SecurityResult and ServerInit: nothing is sent."""
    handshake = ViewerHandshake()
    started(handshake, V3_8)
    handshake.feed(b"\x01\x01")
    assert handshake.fail("not up") == b""
    assert handshake.finished


@pytest.mark.parametrize(
    "sent_by_viewer", [b"GET / HTTP/1.1\r\n", b"RFB 000.000\n", V3_8 + b"\x02", V3_7 + b"\x00"]
)
def test_a_violation_is_the_last_event(sent_by_viewer: bytes) -> None:
    """What isn't RFB, or wasn't offered, ends the handshake with a reason and no quotation."""
    handshake = ViewerHandshake()
    *_, last = started(handshake, sent_by_viewer)
    assert isinstance(last, HandshakeBroken)
    assert "HTTP" not in last.reason
    assert handshake.finished
    assert handshake.feed(b"\x01") == []


def test_a_long_reason_is_cut() -> None:
    """The words sent to a viewer are bounded."""
    handshake = ViewerHandshake()
    handshake.fail("x" * 5000)
    (refusal, _) = handshake.feed(V3_8)
    assert isinstance(refusal, Send)
    assert refusal.data == b"\0" + (1024).to_bytes(4, "big") + b"x" * 1024
