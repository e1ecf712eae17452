"""Names of keys. Source: the X Window System's keysym numbers; Latin-1 keysyms are characters."""

from __future__ import annotations

BACKSPACE, TAB, ENTER, KEYPAD_ENTER = 0xFF08, 0xFF09, 0xFF0D, 0xFF8D

_NAMES = {
    0x20: "Space",
    BACKSPACE: "Backspace",
    TAB: "Tab",
    ENTER: "Enter",
    KEYPAD_ENTER: "Enter",
    0xFF1B: "Esc",
    0xFF50: "Home",
    0xFF51: "Left",
    0xFF52: "Up",
    0xFF53: "Right",
    0xFF54: "Down",
    0xFF55: "PageUp",
    0xFF56: "PageDown",
    0xFF57: "End",
    0xFF63: "Insert",
    0xFFE1: "Shift",
    0xFFE2: "Shift",
    0xFFE3: "Ctrl",
    0xFFE4: "Ctrl",
    0xFFE5: "CapsLock",
    0xFFE7: "Meta",
    0xFFE9: "Alt",
    0xFFEA: "AltGr",
    0xFFEB: "Super",
    0xFFFF: "Delete",
} | {0xFFBE + n: f"F{n + 1}" for n in range(12)}

MODIFIERS = frozenset({0xFFE1, 0xFFE2, 0xFFE3, 0xFFE4, 0xFFE7, 0xFFE9, 0xFFEA, 0xFFEB})


def character(keysym: int) -> str:
    """The character that a key types, or an empty string."""
    if 0x20 <= keysym <= 0x7E or 0xA0 <= keysym <= 0xFF:
        return chr(keysym)
    if 0x01000100 <= keysym <= 0x0110FFFF:
        return chr(keysym - 0x01000000)
    return ""


def name(keysym: int) -> str:
    """What to call a key, at most nine characters."""
    return _NAMES.get(keysym) or character(keysym) or f"0x{keysym:X}"[:9]
