"""Settings from a TOML file, for `vncproxy simulate --config FILE`.

Top-level keys are the fields of SimulatorSettings, [[access_key]] blocks those of AccessKey,
[[instance]] blocks those of SimulatedInstance, where tags is a table.
"""

from __future__ import annotations

import difflib
import tomllib
from pathlib import Path
from types import UnionType
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from vncproxy.simulator.settings import (
    STATUSES,
    AccessKey,
    SimulatedInstance,
    SimulatorSettings,
)

_BLOCKS = {"access_key": "keys", "instance": "instances"}
_MAY_BE_ZERO = {
    *("port", "half_open_s", "clock_offset_s", "calls_per_minute", "seed"),
    *("screenshot_pause_s", "stopping_s"),
}
_SECRETS = {"secret", "security_token", "vnc_password"}
_LEAST_SIDE, _MOST_SIDE = 320, 4096
_MAY_BE_NEGATIVE = {"clock_offset_s", "seed"}
T = TypeVar("T")


class SettingsError(Exception):
    """The file is wrong; the text names the file and every mistake in it, one a line."""


def load(path: Path) -> SimulatorSettings:
    """Read a file.

    Raises:
        SettingsError: The file can't be used.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"{path}: {(error.strerror or 'it cannot be read').lower()}") from error
    except ValueError as error:
        raise SettingsError(f"{path}: {error}") from error
    problems: list[str] = []
    keys = [
        _build(AccessKey, block, f"[[access_key]] {n}, ", problems)
        for n, block in enumerate(_blocks(document, "access_key", problems), 1)
    ]
    instances = [
        _build(SimulatedInstance, block, f"[[instance]] {n}, ", problems)
        for n, block in enumerate(_blocks(document, "instance", problems), 1)
    ]
    values = dict(document)
    if keys:
        values["keys"] = tuple(key for key in keys if key is not None)
    if instances:
        values["instances"] = tuple(i for i in instances if i is not None)
    settings = _build(SimulatorSettings, values, "", problems)
    if settings is not None:
        _check(settings, problems)
    if problems or settings is None:
        raise SettingsError("\n".join(f"{path}: {problem}" for problem in problems))
    return settings


def _blocks(document: dict[str, Any], name: str, problems: list[str]) -> list[dict[str, Any]]:
    blocks = document.pop(name, [])
    if isinstance(blocks, list) and all(isinstance(block, dict) for block in blocks):
        return blocks
    problems.append(f"{name}: expected blocks that start with [[{name}]]")
    return []


def _build(cls: type[T], found: dict[str, Any], where: str, problems: list[str]) -> T | None:
    """A value of this class, or None where something in it is wrong."""
    hints = get_type_hints(cls)
    own = [name for name in hints if name not in _BLOCKS.values()]
    values: dict[str, Any] = {}
    before = len(problems)
    for name, value in found.items():
        if name in _BLOCKS.values() and name in hints and isinstance(value, tuple):
            values[name] = value
        elif name not in own:
            near = difflib.get_close_matches(name, [*own, *_BLOCKS], n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            problems.append(f"{where}{name}: there is no such key{hint}")
        else:
            try:
                values[name] = _convert(name, value, hints[name])
            except ValueError as error:
                shown = "a value that is not shown" if name in _SECRETS else repr(value)
                problems.append(f"{where}{name}: found {shown}; expected {error}")
    return cls(**values) if len(problems) == before else None


def _convert(name: str, value: Any, kind: Any) -> Any:
    """The value as its field wants it.

    Raises:
        ValueError: The value is wrong; the text is what is expected.
    """
    if get_origin(kind) is UnionType:
        kind = next(part for part in get_args(kind) if part is not type(None))
    if name == "tags":
        if isinstance(value, dict) and all(isinstance(v, str) for v in value.values()):
            return tuple(value.items())
        raise ValueError("a table of texts")
    if name == "status" and value not in STATUSES:
        raise ValueError(f"one of {', '.join(STATUSES)}")
    if get_origin(kind) is Literal:
        if value not in get_args(kind):
            raise ValueError(f"one of {', '.join(get_args(kind))}")
        return value
    if get_origin(kind) in {tuple, frozenset}:
        if isinstance(value, list) and all(isinstance(part, str) for part in value):
            return get_origin(kind)(value)
        raise ValueError("a list of texts")
    if kind is bool or isinstance(value, bool):
        if kind is bool and isinstance(value, bool):
            return value
        raise ValueError("true or false" if kind is bool else _words(kind))
    if kind in {int, float}:
        if not isinstance(value, int if kind is int else (int, float)):
            raise ValueError(_words(kind))
        _check_number(name, value)
        return kind(value)
    if not isinstance(value, str):
        raise ValueError(_words(kind))
    return kind(value)


def _check_number(name: str, value: float) -> None:
    if value < 0 and name not in _MAY_BE_NEGATIVE:
        raise ValueError("no less than 0")
    if value == 0 and name not in _MAY_BE_ZERO:
        raise ValueError("more than 0")


def _words(kind: Any) -> str:
    return {int: "a whole number", float: "a number"}.get(kind, "a text")


def _check(settings: SimulatorSettings, problems: list[str]) -> None:
    """What only shows between values."""
    ids = [instance.instance_id for instance in settings.instances]
    problems += [
        f"instance_id: {name} is there twice" for name in sorted(set(ids)) if ids.count(name) > 1
    ]
    for name, side in (("width", settings.width), ("height", settings.height)):
        if not _LEAST_SIDE <= side <= _MOST_SIDE:
            problems.append(f"{name}: found {side}; expected {_LEAST_SIDE} to {_MOST_SIDE} pixels")
    if (settings.certificate is None) != (settings.key is None):
        problems.append("certificate, key: expected both or neither")
    for instance in settings.instances:
        if instance.screen is not None and not instance.screen.rpartition(":")[2].isdigit():
            problems.append(f"screen: found {instance.screen!r}; expected host:port")
