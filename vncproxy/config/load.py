"""The configuration from its file and the environment, with every mistake reported at once.

Tables become the model key by key, so that no mistake hides another. Settings from the environment
win: `VNCPROXY_LIMITS__IDLE_TIMEOUT=300` is `[limits] idle_timeout`. The parser of the standard
library doesn't say where a key stands, so a second walk over the file's text finds its line.
"""

from __future__ import annotations

import difflib
import math
import os
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import FieldInfo

from vncproxy.config.cross_checks import check_relations
from vncproxy.config.file_checks import check_files
from vncproxy.config.model import BLOCK_STRUCTS, BLOCKS, SECTION_STRUCTS, SECTIONS, Config
from vncproxy.config.paths import find_file, home_folder
from vncproxy.config.problems import ENVIRONMENT, KeyPath, Report, looks_secret, named, shown
from vncproxy.config.value_types import Shape, expected, is_path, required, shape, validity
from vncproxy.errors import ConfigError, ConfigProblem
from vncproxy.languages.text import Text

PREFIX = "VNCPROXY_"
NOT_SETTINGS = frozenset({"VNCPROXY_CONFIG"})
"""Variables of the same prefix that aren't settings: this one names the file."""

_CREDENTIAL_NAMES = ("access_key", "accesskey", "secret", "security_token", "sts_token")


@dataclass(frozen=True, slots=True)
class Loaded:
    """A configuration and the file it came from; None means that there was no file."""

    config: Config
    path: Path | None


def load(path: Path | None, environ: Mapping[str, str]) -> Loaded:
    """The configuration that `--config` (or None), the search order and the environment give.

    Defaults, then the file, then `VNCPROXY_SECTION__KEY` variables. Paths in the file start from
    the file's own folder, those in the environment from the current one; `~/` is the user's home.
    Files that settings name are looked at, secret ones read; nothing is made or changed.

    Args:
        path: The file; None: the first that there is, in the order of `find_file`.
        environ: The environment's variables.

    Raises:
        ConfigError: With all mistakes, the file's in the order of its lines, then the
            environment's. A text that isn't TOML is the only mistake reported of its file.
    """
    file = find_file(path, environ)
    found, problems = overrides(environ)
    try:
        document = Document() if file is None else read_document(file)
    except ConfigError as error:
        raise ConfigError([*error.problems, *problems]) from error
    config, report = _built(document, found, environ)
    check_files(config, report, environ, file)
    for problem in problems:
        report.append(problem)
    report.raise_if_any()
    return Loaded(config, file)


def config_of(text: str, file: Path, environ: Mapping[str, str]) -> Config:
    """What a file with this text would give, as `load` does; no file that it names is looked at.

    Args:
        text: TOML.
        file: Its place, there or not: relative paths start from its folder, errors name it.
        environ: The environment's variables.

    Raises:
        ConfigError: As of `load`.
    """
    found, problems = overrides(environ)
    config, report = _built(parse_document(text, file), found, environ)
    for problem in problems:
        report.append(problem)
    report.raise_if_any()
    return config


def _built(
    document: Document, found: list[Override], environ: Mapping[str, str]
) -> tuple[Config, Report]:
    """The configuration of a document, and what is wrong with it but for the files it names."""
    file = document.file
    report = Report(file, document.lines)
    base = Path.cwd() if file is None else file.absolute().parent
    config = Builder(report, Folders(base, home_folder(environ))).build(document.tables, found)
    check_relations(config, report)
    return config, report


@dataclass(frozen=True, slots=True)
class Folders:
    """What a path in a setting starts from."""

    base: Path
    """The file's own folder, for relative paths in the file."""
    home: Path | None
    """For `~/`."""

    def resolve(self, path: Path, base: Path) -> Path:
        """The absolute path."""
        if path.parts[0] == "~" and self.home is not None:
            path = self.home.joinpath(*path.parts[1:])
        return base / path


