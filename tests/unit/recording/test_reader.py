"""Reading recordings, also damaged ones."""

from __future__ import annotations

import os
import random
import tracemalloc
from pathlib import Path

import pytest

from tests.unit.recording.surroundings import HEADER, contents, new_file
from vncproxy.errors import RecordingError
from vncproxy.recording import layout
from vncproxy.recording.layout import GAP, Kind
from vncproxy.recording.reader import Recording


def made(path: Path) -> bytes:
    """A recording of three blocks, the second without the whole picture."""
    file = new_file(path)
    for number in range(3):
        time_ms = 100 * number
        file.begin(time_ms, b"o%d" % number, whole=number != 1, continues=number != 0)
        file.add(time_ms, Kind.KEY, [b"key %d" % number])
        file.flush()
        file.add(time_ms + 10, Kind.LIVE, [b"live %d" % number])
        file.flush()
    file.note(250, GAP)
    assert file.close(300) is None
    return path.read_bytes()


def test_where_to_begin(tmp_path: Path) -> None:
    """The last block before a moment that has the whole picture, else the first."""
    made(tmp_path / "one")
    recording = Recording(tmp_path / "one")
    found = {at: recording.block_at(at) for at in (-5, 0, 99, 100, 150, 199, 200, 1000)}
    recording.close()
    assert found == {-5: 0, 0: 0, 99: 0, 100: 0, 150: 0, 199: 0, 200: 2, 1000: 2}


def test_a_file_cut_anywhere(tmp_path: Path) -> None:
    """What comes before the cut is read, in whole records, and that it was cut shows."""
    whole = made(tmp_path / "one")
    everything = contents(tmp_path / "one")
    cut = tmp_path / "cut"
    seen = set()
    for size in range(len(whole)):
        cut.write_bytes(whole[:size])
        try:
            recording = Recording(cut)
        except RecordingError:
            assert size < len(layout.start(HEADER))
            continue
        assert not recording.whole
        recording.close()
        found = contents(cut)
        assert found == everything[: len(found)]
        seen.add(len(found))
    assert seen == {0, 2, 3, 5, 6, 8, 9}


def test_a_changed_byte_shows(tmp_path: Path) -> None:
    """Never another picture: a changed file is refused where it was changed, or read the same."""
    whole = made(tmp_path / "one")
    everything = contents(tmp_path / "one")
    altered = tmp_path / "altered"
    rng = random.Random(1)
    for at in range(len(layout.start(HEADER)), len(whole)):
        data = bytearray(whole)
        data[at] ^= 1 << rng.randrange(8)
        altered.write_bytes(data)
        recording = Recording(altered)
        found = []
        try:
            for number in range(len(recording.blocks)):
                found += [record.data for record in recording.records(number)]
        except RecordingError as error:
            assert "damaged" in error.public_text
        recording.close()
        known = [data for _, _, data in everything]
        assert all(data in known for data in found), at


def test_what_isnt_there(tmp_path: Path) -> None:
    """It is said which file, and why."""
    with pytest.raises(RecordingError, match=r"nothing.*No such file"):
        Recording(tmp_path / "nothing")
    (tmp_path / "text").write_text("hello")
    with pytest.raises(RecordingError, match="no recording"):
        Recording(tmp_path / "text")
    with pytest.raises(RecordingError):
        Recording(tmp_path)


def test_an_index_that_points_elsewhere(tmp_path: Path) -> None:
    """The chunks are followed instead."""
    whole = made(tmp_path / "one")
    for offset in (0, 5, len(whole) - 3, 1 << 62):
        (tmp_path / "other").write_bytes(whole[: -layout.TRAILER_BYTES] + layout.end(offset))
        recording = Recording(tmp_path / "other")
        assert not recording.whole
        assert len(recording.blocks) == 3
        assert [note.what for note in recording.notes] == [GAP]
        recording.close()


def test_a_large_block_takes_little_memory(tmp_path: Path) -> None:
    """Records are read one by one, whatever the block inflates to."""
    path = tmp_path / "large"
    file = new_file(path)
    file.begin(0, b"opening", whole=True, continues=False)
    for number in range(100):
        file.add(number, Kind.LIVE, [bytes(1 << 20)])
    file.close(100)
    recording = Recording(path)
    tracemalloc.start()
    count = sum(1 for _ in recording.records(0))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    recording.close()
    assert count == 101
    assert peak < 8 << 20


@pytest.mark.parametrize("gap", [False, True])
def test_whether_all_is_in_it(tmp_path: Path, gap: bool) -> None:
    """It needs an end, and no gap before it: what is counted is told by the notes."""
    path = tmp_path / "one"
    file = new_file(path)
    file.begin(0, b"opening", whole=False, continues=False)
    file.flush()
    running = Recording(path)
    assert not running.complete
    running.close()
    assert file.close(9, gap=gap) is None
    ended = Recording(path)
    assert ended.whole
    assert (ended.complete, ended.gaps) == (not gap, int(gap))
    ended.close()


def test_what_is_damaged(tmp_path: Path) -> None:
    """It is told from when on; the rest, and whose it is, can still be read."""
    path = tmp_path / "one"
    file = new_file(path)
    for at in (0, 1000, 2000):
        file.begin(at, b"opening", whole=True, continues=False)
        file.add(at + 500, Kind.LIVE, [b"seen"])
    assert file.close(3000) is None
    whole = Recording(path)
    assert whole.damaged_at_ms() is None
    assert whole.sha256() == file.sha256
    second = whole.blocks[1].offset
    whole.close()
    raw = bytearray(path.read_bytes())
    raw[second + layout.CHUNK_HEADER_BYTES + 3] ^= 1
    path.write_bytes(raw)
    damaged = Recording(path)
    assert damaged.header.user == "ann"
    assert damaged.damaged_at_ms() == 500
    damaged.close()


def test_what_is_no_file(tmp_path: Path) -> None:
    """A pipe is refused at once: nobody waits for its other end."""
    os.mkfifo(tmp_path / "pipe")
    for name in ("pipe", "."):
        with pytest.raises(RecordingError):
            Recording(tmp_path / name)
