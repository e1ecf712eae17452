"""The types of values, at the edges of their ranges."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from vncproxy.config import value_types
from vncproxy.config.model import BLOCKS, SECTIONS, Instance, Listen, Rule
from vncproxy.config.value_types import Shape, expected, is_path, required, shape, validity

ACCEPTED: list[tuple[Any, list[object]]] = [
    (value_types.Duration, [0.001, 86400, 1]),
    (value_types.OptionalDuration, [0, 0.0, 31536000]),
    (value_types.LongDuration, [1, 31536000.0]),
    (value_types.UrlTtl, [0.5, 300]),
    (value_types.Linger, [0, 3600]),
    (value_types.DrainTimeout, [0, 9.99]),
    (value_types.Keysym, [0, 0xFFE1, 0xFFFFFFFF]),
    (value_types.DialsPerMinute, [1, 29]),
    (value_types.QueueBytes, [65536, 1 << 30]),
    (value_types.Port, [1, 65535]),
    (value_types.ViewerCount, [1, 1000]),
    (value_types.ConsoleCount, [1, 100000]),
    (value_types.RecordingBytes, [64 << 20, 1 << 50]),
    (value_types.Flag, [True, False]),
    (value_types.Name, ["a", "web-1", "Web_1.x", "a" * 63, "1"]),
    (value_types.InstanceId, ["i-bp1xxxxxxxxxxxxxxxxx", "i-1", "i-2ze-A"]),
    (value_types.RegionId, ["cn-hangzhou", "us-east-1", "ap-southeast-1", "cn-hangzhou-finance"]),
    (value_types.SocketMode, ["0660", "660", "0600"]),
    (value_types.OptionalName, ["", "bastion-1", "bastion-1.example.com"]),
    (value_types.LogFormat, ["auto", "console", "json"]),
]
REFUSED: list[tuple[Any, list[object]]] = [
    (value_types.Duration, [0, -1, 86400.1, True, "20"]),
    (value_types.OptionalDuration, [-0.1, 31536001]),
    (value_types.LongDuration, [0, 31536001]),
    (value_types.UrlTtl, [0, 301]),
    (value_types.Linger, [-1, 3601]),
    (value_types.DrainTimeout, [-1, 10, 10.0]),
    (value_types.Keysym, [-1, 0x100000000, 1.0]),
    (value_types.DialsPerMinute, [0, 30, 29.0, True]),
    (value_types.QueueBytes, [65535, (1 << 30) + 1, 1e6]),
    (value_types.Port, [0, 65536]),
    (value_types.ViewerCount, [0, 1001]),
    (value_types.ConsoleCount, [0, 100001]),
    (value_types.RecordingBytes, [0, 1 << 20]),
    (value_types.Flag, [0, 1, "true"]),
    (value_types.Name, ["", "-a", ".a", "a" * 64, "a b", "a/b", "a\n", "ä"]),
    (value_types.InstanceId, ["", "i-", "web-1", "i-a b", "i-a\n", "I-1", "i-" + "a" * 63]),
    (value_types.RegionId, ["", "CN-Hangzhou", "cn/hangzhou", "-cn", "cn.evil.example", "cn\n"]),
    (value_types.SocketMode, ["", "888", "07777", "rw-rw----", 660]),
    (value_types.OptionalName, ["-a", "a b", "a" * 64, "a\n"]),
    (value_types.LogFormat, ["AUTO", ""]),
]


def _pairs(table: list[tuple[Any, list[object]]]) -> list[tuple[Any, object]]:
    return [(kind, value) for kind, values in table for value in values]


@pytest.mark.parametrize(("kind", "value"), _pairs(ACCEPTED))
def test_accepts(kind: Any, value: object) -> None:
    """A value within the range is taken."""
    assert msgspec.convert(value, kind, strict=True) == value


@pytest.mark.parametrize(("kind", "value"), _pairs(REFUSED))
def test_refuses(kind: Any, value: object) -> None:
    """A value outside it, or of another type, is refused."""
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(value, kind, strict=True)


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
