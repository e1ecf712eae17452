"""What commands print, and what becomes of it where it can't be written.

The same of whole programs: tests/fault/test_streams.py.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from vncproxy.commands.output import (
    OutputError,
    draw,
    flush,
    print_json,
    print_line,
    print_lines,
    print_note,
    print_problem,
)

HOSTILE = "a\x1b[2J\nb"
SPELT_OUT = r"a\x1b[2J\nb"


def test_text_of_others(capsys: pytest.CaptureFixture[str]) -> None:
    """It stays on its line and moves nothing; only a drawing does."""
    print_line(HOSTILE)
    print_lines([HOSTILE, "c"])
    print_note(HOSTILE)
    draw("\x1b[H")
    out, err = capsys.readouterr()
    assert out == f"{SPELT_OUT}\n{SPELT_OUT}\nc\n\x1b[H"
    assert err == f"{SPELT_OUT}\n"


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    """Readable, over several lines; C1 controls are escaped in it."""
    print_json({"é": "\x9b"})
    assert capsys.readouterr().out == '{\n  "é": "\\u009b"\n}\n'


def test_a_problem_has_the_programs_name(capsys: pytest.CaptureFixture[str]) -> None:
    """On each line, for a reader of many programs' errors."""
    print_problem("one\ntwo")
    assert capsys.readouterr() == ("", "vncproxy: one\nvncproxy: two\n")


PRINTERS = [
    partial(print_line, "x"),
    partial(print_lines, ["x"]),
    partial(print_json, 1),
    partial(draw, "x"),
]


@pytest.mark.parametrize("write", PRINTERS)
def test_a_reader_that_left(write: Callable[[], None], monkeypatch: pytest.MonkeyPatch) -> None:
    """It is an error of its own, once; what is printed then goes nowhere."""
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as pipe:
        monkeypatch.setattr(sys, "stdout", pipe)
        with pytest.raises(BrokenPipeError):
            write()
        write()
        flush()


@pytest.mark.parametrize("write", PRINTERS)
def test_a_full_disk(write: Callable[[], None], monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the reason."""
    with Path("/dev/full").open("w") as full:
        monkeypatch.setattr(sys, "stdout", full)
        with pytest.raises(OutputError, match="No space left"):
            write()
        flush()


def test_a_problem_that_cannot_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """The exit status has to do; a note is part of a result, and raises."""
    with Path("/dev/full").open("w") as full:
        monkeypatch.setattr(sys, "stderr", full)
        print_problem("x")
        with pytest.raises(OSError, match="No space left"):
            print_note("x")
        os.dup2(os.open(os.devnull, os.O_WRONLY), full.fileno())
