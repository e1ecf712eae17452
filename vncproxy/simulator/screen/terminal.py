"""A text terminal that echoes what is typed, and a shell with a handful of words."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence

from vncproxy.simulator.screen import palette
from vncproxy.simulator.screen.canvas import Area, Canvas
from vncproxy.simulator.screen.lettering import TERMINAL, write

Piece = tuple[str, str]
"""Text and its ink."""

PROMPT: Sequence[Piece] = (("demo", "green"), (":", "dim"), ("~", "cyan"), (" › ", "amber"))
MAX_LINE = 400


class Terminal:
    """Lines of text in an area; scrolls by moving the picture, as a text console does."""

    def __init__(self, canvas: Canvas, area: Area) -> None:
        self._canvas = canvas
        self._columns = max(area.width // TERMINAL.width, 1)
        self._rows = max(area.height // TERMINAL.height, 1)
        self._area = Area(
            area.x, area.y, self._columns * TERMINAL.width, self._rows * TERMINAL.height
        )
        self._column = 0
        self._row = 0
        self._cursor_shown = False

    def put(self, pieces: Sequence[Piece]) -> None:
        """Write at the cursor, wrapping at the edge."""
        self.hide_cursor()
        for text, ink in pieces:
            rest = text
            while rest:
                if self._column >= self._columns:
                    self.new_line()
                fitting = rest[: self._columns - self._column]
                x, y = self._place()
                write(self._canvas, x, y, fitting, ink)
                self._column += len(fitting)
                rest = rest[len(fitting) :]

    def line(self, *pieces: Piece) -> None:
        """A line of its own."""
        self.put(pieces)
        self.new_line()

    def bullet(self, text: str) -> None:
        """A point of a list, broken between words."""
        for number, piece in enumerate(textwrap.wrap(text, max(self._columns - 2, 1))):
            self.line(("  " if number else "· ", "amber"), (piece, "dim"))

    def new_line(self) -> None:
        """Go to the next line; at the bottom everything moves up by one."""
        was_shown, self._cursor_shown = self._cursor_shown, False
        column, row = self._column, self._row
        if self._row + 1 >= self._rows:
            # Moved before anything is painted, so that a viewer may copy what it has.
            self._canvas.move_up(self._area, TERMINAL.height)
            row -= 1
            bottom = self._area.y + (self._rows - 1) * TERMINAL.height
            self._canvas.fill(
                Area(self._area.x, bottom, self._area.width, TERMINAL.height),
                palette.index("text"),
            )
        else:
            self._row += 1
        self._column = 0
        if was_shown and row >= 0 and column < self._columns:
            x = self._area.x + column * TERMINAL.width
            write(self._canvas, x, self._area.y + row * TERMINAL.height, " ", "text")

    def back(self) -> None:
        """Take one character back."""
        self.hide_cursor()
        if self._column == 0 and self._row > 0:
            self._row -= 1
            self._column = self._columns
        if self._column:
            self._column -= 1
            x, y = self._place()
            write(self._canvas, x, y, " ", "text")

    def clear(self) -> None:
        """Empty the area."""
        self._cursor_shown = False
        self._canvas.fill(self._area, palette.index("text"))
        self._column = self._row = 0

    def show_cursor(self) -> None:
        """Draw the block where the next character goes."""
        if not self._cursor_shown and self._column < self._columns:
            self._paint_cursor(palette.solid("amber"))
            self._cursor_shown = True

    def hide_cursor(self) -> None:
        """Take the block away."""
        if self._cursor_shown:
            self._paint_cursor(palette.index("text"))
            self._cursor_shown = False

    def _paint_cursor(self, colour: int) -> None:
        x, y = self._place()
        self._canvas.fill(Area(x + 1, y + 1, TERMINAL.width - 2, TERMINAL.height - 4), colour)

    def _place(self) -> tuple[int, int]:
        return (
            self._area.x + self._column * TERMINAL.width,
            self._area.y + self._row * TERMINAL.height,
        )


class Shell:
    """Reads a line from the keys and answers a few commands."""

    def __init__(self, terminal: Terminal, rules: Sequence[str], now: Callable[[], str]) -> None:
        """Wait for the first line.

        Args:
            terminal: Where it writes.
            rules: What `rules` prints.
            now: What `date` prints.
        """
        self._terminal = terminal
        self._rules = rules
        self._now = now
        self._typed = ""

    def prompt(self) -> None:
        """Ask for a line."""
        self._typed = ""
        self._terminal.put(PROMPT)
        self._terminal.show_cursor()

    def character(self, text: str) -> None:
        """A printable key."""
        if len(self._typed) < MAX_LINE:
            self._typed += text
            self._terminal.put([(text, "text")])
            self._terminal.show_cursor()

    def backspace(self) -> None:
        """Take the last character back."""
        if self._typed:
            self._typed = self._typed[:-1]
            self._terminal.back()
            self._terminal.show_cursor()

    def enter(self) -> None:
        """Carry the line out."""
        words = self._typed.split()
        self._terminal.new_line()
        if words:
            self._answer(words[0], self._typed.partition(words[0])[2].strip())
        self.prompt()

    def _answer(self, command: str, rest: str) -> None:
        line = self._terminal.line
        match command:
            case "help":
                line(("help  rules  date  echo TEXT  clear", "cyan"))
            case "rules":
                for rule in self._rules:
                    self._terminal.bullet(rule)
            case "date":
                line((self._now(), "text"))
            case "echo":
                line((rest, "text"))
            case "clear":
                self._terminal.clear()
            case _:
                line((f"{command[:40]}: no such command; try ", "rose"), ("help", "cyan"))
