"""Settings from the environment: `VNCPROXY_LIMITS__IDLE_TIMEOUT=300` is `[limits] idle_timeout`."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass

from vncproxy.config.problem_words import named
from vncproxy.config.schema import BLOCKS, SECTIONS, Shape, nearest, shape
from vncproxy.errors import ConfigProblem

PREFIX = "VNCPROXY_"
WHERE = "environment"
NOT_SETTINGS = frozenset({"VNCPROXY_CONFIG"})
"""Variables of the same prefix that aren't settings: this one names the file."""


@dataclass(frozen=True, slots=True)
class Override:
    """One setting from the environment; the value is not yet checked."""

    section: str
    key: str
    value: object


def overrides(environ: Mapping[str, str]) -> tuple[list[Override], list[ConfigProblem]]:
    """The settings that the environment makes, and what is wrong with its variables' names.

    A key whose kind isn't text is read as a TOML value, so `true` and `20.0` are what they are in
    the file; what can't be read stays a text, and the check of its kind tells.
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
        expected = f"no such variable: [[{section}]] blocks can only be set in the file"
    elif key in SECTIONS.get(section, {}) and variable.isupper():
        expected = f"no such variable: {section}.{key} is a list and can only be set in the file"
    else:
        # Compared without the prefix, which would make any name look near.
        known = [
            f"{name}__{key}"
            for name, fields in SECTIONS.items()
            for key in fields
            if shape(fields[key]) is not Shape.LIST
        ]
        guess = nearest(variable.removeprefix(PREFIX).lower(), known)
        expected = "VNCPROXY_SECTION__KEY of a key that exists"
        if guess:
            expected += f"; the nearest is {PREFIX}{guess.upper()}"
    return ConfigProblem(WHERE, named(variable), "an unknown variable", expected)
