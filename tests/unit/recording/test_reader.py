"""Reading recordings, also damaged ones."""

from __future__ import annotations

import os
import random
import tracemalloc
from contextlib import suppress
from pathlib import Path

import pytest

from tests.disks import Disk
from tests.unit.recording.surroundings import HEADER, contents, new_file
from vncproxy.errors import RecordingError
from vncproxy.recording import file_format
from vncproxy.recording.file_format import GAP, Kind
from vncproxy.recording.reader import UNKNOWN, Damage, Recording


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
            assert size < len(file_format.start(HEADER))
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
    for at in range(len(file_format.start(HEADER)), len(whole)):
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
    """The text says which file, and why."""
    with pytest.raises(RecordingError, match=r"nothing.*No such file"):
        Recording(tmp_path / "nothing")
    (tmp_path / "text").write_text("hello")
    with pytest.raises(RecordingError, match="no recording"):
        Recording(tmp_path / "text")
    with pytest.raises(RecordingError):
        Recording(tmp_path)


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
    """It needs an end, and no gap before it: what is counted is reported by the notes."""
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


def three_blocks(path: Path) -> tuple[bytes, list[int]]:
    """A recording with a whole picture at each second, and where the blocks begin."""
    file = new_file(path)
    for at in (0, 1000, 2000):
        file.begin(at, b"opening", whole=True, continues=at > 0)
        file.add(at, Kind.KEY, [b"key %d" % at])
        file.flush()
        file.add(at + 500, Kind.LIVE, [b"seen %d" % at])
    assert file.close(3000) is None
    recording = Recording(path)
    assert recording.complete
    assert recording.sha256() == file.sha256
    offsets = [block.offset for block in recording.blocks]
    recording.close()
    return path.read_bytes(), offsets


def readable(path: Path) -> list[bytes]:
    """All that can still be read, from whichever block."""
    recording = Recording(path)
    found = []
    for number in range(len(recording.blocks)):
        with suppress(RecordingError):
            found += [record.data for record in recording.records(number)]
    recording.close()
    return found


@pytest.mark.parametrize(
    ("what", "at", "span"),
    [
        ("a flag", 4, (500, 2000)),
        ("a time", 24, (500, 2000)),
        ("a length", 36, (500, 2000)),
        ("the data", file_format.CHUNK_HEADER_BYTES + 3, (500, 2000)),
    ],
)
def test_what_is_damaged(tmp_path: Path, what: str, at: int, span: tuple[int, int]) -> None:
    """It is shown from when until when; what comes before and after can still be read."""
    path = tmp_path / "one"
    whole, offsets = three_blocks(path)
    raw = bytearray(whole)
    raw[offsets[1] + at] ^= 0x40
    path.write_bytes(raw)
    recording = Recording(path)
    assert recording.damage == (Damage(*span),), what
    assert recording.whole
    assert not recording.complete
    assert recording.duration_ms == 3000
    assert recording.header.user == "ann"
    # The block after it is begun anew.
    assert not recording.blocks[-1].continues
    # Before that, the last picture that is right is shown.
    assert not any(block.whole for block in recording.blocks[1:] if block.time_ms <= 1500)
    recording.close()
    found = readable(path)
    assert found[:3] == [b"opening", b"key 0", b"seen 0"]
    assert found[-3:] == [b"opening", b"key 2000", b"seen 2000"]


def test_damage_within_a_block(tmp_path: Path) -> None:
    """A block that has lost its end is played so far, and never taken for whole."""
    path = tmp_path / "one"
    whole, offsets = three_blocks(path)
    more = whole.index(b"MORE", offsets[1])
    after = offsets[2]
    altered = bytearray(whole)
    altered[more + 9] ^= 1
    for data in (bytes(altered), whole[:more] + whole[after:]):
        path.write_bytes(data)
        recording = Recording(path)
        assert recording.damage == (Damage(1000, 2000),)
        records = recording.records(1)
        assert [next(records).data, next(records).data] == [b"opening", b"key 1000"]
        with pytest.raises(RecordingError, match="damaged"):
            next(records)
        assert [record.data for record in recording.records(2)][1] == b"key 2000"
        recording.close()


