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
    aligned,
    amount,
    duration,
    flush,
    length,
    print_json,
    print_json_outcome,
    print_line,
    print_lines,
    print_note,
    print_outcome,
    print_problem,
    print_text,
)
from vncproxy.languages.text import counted

HOSTILE = "a\x1b[2J\nb"
SPELT_OUT = r"a\x1b[2J\nb"


def test_text_of_others(capsys: pytest.CaptureFixture[str]) -> None:
    """It stays on its line and moves nothing; only a drawing does."""
    print_line(HOSTILE)
    print_lines([HOSTILE, "c"])
    print_note(HOSTILE)
    print_text("\x1b[H")
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
    partial(print_text, "x"),
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


@pytest.mark.parametrize(
    "write", [partial(print_outcome, "done"), partial(print_json_outcome, {"a": 1}, "done")]
)
def test_what_was_done_is_told_on_standard_error_where_it_cannot_be_printed(
    write: Callable[[], None], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is done all the same."""
    write()
    printed = capsys.readouterr()
    assert printed.out in ("done\n", '{\n  "a": 1\n}\n')
    assert printed.err == ""
    with Path("/dev/full").open("w") as full:
        monkeypatch.setattr(sys, "stdout", full)
        with pytest.raises(OutputError, match="No space left"):
            write()
        flush()
    assert capsys.readouterr().err == "vncproxy: done\n"


def test_a_problem_that_cannot_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """The exit status has to do; a note is part of a result, and raises."""
    with Path("/dev/full").open("w") as full:
        monkeypatch.setattr(sys, "stderr", full)
        print_problem("x")
        with pytest.raises(OSError, match="No space left"):
            print_note("x")
        os.dup2(os.open(os.devnull, os.O_WRONLY), full.fileno())


# Values as people read them


def test_columns() -> None:
    """They line up, whatever stands in a cell; no line ends in blanks."""
    assert aligned([("A", "B"), ("a\x1b\n", "b"), ("c", "")]) == [
        "A        B",
        r"a\x1b\n  b",
        "c",
    ]


def test_tables_of_chinese_names_line_up() -> None:
    lines = aligned([("NAME", "B"), ("测试机", "b"), ("e\u0301", "c")])
    assert lines == ["NAME    B", "测试机  b", "e\u0301       c"]


def test_counts() -> None:
    """One is one."""
    told = [counted(n, "{count} place", "{count} places") for n in (0, 1, 2)]
    assert told == ["0 places", "1 place", "2 places"]


def test_lengths() -> None:
    """Hours, minutes, seconds."""
    assert [length(s) for s in (0, 59.6, 3661)] == ["0:00:00", "0:01:00", "1:01:01"]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-1, "0s"), (59.4, "59s"), (61, "1m01s"), (3661, "1h01m"), (90_061, "1d01h")],
)
def test_durations(seconds: float, text: str) -> None:
    """In their two largest units."""
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [
        (0, "0 B"),
        (999.4, "999 B"),
        (999.6, "1.0 kB"),
        (1200, "1.2 kB"),
        (9949, "9.9 kB"),
        (9951, "10 kB"),
        (999_600, "1.0 MB"),
        (15_400_000, "15 MB"),
        (2.5e9, "2.5 GB"),
        (3e15, "3000 TB"),
    ],
)
def test_amounts(size_bytes: float, text: str) -> None:
    """With at most three digits."""
    assert amount(size_bytes) == text
