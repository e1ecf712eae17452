"""Framebuffer updates for one client: what is due, packed in the encoding that it prefers."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator

from vncproxy.simulator.screen import hextile
from vncproxy.simulator.screen.canvas import Area, Canvas, Moved
from vncproxy.simulator.screen.damage import Damage
from vncproxy.simulator.screen.pixels import Packer, WireFormat
from vncproxy.simulator.screen.tight import MAX_WIDTH, TightEncoder, encode_png

RAW, COPY_RECT, HEXTILE, TIGHT, TIGHT_PNG = 0, 1, 5, 7, -260
LAST_RECT = -224
OPEN_COUNT = 0xFFFF

_MAX_PIXELS = 1 << 16
_MAX_REQUESTS = 16


def rectangle(area: Area, encoding: int, data: bytes) -> bytes:
    """A rectangle of an update."""
    return struct.pack(">HHHHi", *area, encoding) + data


def update(rectangles: list[bytes], *, open_count: bool = False) -> bytes:
    """A whole FramebufferUpdate."""
    if open_count or len(rectangles) >= OPEN_COUNT:
        rectangles = [*rectangles, rectangle(Area(0, 0, 0, 0), LAST_RECT, b"")]
        return struct.pack(">BxH", 0, OPEN_COUNT) + b"".join(rectangles)
    return struct.pack(">BxH", 0, len(rectangles)) + b"".join(rectangles)


class Updates:
    """Requests of one client against the damage of its picture."""

    def __init__(self, canvas: Canvas) -> None:
        self.packer = Packer(WireFormat())
        self._canvas = canvas
        self._damage = Damage(canvas.area)
        self._encodings: tuple[int, ...] = ()
        self._forced: list[Area] = []
        self._incremental: list[Area] = []
        self._tight = TightEncoder()

    def set_encodings(self, encodings: tuple[int, ...]) -> None:
        """The client's list, best first."""
        self._encodings = encodings

    def set_format(self, wire: WireFormat) -> None:
        """Pixels have another format from now on."""
        self.packer = Packer(wire)

    def start_over(self, canvas: Canvas) -> None:
        """The picture is a new one, of another size."""
        self._canvas = canvas
        self._damage = Damage(canvas.area)
        self._forced = list(self._clipped(self._forced))
        self._incremental = list(self._clipped(self._incremental))

    def note(self, changes: Iterable[Area | Moved]) -> None:
        """The picture changed."""
        self._damage.note(changes, may_copy=COPY_RECT in self._encodings)

    def request(self, area: Area, *, incremental: bool) -> None:
        """The client asked; what can't be kept apart is asked for as a whole."""
        inside = area.within(self._canvas.area)
        if inside is None:
            return
        queue = self._incremental if incremental else self._forced
        if inside not in queue:
            queue.append(inside)
        if len(queue) > _MAX_REQUESTS:
            queue[:] = [self._canvas.area]

    @property
    def due(self) -> bool:
        """Whether an update can be sent."""
        return bool(self._forced) or any(self._damage.within(a) for a in self._incremental)

    def compose(self) -> bytes:
        """The update that is due, which answers all requests so far."""
        rectangles = list(self._copy())
        for area in self._forced:
            self._damage.take(area)
            rectangles += self._pack(area)
        for area in self._incremental:
            for piece in self._damage.take(area):
                rectangles += self._pack(piece)
        self._forced, self._incremental = [], []
        open_count = LAST_RECT in self._encodings and self._encoding() in {TIGHT, TIGHT_PNG}
        return update(rectangles, open_count=open_count)

    def _copy(self) -> Iterator[bytes]:
        moved = self._damage.moved
        if moved is None:
            return
        source = Area(moved.from_x, moved.from_y, moved.area.width, moved.area.height)
        whole = any(
            moved.area.within(asked) == moved.area and source.within(asked) == source
            for asked in self._incremental
        )
        if not whole:
            self._damage.give_up_copy()
            return
        self._damage.moved = None
        yield rectangle(moved.area, COPY_RECT, struct.pack(">HH", moved.from_x, moved.from_y))

    def _encoding(self) -> int:
        for encoding in self._encodings:
            if encoding == TIGHT_PNG and not self.packer.wire.true_colour:
                continue
            if encoding in {RAW, HEXTILE, TIGHT, TIGHT_PNG}:
                return encoding
        return RAW

    def _pack(self, area: Area) -> Iterator[bytes]:
        encoding = self._encoding()
        for piece in _split(area):
            rows = list(self._canvas.rows(piece))
            match encoding:
                case 7:
                    data = self._tight.encode(rows, self.packer)
                case -260:
                    data = encode_png(rows, self.packer)
                case 5:
                    data = hextile.encode(rows, self.packer)
                case _:
                    data = self.packer.pixels(b"".join(rows))
            yield rectangle(piece, encoding, data)

    def _clipped(self, areas: list[Area]) -> Iterator[Area]:
        for area in areas:
            inside = area.within(self._canvas.area)
            if inside is not None:
                yield inside


def _split(area: Area) -> Iterator[Area]:
    """Pieces that every encoding can carry in one rectangle."""
    for x in range(area.x, area.x + area.width, MAX_WIDTH):
        width = min(MAX_WIDTH, area.x + area.width - x)
        step = max(_MAX_PIXELS // width, 1)
        for y in range(area.y, area.y + area.height, step):
            yield Area(x, y, width, min(step, area.y + area.height - y))
