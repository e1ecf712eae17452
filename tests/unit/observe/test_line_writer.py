"""A way out for log lines that never waits."""

from __future__ import annotations

import io
import os
import threading

import pytest

from vncproxy.observe.line_writer import LineWriter

WAIT_S = 60.0


class Slow(io.StringIO):
    """A stream whose reader can hang."""

    def __init__(self) -> None:
        """It reads."""
        super().__init__()
        self.reads = threading.Event()
        self.reads.set()
        self.asked = threading.Event()

    def write(self, text: str) -> int:
        """Wait for the reader."""
        self.asked.set()
        assert self.reads.wait(WAIT_S)
        return super().write(text)


def test_lines_come_out_in_their_order() -> None:
    """All of them are there once it is closed, and the stream is still open."""
    stream = io.StringIO()
    with LineWriter(stream) as writer:
        for number in range(1000):
            assert writer.write(f"{number}\n") == len(f"{number}\n")
        writer.flush()
    assert stream.getvalue() == "".join(f"{number}\n" for number in range(1000))


def test_a_reader_that_hangs_holds_nobody_up() -> None:
    """What it has no room for is counted, and the count written when it reads again."""
    stream = Slow()
    stream.reads.clear()
    writer = LineWriter(stream, queue_max_chars=10)
    writer.write("first\n")
    assert stream.asked.wait(WAIT_S)
    writer.write("second\n")
    for _ in range(5):
        writer.write("more\n")
    stream.reads.set()
    assert writer.close(WAIT_S)
    lost = "5 log lines were lost: the log's reader was too slow\n"
    assert stream.getvalue() == f"first\nsecond\n{lost}"


def test_closing_does_not_wait_for_ever() -> None:
    """The reader may never come back."""
    stream = Slow()
    stream.reads.clear()
    writer = LineWriter(stream)
    writer.write("line\n")
    assert not writer.close(0.01)
    stream.reads.set()
    writer.write("lost\n")
    assert writer.close(WAIT_S)
    writer.write("last words\n")
    assert stream.getvalue().startswith("line\n")
    assert stream.getvalue().endswith("last words\n")


def test_a_stream_that_is_gone_is_no_fault() -> None:
    """As after the reader of a pipe has left."""
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as stream:
        with LineWriter(stream) as writer:
            writer.write("line\n")
            writer.write("another\n")
        with pytest.raises(BrokenPipeError):
            os.write(writing, b"x")
        os.dup2(os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC), writing)


def test_it_stands_for_its_stream() -> None:
    """Where logging asks what it writes to."""
    with open(os.devnull, "w", encoding="latin-1") as stream:  # noqa: PTH123 - a stream is wanted
        writer = LineWriter(stream)
        assert (writer.encoding, writer.isatty()) == ("latin-1", False)
        assert writer.close()


class Counted(io.StringIO):
    """A stream that knows how often it was written to."""

    def __init__(self) -> None:
        """It wasn't."""
        super().__init__()
        self.writes = 0

    def write(self, text: str) -> int:
        """Once more."""
        self.writes += 1
        return super().write(text)


def test_what_comes_together_goes_out_together() -> None:
    """A burst of lines costs a few writes, not one for each."""
    stream = Counted()
    with LineWriter(stream) as writer:
        for number in range(1000):
            writer.write(f"{number}\n")
    assert stream.getvalue().count("\n") == 1000
    assert stream.writes < 500


def test_a_line_that_cannot_be_written_keeps_no_other() -> None:
    """One that has a character which the stream's encoding hasn't got."""
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    with LineWriter(stream) as writer:
        for line in ("before\n", "网\n", "after\n"):
            writer.write(line)
    assert raw.getvalue() == b"before\nafter\n"
