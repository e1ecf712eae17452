"""The types of values, at the edges of their ranges."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from vncproxy.config import schema
from vncproxy.config.model import BLOCKS, SECTIONS, Instance, Listen, Rule
from vncproxy.config.schema import Shape, expected, is_path, required, shape, validity

ACCEPTED: list[tuple[Any, list[object]]] = [
    (schema.Duration, [0.001, 86400, 1]),
    (schema.OptionalDuration, [0, 0.0, 31536000]),
    (schema.LongDuration, [1, 31536000.0]),
    (schema.UrlTtl, [0.5, 300]),
    (schema.Linger, [0, 3600]),
    (schema.DrainTimeout, [0, 9.99]),
    (schema.Keysym, [0, 0xFFE1, 0xFFFFFFFF]),
    (schema.DialsPerMinute, [1, 29]),
    (schema.QueueBytes, [65536, 1 << 30]),
    (schema.Port, [1, 65535]),
    (schema.ViewerCount, [1, 1000]),
    (schema.ConsoleCount, [1, 100000]),
    (schema.RecordingBytes, [64 << 20, 1 << 50]),
    (schema.Flag, [True, False]),
    (schema.Name, ["a", "web-1", "Web_1.x", "a" * 63, "1"]),
    (schema.InstanceId, ["i-bp1xxxxxxxxxxxxxxxxx", "i-1", "i-2ze-A"]),
    (schema.RegionId, ["cn-hangzhou", "us-east-1", "ap-southeast-1", "cn-hangzhou-finance"]),
    (schema.SocketMode, ["0660", "660", "0600"]),
    (schema.OptionalName, ["", "bastion-1", "bastion-1.example.com"]),
    (schema.LogFormat, ["auto", "console", "json"]),
]
REFUSED: list[tuple[Any, list[object]]] = [
    (schema.Duration, [0, -1, 86400.1, True, "20"]),
    (schema.OptionalDuration, [-0.1, 31536001]),
    (schema.LongDuration, [0, 31536001]),
    (schema.UrlTtl, [0, 301]),
    (schema.Linger, [-1, 3601]),
    (schema.DrainTimeout, [-1, 10, 10.0]),
    (schema.Keysym, [-1, 0x100000000, 1.0]),
    (schema.DialsPerMinute, [0, 30, 29.0, True]),
    (schema.QueueBytes, [65535, (1 << 30) + 1, 1e6]),
    (schema.Port, [0, 65536]),
    (schema.ViewerCount, [0, 1001]),
    (schema.ConsoleCount, [0, 100001]),
    (schema.RecordingBytes, [0, 1 << 20]),
    (schema.Flag, [0, 1, "true"]),
    (schema.Name, ["", "-a", ".a", "a" * 64, "a b", "a/b", "a\n", "ä"]),
    (schema.InstanceId, ["", "i-", "web-1", "i-a b", "i-a\n", "I-1", "i-" + "a" * 63]),
    (schema.RegionId, ["", "CN-Hangzhou", "cn/hangzhou", "-cn", "cn.evil.example", "cn\n"]),
    (schema.SocketMode, ["", "888", "07777", "rw-rw----", 660]),
    (schema.OptionalName, ["-a", "a b", "a" * 64, "a\n"]),
    (schema.LogFormat, ["AUTO", ""]),
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
