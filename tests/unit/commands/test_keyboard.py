"""Keyboards as the command reads them; that it presses what the page does is in test_keystrokes."""

from __future__ import annotations

import pytest

from vncproxy.commands.keyboard import (
    Key,
    keycode,
    keys_of,
    keysym_of,
    layout_names,
    locks_shift,
    named_key,
    tables,
)


def test_the_layouts() -> None:
    """Those of the page, with all of ASCII on each."""
    assert layout_names() == ["us", "uk", "de", "fr", "es", "jp", "cn"]
    ascii_characters = set(map(chr, range(0x20, 0x7F)))
    for name in layout_names():
        for windows in (False, True):
            assert ascii_characters <= keys_of(name, windows=windows).keys()


def test_where_a_character_is() -> None:
    """One key, a dead key and another, and one that is dead on Windows."""
    german, french = keys_of("de", windows=False), keys_of("fr", windows=True)
    assert german["z"] == (Key(ord("z"), "KeyY", letter=True),)
    assert german["@"] == (Key(ord("@"), "KeyQ", alt_gr=True),)
    assert german["Ê"] == (
        Key(0xFE52, "Backquote"),
        Key(ord("E"), "KeyE", shift=True, letter=True),
    )
    assert [key.code for key in german["^"]] == ["Backquote", "Space"]
    assert [key.code for key in french["~"]] == ["Digit2", "Space"]
    assert "é" not in keys_of("us", windows=False)


def test_caps_lock_turns_more_around_on_some() -> None:
    """On Windows only."""
    assert locks_shift("de", windows=True)
    assert not locks_shift("de", windows=False)
    assert not locks_shift("cn", windows=True)


@pytest.mark.parametrize(
    ("name", "shifted", "key"),
    [
        ("Tab", False, (0xFF09, "Tab")),
        ("w", False, (0x77, "KeyW")),
        ("w", True, (0x57, "KeyW")),
        ("7", True, (0x37, "Digit7")),
        ("/", False, (0x2F, "Slash")),
        ("ü", False, None),
        ("tab", False, None),
    ],
)
def test_a_key_has_a_name(name: str, shifted: bool, key: tuple[int, str] | None) -> None:
    """Its own, or what is on it."""
    assert named_key(name, shifted=shifted) == key


def test_keysyms_of_characters() -> None:
    """Latin-1 as they are, others by Unicode."""
    assert [keysym_of(one) for one in "aü世"] == [0x61, 0xFC, 0x01004E16]


def test_every_key_has_a_number() -> None:
    """In QEMU's extended key events: one for each code, none of them twice."""
    codes = {code for row in tables()["rows"] for code in row} | set(tables()["signs"].values())
    codes |= {code for _, code in tables()["keys"].values()} | {f"Key{x}" for x in "ABCXYZ"}
    numbers = {code: keycode(code) for code in codes}
    assert len(set(numbers.values())) == len(codes)
    assert all(0 < number < 256 for number in numbers.values())
    known = {"KeyA": 0x1E, "Delete": 0xD3, "AltRight": 0xB8, "IntlRo": 0x73, "Enter": 0x1C}
    assert {code: numbers[code] for code in known} == known
