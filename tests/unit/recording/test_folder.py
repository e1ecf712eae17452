"""Who may reach the recordings, and what goes when there is too much."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from tests.unit.recording.surroundings import folder, new_file
from vncproxy.errors import RecordingError
from vncproxy.recording.folder import TIDY_BYTES, RecordingFolder, Removed, Why

NOW = 1_700_000_000.0


def recording(path: Path, size: int, age_s: float, viewer: str = "v-1") -> Path:
    """A file as `create` names it, of an age."""
    path.mkdir(exist_ok=True)
    file = path / f"20260101T000000Z-i-1-{viewer}.vncrec"
    file.write_bytes(bytes(size))
    os.utime(file, (NOW - age_s, NOW - age_s))
    return file


def tidied(path: Path, removals: list[Removed] | None = None) -> RecordingFolder:
    """A folder with a clock that stands still.

    Args:
        path: Of the folder.
        removals: Gets what is deleted.
    """
    return RecordingFolder(
        path,
        max_bytes=1000,
        max_age_s=100.0,
        clock=lambda: NOW,
        removed=None if removals is None else removals.append,
    )


def test_what_it_makes(tmp_path: Path) -> None:
    """A folder and a file for this user alone, named by time, instance and viewer."""
    place = folder(tmp_path / "state" / "seen")
    place.check()
    name, descriptor = place.create(NOW, "i-bp1", "v-1")
    os.close(descriptor)
    assert name == "20231114T221320Z-i-bp1-v-1.vncrec"
    assert stat.S_IMODE((tmp_path / "state" / "seen").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "state" / "seen" / name).stat().st_mode) == 0o600
    assert [file.name for file in (tmp_path / "state" / "seen").iterdir()] == [name]


def test_names_stay_in_the_folder(tmp_path: Path) -> None:
    """Whatever an instance or viewer is called, it is a name of a file there."""
    place = folder(tmp_path / "seen")
    name, descriptor = place.create(NOW, "../../etc/x", "a\0b\n/c")
    os.close(descriptor)
    assert name == "20231114T221320Z-.._.._etc_x-a_b_c.vncrec"
    assert (tmp_path / "seen" / name).is_file()


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o702])
def test_a_folder_that_others_may_write_to(tmp_path: Path, mode: int) -> None:
    """It is refused, with its mode."""
    (tmp_path / "seen").mkdir()
    (tmp_path / "seen").chmod(mode)
    for call in (folder(tmp_path / "seen").check, folder(tmp_path / "seen").check_place):
        with pytest.raises(RecordingError, match=f"{mode:04o}"):
            call()


def test_a_link_to_a_folder(tmp_path: Path) -> None:
    """It is refused, wherever it points, and nothing is made there."""
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    (tmp_path / "seen").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RecordingError, match="link"):
        folder(tmp_path / "seen").check()
    with pytest.raises(RecordingError, match="link"):
        folder(tmp_path / "seen").create(NOW, "i-1", "v-1")
    assert list((tmp_path / "elsewhere").iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="giving a folder away needs root")
def test_a_folder_of_somebody_else(tmp_path: Path) -> None:
    """Its owner could exchange what is in it."""
    (tmp_path / "seen").mkdir(mode=0o700)
    os.chown(tmp_path / "seen", 65534, 65534)
    with pytest.raises(RecordingError, match="another user"):
        folder(tmp_path / "seen").check_place()


def test_no_folder_at_all(tmp_path: Path) -> None:
    """A file in its place is refused."""
    (tmp_path / "seen").touch()
    with pytest.raises(RecordingError):
        folder(tmp_path / "seen").check_place()


def test_a_name_that_is_taken(tmp_path: Path) -> None:
    """Nothing that is there is written over, nor followed if it is a link."""
    place = folder(tmp_path / "seen")
    place.check_place()
    (tmp_path / "seen" / "20231114T221320Z-i-1-v-1.vncrec").symlink_to(tmp_path / "target")
    with pytest.raises(FileExistsError):
        place.create(NOW, "i-1", "v-1")
    assert not (tmp_path / "target").exists()


def test_what_is_too_old_goes(tmp_path: Path) -> None:
    """By the time of its last byte."""
    old, young = recording(tmp_path, 1, 101.0, "v-1"), recording(tmp_path, 1, 99.0, "v-2")
    assert tidied(tmp_path).tidy()
    assert not old.exists()
    assert young.exists()


def test_the_oldest_go_first(tmp_path: Path) -> None:
    """Until the rest fits."""
    files = [recording(tmp_path, 400, age, f"v-{age}") for age in (30, 10, 20, 5)]
    assert tidied(tmp_path).tidy()
    assert [file.exists() for file in files] == [False, True, False, True]


def test_each_that_goes_is_reported(tmp_path: Path) -> None:
    """With its size, and whether it was too old or there was no room; what stays isn't."""
    sizes = {150: 1, 50: 700, 20: 600, 10: 300}
    files = {age: recording(tmp_path, size, age, f"v-{age}") for age, size in sizes.items()}
    removals: list[Removed] = []
    place = tidied(tmp_path, removals)
    assert place.tidy()
    assert place.tidy()
    assert removals == [
        Removed(files[150].name, 1, Why.AGE),
        Removed(files[50].name, 700, Why.ROOM),
    ]


