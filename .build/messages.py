"""Brings the catalogues up to date with the sources: `python .build/messages.py`, with Babel.

New messages come in without a translation, those that nothing uses go, and all others stay. A text
that was changed is a new message: nothing is guessed.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract
from babel.messages.pofile import read_po, write_po

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from vncproxy.languages import markup  # noqa: E402

FOLDER = ROOT / "vncproxy" / "languages"

SCRIPT_WORDS = {"t": None, "tc": ((1, "c"), 2), "tn": (2, 3), "tParts": None}
"""Functions of vncproxy/pages/js/texts.js."""

HEADER = '# The texts of vncproxy in {language}. See .github/CONTRIBUTING.md, "a text".'


def found() -> Iterator[tuple[str, str | tuple[str, ...], str | None]]:
    """Every message of the sources: its file, its text or its two forms, its context."""
    pages = ROOT / "vncproxy" / "pages"
    for path in sorted(pages.glob("*.html")):
        for text in markup.texts(path.read_text("utf-8")):
            yield _name(path), text, None
    for path in sorted((pages / "js").glob("*.js")):
        with path.open("rb") as source:
            for _, text, _, context in extract(
                "javascript", source, SCRIPT_WORDS, options={"parse_template_string": True}
            ):
                yield _name(path), text, context


def template() -> Catalog:
    """A catalogue of all messages, without translations."""
    catalogue = Catalog(charset="utf-8")
    for name, text, context in found():
        catalogue.add(text, locations=[(name, 0)], context=context)
    return catalogue


def read(path: Path) -> Catalog:
    """A catalogue as Babel reads it."""
    with path.open("rb") as source:
        return read_po(source, locale=path.stem)


def updated(path: Path) -> bytes:
    """The catalogue in a file, with the messages that there are now."""
    catalogue = read(path)
    catalogue.update(template(), no_fuzzy_matching=True)
    catalogue.obsolete.clear()
    catalogue.header_comment = HEADER.format(language=catalogue.locale.english_name)
    target = io.BytesIO()
    write_po(
        target, catalogue, width=100, include_lineno=False, ignore_obsolete=True, omit_header=True
    )
    head = f'{catalogue.header_comment}\nmsgid ""\nmsgstr ""\n"Language: {path.stem}\\n"\n'
    rest = (
        '"Content-Type: text/plain; charset=utf-8\\n"\n"Plural-Forms: nplurals=1; plural=0;\\n"\n\n'
    )
    return (head + rest).encode() + target.getvalue()


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def main() -> None:
    """Write them."""
    for path in sorted(FOLDER.glob("*.po")):
        path.write_bytes(updated(path))
        missing = [message.id for message in read(path) if message.id and not message.string]
        for text in missing:
            sys.stdout.write(f"{_name(path)}: not translated: {text!r}\n")
        if missing:
            sys.exit(1)


if __name__ == "__main__":
    main()
