"""Writing a recording: what is in the file at any time, and after the disk failed."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from tests.disks import Disk
from tests.unit.recording.surroundings import contents, new_file
from vncproxy.recording.file_format import GAP, LINK_LOST, Kind
from vncproxy.recording.reader import Block, Note, Recording


def test_what_is_written_is_read(tmp_path: Path) -> None:
    """Blocks, records and notes come back, with the index and the hash of the file."""
    path = tmp_path / "one"
    file = new_file(path)
    file.begin(5, b"opening", whole=False, continues=False)
    file.add(7, Kind.LIVE, [b"a", b"b"])
    file.note(8, LINK_LOST)
    file.begin(30, b"again", whole=True, continues=True)
    file.add(30, Kind.KEY, [b"key"])
    assert file.close(99) is None
    assert contents(path) == [
        (5, "OPENING", b"opening"),
        (7, "LIVE", b"ab"),
        (30, "OPENING", b"again"),
        (30, "KEY", b"key"),
    ]
    recording = Recording(path)
    assert recording.whole
    assert recording.duration_ms == 99
    assert [block.time_ms for block in recording.blocks] == [5, 30]
    assert recording.blocks[1] == Block(recording.blocks[1].offset, 30, True, True)
    assert recording.notes == (Note(8, LINK_LOST),)
    recording.close()
    assert file.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert file.written_bytes == path.stat().st_size


def test_what_was_flushed_is_in_the_file(tmp_path: Path) -> None:
    """A daemon that is killed loses only what came after the last flush."""
    path = tmp_path / "one"
    file = new_file(path)
    file.begin(0, b"opening", whole=False, continues=False)
    file.add(1, Kind.LIVE, [b"kept"])
    file.flush()
    file.add(2, Kind.LIVE, [b"lost"])
    assert [data for _, _, data in contents(path)] == [b"opening", b"kept"]
    recording = Recording(path)
    assert not recording.whole
    assert recording.duration_ms == 1
    recording.close()
    file.close(3)


def test_nothing_new_is_not_flushed(tmp_path: Path) -> None:
    """A screen that rests costs nothing."""
    file = new_file(tmp_path / "one")
    file.flush()
    file.begin(0, b"opening", whole=False, continues=False)
    file.flush()
    written = file.written_bytes
    file.flush()
    assert file.written_bytes == written
    file.close(1)


@pytest.mark.parametrize("room", [0, 1, 47, 48, 60])
def test_a_full_disk_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, room: int
) -> None:
    """Half a chunk is taken back; with room again the recording goes on with another block."""
    path = tmp_path / "one"
    file = new_file(path)
    file.begin(0, b"opening", whole=False, continues=False)
    file.add(1, Kind.LIVE, [b"kept"])
    file.flush()
    size = path.stat().st_size
    disk = Disk(monkeypatch, path, room=room)
    file.add(2, Kind.LIVE, [b"lost" * 20])
    with pytest.raises(OSError, match="space"):
        file.flush()
    assert path.stat().st_size == size
    disk.room = 10**9
    file.begin(50, b"again", whole=True, continues=False)
    file.add(50, Kind.KEY, [b"key"])
    assert file.close(60) is None
    assert [data for _, _, data in contents(path)] == [b"opening", b"kept", b"again", b"key"]
    assert file.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_the_end_on_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is closed all the same, and says why it has no index."""
    path = tmp_path / "one"
    file = new_file(path)
    file.begin(0, b"opening", whole=False, continues=False)
    file.flush()
    Disk(monkeypatch, path, room=0)
    assert "space" in str(file.close(1))
    assert [data for _, _, data in contents(path)] == [b"opening"]


def test_an_end_that_did_not_fit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is room for the index but not for the pictures, it says that some are missing."""
    path = tmp_path / "one"
    file = new_file(path)
    file.begin(0, b"opening", whole=False, continues=False)
    file.flush()
    write = os.write

    def full(descriptor: int, data: bytes) -> int:
        if len(data) > 500:
            raise OSError(28, "No space left on device")
        return write(descriptor, data)

    monkeypatch.setattr(os, "write", full)
    file.add(1, Kind.LIVE, [hashlib.shake_128(b"x").digest(1000)])
    assert "space" in str(file.close(5))
    recording = Recording(path)
    assert recording.whole
    assert recording.notes == (Note(5, GAP),)
    recording.close()


def test_much_is_written_before_it_is_flushed(tmp_path: Path) -> None:
    """Compressed data doesn't pile up in memory."""
    path = tmp_path / "one"
    file = new_file(path)
    file.begin(0, b"opening", whole=False, continues=False)
    before = file.written_bytes
    for seed in range(40):
        file.add(seed, Kind.LIVE, [hashlib.shake_128(bytes([seed])).digest(10_000)])
    assert file.written_bytes > before + 300_000
    file.close(1)
    assert len(contents(path)) == 41
