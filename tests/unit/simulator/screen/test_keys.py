"""Names of keys."""

from __future__ import annotations

import pytest

from vncproxy.simulator.screen.keys import character, name


@pytest.mark.parametrize(
    ("keysym", "typed", "called"),
    [
        (0x41, "A", "A"),
        (0x20, " ", "Space"),
        (0xE4, "ä", "ä"),
        (0x01004E2D, "中", "中"),
        (0xFF0D, "", "Enter"),
        (0xFFBE, "", "F1"),
        (0xFFC9, "", "F12"),
        (0xFFFF, "", "Delete"),
        (0xFE03, "", "0xFE03"),
        (0x01000041, "", "0x1000041"),
        (0xFFFFFFFF, "", "0xFFFFFFF"),
    ],
)
def test_a_key_has_a_name_and_perhaps_a_character(keysym: int, typed: str, called: str) -> None:
    """Latin-1 and Unicode keysyms type; others are named, or shown as a number."""
    assert character(keysym) == typed
    assert name(keysym) == called
