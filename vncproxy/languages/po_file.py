"""Reads gettext's catalogues (.po) as they are: what is edited is what runs, with no step between.

Source: the GNU gettext manual, "The Format of PO Files".
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

_LINE = re.compile(
    r'(?:(msgctxt|msgid_plural|msgid|msgstr(?:\[\d+\])?)\s+)?("(?:[^"\\]|\\.)*")\s*\Z'
)


class PoError(ValueError):
    """A catalogue that isn't one; the text names the line."""


@dataclass(slots=True)
class Entry:
    """One message.

    Args:
        text: The English one, which is its id.
        plural: The English one for many; "": it counts nothing.
        context: Tells apart what is one word in English; "": none.
        translations: One for each plural form of the language, and one where nothing is counted.
        places: Files that have it, from the repository's root.
        flags: Such as `fuzzy`: a translation of an earlier text.
    """

    text: str = ""
    plural: str = ""
    context: str = ""
    translations: list[str] = field(default_factory=list)
    places: list[str] = field(default_factory=list)
    flags: list[str] = field(default_factory=list)


def entries(text: str) -> list[Entry]:
    """All messages of a catalogue, without its header and what is commented out.

    Raises:
        PoError: The text is no catalogue.
    """
    return [entry for block in re.split(r"\n\s*\n", text) if (entry := _entry(block)) is not None]


def _entry(block: str) -> Entry | None:
    entry = Entry()
    parts: dict[str, str] = {}
    for keyword, value in _strings(block, entry):
        parts[keyword] = parts.get(keyword, "") + value
    entry.text = parts.pop("msgid", "")
    entry.plural = parts.pop("msgid_plural", "")
    entry.context = parts.pop("msgctxt", "")
    entry.translations = [parts[keyword] for keyword in sorted(parts)]
    return entry if entry.text else None


def _strings(block: str, entry: Entry) -> Iterator[tuple[str, str]]:
    keyword = ""
    for line in block.splitlines():
        if line.startswith("#:"):
            entry.places += line[2:].split()
        elif line.startswith("#,"):
            entry.flags += [flag.strip() for flag in line[2:].split(",")]
        elif line.strip() and not line.startswith("#"):
            found = _LINE.match(line)
            keyword = (found and found[1]) or keyword
            if found is None or not keyword:
                raise PoError(f"not a line of a catalogue: {line[:80]}")
            text = found[2]
            # The escapes that gettext's tools write are those of JSON as well.
            yield keyword, json.loads(text) if "\\" in text else text[1:-1]
