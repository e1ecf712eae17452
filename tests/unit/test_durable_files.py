"""Files replaced in one step, and on the disk before the caller goes on."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from vncproxy.durable_files import replace_file, sync_folder


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file in a folder of its own."""
    return tmp_path / "file"


def test_a_new_file_and_the_next_content(path: Path) -> None:
    """Only the owner reads it, whatever the umask; nothing else is left in the folder."""
    before = os.umask(0o777)
    try:
        replace_file(path, b"one")
    finally:
        os.umask(before)
    assert (path.read_bytes(), stat.S_IMODE(path.stat().st_mode)) == (b"one", 0o600)
    replace_file(path, b"", mode=0o640)
    assert (path.read_bytes(), stat.S_IMODE(path.stat().st_mode)) == (b"", 0o640)
    assert list(path.parent.iterdir()) == [path]


def test_a_reader_keeps_the_old_content(path: Path) -> None:
    """It is another file that takes the name."""
    path.write_bytes(b"old and long")
    with path.open("rb") as reader:
        replace_file(path, b"new")
        assert reader.read() == b"old and long"


def test_a_link_is_replaced(path: Path, tmp_path: Path) -> None:
    """Not what it leads to."""
    (tmp_path / "other").write_bytes(b"other")
    path.symlink_to(tmp_path / "other")
    replace_file(path, b"new")
    assert not path.is_symlink()
    assert (tmp_path / "other").read_bytes() == b"other"


def test_the_owner(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Is set before anything is written."""
    owners: list[tuple[int, int, int]] = []

    def fchown(descriptor: int, user: int, group: int) -> None:
        owners.append((user, group, os.fstat(descriptor).st_size))

    monkeypatch.setattr(os, "fchown", fchown)
    replace_file(path, b"x")
    assert owners == []
    replace_file(path, b"x", owner=(12, 34))
    assert owners == [(12, 34, 0)]


@pytest.mark.parametrize("broken", ["fsync", "fchmod", "rename"])
def test_a_failure_leaves_the_old_file(
    path: Path, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    """And no draft."""
    path.write_bytes(b"old")

    def fail(*_: object) -> None:
        raise OSError("no")

    if broken == "rename":
        monkeypatch.setattr(Path, "replace", fail)
    else:
        monkeypatch.setattr(os, broken, fail)
    with pytest.raises(OSError, match="no"):
        replace_file(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(path.parent.iterdir()) == [path]


def test_content_name_and_folder_are_synced_in_this_order(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A crash after any step leaves the old file or the new one."""
    steps: list[str] = []
    rename = Path.replace

    def fsync(descriptor: int) -> None:
        found = os.fstat(descriptor)
        steps.append("folder" if stat.S_ISDIR(found.st_mode) else f"file of {found.st_size}")

    def replace(draft: Path, target: Path) -> Path:
        steps.append("rename")
        return rename(draft, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(Path, "replace", replace)
    replace_file(path, b"four")
    assert steps == ["file of 4", "rename", "folder"]


def test_a_folder_that_is_none(path: Path) -> None:
    """Neither is a file, nor what isn't there."""
    with pytest.raises(FileNotFoundError):
        sync_folder(path)
    path.touch()
    with pytest.raises(NotADirectoryError):
        sync_folder(path)
