"""Strokes for texts and combinations: those of the page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.unit.commands.page_keys import page_says
from vncproxy.commands.keyboard import layout_names, locks_shift
from vncproxy.commands.keystrokes import (
    KeyChange,
    Stroke,
    combination_stroke,
    plain_text,
    text_strokes,
)
from vncproxy.errors import LocalError

COMBINATIONS = [
    *("ctrl-alt-del", "Ctrl + Alt+f2", "WIN+r", "win-r", "enter", "Page Up", "page-up", "Ctrl+-"),
    *("Shift+Shift+Space", "shift-a", "Ctrl++", "ctrl - alt - F12", "strg+alt+entf", "a", "~"),
    *("print", "alt-tab", "ctrl-_", "←", "Up", "ctrl-", "", "+", "a+b+c+d+e", "a+b+c+d+e+f"),
]
"""Some of them are none."""


def changes(*strokes: Stroke) -> list[list[Any]]:
    """As the page's test program prints them."""
    return [[one.keysym, one.code, one.down] for stroke in strokes for one in stroke]


def combination(text: str) -> list[list[Any]] | None:
    """The same of a combination; None if it is none."""
    try:
        return changes(combination_stroke(text))
    except LocalError:
        return None


@pytest.mark.sockets
def test_the_keys_are_the_pages(tmp_path: Path) -> None:
    """For every character of every layout, whatever the guest's system and Caps Lock."""
    characters = page_says(tmp_path, [], [])["characters"]
    guests: list[dict[str, Any]] = [
        {"text": f"{characters[layout]}\r\n\t", "layout": layout, "windows": w, "capsLock": c}
        for layout in characters
        for w in (False, True)
        for c in (False, True)
    ]
    said = page_says(tmp_path, guests, COMBINATIONS)
    assert list(characters) == layout_names()
    assert said["locks"] == [name for name in layout_names() if locks_shift(name, windows=True)]
    for guest, pressed in zip(guests, said["texts"], strict=True):
        strokes = text_strokes(
            guest["text"], guest["layout"], windows=guest["windows"], caps_lock=guest["capsLock"]
        )
        assert changes(*strokes) == pressed
        assert len(strokes) == len(plain_text(guest["text"]))
    found = dict(zip(COMBINATIONS, map(combination, COMBINATIONS), strict=True))
    assert found == dict(zip(COMBINATIONS, said["combinations"], strict=True))
    assert found["ctrl-alt-del"] is not None


def test_no_key_stays_down() -> None:
    """After each stroke."""
    strokes = text_strokes("Êa~@\n", "fr", windows=True)
    for stroke in [*strokes, combination_stroke("ctrl-alt-f1")]:
        down: list[KeyChange] = []
        for change in stroke:
            if change.down:
                down.append(change)
            else:
                assert (down.pop().code, change.down) == (change.code, False)
        assert not down


def test_what_is_not_on_a_keyboard_is_named() -> None:
    """Each once, what can't be seen by its number, and not all of very many."""
    with pytest.raises(LocalError) as refused:
        text_strokes("aé\x1b世é\u200b", "us")
    assert "not on the keyboard us: é U+001B 世 U+200B; nothing was typed" in str(refused.value)
    with pytest.raises(LocalError, match=" and 88 more; "):
        text_strokes("".join(map(chr, range(0x4E00, 0x4E00 + 100))), "de")


def test_a_text_as_it_is_typed() -> None:
    """Line ends of any kind, and accents in any form."""
    assert plain_text("a\r\nb\rc\nd") == "a\nb\nc\nd"
    assert text_strokes("e\u0301", "fr") == text_strokes("é", "fr")
    assert len(text_strokes("a\r\nb\rc\nd", "us")) == 7


def test_caps_lock_is_made_up_for() -> None:
    """For letters."""
    codes = [[one.code for one in s] for s in text_strokes("aA1!", "us", caps_lock=True)]
    shift = "ShiftLeft"
    assert codes == [
        [shift, "KeyA", "KeyA", shift],
        ["KeyA", "KeyA"],
        ["Digit1", "Digit1"],
        [shift, "Digit1", "Digit1", shift],
    ]


def test_sysrq_comes_with_alt() -> None:
    """Without it Linux takes no notice."""
    assert combination_stroke("sysrq-b") == combination_stroke("alt-sysrq-b")
    assert [c.code for c in combination_stroke("sysrq-b") if c.down] == [
        "AltLeft",
        "PrintScreen",
        "KeyB",
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("ctr-alt-del", "there is no key 'ctr'; did you mean ctrl?"),
        ("ctrl-alt-delet", "there is no key 'delet'; did you mean delete?"),
        ("ctrl-alt-xyzzy", "there is no key 'xyzzy'"),
        ("", "'' is no combination: write keys with - or + between them, as ctrl-alt-del"),
        ("a+b+c+d+e+f", "'a+b+c+d+e+f' has too many keys: 5 at most"),
    ],
)
def test_what_is_no_combination(text: str, words: str) -> None:
    """A near name is told."""
    with pytest.raises(LocalError) as refused:
        combination_stroke(text)
    assert str(refused.value) == words