@dataclass(frozen=True, slots=True)
class Builder:
    """Makes the model of tables; what is wrong with them goes into the report."""

    report: Report
    folders: Folders

    def build(self, tables: dict[str, object], overrides: list[Override]) -> Config:
        """The configuration; where the report has a mistake, the default or nothing stands in."""
        parts: dict[str, Any] = {}
        self._check_names(tables)
        for section, struct in SECTION_STRUCTS.items():
            values = self._section(section, tables.get(section, {}))
            for override in overrides:
                if override.section == section:
                    path = (section, override.key)
                    self.report.overridden(path)
                    field = SECTIONS[section][override.key]
                    self._take(values, path, field, override.value, Path.cwd())
            parts[section] = struct(**values)
        for block in BLOCK_STRUCTS:
            if block in tables:
                parts[block] = self._blocks(block, tables[block])
        return Config(**parts)

    def _check_names(self, tables: dict[str, object]) -> None:
        known = [*SECTION_STRUCTS, *BLOCK_STRUCTS]
        for name in tables:
            if name not in known:
                self._unknown((name,), name, known)

    def _section(self, section: str, table: object) -> dict[str, Any]:
        if not isinstance(table, dict):
            self.report.add(
                (section,), shown(table), Text("a table, opened by [{section}]", section=section)
            )
            return {}
        return self._keys((section,), SECTIONS[section], table)

    def _blocks(self, block: str, tables: object) -> tuple[Struct, ...]:
        if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
            self.report.add(
                (block,), shown(tables), Text("blocks, each opened by [[{block}]]", block=block)
            )
            return ()
        struct = BLOCK_STRUCTS[block]
        built = []
        for index, table in enumerate(tables):
            values = self._keys((block, index), BLOCKS[block], table)
            for key in required(struct):
                if key not in table:
                    field = BLOCKS[block][key]
                    self.report.add((block, index, key), "nothing", expected(field))
                # Stands in for a value that is missing or wrong; the report says so.
                values.setdefault(key, "")
            built.append(struct(**values))
        return tuple(built)

    def _keys(
        self, path: KeyPath, fields: dict[str, FieldInfo], table: dict[str, object]
    ) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for key, value in table.items():
            if key in fields:
                self._take(values, (*path, key), fields[key], value, self.folders.base)
            else:
                self._unknown((*path, key), key, list(fields))
        return values

    def _take(
        self, values: dict[str, Any], path: KeyPath, field: FieldInfo, value: object, base: Path
    ) -> None:
        """Check one value and put it among the good ones, or report it."""
        good = convert(value, field)
        if good is None:
            self.report.add(path, shown(value, key=field.name), expected(field))
            return
        if is_path(field):
            good = self.folders.resolve(good, base)
            # A file that is there is no secret that was put in the place of a file's name.
            key = "" if os.path.lexists(good) else field.name
            self.report.remember(path, shown(value, key=key))
        values[field.name] = good

    def _unknown(self, path: KeyPath, name: str, known: list[str]) -> None:
        """Report a name that nobody knows; its value isn't repeated: it may be a credential."""
        guess = nearest(name, known)
        words = (
            Text('a known name; the nearest is "{guess}"', guess=guess)
            if guess
            else Text("one of {known}", known=", ".join(known))
        )
        if any(part in name.lower() for part in _CREDENTIAL_NAMES):
            words = Text(
                "{words}; credentials never stand here: see ALIBABA_CLOUD_ACCESS_KEY_ID",
                words=words,
            )
        self.report.add(path, Text("an unknown name"), words)


def convert(value: object, field: FieldInfo) -> Any:
    """The value in the field's type, or None if it isn't such a value."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    try:
        if isinstance(value, str):
            # A lone surrogate, from an environment that isn't UTF-8, could not even be printed.
            value.encode()
        good = msgspec.convert(value, field.type, strict=True, dec_hook=_path)
    except (msgspec.ValidationError, UnicodeEncodeError):
        return None
    valid = validity(field)
    return good if valid is None or valid(good) else None


def _path(kind: type, value: object) -> Path:
    """What msgspec asks for a type that it doesn't know: the only one is Path."""
    if kind is Path and isinstance(value, str):
        return Path(value)
    raise ValueError("not a path")


