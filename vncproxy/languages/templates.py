"""Texts of the daemon in another language: found by their English words.

The daemon speaks English wherever it is read by others than a user of the pages: log, audit, close
reasons, the API. Its texts stay plain texts until they go to a page. There the message whose words
a text has is looked for, and what stood in its braces is taken over.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from types import MappingProxyType

LONGEST = 2000
"""Characters; longer texts stay as they are."""
KEPT = 1024
"""Texts whose translations are kept."""

NAMES = frozenset({"address", "alias", "host", "last", "name", "others", "path", "same", "user"})
"""Braces that hold a name, which stays whatever it is; a number may follow."""

HOURS = frozenset({"conditions", "hours", "now"})
"""Braces that hold what a rule gives, and its times: `control, mon-fri 08:00-18:00`."""
_DAY = r"(?:mon|tue|wed|thu|fri|sat|sun)"
_DAYS = re.compile(rf"(?i:\b({_DAY})\b)(?:([-,])(?={_DAY}\b))?")

_BRACES = re.compile(r"\{(\w+)\}")
_SENTENCE_ENDS = re.compile(r"(?<=[.!?]) (?=[A-Z“])")


class _Pattern:
    """A message with braces; no regular expression, since hundreds of them take long to compile.

    Args:
        message: The English text.
    """

    def __init__(self, message: str) -> None:
        parts = _BRACES.split(message)
        words = parts[::2]
        self.own_length = sum(map(len, words))
        self._names = parts[1::2]
        self._first = words[0]
        self._between, self._last = words[1:-1], words[-1]

    def matched(self, text: str) -> dict[str, str] | None:
        """What the text has in each of the braces: as little as fits, from the left.

        None where it isn't this message. The first letter may be a small or a capital one.
        """
        at, end = len(self._first), len(text) - len(self._last)
        if at > end or not text.endswith(self._last):
            return None
        if text[1:at] != self._first[1:] or text[: min(at, 1)].lower() != self._first[:1].lower():
            return None
        values = []
        for words in self._between:
            found = text.find(words, at, end)
            if found < 0:
                return None
            values.append(text[at:found])
            at = found + len(words)
        values.append(text[at:end])
        return dict(zip(self._names, values, strict=True))


class Templates:
    """Messages with their translations.

    Args:
        messages: Of each its English text and its translation, with the same names in braces.
        rule_words: What a rule gives, as it is written there, with what is said of it: those that
            are typed into a configuration stay, with an explanation.
    """

    def __init__(
        self,
        messages: Iterable[tuple[str, str]],
        rule_words: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """Have them ready: those with most words of their own are tried first."""
        self._rule_words = rule_words
        self._exact: dict[str, str] = {}
        patterns = []
        for text, translation in messages:
            if _BRACES.search(text):
                patterns.append((_Pattern(text), translation))
            else:
                self._exact[text] = translation
                self._exact.setdefault(_with_small_letter(text), translation)
        self._patterns = sorted(patterns, key=lambda one: -one[0].own_length)
        self._translated = lru_cache(KEPT)(self._looked_up)

    def translated(self, text: str) -> str:
        """The text in the other language; what no message has stays as it is.

        Several sentences may be several messages.
        """
        return self._translated(text) if len(text) <= LONGEST else text

    def _looked_up(self, text: str) -> str:
        parts = _SENTENCE_ENDS.split(text)
        for end in range(len(parts), 0, -1):
            whole = self._whole(" ".join(parts[:end]))
            if whole is not None:
                rest = " ".join(parts[end:])
                return whole + (self._looked_up(rest) if rest else "")
        if len(parts) > 1:
            return f"{parts[0]} {self._looked_up(' '.join(parts[1:]))}"
        return text

    def _whole(self, text: str) -> str | None:
        found = self._exact.get(text) or self._exact.get(_with_small_letter(text))
        if found is not None:
            return found
        for pattern, translation in self._patterns:
            in_braces = pattern.matched(text)
            if in_braces is not None:
                values = {
                    name: self._value(name.rstrip("23456789"), value)
                    for name, value in in_braces.items()
                }
                return "".join(
                    values[part] if at % 2 else part
                    for at, part in enumerate(_BRACES.split(translation))
                )
        return None

    def _value(self, name: str, value: str) -> str:
        if name in NAMES:
            return value
        if name in HOURS:
            parts = value.split(", ")
            return ", ".join(
                self._rule_words.get(one) or _DAYS.sub(self._days, one) for one in parts
            )
        found = self._whole(value)
        return value if found is None else found

    def _days(self, found: re.Match[str]) -> str:
        day, joint = found[1].lower(), found[2] or ""
        return self._exact.get(day, found[1]) + self._exact.get(joint, joint)


def _with_small_letter(text: str) -> str:
    """A text that begins a sentence in one place may be within one in another."""
    return text[:1].lower() + text[1:]
