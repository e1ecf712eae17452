"""The terminal and its shell, read back as text by what is drawn."""

from __future__ import annotations

from vncproxy.simulator.screen import palette
from vncproxy.simulator.screen.canvas import Area, Canvas, Moved
from vncproxy.simulator.screen.lettering import TERMINAL, write
from vncproxy.simulator.screen.terminal import Shell, Terminal

COLUMNS, ROWS = 30, 5


def screen() -> tuple[Canvas, Terminal]:
    """30 by 5 characters."""
    canvas = Canvas(COLUMNS * TERMINAL.width, ROWS * TERMINAL.height)
    canvas.fill(canvas.area, palette.index("text"))
    return canvas, Terminal(canvas, canvas.area)


def row(canvas: Canvas, number: int) -> bytes:
    """The pixels of a line of text."""
    return canvas.cut_out(Area(0, number * TERMINAL.height, canvas.width, TERMINAL.height))


def pixels_of(text: str, ink: str = "text") -> bytes:
    """How a line of text looks."""
    canvas = Canvas(COLUMNS * TERMINAL.width, TERMINAL.height)
    write(canvas, 0, 0, text.ljust(COLUMNS), ink)
    return bytes(canvas.pixels)


def test_lines_follow_each_other_and_wrap() -> None:
    """A line longer than the terminal goes on in the next."""
    canvas, terminal = screen()
    terminal.line(("one", "text"))
    terminal.line(("x" * (COLUMNS + 2), "text"))
    assert row(canvas, 0) == pixels_of("one")
    assert row(canvas, 1) == pixels_of("x" * COLUMNS)
    assert row(canvas, 2) == pixels_of("xx")


def test_at_the_bottom_the_picture_moves_up() -> None:
    """As one move, before anything else is painted, so that a viewer can copy it."""
    canvas, terminal = screen()
    for number in range(ROWS - 1):
        terminal.line((f"line {number}", "text"))
    terminal.put([("last", "text")])
    terminal.show_cursor()
    canvas.drain()
    terminal.new_line()
    assert isinstance(canvas.drain()[0], Moved)
    assert row(canvas, 0) == pixels_of("line 1")
    assert row(canvas, ROWS - 2) == pixels_of("last")
    assert row(canvas, ROWS - 1) == pixels_of("")


def test_a_bullet_breaks_between_words() -> None:
    """And goes on below its text."""
    canvas, terminal = screen()
    terminal.bullet("twenty characters ab and more")
    plain = Canvas(canvas.width, TERMINAL.height)
    write(plain, write(plain, 0, 0, "  ", "amber"), 0, "more".ljust(COLUMNS - 2), "dim")
    assert row(canvas, 1) == plain.pixels


def test_back_takes_characters_over_the_edge() -> None:
    """Also those of the line above."""
    canvas, terminal = screen()
    terminal.put([("y" * (COLUMNS + 1), "text")])
    terminal.back()
    terminal.back()
    assert row(canvas, 0) == pixels_of("y" * (COLUMNS - 1))
    assert row(canvas, 1) == pixels_of("")


def test_the_cursor_shows_and_goes() -> None:
    """Without a trace."""
    canvas, terminal = screen()
    before = bytes(canvas.pixels)
    terminal.show_cursor()
    assert palette.solid("amber") in canvas.pixels
    terminal.hide_cursor()
    assert canvas.pixels == before


def typed(shell: Shell, text: str) -> None:
    """Type it, and Enter."""
    for character in text:
        shell.character(character)
    shell.enter()


def test_the_shell_answers() -> None:
    """It echoes, knows a few words, and says so of others."""
    canvas, terminal = screen()
    shell = Shell(terminal, ["rule one"], lambda: "today")
    shell.prompt()
    prompt = row(canvas, 0)
    typed(shell, "echo hello there")
    assert row(canvas, 1) == pixels_of("hello there")
    assert row(canvas, 2) == prompt
    typed(shell, "clear")
    assert row(canvas, 0) == prompt
    typed(shell, "date")
    assert row(canvas, 1) == pixels_of("today")
    typed(shell, "clear")
    typed(shell, "rules")
    assert row(canvas, 1) != pixels_of("")
    typed(shell, "clear")
    typed(shell, "nonsense")
    assert palette.solid("rose") in row(canvas, 1)
    typed(shell, "clear")
    typed(shell, "")
    assert row(canvas, 1) == prompt
    typed(shell, "help")
    assert palette.solid("cyan") in row(canvas, 2)


def test_backspace_stops_at_the_prompt() -> None:
    """Only what was typed can be taken back."""
    canvas, terminal = screen()
    shell = Shell(terminal, [], str)
    shell.prompt()
    before = bytes(canvas.pixels)
    shell.character("x")
    assert bytes(canvas.pixels) != before
    shell.backspace()
    shell.backspace()
    assert bytes(canvas.pixels) == before
