"""The handshake with the upstream, byte for byte."""

from __future__ import annotations

import struct

import pytest

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
from vncproxy.rfb.pixel_format import PixelFormat
from vncproxy.rfb.safe_text import NAME_MAX_BYTES
from vncproxy.rfb.upstream_handshake import REASON_MAX_BYTES, UpstreamHandshake
from vncproxy.rfb.vnc_auth import response

V3_3, V3_7, V3_8 = b"RFB 003.003\n", b"RFB 003.007\n", b"RFB 003.008\n"
CHALLENGE = bytes(range(16))
OK = bytes(4)
FAILED = b"\0\0\0\x01"


def server_init(name: bytes, width: int = 800, height: int = 600, bpp: int = 32) -> bytes:
    """A ServerInit, packed here."""
    layout = struct.pack(">BBBBHHHBBBxxx", bpp, 24, 0, 1, 255, 255, 255, 16, 8, 0)
    return struct.pack(">HH", width, height) + layout + struct.pack(">I", len(name)) + name


def text(reason: bytes) -> bytes:
    """A string with its length."""
    return struct.pack(">I", len(reason)) + reason


def ready(name: str, trailing: bytes = b"") -> Ready:
    """The event that `server_init` brings about."""
    return Ready(800, 600, PixelFormat(), name, trailing)


def after(*sent: bytes, password: str | None = None) -> list[UpstreamHandshakeEvent]:
    """All events of an upstream that sent this."""
    handshake = UpstreamHandshake(password)
    return [event for piece in sent for event in handshake.feed(piece)]


@pytest.mark.parametrize(
    ("sent", "answers"),
    [
        (V3_8 + b"\x01\x01" + OK, [V3_8, b"\x01", b"\x01"]),
        (V3_8 + b"\x03\x02\x13\x01" + OK, [V3_8, b"\x01", b"\x01"]),
        (V3_7 + b"\x01\x01", [V3_7, b"\x01", b"\x01"]),
        (V3_3 + b"\0\0\0\x01", [V3_3, b"\x01"]),
        (b"RFB 003.006\n" + b"\0\0\0\x01", [V3_3, b"\x01"]),
        (b"RFB 003.889\n" + b"\x01\x01" + OK, [V3_8, b"\x01", b"\x01"]),
        (b"RFB 005.000\n" + b"\x01\x01" + OK, [V3_8, b"\x01", b"\x01"]),
    ],
)
def test_security_none_is_preferred(sent: bytes, answers: list[bytes]) -> None:
    """Each version's own steps end in a shared ClientInit and ServerInit, with what follows."""
    events = after(sent + server_init(b"QEMU (vm)") + b"\x02")
    assert events == [*map(Send, answers), ready("QEMU (vm)", b"\x02")]


@pytest.mark.parametrize(
    ("sent", "answers"),
    [
        (V3_8 + b"\x02\x13\x02", [V3_8, b"\x02"]),
        (V3_7 + b"\x01\x02", [V3_7, b"\x02"]),
        (V3_3 + b"\0\0\0\x02", [V3_3]),
    ],
)
def test_a_known_password_is_used_at_once(sent: bytes, answers: list[bytes]) -> None:
    """VncAuth is answered and its result awaited, in every version."""
    events = after(sent + CHALLENGE, OK, server_init(b"x"), password="secret")
    answer = response("secret", CHALLENGE)
    assert events == [*map(Send, [*answers, answer, b"\x01"]), ready("x")]


def test_an_unknown_password_is_asked_for() -> None:
    """The handshake waits at the challenge until the answer is known."""
    handshake = UpstreamHandshake()
    events = handshake.feed(V3_8 + b"\x01\x02" + CHALLENGE)
    assert events == [Send(V3_8), Send(b"\x02"), PasswordNeeded(CHALLENGE)]
    assert handshake.feed(b"") == []
    assert handshake.answer("secret") == [Send(response("secret", CHALLENGE))]
    assert handshake.feed(OK + server_init(b"")) == [Send(b"\x01"), ready("")]


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (V3_8 + b"\x01\x02" + CHALLENGE + FAILED + text(b"Authentication failed\0"), None),
        (V3_8 + b"\x01\x02" + CHALLENGE + b"\0\0\0\x02" + text(b"too many"), "too many"),
        (V3_7 + b"\x01\x02" + CHALLENGE + FAILED, ""),
        (V3_3 + b"\0\0\0\x02" + CHALLENGE + FAILED, ""),
    ],
)
def test_a_wrong_password_has_the_upstreams_words(sent: bytes, reason: str | None) -> None:
    """The reason comes without its NUL, and is empty where the version has none."""
    expected = "Authentication failed" if reason is None else reason
    assert after(sent, password="guess")[-1] == AuthenticationFailed(expected)


