"""A recording's thread: what it writes, when there is no room, and how it goes on."""

from __future__ import annotations

import os
import queue
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from tests.disks import Disk
from tests.unit.recording.surroundings import MIB, contents, folder
from vncproxy.recording import writer_thread as module
from vncproxy.recording.file_format import GAP, LINK_LOST, Header, Kind
from vncproxy.recording.file_writer import RecordingFile
from vncproxy.recording.reader import Recording
from vncproxy.recording.writer_thread import RecordingWriter, Result

HEADER = Header(instance="i-1", viewer="v-1", user="ann", started_at="2026-01-01T00:00:00Z")
WAIT_S = 60.0


class Listener:
    """Is called by the writer: `next_call` waits, in the test's thread."""

    def __init__(self) -> None:
        self.calls: queue.Queue[tuple[str, object]] = queue.Queue()

    def recording_has_room(self) -> None:
        """There is room."""
        self.calls.put(("room", None))

    def recording_troubled(self, name: str, problem: str | None) -> None:
        """Or no longer."""
        self.calls.put(("trouble", problem))

    def recording_too_long(self) -> None:
        """It should end."""
        self.calls.put(("too long", None))

    def recording_ended(self, result: Result) -> None:
        """It is over."""
        self.calls.put(("ended", result))

    def next_call(self) -> tuple[str, object]:
        """The next call, and what came with it."""
        return self.calls.get(timeout=WAIT_S)


@contextmanager
def writing(path: Path, listener: Listener, **how: float) -> Iterator[tuple[RecordingWriter, Path]]:
    """A writer and its file, closed at the end."""
    place = folder(path, max_bytes=int(how.pop("max_bytes", 100 * MIB)))
    name, descriptor = place.create(0.0, "i-1", "v-1")
    call: Callable[..., object] = lambda function, *arguments: function(*arguments)  # noqa: E731
    writer = RecordingWriter(
        name,
        RecordingFile(descriptor, HEADER),
        place,
        listener,
        call=call,
        **how,  # type: ignore[arg-type]
    )
    try:
        yield writer, path / name
    finally:
        writer.close(99)
        assert writer.join(WAIT_S)


def test_what_is_given_is_written(tmp_path: Path) -> None:
    """In order; at the end the result is reported, and the file is whole."""
    listener = Listener()
    with writing(tmp_path, listener) as (writer, path):
        writer.begin(1, b"opening", whole=False, continues=False)
        writer.add(2, Kind.LIVE, [b"a", b"b"])
        writer.note(3, LINK_LOST)
        writer.add(4, Kind.LIVE, [b"c"])
        assert writer.has_room
        assert not writer.lost
        writer.close(5)
        kind, result = listener.next_call()
    assert kind == "ended"
    assert isinstance(result, Result)
    assert result.problem is None
    assert result.size_bytes == path.stat().st_size
    assert contents(path) == [(1, "OPENING", b"opening"), (2, "LIVE", b"ab"), (4, "LIVE", b"c")]
    assert writer.ended


def test_after_the_end_nothing_is_taken(tmp_path: Path) -> None:
    """What comes too late is thrown away."""
    listener = Listener()
    with writing(tmp_path, listener) as (writer, path):
        writer.begin(1, b"opening", whole=False, continues=False)
        writer.close(5)
        writer.add(6, Kind.LIVE, [b"late"])
    assert [data for _, _, data in contents(path)] == [b"opening"]


def test_it_is_in_the_file_soon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without anything else happening."""
    monkeypatch.setattr(module, "FLUSH_INTERVAL_S", 0.01)
    listener = Listener()
    with writing(tmp_path, listener) as (writer, path):
        writer.begin(1, b"opening", whole=False, continues=False)
        writer.add(2, Kind.LIVE, [b"seen"])
        deadline = threading.Event()
        for _ in range(2000):
            if len(contents(path)) == 2:
                break
            deadline.wait(0.01)
        assert [data for _, _, data in contents(path)] == [b"opening", b"seen"]


def test_a_slow_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once too much waits there is no room; a call says when there is again; that is written."""
    listener = Listener()
    with writing(tmp_path, listener, queue_bytes=1000) as (writer, path):
        disk = Disk(monkeypatch, path)
        hang(disk, writer)
        count = 0
        while writer.has_room:
            writer.add(count, Kind.LIVE, [os.urandom(500)])
            count += 1
            if count > 1000:
                break
        assert not writer.has_room
        assert writer.lost
        disk.hanging.set()
        assert listener.next_call() == ("room", None)
        assert writer.has_room
    assert len(contents(path)) == 2 + count


