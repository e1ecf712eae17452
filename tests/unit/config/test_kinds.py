"""Kinds of values, at the edges of their ranges."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from vncproxy.config import kinds

ACCEPTED: list[tuple[Any, list[object]]] = [
    (kinds.Duration, [0.001, 86400, 1]),
    (kinds.OptionalDuration, [0, 0.0, 31536000]),
    (kinds.LongDuration, [1, 31536000.0]),
    (kinds.UrlTtl, [0.5, 300]),
    (kinds.Linger, [0, 3600]),
    (kinds.DrainTimeout, [0, 9.99]),
    (kinds.Keysym, [0, 0xFFE1, 0xFFFFFFFF]),
    (kinds.DialsPerMinute, [1, 29]),
    (kinds.QueueBytes, [65536, 1 << 30]),
    (kinds.Port, [1, 65535]),
    (kinds.ViewerCount, [1, 1000]),
    (kinds.ConsoleCount, [1, 100000]),
    (kinds.RecordingBytes, [64 << 20, 1 << 50]),
    (kinds.Flag, [True, False]),
    (kinds.Name, ["a", "web-1", "Web_1.x", "a" * 63, "1"]),
    (kinds.InstanceId, ["i-bp1xxxxxxxxxxxxxxxxx", "i-1", "i-2ze-A"]),
    (kinds.RegionId, ["cn-hangzhou", "us-east-1", "ap-southeast-1", "cn-hangzhou-finance"]),
    (kinds.SocketMode, ["0660", "660", "0600"]),
    (kinds.OptionalName, ["", "bastion-1", "bastion-1.example.com"]),
    (kinds.LogFormat, ["auto", "console", "json"]),
]
REFUSED: list[tuple[Any, list[object]]] = [
    (kinds.Duration, [0, -1, 86400.1, True, "20"]),
    (kinds.OptionalDuration, [-0.1, 31536001]),
    (kinds.LongDuration, [0, 31536001]),
    (kinds.UrlTtl, [0, 301]),
    (kinds.Linger, [-1, 3601]),
    (kinds.DrainTimeout, [-1, 10, 10.0]),
    (kinds.Keysym, [-1, 0x100000000, 1.0]),
    (kinds.DialsPerMinute, [0, 30, 29.0, True]),
    (kinds.QueueBytes, [65535, (1 << 30) + 1, 1e6]),
    (kinds.Port, [0, 65536]),
    (kinds.ViewerCount, [0, 1001]),
    (kinds.ConsoleCount, [0, 100001]),
    (kinds.RecordingBytes, [0, 1 << 20]),
    (kinds.Flag, [0, 1, "true"]),
    (kinds.Name, ["", "-a", ".a", "a" * 64, "a b", "a/b", "a\n", "ä"]),
    (kinds.InstanceId, ["", "i-", "web-1", "i-a b", "i-a\n", "I-1", "i-" + "a" * 63]),
    (kinds.RegionId, ["", "CN-Hangzhou", "cn/hangzhou", "-cn", "cn.evil.example", "cn\n"]),
    (kinds.SocketMode, ["", "888", "07777", "rw-rw----", 660]),
    (kinds.OptionalName, ["-a", "a b", "a" * 64, "a\n"]),
    (kinds.LogFormat, ["AUTO", ""]),
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
