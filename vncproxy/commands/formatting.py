"""Values as people read them: columns, lengths of time, numbers of bytes."""

from __future__ import annotations

from collections.abc import Sequence

from vncproxy.observe.escaping import escaped

_UNITS = ("B", "kB", "MB", "GB", "TB")


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """A line for each row, with its cells escaped and padded to columns."""
    cells = [[escaped(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in cells
    ]


def counted(count: int, noun: str) -> str:
    """A number with its noun, which takes an s."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def amount(size_bytes: float) -> str:
    """A number of bytes with at most three digits, in decimal units."""
    size, unit = float(size_bytes), 0
    while round(size) >= 1000 and unit < len(_UNITS) - 1:
        size, unit = size / 1000, unit + 1
    digits = 1 if unit and size < 9.95 else 0
    return f"{size:.{digits}f} {_UNITS[unit]}"


def duration(seconds: float) -> str:
    """A time span in its two largest units."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02}s"
    if whole < 86_400:
        return f"{whole // 3600}h{whole % 3600 // 60:02}m"
    return f"{whole // 86_400}d{whole % 86_400 // 3600:02}h"


def length(seconds: float) -> str:
    """A recording's length: hours, minutes, seconds."""
    whole = round(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"
