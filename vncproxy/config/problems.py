"""The mistakes of one configuration, collected, so that all are reported at once.

Their words never repeat a secret that was pasted into the wrong place.
"""

from __future__ import annotations

import math
import re
from pathlib import Path

from vncproxy.errors import ConfigError, ConfigProblem
from vncproxy.languages.text import Text

KeyPath = tuple[str | int, ...]
"""Names and, in an array of tables, indices counted from 0: `("limits", "linger")`,
`("instance", 2, "alias")`."""

ENVIRONMENT = Text("environment")
"""Where a value of a `VNCPROXY_` variable stands, as an error says it."""

_LONGEST = 80

_BARE_NAME = re.compile(r"[A-Za-z0-9_-]{1,60}\Z")
_KEY_ID = re.compile(r"LTAI[A-Za-z0-9]{8}|STS\.[A-Za-z0-9]{8}")
"""An AccessKey id of Alibaba Cloud, or the temporary one of STS."""
_RUN = re.compile(r"[A-Za-z0-9+=_-]{16,}")
_HEX = re.compile(r"[0-9A-Fa-f]{32}")
_SECRET_NAME = re.compile(r"secret|password|token", re.IGNORECASE)


def shown(value: object, *, key: str = "") -> str:
    """A value for an error text: short, printable, and left out where it may be a secret.

    Args:
        value: As TOML gives it.
        key: The key's name. What stands under a name with `secret`, `password` or `token` is shown
            only if it is a path with a slash: somebody may have put the secret itself there.
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value) if value.bit_length() <= 128 else Text("a number of more than 128 bits")
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, str):
        if looks_secret(value) or (_SECRET_NAME.search(key) and "/" not in value):
            return Text(
                "a text of {count} characters (not shown: it may be a secret)", count=len(value)
            )
        return repr(value if len(value) <= _LONGEST else value[: _LONGEST - 1] + "…")
    if isinstance(value, list | tuple):
        return Text("a list of {count}", count=len(value))
    return Text("a table") if isinstance(value, dict) else Text("a date or time")


def named(name: str | int) -> str:
    """A key's or variable's name for an error text: as it is, unless it is strange or a secret."""
    text = str(name)
    return text if _BARE_NAME.match(text) and not looks_secret(text) else shown(text)


def looks_secret(text: str) -> bool:
    """Whether a text resembles a key, a token, or a URL that carries one."""
    lower = text.lower()
    if _KEY_ID.search(text) or _HEX.search(text) or "%3a%2f%2f" in lower:
        return True
    if "://" in text and any(mark in text for mark in "@?#"):
        return True
    return any(_is_mixed(run) for run in _RUN.findall(text))


def _is_mixed(run: str) -> bool:
    """Whether it has small and capital letters and digits, as random texts have."""
    return all(re.search(letters, run) for letters in ("[a-z]", "[A-Z]", "[0-9]"))


class Report:
    """Collects mistakes by the path of their key; knows where each key was set."""

    def __init__(self, file: Path | None, lines: dict[KeyPath, int]) -> None:
        """Begin without a mistake.

        Args:
            file: The file that was read; None: there is none.
            lines: Where its tables and keys stand, as `document.line_map` gives it.
        """
        self._file = file
        self._lines = lines
        self._from_environment: set[KeyPath] = set()
        self._faulty: set[KeyPath] = set()
        self._written: dict[KeyPath, str] = {}
        self._problems: list[tuple[float, ConfigProblem]] = []

    def overridden(self, path: KeyPath) -> None:
        """From now on the key's value is the environment's."""
        self._from_environment.add(path)
        self._faulty.discard(path)

    def add(self, path: KeyPath, found: str, expected: str) -> None:
        """Note a mistake; the key's value counts as unknown in later checks.

        Args:
            path: Of the key.
            found: What stands there, as `shown` gives it.
            expected: What should, in words.
        """
        self._faulty.add(path)
        problem = ConfigProblem(self.where(path), key_name(path), found, expected)
        if path in self._from_environment:
            self.append(problem)
        else:
            self._problems.append((line_of(self._lines, path) or 0, problem))

    def append(self, problem: ConfigProblem) -> None:
        """Note a mistake of the environment; those come after the file's."""
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
        """What `remember` was given."""
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
            return Text("defaults")
        line = line_of(self._lines, path)
        return f"{self._file}:{line}" if line else str(self._file)

    def raise_if_any(self) -> None:
        """Raise every mistake at once, in the order of the file's lines.

        Raises:
            ConfigError: There is one.
        """
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
            return Text("the file")


def line_of(lines: dict[KeyPath, int], path: KeyPath) -> int | None:
    """The line of a path, or of the nearest thing around it; None if nothing is known."""
    while path:
        if path in lines:
            return lines[path]
        path = path[:-1]
    return None
