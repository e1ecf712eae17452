"""The panels beside the terminal: keyboard, pointer, traffic."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from vncproxy.simulator.screen import keys, palette
from vncproxy.simulator.screen.canvas import Area, Canvas
from vncproxy.simulator.screen.lettering import MEDIUM, SMALL, write

HEADING_HEIGHT = 34
_PAD = 16
_CHART_SECONDS = 56


def panel(canvas: Canvas, area: Area, heading: str, ink: str = "dim") -> Area:
    """An empty panel with a heading; the area that is left inside."""
    canvas.fill(area, palette.index("text"))
    canvas.frame(area, palette.index("edge"))
    canvas.fill(Area(area.x, area.y, 3, area.height), palette.solid(ink))
    write(canvas, area.x + _PAD, area.y + 9, heading.upper(), ink, SMALL)
    return Area(
        area.x + _PAD,
        area.y + HEADING_HEIGHT,
        area.width - 2 * _PAD,
        area.height - HEADING_HEIGHT - 8,
    )


class KeyboardPanel:
    """The last key, with the modifiers held."""

    HEIGHT = 104

    def __init__(self, canvas: Canvas, area: Area) -> None:
        self._canvas = canvas
        self._inside = panel(canvas, area, "Keyboard", "green")
        self._held: set[int] = set()
        self.count = 0
        self._show("waiting", "dim", "press a key")

    def key(self, keysym: int, *, down: bool) -> None:
        """A key went down or up."""
        if not down:
            self._held.discard(keysym)
            return
        self.count += 1
        self._held |= {keysym} & keys.MODIFIERS
        held = dict.fromkeys(keys.name(m) for m in sorted(self._held) if m != keysym)
        text = "+".join([*held, keys.name(keysym)])
        self._show(text, "text", f"keysym 0x{keysym:04X}   {self.count} keys")

    def _show(self, text: str, ink: str, small: str) -> None:
        inside = self._inside
        width = inside.width // MEDIUM.width
        write(self._canvas, inside.x, inside.y, text[-width:].ljust(width), ink, MEDIUM)
        columns = inside.width // SMALL.width
        y = inside.y + MEDIUM.height + 10
        write(self._canvas, inside.x, y, small[:columns].ljust(columns), "dim", SMALL)


class PointerPanel:
    """Where the pointer is, as numbers and on a small map of the screen."""

    HEIGHT = 250

    def __init__(self, canvas: Canvas, area: Area) -> None:
        self._canvas = canvas
        inside = panel(canvas, area, "Pointer", "amber")
        self._inside = inside
        top = inside.y + SMALL.height + 10
        height = min(
            inside.width * canvas.height // canvas.width, inside.height - SMALL.height - 10
        )
        width = height * canvas.width // canvas.height
        self._map = Area(inside.x, top, width, height)
        self.count = 0
        self._dot: Area | None = None
        self._draw_map()
        self._say("not seen yet")

    def pointer(self, x: int, y: int, buttons: int) -> None:
        """The pointer moved or a button changed."""
        self.count += 1
        pressed = "".join(str(n + 1) for n in range(8) if buttons >> n & 1) or "none"
        self._say(f"{x:4d},{y:4d}  buttons {pressed}")
        if self._dot is not None:
            self._paint_map(self._dot)
        map_x = self._map.x + 2 + x * (self._map.width - 8) // self._canvas.width
        map_y = self._map.y + 2 + y * (self._map.height - 8) // self._canvas.height
        self._dot = Area(map_x, map_y, 5, 5)
        self._canvas.fill(self._dot, palette.index("marker-down" if buttons else "marker"))

    def _say(self, text: str) -> None:
        columns = self._inside.width // SMALL.width
        line = text[:columns].ljust(columns)
        write(self._canvas, self._inside.x, self._inside.y, line, "text", SMALL)

    def _draw_map(self) -> None:
        self._paint_map(self._map)
        self._canvas.frame(self._map, palette.index("edge"))

    def _paint_map(self, area: Area) -> None:
        """The map's background: a grid of eight by six."""
        panel_colour, grid = palette.index("text"), palette.index("grid")
        pixels = bytearray()
        for y in range(area.y - self._map.y, area.y - self._map.y + area.height):
            on_row = y * 6 // self._map.height != (y - 1) * 6 // self._map.height
            for x in range(area.x - self._map.x, area.x - self._map.x + area.width):
                on_column = x * 8 // self._map.width != (x - 1) * 8 // self._map.width
                pixels.append(grid if on_row or on_column else panel_colour)
        self._canvas.paste(area, pixels)


class TrafficPanel:
    """Figures of the session, and a chart of the input of the last minute."""

    HEIGHT = 190

    def __init__(self, canvas: Canvas, area: Area) -> None:
        self._canvas = canvas
        self._inside = panel(canvas, area, "Session", "cyan")
        self._bars: deque[int] = deque([0] * _CHART_SECONDS, maxlen=_CHART_SECONDS)
        self._seen = 0
        self._chart()

    def tick(self, figures: Sequence[tuple[str, str]], inputs: int) -> None:
        """A second passed.

        Args:
            figures: Names and values.
            inputs: Input events so far.
        """
        self._bars.append(inputs - self._seen)
        self._seen = inputs
        self.figures(figures)
        self._chart()

    def figures(self, figures: Sequence[tuple[str, str]]) -> None:
        """Write names and values, two to a line."""
        half = self._inside.width // SMALL.width // 2
        for at, (name, value) in enumerate(figures):
            x = self._inside.x + at % 2 * half * SMALL.width
            y = self._inside.y + at // 2 * (SMALL.height + 2)
            write(self._canvas, x, y, name, "dim", SMALL)
            room = half - len(name) - 1
            end = x + len(name) * SMALL.width
            write(self._canvas, end, y, value[:room].rjust(room), "text", SMALL)

    def _chart(self) -> None:
        inside = self._inside
        top = inside.y + 2 * (SMALL.height + 2) + 8
        height = inside.y + inside.height - top - 4
        step = inside.width // _CHART_SECONDS
        if height < 8 or step < 2:
            return
        most = max(*self._bars, 8)
        width = step * _CHART_SECONDS
        rows = []
        for y in range(height):
            row = bytearray([palette.index("grid" if y == height - 1 else "text")]) * width
            for at, value in enumerate(self._bars):
                filled = value * (height - 2) // most
                if value and y >= height - 2 - filled:
                    strength = 3 + 4 * (height - y) // height
                    row[at * step : (at + 1) * step - 1] = bytes(
                        [palette.shade("cyan", min(strength, palette.RAMP_STEPS - 1))]
                    ) * (step - 1)
            rows.append(bytes(row))
        self._canvas.paste(Area(inside.x, top, width, height), b"".join(rows))
