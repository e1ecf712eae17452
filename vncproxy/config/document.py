"""A configuration file as read: its tables, and the lines of its keys for errors.

The parser of the standard library doesn't say where a key stands, so a second walk over the text
finds it.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

from vncproxy.config.problems import KeyPath, looks_secret
from vncproxy.errors import ConfigError, ConfigProblem

MAX_FILE_BYTES = 1 << 20
"""Thousands of instances fit; a larger file is a mistake such as a disk image."""

_AT_LINE = re.compile(r" ?\(at (?:line (\d+), column \d+|end of document)\)")


# One step over a value, or over the white space and comments between statements. Longest first: a
# multi-line string also starts like an empty one. Possessive, so that a long file can't make it
# back-track; but not where a look-ahead is repeated, which Python before 3.11.5 gets wrong. There
# each character fits one branch only, so that no match is tried twice.
_STEP = re.compile(
    r'"""(?:[^"\\]|\\.|"(?!""))*"{3,5}'
    r"|'''(?:[^']|'(?!''))*'{3,5}"
    r'|"(?:[^"\\\n]|\\.)*+"'
    r"|'[^'\n]*+'"
    r"|#[^\n]*+"
    r"|[^\"'#\[\]{}\n]++"
    r"|.",
    re.DOTALL,
)
_PART = r"""(?:[A-Za-z0-9_-]++|"(?:[^"\\\n]|\\.)*+"|'[^'\n]*+')"""
_KEY = re.compile(rf"{_PART}(?:[ \t]*+\.[ \t]*+{_PART})*+")
_SPACE = re.compile(r"(?:[ \t\r\n]|#[^\n]*+)*+")


@dataclass(frozen=True, slots=True)
class Document:
    """Tables as TOML gives them, unchecked; without a file there are none."""

    file: Path | None = None
    tables: dict[str, object] = field(default_factory=dict)
    lines: dict[KeyPath, int] = field(default_factory=dict)


def read_document(file: Path) -> Document:
    """A configuration file's content.

    Raises:
        ConfigError: It can't be read or isn't TOML.
    """
    try:
        with file.open("rb") as stream:
            content = stream.read(MAX_FILE_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a path"
        raise _error(str(file), "the file", reason.lower(), "a file that can be read") from error
    if len(content) > MAX_FILE_BYTES:
        raise _error(str(file), "the file", "a long file", f"at most {MAX_FILE_BYTES} bytes")
    try:
        # Some editors put a byte order mark at the start.
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        # Without the cause, which holds the whole content.
        raise _error(f"{file}:{line}", "the text", "bytes that aren't UTF-8", "UTF-8") from None
    return parse_document(text, file)


def parse_document(text: str, file: Path) -> Document:
    """The tables of a TOML text.

    Args:
        text: The file's content.
        file: Its name, for errors.

    Raises:
        ConfigError: It isn't TOML; the problem names the line.
    """
    text = text.replace("\r\n", "\n")
    try:
        tables = tomllib.loads(text)
    except RecursionError:
        raise _error(str(file), "the text", "deeply nested values", "TOML") from None
    except ValueError as error:
        message = str(error)
        where = str(file)
        if place := _AT_LINE.search(message):
            where += f":{place[1] or len(text.splitlines())}"
        # The parser quotes keys, never values; in a broken text a key can be anything.
        found = "a mistake" if looks_secret(message) else _AT_LINE.sub("", message).lower()
        raise _error(where, "the text", found, "TOML") from None
    return Document(file, tables, line_map(text))


def _error(where: str, key: str, found: str, expected: str) -> ConfigError:
    return ConfigError([ConfigProblem(where, key, found, expected)])


@dataclass(slots=True)
class _Walk:
    """How far the walk has come: the table it is in, and the last index of each array of tables."""

    lines: dict[KeyPath, int] = field(default_factory=dict)
    table: KeyPath = ()
    arrays: dict[KeyPath, int] = field(default_factory=dict)

    def resolve(self, base: KeyPath, names: list[str]) -> KeyPath:
        """The path of names under a table, by way of the last block of each array on the way."""
        path = base
        for name in names:
            path = (*path, name)
            if path in self.arrays:
                path = (*path, self.arrays[path])
        return path

    def enter(self, names: list[str], line: int, *, array: bool) -> None:
        """Go into the table of a header."""
        if array:
            path = (*self.resolve((), names[:-1]), names[-1])
            self.lines.setdefault(path, line)
            self.arrays[path] = self.arrays.get(path, -1) + 1
        self.table = self.resolve((), names)
        self.lines.setdefault(self.table, line)


def line_map(text: str) -> dict[KeyPath, int]:
    """The line, counted from 1, of every table and key of a valid TOML text.

    Keys inside an inline table stand where the statement starts and are not listed: a report falls
    back to it. A text that isn't valid TOML gives whatever could be made out.
    """
    walk = _Walk()
    position = 0
    line = 1
    while True:
        start = _SPACE.match(text, position).end()  # type: ignore[union-attr]  # matches always
        line += text.count("\n", position, start)
        if start >= len(text):
            return walk.lines
        end = _statement(walk, text, start, line)
        line += text.count("\n", start, end)
        position = end


def _statement(walk: _Walk, text: str, start: int, line: int) -> int:
    """Take in one header or one `key = value`; the position after it."""
    opening = re.compile(r"\[?+\[?+[ \t]*+").match(text, start)
    assert opening is not None, "every part of it is optional"
    brackets = opening.group().count("[")
    key = _KEY.match(text, opening.end())
    if key is None:
        return _line_end(text, start)
    names = _names(key.group())
    if brackets:
        walk.enter(names, line, array=brackets == 2)
        return _line_end(text, key.end())
    walk.lines.setdefault(walk.resolve(walk.table, names), line)
    return _value_end(text, key.end())


def _names(key: str) -> list[str]:
    """The parts of a dotted key, unquoted by the parser itself."""
    try:
        node: object = tomllib.loads(f"{key} = 0")
    except ValueError:
        return [key]
    names = []
    while isinstance(node, dict):
        (name, node), *_ = node.items()
        names.append(name)
    return names


def _line_end(text: str, position: int) -> int:
    end = text.find("\n", position)
    return len(text) if end < 0 else end


def _value_end(text: str, position: int) -> int:
    """Where a value ends: at the first line end outside strings and brackets."""
    depth = 0
    while position < len(text):
        step = _STEP.match(text, position)
        assert step is not None, "its last branch takes any character"
        part = step.group()
        if part == "\n" and depth <= 0:
            return position
        if part in {"[", "{"}:
            depth += 1
        elif part in {"]", "}"}:
            depth -= 1
        position = step.end()
    return position
