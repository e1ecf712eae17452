"""Where in a TOML file each key stands, since the parser of the standard library doesn't tell.

A key's path is a tuple of names and, in an array of tables, of indices counted from 0:
`("limits", "linger")`, `("instance", 2, "alias")`.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field

Path = tuple[str | int, ...]

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


@dataclass(slots=True)
class _Walk:
    """How far the walk has come: the table it is in, and the last index of each array of tables."""

    lines: dict[Path, int] = field(default_factory=dict)
    table: Path = ()
    arrays: dict[Path, int] = field(default_factory=dict)

    def resolve(self, base: Path, names: list[str]) -> Path:
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


def line_map(text: str) -> dict[Path, int]:
    """The line, counted from 1, of every table and key of a valid TOML text.

    Keys inside an inline table stand where the statement starts and are not listed: `line_of`
    falls back to it. A text that isn't valid TOML gives whatever could be made out.
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


def line_of(lines: dict[Path, int], path: Path) -> int | None:
    """The line of a path, or of the nearest thing around it; None if nothing is known."""
    while path:
        if path in lines:
            return lines[path]
        path = path[:-1]
    return None


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
