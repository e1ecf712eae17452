"""The texts of each language: the English text is what a message is found by."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from vncproxy.languages.language import TAGS, Language
from vncproxy.languages.po_file import Entry, entries

_FOLDER = Path(__file__).parent
_PAGES = "vncproxy/pages/"


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

    def text(self, message: str, context: str = "") -> str:
        """A message in this language; itself where it has none."""
        entry = self._entries.get((context, message))
        return entry.translations[0] if entry is not None else message

    def counted(self, count: int, one: str, many: str) -> str:
        """A message that counts something."""
        entry = self._entries.get(("", one))
        # Chinese has one form for all numbers.
        return entry.translations[0] if entry is not None else (one if count == 1 else many)

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