def test_cut_and_damaged(tmp_path: Path) -> None:
    """Both at once: the length is that of what is there, and what is there is played."""
    path = tmp_path / "one"
    whole, offsets = three_blocks(path)
    raw = bytearray(whole[:-100])
    raw[offsets[1] + 25] ^= 0x7F
    path.write_bytes(raw)
    recording = Recording(path)
    assert not recording.whole
    assert recording.damage == (Damage(500, 2000),)
    assert recording.duration_ms == 2500
    assert [record.data for record in recording.records(len(recording.blocks) - 1)][
        1
    ] == b"key 2000"
    recording.close()


def test_a_beginning_that_is_gone(tmp_path: Path) -> None:
    """Whose it was stands at the end as well; without that the pictures are left."""
    path = tmp_path / "one"
    whole, offsets = three_blocks(path)
    for data in (b"?" * 20 + whole[20:], whole[50:]):
        path.write_bytes(data)
        recording = Recording(path)
        assert recording.known
        assert recording.header.user == "ann"
        assert recording.damage == (Damage(0, 0),)
        assert not recording.complete
        recording.close()
        assert b"seen 2000" in readable(path)
    path.write_bytes(whole[offsets[1] : -100])
    recording = Recording(path)
    assert not recording.known
    assert recording.header == UNKNOWN
    assert recording.damage == (Damage(0, 1000),)
    recording.close()
    assert readable(path)[1] == b"key 1000"


def test_a_tail_of_zeros(tmp_path: Path) -> None:
    """As a file system leaves it whose power went."""
    path = tmp_path / "one"
    whole, _ = three_blocks(path)
    path.write_bytes(whole[:-200] + bytes(5000))
    recording = Recording(path)
    assert not recording.whole
    assert recording.damage
    recording.close()


def test_a_picture_of_a_recording(tmp_path: Path) -> None:
    """What only looks like a part of this file isn't taken for one, whatever was damaged."""
    foreign, _ = three_blocks(tmp_path / "other")
    at = foreign.index(b"BLOK")
    path = tmp_path / "one"
    whole, offsets = three_blocks(path)
    path.write_bytes(whole[: offsets[1]] + foreign[at:] + whole[offsets[2] :])
    recording = Recording(path)
    assert [block.time_ms for block in recording.blocks] == [0, 2000]
    assert recording.damage == (Damage(500, 2000),)
    recording.close()
    assert len(readable(path)) == 6


def test_a_member_that_does_not_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A block that a full disk broke off is whole so far as it goes: that isn't damage."""
    path = tmp_path / "one"
    file = new_file(path)
    file.begin(0, b"opening", whole=False, continues=False)
    file.add(1, Kind.LIVE, [b"kept"])
    file.flush()
    disk = Disk(monkeypatch, path, room=0)
    file.add(2, Kind.LIVE, [b"lost"])
    with pytest.raises(OSError, match="space"):
        file.flush()
    disk.room = 10**9
    file.note(3, GAP)
    file.begin(4, b"again", whole=True, continues=False)
    assert file.close(5) is None
    recording = Recording(path)
    assert recording.damage == ()
    recording.close()
    assert readable(path) == [b"opening", b"kept", b"again"]


def test_any_damage_at_all(tmp_path: Path) -> None:
    """Cut out, overwritten, twice: whatever is read was written, and that it is damaged shows."""
    path = tmp_path / "one"
    whole, _ = three_blocks(path)
    known = set(readable(path))
    rng = random.Random(7)
    for _ in range(400):
        data = bytearray(whole)
        for _ in range(rng.randint(1, 3)):
            at, length = rng.randrange(len(data)), rng.randint(1, 80)
            if rng.random() < 0.5:
                del data[at : at + length]
            else:
                data[at : at + length] = rng.randbytes(len(data[at : at + length]))
        if not data or bytes(data) == whole:
            continue
        path.write_bytes(data)
        try:
            recording = Recording(path)
        except RecordingError:
            continue
        assert not recording.complete
        assert recording.duration_ms <= 3000
        assert recording.damage or not recording.whole
        recording.close()
        assert set(readable(path)) <= known


def test_what_is_no_file(tmp_path: Path) -> None:
    """A pipe is refused at once: nobody waits for its other end."""
    os.mkfifo(tmp_path / "pipe")
    for name in ("pipe", "."):
        with pytest.raises(RecordingError):
            Recording(tmp_path / name)
