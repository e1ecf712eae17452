"""The model as tables: which sections and keys there are, and what kind of value each takes."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin

from msgspec import Meta, Struct
from msgspec.structs import FieldInfo
from msgspec.structs import fields as struct_fields

from vncproxy.config.model import Config

Fields = dict[str, FieldInfo]


class Shape(Enum):
    """How a value is written in the environment."""

    TEXT = "text"
    NUMBER = "number or flag"
    LIST = "list"


def _structs() -> tuple[dict[str, type[Struct]], dict[str, type[Struct]]]:
    sections: dict[str, type[Struct]] = {}
    blocks: dict[str, type[Struct]] = {}
    for info in struct_fields(Config):
        if get_origin(info.type) is tuple:
            blocks[info.name] = get_args(info.type)[0]
        else:
            sections[info.name] = info.type
    return sections, blocks


SECTION_STRUCTS, BLOCK_STRUCTS = _structs()
"""The class behind each [section], and behind each [[block]]."""


def _fields(struct: type[Struct]) -> Fields:
    return {info.name: info for info in struct_fields(struct)}


SECTIONS: dict[str, Fields] = {name: _fields(s) for name, s in SECTION_STRUCTS.items()}
BLOCKS: dict[str, Fields] = {name: _fields(s) for name, s in BLOCK_STRUCTS.items()}


def kind_of(field: FieldInfo) -> tuple[Any, Meta]:
    """The plain type of a key's value and what `kinds` says of it."""
    kind = field.type
    if get_origin(kind) is not Annotated:
        # `Kind | None`: absent is None, which TOML can't write.
        kind = get_args(kind)[0]
    plain, meta = get_args(kind)[:2]
    assert isinstance(meta, Meta), "every kind has one"
    return plain, meta


def shape(field: FieldInfo) -> Shape:
    """How the value of a key is written in the environment."""
    plain, _ = kind_of(field)
    if plain in {bool, int, float}:
        return Shape.NUMBER
    return Shape.LIST if get_origin(plain) is tuple else Shape.TEXT


def is_path(field: FieldInfo) -> bool:
    """Whether a key's value is the path of a file or folder."""
    return kind_of(field)[0] is Path


def expected(field: FieldInfo) -> str:
    """What a key accepts, in words."""
    description = kind_of(field)[1].description
    assert description, "every kind has one"
    return description


def validity(field: FieldInfo) -> Callable[[Any], bool] | None:
    """The further test that a value of the right type must pass, if there is one."""
    valid: Callable[[Any], bool] | None = (kind_of(field)[1].extra or {}).get("valid")
    return valid


def required(struct: type[Struct]) -> tuple[str, ...]:
    """The keys without which a block means nothing."""
    return tuple(info.name for info in struct_fields(struct) if info.required)


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known name that a misspelt one most likely means."""
    return next(iter(difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)), None)
