"""A configuration file as read: its tables and the lines of its keys."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

from vncproxy.config.lines import Path as KeyPath
from vncproxy.config.lines import line_map
from vncproxy.config.problem_words import looks_secret
from vncproxy.errors import ConfigError, ConfigProblem

MAX_FILE_BYTES = 1 << 20
"""Thousands of instances fit; a larger file is a mistake such as a disk image."""

_AT_LINE = re.compile(r" ?\(at (?:line (\d+), column \d+|end of document)\)")


@dataclass(frozen=True, slots=True)
class Document:
    """Tables as TOML gives them, unchecked; without a file there are none."""

    file: Path | None = None
    tables: dict[str, object] = field(default_factory=dict)
    lines: dict[KeyPath, int] = field(default_factory=dict)


def read_document(file: Path) -> Document:
    """A configuration file's content. Raises: ConfigError if it can't be read or isn't TOML."""
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
    """The tables of a TOML text. Raises: ConfigError with the line where it isn't TOML."""
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