def test_a_probe_deletes_nothing(tmp_path: Path) -> None:
    """A command that only looks isn't what makes room."""
    old = recording(tmp_path, 1, 101.0)
    tidied(tmp_path).probe()
    assert old.exists()
    tidied(tmp_path).check()
    assert not old.exists()


@pytest.mark.parametrize("max_bytes", [64 << 20, 1 << 30, 1 << 50])
def test_how_often_the_limits_are_looked_at(tmp_path: Path, max_bytes: int) -> None:
    """Often enough for `max_bytes` not to be passed by much, for one session's share even less."""
    place = folder(tmp_path, max_bytes=max_bytes)
    assert place.tidy_bytes <= min(TIDY_BYTES, max_bytes / 16)
    assert place.tidy_bytes < place.session_bytes <= max_bytes / 4


def test_other_files_are_left_alone(tmp_path: Path) -> None:
    """What has no recording's name, and links, are nobody's business here."""
    recording(tmp_path, 2000, 500.0)
    other = tmp_path / "notes.txt"
    other.write_bytes(bytes(5000))
    os.utime(other, (0, 0))
    link = tmp_path / "20250101T000000Z-i-1-v-9.vncrec"
    link.symlink_to(other)
    assert tidied(tmp_path).tidy()
    assert other.exists()
    assert link.is_symlink()
    assert len(list(tmp_path.iterdir())) == 2


def test_what_is_being_written_stays(tmp_path: Path) -> None:
    """A running recording is never deleted, and it shows when there is too much for that."""
    place = tidied(tmp_path / "seen")
    _, descriptor = place.create(NOW, "i-1", "v-1")
    os.write(descriptor, bytes(3000))
    done = recording(tmp_path / "seen", 500, 1.0)
    assert not place.tidy()
    assert not done.exists()
    with pytest.raises(RecordingError, match="max_bytes"):
        place.check()
    os.close(descriptor)
    assert place.tidy()
    assert list((tmp_path / "seen").iterdir()) == []


def test_a_folder_that_nobody_needed(tmp_path: Path) -> None:
    """Tidying makes none."""
    folder(tmp_path / "seen").tidy_if_there()
    assert not (tmp_path / "seen").exists()


def test_taking_away_what_did_not_come_about(tmp_path: Path) -> None:
    """Also what is gone already."""
    place = folder(tmp_path / "seen")
    name, descriptor = place.create(NOW, "i-1", "v-1")
    os.close(descriptor)
    place.remove(name)
    place.remove(name)
    assert list((tmp_path / "seen").iterdir()) == []


def test_a_full_disk_is_reported_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before a session opens: by writing, not by asking what is free."""

    def full(descriptor: int, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    place = folder(tmp_path / "seen")
    monkeypatch.setattr(os, "write", full)
    with pytest.raises(RecordingError, match=r"has to be recorded, and it can't be: the disk is f"):
        place.check()
    monkeypatch.undo()
    place.check()
    assert list((tmp_path / "seen").iterdir()) == []
    assert new_file(tmp_path / "x").written_bytes
