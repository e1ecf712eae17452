"""Which keys to press, and in what order, for a text or a combination. Pure.

The rules are those of the page, in pages/js: strokes.js, typist.js and combinations.js.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import TypeAlias

from vncproxy.commands.keyboard import Key, keys_of, named_key, tables
from vncproxy.errors import LocalError
from vncproxy.languages.text import Text, shortened

LONGEST_TEXT = 20_000
"""Characters that may be typed at once, as on the page."""
_NAMED_CHARACTERS = 12
"""More of them are only counted."""
_VISIBLE = frozenset("LNPS")
"""General categories of Unicode: letters, numbers, punctuation, symbols."""


@dataclass(frozen=True, slots=True)
class KeyChange:
    """A key goes down or up.

    Args:
        keysym: X11's.
        code: Of UI Events.
        down: Else up.
    """

    keysym: int
    code: str
    down: bool


Stroke: TypeAlias = tuple[KeyChange, ...]
"""What types one character, or one combination: after it no key of it is down."""


def _pressed(*keys: tuple[int, str]) -> Stroke:
    """Keys that are pressed one after the other and let go of in reverse."""
    down = [KeyChange(*key, down=True) for key in keys]
    return (*down, *(KeyChange(*key, down=False) for key in reversed(keys)))


def _named(name: str, *, shifted: bool = False) -> tuple[int, str]:
    found = named_key(name, shifted=shifted)
    assert found is not None, "a name of keyboards.js, or checked before"
    return found


def _of_key(key: Key, *, caps_lock: bool) -> Stroke:
    shift = key.shift != (key.letter and caps_lock)
    held = [_named(name) for name, is_held in (("Shift", shift), ("AltGr", key.alt_gr)) if is_held]
    return _pressed(*held, (key.keysym, key.code))


def plain_text(text: str) -> str:
    """As it is typed: each line end is one line feed, letters have their accents on them."""
    return unicodedata.normalize("NFC", re.sub("\r\n?", "\n", text))


def text_strokes(
    text: str, layout: str, *, windows: bool = False, caps_lock: bool = False
) -> list[Stroke]:
    """The keys that type a text, a stroke for each character of `plain_text`.

    Args:
        text: To type; a line end is Return.
        layout: The instance's keyboard.
        windows: The instance's system is Windows.
        caps_lock: Caps Lock is on there.

    Raises:
        LocalError: Characters of it aren't on that keyboard: the words name them.
    """
    keys = keys_of(layout, windows=windows)
    special = {"\n": "Return", "\t": "Tab"}
    strokes: list[Stroke] = []
    missing: dict[str, None] = {}
    for character in plain_text(text):
        if character in special:
            strokes.append(_pressed(_named(special[character])))
        elif found := keys.get(character):
            parts = [_of_key(key, caps_lock=caps_lock) for key in found]
            strokes.append(tuple(change for part in parts for change in part))
        else:
            missing[character] = None
    if missing:
        raise LocalError(
            Text(
                "not on the keyboard {layout}: {characters}; nothing was typed. Another "
                "one is chosen by --layout",
                layout=layout,
                characters=_list_of(list(missing)),
            )
        )
    return strokes


def _list_of(characters: list[str]) -> str:
    return shortened([*map(_name_of, characters)], _NAMED_CHARACTERS, " ")


def _name_of(character: str) -> str:
    """A character as one can read it: what can't be seen by its number."""
    if unicodedata.category(character)[0] in _VISIBLE:
        return character
    return f"U+{ord(character):04X}"


def combination_stroke(text: str) -> Stroke:
    """The keys of a combination as somebody writes it, such as "ctrl-alt-del" or "ctrl+alt+f2".

    SysRq is nothing to Linux without Alt, so that comes with it.

    Raises:
        LocalError: It isn't one.
    """
    names = _names_of(text)
    if "SysRq" in names and "Alt" not in names:
        names.insert(0, "Alt")
    shifted = "Shift" in names
    return _pressed(*(_named(name, shifted=shifted) for name in names))


def _names_of(text: str) -> list[str]:
    spelt = re.sub(r"\+\s*\+$", "+plus", text.strip().lower())
    names: dict[str, None] = {}
    for part in spelt.split("+"):
        # A hyphen is within a key's name, or else between keys.
        whole = part.strip()
        parts = [whole] if _name_of_key(whole) else re.split(r"\s*-\s*(?=.)", whole)
        for one in parts:
            if (name := _name_of_key(one)) is None:
                raise LocalError(_unknown(one, text))
            names[name] = None
    most = tables()["mostKeys"]
    if len(names) > most:
        raise LocalError(
            Text("{text} has too many keys: {most} at most", text=repr(text), most=most)
        )
    return list(names)


def _name_of_key(written: str) -> str | None:
    """The name of a key by what people call it."""
    part = re.sub(r"[\s_-](?=.)", "", written)
    if found := tables()["written"].get(part):
        return str(found)
    name = part.upper() if re.fullmatch(r"f\d+", part) else part
    return name if named_key(name) is not None else None


def _unknown(part: str, text: str) -> str:
    import difflib

    if not part:
        return Text(
            "{text} is no combination: write keys with - or + between them, as ctrl-alt-del",
            text=repr(text),
        )
    known = [*tables()["written"], *(name.lower() for name in tables()["keys"])]
    near = difflib.get_close_matches(part, known, n=1)
    if near:
        return Text("there is no key {part}; did you mean {near}?", part=repr(part), near=near[0])
    return Text("there is no key {part}", part=repr(part))
