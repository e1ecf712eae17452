"""What commands print: lines and JSON on standard output, problems on standard error.

Text that others chose neither moves the cursor nor starts another line. What is a `Text` is printed
in the terminal's language.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from vncproxy.commands.help_language import columns
from vncproxy.commands.terminal_language import shown, terminal_texts
from vncproxy.errors import LocalError
from vncproxy.languages.text import Text
from vncproxy.observe.escaping import escaped, escaped_json


@dataclass(frozen=True, slots=True)
class Finding:
    """One line: what was looked at, whether it is well, and what to know or do."""

    what: str
    ok: bool
    text: str

    @property
    def line(self) -> Text:
        """For people."""
        mark = Text("ok  ") if self.ok else Text("FAIL")
        return Text("{mark}  {what}: {text}", mark=mark, what=self.what, text=self.text)

    def __str__(self) -> str:
        """The same in plain English."""
        return self.line.english

    @property
    def row(self) -> dict[str, Any]:
        """For programs."""
        return {"what": self.what, "ok": self.ok, "text": self.text}


class OutputError(LocalError):
    """The standard output can't be written to."""


_closed: set[int] = set()
"""Of the standard streams, those that the process got closed."""


def open_standard_streams() -> None:
    """Let those that are closed lead nowhere, as nohup(1) does with a terminal's.

    Else the next file or socket would get the number, and be taken for the stream; libuv aborts.
    """
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(number)
        except OSError:
            opened = os.open(os.devnull, os.O_RDWR)
            if opened != number:
                os.dup2(opened, number)
                os.close(opened)
            setattr(sys, name, os.fdopen(number, mode, closefd=False))
            _closed.add(number)
    for stream in (sys.stdout, sys.stderr):
        # What the terminal's encoding lacks, of a name for instance, is spelt out, too.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def require_output() -> None:
    """For a command whose result is nothing but its output.

    Raises:
        OutputError: The process was started without a standard output.
    """
    if 1 in _closed:
        raise OutputError(Text("the standard output is closed"))


def print_line(text: str) -> None:
    """Print a line at once, since its reader may wait for it.

    Raises:
        BrokenPipeError: The reader of the output has left.
        OutputError: It can't be written.
    """
    with _writing():
        print(escaped(shown(text)), flush=True)


@contextmanager
def told_all_the_same(text: str) -> Iterator[None]:
    """Around what prints that something was done: where it can't, standard error has this."""
    try:
        yield
    except (BrokenPipeError, OutputError):
        print_problem(text)
        raise


def print_outcome(text: str) -> None:
    """Print what was done; where it can't be printed, standard error has it, since it is done.

    Raises:
        BrokenPipeError, OutputError: As of `print_line`.
    """
    with told_all_the_same(text):
        print_line(text)


def print_json_outcome(value: Any, text: str) -> None:
    """Print what was done as JSON; where that can't be printed, standard error has the text.

    Raises:
        BrokenPipeError, OutputError: As of `print_line`.
    """
    with told_all_the_same(text):
        print_json(value)


def print_lines(lines: Iterable[str]) -> None:
    """Print a whole table; raises as `print_line` does."""
    with _writing():
        for line in lines:
            print(escaped(shown(line)))
        sys.stdout.flush()


def print_json(value: Any) -> None:
    """Print a JSON document over several lines; raises as `print_line` does."""
    import json

    text = escaped_json(json.dumps(value, indent=2, ensure_ascii=False))
    print_lines(text.split("\n"))


def print_bytes(content: bytes) -> None:
    """Print a file as it is, for a program that reads it. Raises: as `print_line`."""
    with _writing():
        sys.stdout.flush()
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()


def print_text(text: str) -> None:
    """Print the program's own text, lines and blanks as they are; raises as `print_line` does.

    It may move the cursor on purpose.
    """
    with _writing():
        print(end=shown(text), flush=True)


def flush() -> None:
    """Write what is buffered; raises as `print_line` does.

    What can't be written is dropped, or the interpreter would try again at its end.
    """
    with _writing():
        sys.stdout.flush()


@contextmanager
def _writing() -> Iterator[None]:
    try:
        yield
    except OSError as fault:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(fault, BrokenPipeError):
            raise
        raise OutputError(
            Text("the output can't be written: {reason}", reason=fault.strerror)
        ) from fault


def print_note(line: str) -> None:
    """Print to standard error, beside the command's result.

    Raises:
        OSError: It can't be written.
    """
    print(escaped(shown(line)), file=sys.stderr, flush=True)


def print_prompt(text: str) -> None:
    """Print to standard error what an answer is typed behind; raises as `print_note` does."""
    print(escaped(shown(text)), end="", file=sys.stderr, flush=True)


def print_problem(text: str) -> None:
    """Print to standard error why the command fails, each line under the program's name.

    The words of a finished text, such as the daemon's, are looked for in the terminal's language.
    """
    # Where it can't be written, the exit status still says that it failed.
    with suppress(OSError):
        for line in terminal_texts().said(text).split("\n"):
            print_note(f"vncproxy: {line}")


_UNITS = ("B", "kB", "MB", "GB", "TB")


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """A line for each row, with its cells escaped and padded to the columns of a terminal."""
    cells = [[escaped(shown(cell)) for cell in row] for row in rows]
    widths = [max(map(columns, column)) for column in zip(*cells, strict=True)]
    return [
        "  ".join(
            cell + " " * (most - columns(cell)) for cell, most in zip(row, widths, strict=True)
        ).rstrip()
        for row in cells
    ]


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