def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is reported once; what comes is left out until a block begins that can be written."""
    monkeypatch.setattr(module, "FLUSH_INTERVAL_S", 0.01)
    listener = Listener()
    with writing(tmp_path, listener, first_pause_s=0.01) as (writer, path):
        disk = Disk(monkeypatch, path, room=0)
        writer.begin(1, b"opening", whole=False, continues=False)
        kind, problem = listener.next_call()
        assert kind == "trouble"
        assert "the disk is full" in str(problem)
        assert writer.lost
        writer.add(2, Kind.LIVE, [b"left out"])
        assert listener.next_call() == ("room", None)
        writer.begin(3, b"vain", whole=True, continues=False)
        assert listener.next_call() == ("room", None)
        disk.room = 10**9
        writer.begin(4, b"again", whole=True, continues=False)
        writer.add(4, Kind.KEY, [b"key"])
        assert listener.next_call() == ("trouble", None)
        assert not writer.lost
    assert [data for _, _, data in contents(path)] == [b"again", b"key"]
    kind, result = listener.next_call()
    assert isinstance(result, Result)
    assert result.problem is None


def test_a_full_disk_is_not_called_slow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also by who looks before the event loop has heard of the fault."""
    monkeypatch.setattr(module, "FLUSH_INTERVAL_S", 0.0)
    listener = Listener()
    heard: queue.Queue[Callable[[], object]] = queue.Queue()
    with writing(tmp_path, listener, first_pause_s=1000.0) as (writer, path):
        monkeypatch.setattr(writer, "_call", lambda *call: heard.put(partial(*call)))
        Disk(monkeypatch, path, room=0)
        writer.begin(1, b"opening", whole=False, continues=False)
        fault = heard.get(timeout=WAIT_S)
        writer.check_delay()
        assert listener.calls.empty()
        fault()
        kind, problem = listener.next_call()
        assert kind == "trouble"
        assert "the disk is full" in str(problem)


@pytest.mark.parametrize("index_room", [0, 10**9])
def test_the_end_while_the_disk_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, index_room: int
) -> None:
    """It doesn't wait for the disk; result and file say that something is missing."""
    listener = Listener()
    with writing(tmp_path, listener, first_pause_s=1000.0) as (writer, path):
        disk = Disk(monkeypatch, path, room=0)
        monkeypatch.setattr(module, "FLUSH_INTERVAL_S", 0.0)
        writer.begin(1, b"opening", whole=False, continues=False)
        assert listener.next_call()[0] == "trouble"
        disk.room = index_room
        writer.close(2)
        words = [listener.next_call(), listener.next_call()]
    [result] = [what for kind, what in words if kind == "ended"]
    assert isinstance(result, Result)
    assert result.problem
    recording = Recording(path)
    assert not recording.complete
    assert (recording.whole, recording.gaps) == (index_room > 0, index_room > 0)
    recording.close()


