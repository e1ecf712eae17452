"""What the built-in screen shows, and how it answers to keys and pointer."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from vncproxy.simulator.screen import keys, palette
from vncproxy.simulator.screen.canvas import Area, Canvas
from vncproxy.simulator.screen.lettering import LARGE, SMALL, write
from vncproxy.simulator.screen.marker import Marker
from vncproxy.simulator.screen.panels import KeyboardPanel, PointerPanel, TrafficPanel, panel
from vncproxy.simulator.screen.terminal import Shell, Terminal

_BAR_HEIGHT = 76
_FOOT_HEIGHT = 34
_GAP = 20
_COLUMN = 316
_NARROW = 760

# A 4 by 4 ordered dither: spreads the few shades of the sky so that no bands show.
_DITHER = (0, 8, 2, 10, 12, 4, 14, 6, 3, 11, 1, 9, 15, 7, 13, 5)


@dataclass(frozen=True, slots=True)
class Caption:
    """What the screen shows about itself."""

    name: str
    instance_id: str
    region: str
    system: str
    rules: Sequence[str] = ()


class Scene:
    """Draws on its canvas; `key`, `pointer`, `tick` are what happens to it."""

    def __init__(self, caption: Caption, width: int, height: int, wall_s: float) -> None:
        """Draw everything once.

        Args:
            caption: What the screen shows about itself.
            width: In pixels.
            height: In pixels.
            wall_s: The time to show, seconds since the epoch.
        """
        self.canvas = Canvas(width, height)
        self.inputs = 0
        self._caption = caption
        self._wall_s = wall_s
        self._marker = Marker(self.canvas)
        self._keyboard: KeyboardPanel | None = None
        self._pointer: PointerPanel | None = None
        self._traffic: TrafficPanel | None = None
        self._draw_sky()
        self._draw_bar()
        self._shell = self._draw_body()
        self._boot()

    def key(self, keysym: int, *, down: bool) -> None:
        """A key event."""
        self.inputs += 1
        with self._beneath_the_marker():
            if self._keyboard is not None:
                self._keyboard.key(keysym, down=down)
            if not down:
                return
            character = keys.character(keysym)
            if keysym in {keys.ENTER, keys.KEYPAD_ENTER}:
                self._shell.enter()
            elif keysym == keys.BACKSPACE:
                self._shell.backspace()
            elif character:
                self._shell.character(character)

    def pointer(self, x: int, y: int, buttons: int) -> None:
        """A pointer event."""
        self.inputs += 1
        with self._beneath_the_marker():
            if self._pointer is not None:
                self._pointer.pointer(x, y, buttons)
            self._marker.move(x, y, pressed=buttons != 0)

    def tick(self, wall_s: float, figures: Sequence[tuple[str, str]]) -> None:
        """A second passed."""
        self._wall_s = wall_s
        with self._beneath_the_marker():
            self._draw_clock()
            if self._traffic is not None:
                self._traffic.tick(figures, self.inputs)

    @contextmanager
    def _beneath_the_marker(self) -> Iterator[None]:
        self._marker.lift()
        yield
        self._marker.put()

    def _draw_sky(self) -> None:
        canvas = self.canvas
        shades = palette.SKY_STEPS - 1
        rows = []
        for y in range(canvas.height):
            level = y * shades * 16 // max(canvas.height - 1, 1)
            pattern = bytes(min((level + _DITHER[y % 4 * 4 + x]) // 16, shades) for x in range(4))
            rows.append((pattern * (canvas.width // 4 + 1))[: canvas.width])
        canvas.paste(canvas.area, b"".join(rows))

    def _draw_bar(self) -> None:
        canvas, caption = self.canvas, self._caption
        canvas.fill(Area(0, 0, canvas.width, _BAR_HEIGHT), palette.index("bar-text"))
        canvas.fill(Area(0, _BAR_HEIGHT - 2, canvas.width, 2), palette.solid("bar-orange"))
        end = write(canvas, _GAP + 2, 6, caption.name[:20], "bar-text", LARGE)
        write(canvas, end + LARGE.width, 18, "SIMULATED", "bar-orange", SMALL)
        about = f"{caption.instance_id}  ·  {caption.region}  ·  {caption.system}"
        write(canvas, _GAP + 4, 50, about, "bar-dim", SMALL)
        self._draw_clock()

    def _draw_clock(self) -> None:
        """The time, at the right; left out where there is no room for it."""
        now = time.gmtime(self._wall_s)
        clock, day = time.strftime("%H:%M:%S", now), time.strftime("%a %d %b %Y UTC", now)
        x = self.canvas.width - _GAP - len(clock) * LARGE.width
        if x < self.canvas.width // 2:
            return
        write(self.canvas, x, 6, clock, "bar-text", LARGE)
        write(self.canvas, x + 12, 50, day, "bar-dim", SMALL)

    def _draw_body(self) -> Shell:
        canvas = self.canvas
        top = _BAR_HEIGHT + _GAP
        bottom = canvas.height - _FOOT_HEIGHT - _GAP // 2
        wide = canvas.width >= _NARROW
        left_width = canvas.width - 2 * _GAP - (_COLUMN + _GAP if wide else 0)
        inside = panel(canvas, Area(_GAP, top, left_width, bottom - top), "Console", "amber")
        if wide:
            self._draw_column(canvas.width - _GAP - _COLUMN, top, bottom)
        self._draw_foot()
        terminal = Terminal(canvas, inside)
        self._terminal = terminal
        return Shell(terminal, self._caption.rules, self._date)

    def _draw_column(self, x: int, top: int, bottom: int) -> None:
        canvas, y = self.canvas, top
        self._keyboard = KeyboardPanel(canvas, Area(x, y, _COLUMN, KeyboardPanel.HEIGHT))
        y += KeyboardPanel.HEIGHT + _GAP
        if bottom - y >= PointerPanel.HEIGHT:
            self._pointer = PointerPanel(canvas, Area(x, y, _COLUMN, PointerPanel.HEIGHT))
            y += PointerPanel.HEIGHT + _GAP
        if bottom - y >= TrafficPanel.HEIGHT // 2:
            self._traffic = TrafficPanel(canvas, Area(x, y, _COLUMN, bottom - y))

    def _draw_foot(self) -> None:
        canvas = self.canvas
        area = Area(0, canvas.height - _FOOT_HEIGHT, canvas.width, _FOOT_HEIGHT)
        canvas.fill(area, palette.index("bar-text"))
        canvas.fill(Area(0, area.y, canvas.width, 1), palette.index("edge"))
        text = "This screen is drawn by vncproxy's simulator. Type help and press Enter."
        write(canvas, _GAP + 4, area.y + 9, text, "bar-dim", SMALL)

    def _boot(self) -> None:
        line = self._terminal.line
        for text in (
            "Loaded the clock, the terminal and a font of strokes",
            "Found one keyboard and one absolute pointer",
            f"Set the screen to {self.canvas.width} by {self.canvas.height}",
            "Started the text console",
        ):
            line(("[ ", "dim"), ("OK", "green"), (" ] ", "dim"), (text, "text"))
        line(("", "text"))
        line((f"Welcome to {self._caption.name}.", "text"))
        for rule in self._caption.rules:
            self._terminal.bullet(rule)
        line(("", "text"))
        self._shell.prompt()

    def _date(self) -> str:
        return time.strftime("%a %d %b %Y %H:%M:%S UTC", time.gmtime(self._wall_s))
