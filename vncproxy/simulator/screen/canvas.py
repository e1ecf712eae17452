"""The picture: a byte a pixel, with the places that changed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple


class Area(NamedTuple):
    """A rectangle, in pixels."""

    x: int
    y: int
    width: int
    height: int

    def meets(self, other: Area) -> bool:
        """Whether the two share a pixel."""
        return (
            self.x < other.x + other.width
            and other.x < self.x + self.width
            and self.y < other.y + other.height
            and other.y < self.y + self.height
        )

    def within(self, outer: Area) -> Area | None:
        """The part inside `outer`, if any."""
        left, top = max(self.x, outer.x), max(self.y, outer.y)
        right = min(self.x + self.width, outer.x + outer.width)
        bottom = min(self.y + self.height, outer.y + outer.height)
        return (
            Area(left, top, right - left, bottom - top) if left < right and top < bottom else None
        )


class Moved(NamedTuple):
    """A piece of the picture that was copied: where it is now, and where it came from."""

    area: Area
    from_x: int
    from_y: int


class Canvas:
    """Draws, and puts what changed into its listeners' `changes`, which they drain."""

    def __init__(self, width: int, height: int) -> None:
        self.width = width
        self.height = height
        self.pixels = bytearray(width * height)
        self._changes: list[Area | Moved] = []

    @property
    def area(self) -> Area:
        """The whole of it."""
        return Area(0, 0, self.width, self.height)

    def drain(self) -> list[Area | Moved]:
        """What changed since the last drain, in order."""
        changes, self._changes = self._changes, []
        return changes

    def rows(self, area: Area) -> Iterator[bytes]:
        """The pixels of an area, row by row."""
        for y in range(area.y, area.y + area.height):
            start = y * self.width + area.x
            yield bytes(self.pixels[start : start + area.width])

    def cut_out(self, area: Area) -> bytes:
        """The pixels of an area in one piece."""
        return b"".join(self.rows(area))

    def fill(self, area: Area, colour: int) -> None:
        """One colour."""
        self.paste(area, bytes((colour,)) * (area.width * area.height))

    def paste(self, area: Area, pixels: bytes | bytearray) -> None:
        """Put pixels of exactly the area's size; what lies outside is left out."""
        inside = area.within(self.area)
        if inside is None:
            return
        for y in range(inside.y, inside.y + inside.height):
            source = (y - area.y) * area.width + inside.x - area.x
            start = y * self.width + inside.x
            self.pixels[start : start + inside.width] = pixels[source : source + inside.width]
        self._changes.append(inside)

    def frame(self, area: Area, colour: int) -> None:
        """A line of one pixel along the inside of an area."""
        x, y, width, height = area
        self.fill(Area(x, y, width, 1), colour)
        self.fill(Area(x, y + height - 1, width, 1), colour)
        self.fill(Area(x, y, 1, height), colour)
        self.fill(Area(x + width - 1, y, 1, height), colour)

    def move_up(self, area: Area, by: int) -> None:
        """Copy all but the top `by` rows of an area to its top."""
        for y in range(area.y, area.y + area.height - by):
            to, source = y * self.width + area.x, (y + by) * self.width + area.x
            self.pixels[to : to + area.width] = self.pixels[source : source + area.width]
        moved = Area(area.x, area.y, area.width, area.height - by)
        self._changes.append(Moved(moved, area.x, area.y + by))
