"""The texts of each language: the English text is what a message is found by."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

from vncproxy.languages.language import TAGS, Language
from vncproxy.languages.po_file import Entry, entries
from vncproxy.languages.templates import Templates

_FOLDER = Path(__file__).parent
_PAGES = "vncproxy/pages/"

TEXTS = frozenset({"text", "why", "keepalive_why", "only", "rule", "budget_problem"})
"""Keys of answers and messages whose values are for people."""


class Catalogue:
    """The messages of one language.

    Args:
        language: Which.
        found: Its messages; none are needed for English.
    """

    def __init__(self, language: Language, found: Iterable[Entry] = ()) -> None:
        """Have them ready."""
        self.language = language
        self.tag = TAGS[language]
        self._entries = {(entry.context, entry.text): entry for entry in found}
        self._templates = Templates(
            (entry.text, entry.translations[0])
            for entry in self._entries.values()
            if any(place.endswith(".py") for place in entry.places)
        )

    @property
    def entries(self) -> list[Entry]:
        """All messages."""
        return list(self._entries.values())

    def text(self, message: str, context: str = "") -> str:
        """A message in this language; itself where it has none."""
        entry = self._entries.get((context, message))
        return entry.translations[0] if entry is not None else message

    def said(self, text: str) -> str:
        """What the daemon says in English, in this language."""
        return self._templates.translated(text)

    def answer(self, body: Any) -> Any:
        """A JSON answer whose texts for people (`TEXTS`) are in this language."""
        if self.language == "en":
            return body
        if isinstance(body, dict):
            return {
                key: self.said(value)
                if key in TEXTS and isinstance(value, str)
                else self.answer(value)
                for key, value in body.items()
            }
        return [self.answer(one) for one in body] if isinstance(body, list) else body

    def script(self) -> bytes:
        """What gives the pages' scripts their texts: JSON of the messages that they have, behind an
        assignment.

        The key of a message with a context begins with it and U+0004, as in gettext's own files.
        """
        messages = {
            f"{context}\x04{text}" if context else text: entry.translations[0]
            for (context, text), entry in self._entries.items()
            if any(place.startswith(_PAGES) and place.endswith(".js") for place in entry.places)
        }
        content = {"language": self.language, "tag": self.tag, "messages": messages}
        return f"globalThis.vncproxyTexts = {json.dumps(content, ensure_ascii=False)};\n".encode()


@cache
def catalogue(language: Language) -> Catalogue:
    """The catalogue of a language.

    Raises:
        OSError: Its file can't be read.
        PoError: It isn't a catalogue.
    """
    if language == "en":
        return Catalogue(language)
    return Catalogue(language, entries((_FOLDER / f"{language}.po").read_text("utf-8")))
