"""From unchecked tables to the model: every key by itself, so that no mistake hides another."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import FieldInfo

from vncproxy.config.environment import Override
from vncproxy.config.lines import Path as KeyPath
from vncproxy.config.model import Config
from vncproxy.config.problem_words import shown
from vncproxy.config.problems import Report
from vncproxy.config.schema import (
    BLOCK_STRUCTS,
    BLOCKS,
    SECTION_STRUCTS,
    SECTIONS,
    expected,
    is_path,
    nearest,
    required,
    validity,
)

_CREDENTIAL_NAMES = ("access_key", "accesskey", "secret", "security_token", "sts_token")


@dataclass(frozen=True, slots=True)
class Folders:
    """What a path in a setting starts from.

    Args: base - for relative paths in the file: the file's own folder; home - for `~/`.
    """

    base: Path
    home: Path | None

    def resolve(self, path: Path, base: Path) -> Path:
        """The absolute path."""
        if path.parts[0] == "~" and self.home is not None:
            path = self.home.joinpath(*path.parts[1:])
        return base / path


@dataclass(frozen=True, slots=True)
class Builder:
    """Takes tables in and notes what is wrong with them in the report."""

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
            self.report.add((section,), shown(table), f"a table, opened by [{section}]")
            return {}
        return self._keys((section,), SECTIONS[section], table)

    def _blocks(self, block: str, tables: object) -> tuple[Struct, ...]:
        if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
            self.report.add((block,), shown(tables), f"blocks, each opened by [[{block}]]")
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
        words = f'a known name; the nearest is "{guess}"' if guess else f"one of {', '.join(known)}"
        if any(part in name.lower() for part in _CREDENTIAL_NAMES):
            words += "; credentials never stand here: see ALIBABA_CLOUD_ACCESS_KEY_ID"
        self.report.add(path, "an unknown name", words)


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
