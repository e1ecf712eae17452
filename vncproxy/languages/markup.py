"""The texts in a page's HTML: found for the catalogue, and put into another language.

A text is what stands between two tags, or in one of `ATTRIBUTES`. What is the same in all languages
stands in an element with `translate="no"`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from html import escape
from html.parser import HTMLParser

from vncproxy.languages.catalogue import Catalogue

ATTRIBUTES = ("title", "aria-label", "placeholder", "alt")

_VOID = frozenset({"meta", "link", "img", "input", "br", "hr"})
_LETTERS = re.compile(r"[A-Za-z]{2}")
_FILLED_IN = re.compile(r"\{\{\w+\}\}")


class _Reader(HTMLParser):
    """Goes through a page, and puts it together again with its texts exchanged."""

    def __init__(self, exchange: Callable[[str], str]) -> None:
        super().__init__(convert_charrefs=False)
        self.written: list[str] = []
        self._exchange = exchange
        self._open: list[tuple[str, bool]] = []

    @property
    def _translates(self) -> bool:
        return self._open[-1][1] if self._open else True

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        keeps = values.get("translate") == "no" or tag in ("script", "style", "kbd", "code")
        translates = self._translates and not keeps
        source = self.get_starttag_text() or ""
        if translates:
            for name in ATTRIBUTES:
                value = values.get(name)
                if value and _is_text(value):
                    source = source.replace(
                        f'{name}="{value}"', f'{name}="{_quoted(self._exchange(value))}"'
                    )
        self.written.append(source)
        if tag not in _VOID and not source.endswith("/>"):
            self._open.append((tag, translates))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        self.written.append(f"</{tag}>")
        if self._open and self._open[-1][0] == tag:
            self._open.pop()

    def handle_data(self, data: str) -> None:
        text = data.strip()
        if self._translates and _is_text(text):
            data = data.replace(text, escape(self._exchange(text), quote=False))
        self.written.append(data)

    def handle_decl(self, decl: str) -> None:
        self.written.append(f"<!{decl}>")

    def handle_comment(self, data: str) -> None:
        self.written.append(f"<!--{data}-->")

    def handle_entityref(self, name: str) -> None:
        self.written.append(f"&{name};")

    def handle_charref(self, name: str) -> None:
        self.written.append(f"&#{name};")


def _is_text(found: str) -> bool:
    """Whether it is more than digits, signs, and what the daemon fills in."""
    return _LETTERS.search(_FILLED_IN.sub("", found)) is not None


def _quoted(text: str) -> str:
    return text.replace("&", "&amp;").replace('"', "&quot;")


def texts(page: str) -> list[str]:
    """The texts of a page, in their order."""
    found: list[str] = []

    def keep(text: str) -> str:
        found.append(text)
        return text

    _go_through(page, keep)
    return found


def translated(page: str, catalogue: Catalogue) -> str:
    """The page in another language, which its `lang` names."""
    written = _go_through(page, catalogue.text)
    return written.replace('<html lang="en">', f'<html lang="{catalogue.tag}">')


def _go_through(page: str, exchange: Callable[[str], str]) -> str:
    reader = _Reader(exchange)
    reader.feed(page)
    reader.close()
    return "".join(reader.written)
