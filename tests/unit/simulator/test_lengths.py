"""The simulator's own table of client messages."""

from __future__ import annotations

import struct

import pytest

from vncproxy.simulator.lengths import (
    MAX_CUT_TEXT_BYTES,
    InvalidMessage,
    UnknownMessage,
    check,
    measure,
)

MESSAGES = [
    ("set-pixel-format", bytes(20)),
    ("set-encodings", struct.pack(">BxH3i", 2, 3, 7, 0, -239)),
    ("set-encodings", struct.pack(">BxH", 2, 0)),
    ("update-request", struct.pack(">BBHHHH", 3, 1, 0, 0, 9, 9)),
    ("key", struct.pack(">BBxxI", 4, 1, 65)),
    ("pointer", struct.pack(">BBHH", 5, 0x80, 1, 2)),
    ("cut-text", struct.pack(">BxxxI", 6, 5) + b"hello"),
    ("extended-cut-text", struct.pack(">Bxxxi", 6, -4) + b"\1\0\0\1"),
    ("continuous-updates", bytes((150, 1)) + bytes(8)),
    ("fence", struct.pack(">BxxxIB", 248, 0, 3) + b"abc"),
    ("xvp", b"\xfa\0\1\2"),
    ("desktop-size", struct.pack(">BxHHBx", 251, 800, 600, 1) + bytes(16)),
    ("qemu-key", struct.pack(">BBHII", 255, 0, 1, 65, 30)),
    ("qemu-audio", struct.pack(">BBH", 255, 1, 0)),
    ("qemu-audio", struct.pack(">BBHBBI", 255, 1, 2, 3, 2, 44100)),
]


@pytest.mark.parametrize(("kind", "raw"), MESSAGES)
def test_a_message_is_measured_from_its_head(kind: str, raw: bytes) -> None:
    """With more behind it the answer is the same; with less, none or the same."""
    assert measure(raw + b"\xff" * 20, extended_buttons=False) == (kind, len(raw))
    for size in range(len(raw)):
        assert measure(raw[:size], extended_buttons=False) in {None, (kind, len(raw))}


def test_the_long_pointer_needs_its_agreement_and_its_bit() -> None:
    """Seven bytes only with both."""
    marked, plain = b"\5\x80\0\1\0\1\1", b"\5\x01\0\1\0\1"
    assert measure(marked, extended_buttons=True) == ("pointer", 7)
    assert measure(plain, extended_buttons=True) == ("pointer", 6)


@pytest.mark.parametrize("raw", [b"\1", b"\x07", b"\xff\2"])
def test_an_unknown_type_is_named(raw: bytes) -> None:
    """Nothing is guessed."""
    with pytest.raises(UnknownMessage):
        measure(raw, extended_buttons=False)


@pytest.mark.parametrize(
    "raw",
    [
        struct.pack(">BxxxI", 6, MAX_CUT_TEXT_BYTES + 1),
        struct.pack(">BxxxIB", 248, 0, 65),
        struct.pack(">BBH", 255, 1, 3),
    ],
)
def test_a_length_without_bound_is_invalid(raw: bytes) -> None:
    """So that nothing grows without end."""
    with pytest.raises(InvalidMessage):
        measure(raw, extended_buttons=False)


@pytest.mark.parametrize(
    ("kind", "raw"),
    [
        ("set-pixel-format", b"\0\0\0\0\x18" + bytes(15)),
        ("update-request", b"\3\2" + bytes(8)),
        ("key", b"\4\2" + bytes(6)),
        ("qemu-key", b"\xff\0\0\2" + bytes(8)),
    ],
)
def test_impossible_values_are_invalid(kind: str, raw: bytes) -> None:
    """They show where bytes of two messages were mixed."""
    with pytest.raises(InvalidMessage):
        check(kind, raw)
