"""Recordings, found; and an index that follows the folder."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

import pytest

from tests.bench.past import BEGAN_AT, write_recording
from tests.unit.recording.surroundings import folder, new_file
from vncproxy.recording.folder import RecordingFolder
from vncproxy.recording.recording_index import (
    GROWING_S,
    UNKNOWN_INSTANCE,
    IndexedRecording,
    RecordingIndex,
    RecordingQuery,
)
from vncproxy.recording.recording_state import RecordingState

NAME = "20260101T000000Z-i-1-v-1.vncrec"


@pytest.fixture
def place(tmp_path: Path) -> RecordingFolder:
    """With three recordings, each of another instance and user."""
    for number in range(3):
        write_recording(tmp_path / "recordings", number, blocks=2)
    return folder(tmp_path / "recordings")


def index_of(place: RecordingFolder, **more: object) -> RecordingIndex:
    """What it says of them now."""
    index = RecordingIndex(place.path.parent / "x.sqlite", lambda: place, **more)  # type: ignore[arg-type]
    index.refresh()
    return index


def rows(index: RecordingIndex, **query: object) -> list[IndexedRecording]:
    ids = {one for one, _, _ in index.instances()}
    return index.find(RecordingQuery(ids, **query), 100)  # type: ignore[arg-type]


def age(path: Path) -> None:
    """Nobody writes it any more."""
    os.utime(path, (BEGAN_AT, BEGAN_AT))


def test_by_user_instance_and_time(place: RecordingFolder) -> None:
    index = index_of(place)
    assert [one.user for one in rows(index)] == ["user02", "user01", "user00"]
    assert [one.instance for one in rows(index, user="USER01")] == ["i-000001"]
    assert [one.alias for one in index.find(RecordingQuery({"i-000002"}), 9)] == ["web-2"]
    began_ms = round(1000 * BEGAN_AT)
    assert [one.user for one in rows(index, until_ms=began_ms)] == ["user00"]
    # The second one ended after 660 s.
    assert [one.user for one in rows(index, since_ms=began_ms + 700_000)] == ["user02"]
    newest = rows(index)[0]
    assert (newest.duration_ms, newest.ended, newest.gaps, newest.problem) == (60_000, True, 0, "")
    assert index.count(RecordingQuery({"i-000002"})) == 1
    before = (newest.started_ms, newest.name)
    assert len(rows(index, before=before)) == 2


def test_what_is_new_gone_or_changed(place: RecordingFolder) -> None:
    index = index_of(place)
    first, second, third = sorted(place.path.iterdir())
    first.unlink()
    third.write_bytes(third.read_bytes()[:-60])
    age(third)
    write_recording(place.path, 9, blocks=1)
    # What is known of it was read a moment ago; it is looked at again after a while.
    later = index_of(place, clock=lambda: time.time() + GROWING_S + 1)
    found = {one.name: one for one in rows(later)}
    assert set(found) == {one.name for one in place.path.iterdir()}
    assert (found[second.name].ended, found[third.name].ended) == (True, False)
    index.refresh()
    assert {one.name for one in rows(index)} == set(found)


@pytest.mark.parametrize("content", [b"", b"something else", bytes(100_000)])
def test_one_that_cannot_be_read_is_a_sentence(place: RecordingFolder, content: bytes) -> None:
    """The rest of the list works."""
    (place.path / NAME).write_bytes(content)
    age(place.path / NAME)
    index = index_of(place)
    assert len(rows(index)) == 4
    (odd,) = index.find(RecordingQuery({UNKNOWN_INSTANCE}), 9)
    assert odd.name == NAME
    assert odd.problem.endswith(".")
    assert odd.state is RecordingState.UNREADABLE
    found = index.states({NAME, *[one.name for one in rows(index)]})
    assert found.pop(NAME) is RecordingState.UNREADABLE
    assert len(found) == 3
    assert set(found.values()) == {RecordingState.COMPLETE}


def test_what_is_not_in_the_index_yet_can_be_played(place: RecordingFolder) -> None:
    """Unless it is gone, or nothing is in it."""
    index = index_of(place)
    new = write_recording(place.path, 7, blocks=1)
    (place.path / NAME).write_bytes(b"")
    gone = "20260101T000000Z-i-9-v-9.vncrec"
    assert index.states({new, NAME, gone, "../audit.jsonl"}) == {
        new: RecordingState.COMPLETE,
        NAME: RecordingState.UNREADABLE,
        gone: RecordingState.GONE,
        "../audit.jsonl": RecordingState.GONE,
    }


def test_one_that_may_be_somebody_elses_work_is_pointed_out(place: RecordingFolder) -> None:
    """Also if only its mode or owner changes; the rest of the list works."""
    index = index_of(place)
    file = min(place.path.iterdir())
    file.chmod(0o666)
    index.refresh()
    found = {one.name: one.caution for one in rows(index)}
    assert found.pop(file.name) == "Others may write to it (mode 0666)."
    assert list(found.values()) == ["", ""]
    file.chmod(0o600)
    index.refresh()
    assert {one.caution for one in rows(index)} == {""}


def test_one_that_others_own_is_a_sentence(place: RecordingFolder) -> None:
    """As where root copied it here, and this account may not read it."""
    (place.path / NAME).mkdir()
    write_recording(place.path, 7)
    (place.path / "20260101T000000Z-i-2-v-2.vncrec").symlink_to(place.path / NAME)
    assert len(rows(index_of(place))) == 4


def test_one_that_is_being_written(place: RecordingFolder) -> None:
    """It is locked; one that was begun just now is left alone until its writer has locked it."""
    write = new_file(place.path / NAME)
    fcntl.flock(write._descriptor, fcntl.LOCK_EX)
    assert len(rows(index_of(place))) == 3
    write.begin(0, bytes(24), whole=True, continues=False)
    write.flush()
    age(place.path / NAME)
    running = index_of(place).get(NAME)
    assert running is not None
    assert (running.running, running.ended, running.user) == (True, False, "ann")
    write.close(1000)
    age(place.path / NAME)
    ended = index_of(place, clock=lambda: running.read_at + GROWING_S + 1).get(NAME)
    assert ended is not None
    assert (ended.running, ended.ended) == (False, True)


def test_a_folder_that_is_missing_or_not_to_be_used(tmp_path: Path) -> None:
    """No folder is no recordings; one that others may write to is a sentence."""
    index = index_of(folder(tmp_path / "recordings"))
    assert (rows(index), index.problems) == ([], [])
    (tmp_path / "recordings").mkdir()
    (tmp_path / "recordings").chmod(0o777)
    index.refresh()
    assert "others may write to it" in index.problems[0]


def test_it_ends_when_it_is_asked_to(place: RecordingFolder) -> None:
    index = RecordingIndex(place.path.parent / "x.sqlite", lambda: place)
    index.refresh(stopped=lambda: True)
    assert rows(index) == []
