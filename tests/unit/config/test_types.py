"""Kinds of values, at the edges of their ranges."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from vncproxy.config import types

ACCEPTED: list[tuple[Any, list[object]]] = [
    (types.Duration, [0.001, 86400, 1]),
    (types.OptionalDuration, [0, 0.0, 31536000]),
    (types.LongDuration, [1, 31536000.0]),
    (types.UrlTtl, [0.5, 300]),
    (types.Linger, [0, 3600]),
    (types.DrainTimeout, [0, 9.99]),
    (types.Keysym, [0, 0xFFE1, 0xFFFFFFFF]),
    (types.DialsPerMinute, [1, 29]),
    (types.QueueBytes, [65536, 1 << 30]),
    (types.Port, [1, 65535]),
    (types.ViewerCount, [1, 1000]),
    (types.ConsoleCount, [1, 100000]),
    (types.RecordingBytes, [64 << 20, 1 << 50]),
    (types.Flag, [True, False]),
    (types.Name, ["a", "web-1", "Web_1.x", "a" * 63, "1"]),
    (types.InstanceId, ["i-bp1xxxxxxxxxxxxxxxxx", "i-1", "i-2ze-A"]),
    (types.RegionId, ["cn-hangzhou", "us-east-1", "ap-southeast-1", "cn-hangzhou-finance"]),
    (types.SocketMode, ["0660", "660", "0600"]),
    (types.OptionalName, ["", "bastion-1", "bastion-1.example.com"]),
    (types.LogFormat, ["auto", "console", "json"]),
]
REFUSED: list[tuple[Any, list[object]]] = [
    (types.Duration, [0, -1, 86400.1, True, "20"]),
    (types.OptionalDuration, [-0.1, 31536001]),
    (types.LongDuration, [0, 31536001]),
    (types.UrlTtl, [0, 301]),
    (types.Linger, [-1, 3601]),
    (types.DrainTimeout, [-1, 10, 10.0]),
    (types.Keysym, [-1, 0x100000000, 1.0]),
    (types.DialsPerMinute, [0, 30, 29.0, True]),
    (types.QueueBytes, [65535, (1 << 30) + 1, 1e6]),
    (types.Port, [0, 65536]),
    (types.ViewerCount, [0, 1001]),
    (types.ConsoleCount, [0, 100001]),
    (types.RecordingBytes, [0, 1 << 20]),
    (types.Flag, [0, 1, "true"]),
    (types.Name, ["", "-a", ".a", "a" * 64, "a b", "a/b", "a\n", "ä"]),
    (types.InstanceId, ["", "i-", "web-1", "i-a b", "i-a\n", "I-1", "i-" + "a" * 63]),
    (types.RegionId, ["", "CN-Hangzhou", "cn/hangzhou", "-cn", "cn.evil.example", "cn\n"]),
    (types.SocketMode, ["", "888", "07777", "rw-rw----", 660]),
    (types.OptionalName, ["-a", "a b", "a" * 64, "a\n"]),
    (types.LogFormat, ["AUTO", ""]),
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
