"""The built-in server's handshake."""

from __future__ import annotations

import struct

import pytest

from vncproxy.simulator.screen.entrance import UNKNOWN, Entrance, answer_to

CHALLENGE = bytes(range(16))


def entrance(password: str | None = None, *, odd: bool = False) -> Entrance:
    """With a known challenge and a short ServerInit."""
    return Entrance(password, lambda: b"INIT", lambda n: CHALLENGE[:n], odd_security=odd)


def talk(door: Entrance, *sent: bytes) -> list[bytes]:
    """What the server says first, and to each piece."""
    answers = [bytes(door.output)]
    for piece in sent:
        door.output.clear()
        door.feed(bytearray(piece))
        answers.append(bytes(door.output))
    return answers


def test_38_without_a_password() -> None:
    """Types, result, ServerInit."""
    door = entrance()
    answers = talk(door, b"RFB 003.008\n", b"\1", b"\1")
    assert answers == [b"RFB 003.008\n", b"\1\1", bytes(4), b"INIT"]
    assert door.done
    assert not door.exclusive


def test_37_without_a_password_has_no_result() -> None:
    """ServerInit follows ClientInit at once; 0 asks to be alone."""
    door = entrance()
    assert talk(door, b"RFB 003.007\n", b"\1", b"\0")[1:] == [b"\1\1", b"", b"INIT"]
    assert door.exclusive


def test_33_is_reported_its_type() -> None:
    """As four bytes."""
    assert talk(entrance(), b"RFB 003.003\n", b"\1")[1:] == [b"\0\0\0\1", b"INIT"]
    door = entrance("abc123")
    answer = answer_to(CHALLENGE, "abc123")
    answers = talk(door, b"RFB 003.003\n", answer, b"\1")
    assert answers[1:] == [b"\0\0\0\2" + CHALLENGE, bytes(4), b"INIT"]


def test_the_right_password_opens() -> None:
    """With VncAuth's answer, byte by byte."""
    door = entrance("abc123")
    sent = b"RFB 003.008\n\2" + answer_to(CHALLENGE, "abc123") + b"\1"
    received = bytearray()
    for byte in sent:
        received.append(byte)
        door.feed(received)
    assert received == b""
    assert bytes(door.output).endswith(bytes(4) + b"INIT")
    assert door.done


@pytest.mark.parametrize(("version", "with_reason"), [(b"8", True), (b"7", False)])
def test_a_wrong_password_fails(version: bytes, with_reason: bool) -> None:
    """With a reason only in 3.8."""
    door = entrance("abc123")
    last = talk(door, b"RFB 003.00" + version + b"\n", b"\2", bytes(16))[-1]
    assert last[:4] == b"\0\0\0\1"
    assert door.failed
    if with_reason:
        (size,) = struct.unpack(">I", last[4:8])
        assert len(last) == 8 + size
    else:
        assert len(last) == 4


@pytest.mark.parametrize("sent", [[b"RFB 004.000\n"], [b"RFB 003.008\n", b"\2"]])
def test_nonsense_fails(sent: list[bytes]) -> None:
    """An unknown version, a type that wasn't offered."""
    door = entrance()
    talk(door, *sent)
    assert door.failed


def test_a_type_that_nobody_knows_acts_as_none() -> None:
    """It is the only one offered."""
    door = entrance("abc123", odd=True)
    answers = talk(door, b"RFB 003.008\n", bytes((UNKNOWN,)), b"\1")
    assert answers[1:] == [bytes((1, UNKNOWN)), bytes(4), b"INIT"]


def test_the_answer_is_des_of_the_mirrored_password() -> None:
    """DES of zeros under the weak key of ones; only eight characters count."""
    assert answer_to(bytes(8), "\x80" * 8) == answer_to(bytes(8), "\x80" * 9)
    assert answer_to(bytes(8), "\0").hex() == "8ca64de9c1b123a7"