def test_a_note_does_not_mend_a_gap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is informed that it is recorded again before a block has begun."""
    monkeypatch.setattr(module, "FLUSH_INTERVAL_S", 0.0)
    listener = Listener()
    with writing(tmp_path, listener, first_pause_s=0.01) as (writer, path):
        disk = Disk(monkeypatch, path, room=0)
        writer.begin(1, b"opening", whole=False, continues=False)
        assert listener.next_call()[0] == "trouble"
        assert listener.next_call() == ("room", None)
        disk.room = 10**9
        writer.note(2, LINK_LOST)
        writer.close(3)
        kind, result = listener.next_call()
    assert kind == "ended"
    assert isinstance(result, Result)
    assert result.problem
    recording = Recording(path)
    assert [note.what for note in recording.notes] == [LINK_LOST, GAP]
    recording.close()


def test_max_bytes(tmp_path: Path) -> None:
    """A running recording that alone is too much goes no further, however small max_bytes is."""
    listener = Listener()
    with writing(tmp_path, listener, max_bytes=3000, first_pause_s=1000.0) as (writer, path):
        writer.begin(1, b"opening", whole=False, continues=False)
        writer.add(2, Kind.LIVE, [os.urandom(200_000)])
        assert listener.next_call()[0] == "too long"
        kind, problem = listener.next_call()
        assert kind == "trouble"
        assert "max_bytes" in str(problem)
    assert path.exists()


def test_one_session_s_share(tmp_path: Path) -> None:
    """It is reported once that it should end, and all that is given until it does is written."""
    listener = Listener()
    with writing(tmp_path, listener, max_bytes=1_000_000) as (writer, path):
        writer.begin(1, b"opening", whole=False, continues=False)
        for at in range(2):
            writer.add(at, Kind.LIVE, [os.urandom(260_000)])
        assert listener.next_call() == ("too long", None)
        writer.add(3, Kind.LIVE, [b"last"])
        writer.close(4)
        kind, result = listener.next_call()
    assert kind == "ended"
    assert isinstance(result, Result)
    assert result.problem is None
    assert contents(path)[-1][2] == b"last"


def test_a_disk_that_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing waits for it; it is reported that what is shown isn't in the file, and when it is."""
    monkeypatch.setattr(module, "FLUSH_INTERVAL_S", 0.0)
    listener = Listener()
    with writing(tmp_path, listener, late_s=0.05) as (writer, path):
        disk = Disk(monkeypatch, path)
        writer.begin(1, b"opening", whole=False, continues=False)
        writer.check_delay()
        disk.hanging.clear()
        writer.add(2, Kind.LIVE, [b"seen"])
        kind, problem = checked_until_called(writer, listener)
        assert kind == "trouble"
        assert "the disk doesn't answer" in str(problem)
        # There is room, so it isn't left out.
        writer.add(3, Kind.LIVE, [b"too"])
        disk.hanging.set()
        assert checked_until_called(writer, listener) == ("trouble", None)
    assert [data for _, _, data in contents(path)] == [b"opening", b"seen", b"too"]


def test_a_disk_that_does_not_keep_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once something is left out, it is reported until another block has begun."""
    listener = Listener()
    with writing(tmp_path, listener, queue_bytes=1000) as (writer, path):
        disk = Disk(monkeypatch, path)
        hang(disk, writer)
        for at in range(5):
            writer.add(at, Kind.LIVE, [os.urandom(500)])
        kind, problem = checked_until_called(writer, listener)
        assert kind == "trouble"
        assert "keep up" in str(problem)
        disk.hanging.set()
        assert listener.next_call() == ("room", None)
        writer.check_delay()
        assert listener.calls.empty()
        writer.begin(9, b"again", whole=True, continues=False)
        assert checked_until_called(writer, listener) == ("trouble", None)
    assert contents(path)[-1][2] == b"again"


def test_a_session_that_did_not_come_about(tmp_path: Path) -> None:
    """Nothing is left of it; nobody is informed of a recording, nor ever of a disk that hangs."""
    listener = Listener()
    with writing(tmp_path, listener, late_s=0.0) as (writer, path):
        writer.discard()
    assert not path.exists()
    assert writer.ended
    writer.check_delay()
    assert listener.calls.empty()


def hang(disk: Disk, writer: RecordingWriter) -> None:
    """Begin two blocks: the second ends the first, and the thread waits for the disk to write it.

    It takes nothing meanwhile.
    """
    disk.hanging.clear()
    for at in range(2):
        writer.begin(at, b"opening", whole=False, continues=False)
    deadline = time.monotonic() + 30.0
    while not disk.waiting:
        assert time.monotonic() < deadline, "the first block isn't written"
        time.sleep(0.001)


def checked_until_called(writer: RecordingWriter, listener: Listener) -> tuple[str, object]:
    """The next word, as who looks every so often gets it."""
    for _ in range(2000):
        writer.check_delay()
        try:
            return listener.calls.get(timeout=0.01)
        except queue.Empty:
            continue
    raise AssertionError("nothing was told")
