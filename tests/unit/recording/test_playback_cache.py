"""Recordings that stay open while they are played."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bench.past import write_recording
from tests.unit.recording.surroundings import folder
from vncproxy.errors import RecordingError
from vncproxy.recording.playback_cache import Lease, PlaybackCache


@pytest.fixture
def names(tmp_path: Path) -> list[str]:
    return [write_recording(tmp_path / "recordings", number, blocks=1) for number in range(4)]


def open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def is_open(lease: Lease) -> bool:
    try:
        return len(list(lease.recording.records(0))) > 0
    except OSError:
        return False


def test_one_is_opened_once(tmp_path: Path, names: list[str]) -> None:
    place = folder(tmp_path / "recordings")
    played = PlaybackCache(lambda: place)
    first, second = played.take(names[0]), played.take(names[0])
    assert first is second
    played.give_back(first)
    played.give_back(second)
    assert is_open(first)
    assert played.take(names[0]) is first


def test_anew_is_another_and_the_old_one_ends_with_its_reader(
    tmp_path: Path, names: list[str]
) -> None:
    place = folder(tmp_path / "recordings")
    played = PlaybackCache(lambda: place)
    old = played.take(names[0])
    new = played.take(names[0], anew=True)
    assert is_open(old)
    assert old is not new
    before = open_files()
    played.give_back(old)
    assert open_files() == before - 1
    assert played.take(names[0]) is new


def test_so_many_stay_open(tmp_path: Path, names: list[str]) -> None:
    """The one that was asked for longest ago goes first; one that is read stays."""
    place = folder(tmp_path / "recordings")
    played = PlaybackCache(lambda: place, kept_max=2)
    before = open_files()
    reading = played.take(names[0])
    for name in names[1:]:
        played.give_back(played.take(name))
    assert is_open(reading)
    assert open_files() == before + 3
    played.give_back(reading)
    played.close()
    assert open_files() == before


def test_what_is_not_there(tmp_path: Path, names: list[str]) -> None:
    place = folder(tmp_path / "recordings")
    played = PlaybackCache(lambda: place)
    for name in ("20260101T000000Z-i-x-v-x.vncrec", "../token", names[0] + "x"):
        with pytest.raises(FileNotFoundError):
            played.take(name)
    odd = "20260101T000000Z-i-y-v-y.vncrec"
    (tmp_path / "recordings" / odd).write_bytes(b"x")
    with pytest.raises(RecordingError):
        played.take(odd)
    assert (played.folder / odd).exists()
