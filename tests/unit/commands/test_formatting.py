"""Values as people read them."""

from __future__ import annotations

import pytest

from vncproxy.commands.formatting import aligned, amount, counted, duration, length


def test_columns() -> None:
    """They line up, whatever stands in a cell; no line ends in blanks."""
    assert aligned([("A", "B"), ("a\x1b\n", "b"), ("c", "")]) == [
        "A        B",
        r"a\x1b\n  b",
        "c",
    ]


def test_counts() -> None:
    """One is one."""
    assert [counted(n, "place") for n in (0, 1, 2)] == ["0 places", "1 place", "2 places"]


def test_lengths() -> None:
    """Hours, minutes, seconds."""
    assert [length(s) for s in (0, 59.6, 3661)] == ["0:00:00", "0:01:00", "1:01:01"]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-1, "0s"), (59.4, "59s"), (61, "1m01s"), (3661, "1h01m"), (90_061, "1d01h")],
)
def test_durations(seconds: float, text: str) -> None:
    """In their two largest units."""
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [
        (0, "0 B"),
        (999.4, "999 B"),
        (999.6, "1.0 kB"),
        (1200, "1.2 kB"),
        (9949, "9.9 kB"),
        (9951, "10 kB"),
        (999_600, "1.0 MB"),
        (15_400_000, "15 MB"),
        (2.5e9, "2.5 GB"),
        (3e15, "3000 TB"),
    ],
)
def test_amounts(size_bytes: float, text: str) -> None:
    """With at most three digits."""
    assert amount(size_bytes) == text
