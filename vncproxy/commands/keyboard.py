"""Keyboards: which keys, pressed how, type which character; and the keys by their names.

The tables are the page's own, pages/js/keyboards.js, and its rules are those of layouts.js and
keysyms.js beside it. Nothing is read before it is asked for.
"""

from __future__ import annotations

import json
import re
import unicodedata
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

PAGES = Path(__file__).parents[1] / "pages"
_TABLES = re.compile(r"export const KEYBOARDS = (\{.*?\n\});", re.DOTALL)
_SCANCODE = re.compile(r'^ *"(\w+)": (0x[0-9a-f]+)', re.MULTILINE)
_LEVELS = ("plain", "shift", "altGr")
_UNICODE = 0x01000000
"""Added to a character's number where it isn't Latin-1. Source: X11, keysym encoding."""

KeyPress = tuple[int, str]
"""A key: its X11 keysym, and its code of UI Events, which names the physical key."""


@dataclass(frozen=True, slots=True)
class Key:
    """One key to press, with what is held meanwhile.

    Args:
        keysym: X11's.
        code: Of UI Events.
        shift: Shift is held.
        alt_gr: AltGr is held.
        letter: Caps Lock turns Shift around for it.
    """

    keysym: int
    code: str
    shift: bool = False
    alt_gr: bool = False
    letter: bool = False


_SPACE = Key(ord(" "), "Space")


@cache
def tables() -> dict[str, Any]:
    """What keyboards.js has, by its names."""
    text = (PAGES / "js" / "keyboards.js").read_text("utf-8")
    found = _TABLES.search(text)
    assert found, "a test reads it, too"
    loaded: dict[str, Any] = json.loads(found[1])
    return loaded


def layout_names() -> list[str]:
    """The layouts that an instance may be set to."""
    return list(tables()["layouts"])


def _layout(name: str) -> dict[str, Any]:
    layouts = tables()["layouts"]
    found: dict[str, Any] = layouts[layouts[name].get("same", name)]
    return found


def keys_of(layout: str, *, windows: bool) -> dict[str, tuple[Key, ...]]:
    """Which keys type each character: one, or a dead key and another.

    Args:
        layout: One of `layout_names`.
        windows: The instance's system is Windows, where some signs are dead keys.
    """
    table = _layout(layout)
    before_space = table.get("beforeSpace", "") if windows else ""
    keys: dict[str, tuple[Key, ...]] = {" ": (_SPACE,)}
    for level in _LEVELS:
        for at, row in enumerate(table.get(level, ())):
            for number, character in enumerate(row):
                if character != " " and character not in keys:
                    key = _key(table, level, at, number, character)
                    keys[character] = (key, _SPACE) if character in before_space else (key,)
    for mark, (code, level) in table.get("dead", {}).items():
        dead = Key(int(tables()["dead"][mark], 16), code, shift=level == "shift")
        made = {
            unicodedata.normalize("NFC", vowel + mark): keys[vowel] for vowel in tables()["vowels"]
        }
        if alone := tables()["alone"].get(mark):
            made[alone] = (_SPACE,)
        for character, rest in made.items():
            keys.setdefault(character, (dead, *rest))
    return keys


def _key(table: dict[str, Any], level: str, at: int, number: int, character: str) -> Key:
    small, large = table["plain"][at][number], table["shift"][at][number]
    return Key(
        keysym_of(character),
        tables()["rows"][at][number],
        shift=level == "shift",
        alt_gr=level == "altGr",
        letter=level != "altGr" and small.lower() != small.upper() == large,
    )


def locks_shift(layout: str, *, windows: bool) -> bool:
    """Whether Caps Lock turns more than letters around there."""
    return windows and _layout(layout).get("shiftLock", False) is True


def keysym_of(character: str) -> int:
    """The keysym of a character."""
    point = ord(character)
    return point if point <= 0xFF else _UNICODE + point


def named_key(name: str, *, shifted: bool = False) -> KeyPress | None:
    """A key by its name, or by what is on it: a letter, a digit, a sign; None: there is none.

    Args:
        name: One of keyboards.js, or what a US keyboard has on the key.
        shifted: Shift is down: a letter is a capital then.
    """
    if found := tables()["keys"].get(name):
        return int(found[0], 16), found[1]
    if re.fullmatch("[A-Za-z]", name):
        letter = name.upper() if shifted else name.lower()
        return keysym_of(letter), f"Key{name.upper()}"
    if re.fullmatch("[0-9]", name):
        return keysym_of(name), f"Digit{name}"
    code = tables()["signs"].get(name)
    return None if code is None else (keysym_of(name), code)


@cache
def _scancodes() -> dict[str, int]:
    path = PAGES / "novnc" / "core" / "input" / "xtscancodes.js"
    return {code: int(number, 16) for code, number in _SCANCODE.findall(path.read_text("utf-8"))}


def keycode(code: str) -> int:
    """The number of a physical key in QEMU's extended key events.

    It is read from noVNC, which the page sends its keys by.
    Source: rfbproto, QEMU Extended Key Event Message (XT scancodes, 0xe0 as the high bit).

    Args:
        code: Of UI Events.
    """
    scancode = _scancodes()[code]
    return scancode & 0xFF | 0x80 if scancode >> 8 == 0xE0 else scancode
