"""What a recording is, in one word for every list."""

from __future__ import annotations

import fcntl
from pathlib import Path

import pytest

from tests.unit.recording.surroundings import folder, new_file
from vncproxy.recording.file_format import CHUNK_HEADER_BYTES, GAP, Kind
from vncproxy.recording.file_writer import RecordingFile
from vncproxy.recording.reader import Recording
from vncproxy.recording.recording_index import described
from vncproxy.recording.recording_state import RecordingState, is_running, state_of

NAME = "20260101T000000Z-i-1-v-1.vncrec"


def shown(file: RecordingFile) -> None:
    file.begin(0, bytes(24), whole=True, continues=False)
    file.add(1, Kind.LIVE, [b"\x02"])


def made(path: Path, what: RecordingState) -> None:
    """A file of this state."""
    if what is RecordingState.UNREADABLE:
        path.write_bytes(b"something else")
        return
    file = new_file(path)
    if what is not RecordingState.EMPTY:
        shown(file)
    if what is RecordingState.INCOMPLETE:
        file.note(2, GAP)
    if what is RecordingState.RUNNING:
        fcntl.flock(file._descriptor, fcntl.LOCK_EX)
        file.flush()
        return
    file.close(3)
    if what is RecordingState.CUT:
        path.write_bytes(path.read_bytes()[:-20])
    if what is RecordingState.DAMAGED:
        path.write_bytes(path.read_bytes() + bytes(CHUNK_HEADER_BYTES))


@pytest.mark.parametrize("state", [one for one in RecordingState if one is not RecordingState.GONE])
def test_each_word(tmp_path: Path, state: RecordingState) -> None:
    """As the lists have it."""
    place = folder(tmp_path / "recordings")
    place.check_place()
    path = place.path / NAME
    made(path, state)
    (found,) = place.listed()
    row = described(place, found, 0.0)
    assert row is not None
    assert row.state is state
    assert (row.problem == "") is (state not in ("unreadable", "empty"))
    if state is not RecordingState.UNREADABLE:
        recording = Recording(path)
        assert state_of(recording, running=is_running(recording)) is state
        recording.close()