@pytest.mark.parametrize(
    "sent",
    [
        V3_8 + b"\0" + text(b"Too many security failures"),
        V3_7 + b"\0" + text(b"Too many security failures"),
        V3_3 + b"\0\0\0\0" + text(b"Too many security failures"),
        V3_8 + b"\x01\x01" + FAILED + text(b"Too many security failures"),
    ],
)
def test_a_refusal_that_no_password_changes(sent: bytes) -> None:
    """No security types, or a failure with security None, is a refusal with its words."""
    assert after(sent, password="secret")[-1] == Refused("Too many security failures")


def test_words_are_cleaned_and_cut() -> None:
    """Control characters become blanks; a long text isn't waited for; a cut letter is dropped."""
    assert after(V3_8 + b"\0" + text(b"a\x1b[2J\nb\0"))[-1] == Refused("a [2J b")
    assert after(V3_8 + b"\0" + text(b"caf\xe9"))[-1] == Refused("café")
    long = "x" + "é" * REASON_MAX_BYTES
    announced = b"\xff\xff\xff\xff" + long.encode()
    refused = after(V3_8 + b"\0" + announced)[-1]
    assert refused == Refused("x" + "é" * ((REASON_MAX_BYTES - 1) // 2))


@pytest.mark.parametrize(
    ("sent", "types", "answer"),
    [
        (V3_8 + b"\x02\x13\x05", (19, 5), V3_8),
        (V3_7 + b"\x01\x12", (18,), V3_7),
        (b"RFB 003.889\n\x01\x1e", (30,), V3_8),
        (V3_3 + b"\0\0\0\x11", (17,), V3_3),
    ],
)
def test_unknown_security_hands_everything_over(
    sent: bytes, types: tuple[int, ...], answer: bytes
) -> None:
    """What came and what was answered is kept whole, also what came behind the list."""
    assert after(sent) == [Send(answer), UnknownSecurity(types, sent, answer)]
    assert after(sent + b"more")[-1] == UnknownSecurity(types, sent + b"more", answer)


def test_a_long_name_is_read_and_cut() -> None:
    """A name beyond the limit is consumed to its end, so that what follows is found."""
    start = V3_7 + b"\x01\x01"
    name = b"n" * (NAME_MAX_BYTES + 300_000)
    handshake = UpstreamHandshake()
    handshake.feed(start)
    init = server_init(name) + b"\x02"
    events = [e for at in range(0, len(init), 999) for e in handshake.feed(init[at : at + 999])]
    assert events == [ready("n" * NAME_MAX_BYTES, b"\x02")]
    assert after(start, init)[-1] == ready("n" * NAME_MAX_BYTES, b"\x02")


@pytest.mark.parametrize(
    ("sent", "word"),
    [
        (b"HTTP/1.1 400", "RFB"),
        (b"RFB 000.000\n", "RFB"),
        (V3_7 + b"\x01\x01" + server_init(b"", bpp=24), "24 bits"),
        (V3_7 + b"\x01\x01" + server_init(b"", width=16385), "16385"),
        (V3_7 + b"\x01\x01" + server_init(b"", width=16384, height=16384), "16384"),
    ],
)
def test_a_violation_is_the_last_event(sent: bytes, word: str) -> None:
    """What isn't RFB, or is larger than the daemon follows, ends the handshake."""
    handshake = UpstreamHandshake()
    *_, last = handshake.feed(sent)
    assert isinstance(last, HandshakeBroken)
    assert word in last.reason
    assert "HTTP" not in last.reason
    assert handshake.feed(V3_8) == []
    assert handshake.ended() == []


def test_a_flood_at_the_challenge_is_cut_off() -> None:
    """Memory is bounded while somebody looks for the password."""
    handshake = UpstreamHandshake()
    handshake.feed(V3_8 + b"\x01\x02" + CHALLENGE)
    assert handshake.feed(bytes(65_536)) == []
    (end,) = handshake.feed(b"x")
    assert isinstance(end, HandshakeBroken)


def test_the_end_of_the_connection_is_named() -> None:
    """An end in the middle is a break; an end within the words of a refusal is that refusal."""
    handshake = UpstreamHandshake("secret")
    handshake.feed(V3_8 + b"\x01\x02" + CHALLENGE)
    (broken,) = handshake.ended()
    assert isinstance(broken, HandshakeBroken)
    handshake = UpstreamHandshake("guess")
    handshake.feed(V3_8 + b"\x01\x02" + CHALLENGE + FAILED + b"\0\0\0\x09Auth")
    assert handshake.ended() == [AuthenticationFailed("Auth")]
    assert handshake.ended() == []
