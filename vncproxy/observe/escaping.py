"""Texts of other people's, fit for a terminal: what moves the cursor or starts a line is spelt out.

It imports next to nothing, since each command prints by it.
"""

from __future__ import annotations

import re

# C0 and C1, line and paragraph separators, marks of writing direction, halves of surrogate pairs.
_BUT_C0 = "\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff"
_CONTROL = re.compile(f"[\x00-\x1f{_BUT_C0}]")
_CONTROL_BUT_LAYOUT = re.compile(f"[\x00-\x08\x0b-\x1f{_BUT_C0}]")
_RAW_IN_JSON = re.compile(f"[{_BUT_C0}]")


def escaped(text: str, *, keep_layout: bool = False) -> str:
    r"""The text with such characters as `\x1b`. With `keep_layout` tabs and line ends stay."""
    what = _CONTROL_BUT_LAYOUT if keep_layout else _CONTROL
    return what.sub(lambda m: m[0].encode("unicode_escape").decode(), text)


def escaped_json(text: str) -> str:
    """A JSON document with those characters escaped that JSON allows raw; it means the same."""
    if text.isascii() and "\x7f" not in text:
        return text
    return _RAW_IN_JSON.sub(lambda m: f"\\u{ord(m[0]):04x}", text)
