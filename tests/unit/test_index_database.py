"""Databases that only repeat other files: made anew whatever became of them."""

from __future__ import annotations

import errno
import os
import sqlite3
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest

from vncproxy.errors import LocalError
from vncproxy.index_database import IndexDatabase

SCHEMA = "CREATE TABLE things (name TEXT);"


def put(database: IndexDatabase, name: str) -> None:
    with database.opened() as db:
        db.execute("INSERT INTO things VALUES (?)", (name,))


def things(database: IndexDatabase) -> list[str]:
    with database.opened() as db:
        return [name for (name,) in db.execute("SELECT name FROM things")]


def test_what_was_put_in_is_there_for_the_next_process(tmp_path: Path) -> None:
    """And nobody else may read it."""
    put(IndexDatabase(tmp_path / "x.sqlite", SCHEMA, 1), "a")
    assert things(IndexDatabase(tmp_path / "x.sqlite", SCHEMA, 1)) == ["a"]
    modes = {stat.S_IMODE(one.stat().st_mode) for one in tmp_path.iterdir()}
    assert modes == {0o600}


def test_another_version_begins_anew(tmp_path: Path) -> None:
    put(IndexDatabase(tmp_path / "x.sqlite", SCHEMA, 1), "a")
    assert things(IndexDatabase(tmp_path / "x.sqlite", SCHEMA, 2)) == []


@pytest.mark.parametrize("content", [b"", b"no database", bytes(8192)])
def test_something_else_in_its_place_is_replaced(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.sqlite").write_bytes(content)
    database = IndexDatabase(tmp_path / "x.sqlite", SCHEMA, 1)
    put(database, "a")
    assert things(database) == ["a"]


def test_one_that_is_damaged_inside_is_thrown_away(tmp_path: Path) -> None:
    """Who finds it out is told; the next one finds a new one."""
    database = IndexDatabase(tmp_path / "x.sqlite", SCHEMA, 1)
    for number in range(2000):
        put(database, f"{number:0200}") if number % 500 == 0 else None
    with database.opened() as db:
        db.executemany("INSERT INTO things VALUES (?)", [(f"{n:0200}",) for n in range(2000)])
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    whole = (tmp_path / "x.sqlite").read_bytes()
    (tmp_path / "x.sqlite").write_bytes(whole[:8192] + b"\xff" * (len(whole) - 8192))
    with pytest.raises(LocalError, match="can't be used"):
        things(database)
    assert things(database) == []


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "x.sqlite").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(LocalError, match="can't be used"):
        put(IndexDatabase(tmp_path / "x.sqlite", SCHEMA, 1), "a")
    assert not (tmp_path / "elsewhere").exists()


def test_a_folder_that_is_missing_is_told(tmp_path: Path) -> None:
    with pytest.raises(LocalError, match="No such file"):
        put(IndexDatabase(tmp_path / "no" / "x.sqlite", SCHEMA, 1), "a")


def test_without_room_for_what_it_keeps_beside_it_is_read_all_the_same(
    tmp_path: Path,
) -> None:
    """As on a full disk, where SQLite can't make its -shm file."""
    database = IndexDatabase(tmp_path / "x.sqlite", SCHEMA, 1)
    put(database, "a")
    (tmp_path / "x.sqlite-shm").mkdir()
    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(lambda _: things(database), range(8))) == [["a"]] * 8
    with pytest.raises(LocalError, match="can't be used"):
        put(database, "b")
    # What is of another version can't be told anything of.
    with pytest.raises(LocalError, match="can't be used"):
        things(IndexDatabase(tmp_path / "x.sqlite", SCHEMA, 2))


def test_a_full_disk_is_called_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where SQLite speaks of an I/O error, as it does of its -shm file."""
    database = IndexDatabase(tmp_path / "x.sqlite", SCHEMA, 1)
    put(database, "a")
    statvfs = os.statvfs(tmp_path)
    room = SimpleNamespace(f_bavail=1, f_frsize=statvfs.f_frsize)
    monkeypatch.setattr(os, "statvfs", lambda _: room)
    fault = sqlite3.OperationalError("disk I/O error")
    fault.sqlite_errorcode = sqlite3.SQLITE_IOERR | (19 << 8)
    full = pytest.raises(LocalError, match=r"x.sqlite can't be used: the disk is full\.$")
    with full, database.opened():
        raise fault
    assert things(database) == ["a"]


def test_a_read_only_disk_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    database = IndexDatabase(tmp_path / "x.sqlite", SCHEMA, 1)
    put(database, "a")

    def refused(*_: object) -> int:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(os, "open", refused)
    assert things(database) == ["a"]
    with pytest.raises(LocalError, match="readonly"):
        put(database, "b")
