"""The mistakes of one configuration, collected so that all are told at once."""

from __future__ import annotations

import math
from pathlib import Path

from vncproxy.config.environment import WHERE as ENVIRONMENT
from vncproxy.config.lines import Path as KeyPath
from vncproxy.config.lines import line_of
from vncproxy.config.problem_words import named
from vncproxy.errors import ConfigError, ConfigProblem


class Report:
    """Takes in mistakes by the path of their key and knows where each key was set."""

    def __init__(self, file: Path | None, lines: dict[KeyPath, int]) -> None:
        """Know the file that was read, if any, and the lines of its keys."""
        self._file = file
        self._lines = lines
        self._from_environment: set[KeyPath] = set()
        self._faulty: set[KeyPath] = set()
        self._written: dict[KeyPath, str] = {}
        self._problems: list[tuple[float, ConfigProblem]] = []

    def overridden(self, path: KeyPath) -> None:
        """From here on the key's value is the environment's."""
        self._from_environment.add(path)
        self._faulty.discard(path)

    def add(self, path: KeyPath, found: str, expected: str) -> None:
        """Note a mistake; the key's value counts as unknown in later checks."""
        self._faulty.add(path)
        problem = ConfigProblem(self.where(path), key_name(path), found, expected)
        if path in self._from_environment:
            self.append(problem)
        else:
            self._problems.append((line_of(self._lines, path) or 0, problem))

    def append(self, problem: ConfigProblem) -> None:
        """Note a mistake of the environment, told after the file's."""
        self._problems.append((math.inf, problem))

    def usable(self, *paths: KeyPath) -> bool:
        """Whether none of these keys was found faulty."""
        return self._faulty.isdisjoint(paths)

    def remember(self, path: KeyPath, written: str) -> None:
        """Keep how a path was written, in words fit for an error: made absolute, it would hide
        that somebody put a secret in its place.
        """
        self._written[path] = written

    def written(self, path: KeyPath) -> str:
        """What `remember` was told."""
        return self._written[path]

    def is_set(self, path: KeyPath) -> bool:
        """Whether the file or the environment names the key."""
        return path in self._from_environment or path in self._lines

    def file_of(self, path: KeyPath) -> Path | None:
        """The file that sets the key; None if the environment or nothing does."""
        return self._file if path in self._lines and path not in self._from_environment else None

    def where(self, path: KeyPath) -> str:
        """`FILE:LINE`, `environment`, or `defaults` where no file was read."""
        if path in self._from_environment:
            return ENVIRONMENT
        if self._file is None:
            return "defaults"
        line = line_of(self._lines, path)
        return f"{self._file}:{line}" if line else str(self._file)

    def raise_if_any(self) -> None:
        """Raise every mistake at once, in the order of the file's lines. Raises: ConfigError."""
        if self._problems:
            self._problems.sort(key=lambda entry: entry[0])
            raise ConfigError([problem for _, problem in self._problems])


def key_name(path: KeyPath) -> str:
    """A path for people: `[limits] linger`, `[[instance]] 2 alias` (counted from 1)."""
    match path:
        case (str(block), int(index), *rest):
            return " ".join([f"[[{block}]] {index + 1}", *map(named, rest)])
        case (section, *rest):
            return " ".join([f"[{named(section)}]", *map(named, rest)])
        case _:
            return "the file"
