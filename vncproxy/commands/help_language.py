"""Help in the terminal's language, in lines that fit into its columns."""

from __future__ import annotations

import argparse
import re
import unicodedata
from collections.abc import Iterable

from vncproxy.commands.terminal_language import terminal_texts
from vncproxy.languages.catalogue import Catalogue

_PIECES = re.compile(r"\s+|[!-~]+|[^\s!-~][，。；：、？！）”]*")
"""Where a line may end: between words, and behind each Chinese character with its punctuation."""


class HelpFormatter(argparse.RawDescriptionHelpFormatter):
    """argparse's, for text whose characters may be two columns wide."""

    def add_usage(
        self,
        usage: str | None,
        actions: Iterable[argparse.Action],
        groups: Iterable[argparse._MutuallyExclusiveGroup],
        prefix: str | None = None,
    ) -> None:
        """Add the line that shows how it is called."""
        if prefix is None:
            prefix = f"{terminal_texts().said('usage:')} "
        super().add_usage(usage, actions, groups, prefix)

    def _split_lines(self, text: str, width: int) -> list[str]:
        return in_lines(text, width)


def in_lines(text: str, width: int) -> list[str]:
    """A text in lines of at most so many columns; a word that is wider has a line of its own."""
    lines: list[str] = []
    line = ""
    for piece in _PIECES.findall(" ".join(text.split())):
        if line and columns(line + piece.rstrip()) > width:
            lines.append(line.rstrip())
            line = ""
        line += piece if line else piece.lstrip()
    return [*lines, line.rstrip()] if line else lines


def columns(text: str) -> int:
    """How wide a text is on a terminal: two for a Chinese character, none for an accent."""
    return len(text) if text.isascii() else sum(map(_columns, text))


def cut(text: str, most: int) -> str:
    """The beginning that fits into so many columns of a terminal."""
    used = 0
    for at, character in enumerate(text):
        used += _columns(character)
        if used > most:
            return text[:at]
    return text


def _columns(character: str) -> int:
    """Source: Unicode, UAX 11; wcwidth(3) of glibc: later parts of a Hangul syllable have none."""
    if unicodedata.category(character) in ("Mn", "Me", "Cf") or "\u1160" <= character <= "\u11ff":
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def translate(parser: argparse.ArgumentParser, texts: Catalogue) -> None:
    """Put what a parser's help says into a language."""
    if texts.language == "en":
        return
    for action in parser._actions:
        if action.help:
            action.help = texts.said(action.help)
    for group in parser._action_groups:
        if group.title:
            group.title = texts.said(group.title)
    if parser.description:
        parser.description = texts.said(parser.description)
    if parser.epilog:
        head, line_end, rest = parser.epilog.partition("\n")
        parser.epilog = texts.said(head) + line_end + rest