@dataclass(frozen=True, slots=True)
class Override:
    """One setting from the environment; the value is not yet checked."""

    section: str
    key: str
    value: object


def overrides(environ: Mapping[str, str]) -> tuple[list[Override], list[ConfigProblem]]:
    """The settings that the environment makes, and what is wrong with its variables' names.

    A key whose type isn't text is read as a TOML value, so `true` and `20.0` are what they are in
    the file; what can't be read stays a text, which the check of its type then refuses.
    """
    found: list[Override] = []
    problems: list[ConfigProblem] = []
    for variable in sorted(environ):
        if not variable.startswith(PREFIX) or variable in NOT_SETTINGS:
            continue
        section, separator, key = variable.removeprefix(PREFIX).lower().partition("__")
        fields = SECTIONS.get(section, {})
        if (
            variable.isupper()
            and separator
            and key in fields
            and shape(fields[key]) is not Shape.LIST
        ):
            value = _value(environ[variable], shape(fields[key]))
            found.append(Override(section, key, value))
        else:
            problems.append(_wrong_name(variable, section, key))
    return found, problems


def _value(text: str, kind: Shape) -> object:
    if kind is Shape.TEXT:
        return text
    try:
        document = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):
        return text
    # A line break in the variable could have added keys.
    return document["value"] if len(document) == 1 else text


def _wrong_name(variable: str, section: str, key: str) -> ConfigProblem:
    if section in BLOCKS:
        expected = Text(
            "no such variable: [[{section}]] blocks can only be set in the file", section=section
        )
    elif key in SECTIONS.get(section, {}) and variable.isupper():
        expected = Text(
            "no such variable: {section}.{key} is a list and can only be set in the file",
            section=section,
            key=key,
        )
    else:
        # Compared without the prefix, which would make any name look near.
        known = [
            f"{name}__{key}"
            for name, fields in SECTIONS.items()
            for key in fields
            if shape(fields[key]) is not Shape.LIST
        ]
        guess = nearest(variable.removeprefix(PREFIX).lower(), known)
        expected = Text("VNCPROXY_SECTION__KEY of a key that exists")
        if guess:
            expected = Text(
                "VNCPROXY_SECTION__KEY of a key that exists; the nearest is {guess}",
                guess=f"{PREFIX}{guess.upper()}",
            )
    return ConfigProblem(ENVIRONMENT, named(variable), Text("an unknown variable"), expected)


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known name that a misspelt one most likely means."""
    return next(iter(difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)), None)


# The file


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
        strerror = getattr(error, "strerror", None)
        reason = strerror.lower() if strerror else Text("not a path")
        raise _error(
            str(file), Text("the file"), reason, Text("a file that can be read")
        ) from error
    if len(content) > MAX_FILE_BYTES:
        raise _error(
            str(file),
            Text("the file"),
            Text("a long file"),
            Text("at most {most} bytes", most=MAX_FILE_BYTES),
        )
    try:
        # Some editors put a byte order mark at the start.
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        # Without the cause, which holds the whole content.
        raise _error(
            f"{file}:{line}", Text("the text"), Text("bytes that aren't UTF-8"), "UTF-8"
        ) from None
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
        raise _error(str(file), Text("the text"), Text("deeply nested values"), "TOML") from None
    except ValueError as error:
        message = str(error)
        where = str(file)
        if place := _AT_LINE.search(message):
            where += f":{place[1] or len(text.splitlines())}"
        # The parser quotes keys, never values; in a broken text a key can be anything.
        found = Text("a mistake") if looks_secret(message) else _AT_LINE.sub("", message).lower()
        raise _error(where, Text("the text"), found, "TOML") from None
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
