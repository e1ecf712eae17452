"""The model as tables."""

from __future__ import annotations

from vncproxy.config.model import Instance, Limits, Listen, Rule
from vncproxy.config.schema import (
    BLOCK_STRUCTS,
    BLOCKS,
    SECTION_STRUCTS,
    SECTIONS,
    Shape,
    expected,
    is_path,
    nearest,
    required,
    shape,
    validity,
)


def test_sections_and_blocks() -> None:
    """The tables of the file and its repeated blocks are told apart."""
    assert {"listen": Listen, "instance": Instance, "rule": Rule} == BLOCK_STRUCTS
    assert SECTION_STRUCTS["limits"] is Limits
    assert set(SECTION_STRUCTS).isdisjoint(BLOCK_STRUCTS)


def test_every_key_says_what_it_expects() -> None:
    """No key's error would lack its second half."""
    for fields in (*SECTIONS.values(), *BLOCKS.values()):
        for field in fields.values():
            assert expected(field)
            assert validity(field) is None or callable(validity(field))


def test_shapes() -> None:
    """How a value is written follows from its type, absent or not."""
    assert shape(SECTIONS["limits"]["linger"]) is Shape.NUMBER
    assert shape(SECTIONS["aliyun"]["discover"]) is Shape.NUMBER
    assert shape(BLOCKS["instance"]["tcp_port"]) is Shape.NUMBER
    assert shape(SECTIONS["log"]["level"]) is Shape.TEXT
    assert shape(SECTIONS["aliyun"]["ca_file"]) is Shape.TEXT
    assert shape(SECTIONS["access"]["allowed_hosts"]) is Shape.LIST
    assert is_path(SECTIONS["aliyun"]["ca_file"])
    assert not is_path(SECTIONS["aliyun"]["endpoint"])


def test_required_keys() -> None:
    """Only an instance's id and whom a rule is about can't be left out."""
    assert required(Listen) == ()
    assert required(Instance) == ("id",)
    assert required(Rule) == ("users", "instances")


def test_nearest() -> None:
    """A misspelt name has one nearest known name, a strange one none."""
    assert nearest("idle_timout", SECTIONS["limits"]) == "idle_timeout"
    assert nearest("zzz", SECTIONS["limits"]) is None
