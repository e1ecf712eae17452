"""What one client hasn't seen yet: tiles that changed, and at most one copy it can make itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from vncproxy.simulator.screen.canvas import Area, Moved

TILE_WIDTH, TILE_HEIGHT = 64, 16


class Damage:
    """Bounded: there are only so many tiles."""

    def __init__(self, area: Area) -> None:
        """Everything is unseen.

        Args:
            area: The whole picture.
        """
        self._area = area
        self._tiles: set[tuple[int, int]] = set()
        self.moved: Moved | None = None
        self.mark(area)

    def note(self, changes: Iterable[Area | Moved], *, may_copy: bool) -> None:
        """Take over what a canvas reports, in order."""
        for change in changes:
            if isinstance(change, Area):
                self.mark(change)
            elif may_copy and self.moved is None and not self._touches(_source(change)):
                self.moved = change
            else:
                self.mark(change.area)

    def mark(self, area: Area) -> None:
        """These pixels are unseen."""
        self._tiles.update(_tiles(area))

    def give_up_copy(self) -> None:
        """Let the copied pixels be sent as any others."""
        if self.moved is not None:
            self.mark(self.moved.area)
            self.moved = None

    def within(self, area: Area) -> bool:
        """Whether anything in this area is unseen."""
        return self._touches(area) or (self.moved is not None and self.moved.area.meets(area))

    def take(self, area: Area) -> list[Area]:
        """The unseen rectangles in this area, which count as seen from now on.

        A tile that lies only partly in the area stays unseen as well.
        """
        hit = {tile for tile in _tiles(area) if tile in self._tiles}
        self._tiles -= {tile for tile in hit if self._inside(tile, area)}
        pieces = (piece.within(area) for piece in _join(hit))
        return [piece for piece in pieces if piece is not None]

    def _inside(self, tile: tuple[int, int], area: Area) -> bool:
        whole = _tile_area(tile).within(self._area)
        return whole is None or whole.within(area) == whole

    def _touches(self, area: Area) -> bool:
        return any(tile in self._tiles for tile in _tiles(area))


def _source(moved: Moved) -> Area:
    return Area(moved.from_x, moved.from_y, moved.area.width, moved.area.height)


def _tile_area(tile: tuple[int, int]) -> Area:
    return Area(tile[0] * TILE_WIDTH, tile[1] * TILE_HEIGHT, TILE_WIDTH, TILE_HEIGHT)


def _tiles(area: Area) -> Iterator[tuple[int, int]]:
    for y in range(area.y // TILE_HEIGHT, (area.y + area.height - 1) // TILE_HEIGHT + 1):
        for x in range(area.x // TILE_WIDTH, (area.x + area.width - 1) // TILE_WIDTH + 1):
            yield x, y


def _join(tiles: set[tuple[int, int]]) -> list[Area]:
    """Neighbouring tiles as larger rectangles: runs in a row, equal runs below each other."""
    open_runs: dict[tuple[int, int], tuple[int, int]] = {}
    joined = []
    for y in sorted({tile[1] for tile in tiles}):
        runs = list(_row_runs(sorted(tile[0] for tile in tiles if tile[1] == y)))
        for run in [
            run for run, (_, last) in open_runs.items() if last != y - 1 or run not in runs
        ]:
            joined.append(_span(run, *open_runs.pop(run)))
        for run in runs:
            first = open_runs[run][0] if run in open_runs else y
            open_runs[run] = (first, y)
    joined += [_span(run, *rows) for run, rows in open_runs.items()]
    return joined


def _row_runs(columns: list[int]) -> Iterator[tuple[int, int]]:
    start = previous = columns[0]
    for column in columns[1:]:
        if column != previous + 1:
            yield start, previous
            start = column
        previous = column
    yield start, previous


def _span(run: tuple[int, int], first: int, last: int) -> Area:
    left, right = run
    return Area(
        left * TILE_WIDTH,
        first * TILE_HEIGHT,
        (right - left + 1) * TILE_WIDTH,
        (last - first + 1) * TILE_HEIGHT,
    )
