"""Databases that only repeat other files: made anew whatever became of them."""

from __future__ import annotations

import stat
from pathlib import Path

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
