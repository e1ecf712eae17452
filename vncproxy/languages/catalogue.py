"""The texts of each language: the English text is what a message is found by."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from vncproxy.languages.language import TAGS, Language
from vncproxy.languages.po_file import Entry, entries
from vncproxy.languages.templates import Templates
from vncproxy.languages.text import Text, filled

_FOLDER = Path(__file__).parent
_PAGES = "vncproxy/pages/"
_COMMANDS = ("vncproxy/commands/", "vncproxy/config/", "vncproxy/audit/verification.py")
"""What these say is printed by the process that says it, as a `Text`."""

_RULE = "rule"
"""Context of what a rule gives."""
_BRACES = re.compile(r"\{\w+\}")
_LETTERS = re.compile(r"[A-Za-z]")

TEXTS = frozenset({"text", "why", "keepalive_why", "only", "rule", "budget_problem"})
"""Keys of answers and messages whose values are for people."""


def is_heard(entry: Entry) -> bool:
    """Whether a message may come as a finished text: what a module of the daemon says.

    One that has nothing of its own but punctuation around its braces would be found in any.
    """
    own, braces = _BRACES.subn("", entry.text)
    if braces and not _LETTERS.search(own):
        return False
    return not entry.context and any(
        place.endswith(".py") and not place.startswith(_COMMANDS) for place in entry.places
    )


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
        # All that is kept of them: it stays as long as the process.
        self._translations: dict[tuple[str, str], str] = {}
        heard: list[str] = []
        in_scripts: list[tuple[str, str]] = []
        for entry in found:
            key = (entry.context, entry.text)
            self._translations[key] = entry.translations[0]
            if is_heard(entry):
                heard.append(entry.text)
            if any(place.startswith(_PAGES) and place.endswith(".js") for place in entry.places):
                in_scripts.append(key)
        self._heard, self._in_scripts = tuple(heard), tuple(in_scripts)

    @cached_property
    def _templates(self) -> Templates:
        return Templates(
            ((text, self._translations["", text]) for text in self._heard),
            {
                text: translation
                for (context, text), translation in self._translations.items()
                if context == _RULE
            },
        )

    def text(self, message: str, context: str = "") -> str:
        """A message in this language; itself where it has none."""
        return self._translations.get((context, message), message)

    def said(self, text: str) -> str:
        """What the daemon or a command says in English, in this language.

        A `Text` has its message with it. Of others, such as those that came over a connection, the
        message is looked for by its words.
        """
        if self.language == "en":
            return str.__str__(text)
        context, message = (text.context, text.message) if isinstance(text, Text) else ("", text)
        translation = self._translations.get((context, message))
        if isinstance(text, Text) and text.values:
            values = {
                name: self.said(value) if isinstance(value, Text) else value
                for name, value in text.values.items()
            }
            return filled(message if translation is None else translation, values)
        if translation is not None:
            return translation
        return self._templates.translated(message)

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
            f"{context}\x04{text}" if context else text: self._translations[context, text]
            for context, text in self._in_scripts
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
