"""Past sessions, found; and an index that follows the files."""

from __future__ import annotations

import gzip
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from tests.past import BEGAN_AT, AuditWriterForTests, closed, found, opened
from vncproxy.audit.record import Entry, Event
from vncproxy.audit.session_index import SessionIndex, SessionQuery
from vncproxy.audit.session_index_writer import SessionWriter
from vncproxy.errors import LocalError

SECOND_MS = 1000


@pytest.fixture
def writer(tmp_path: Path) -> AuditWriterForTests:
    """Sessions one after the other: v-0 of ann on i-0, v-1 of Bob on i-1, and so on."""
    writer = AuditWriterForTests(tmp_path / "audit.jsonl")
    for number in range(10):
        who = {"user": ("ann", "Bob")[number % 2], "instance": f"i-{number % 3}"}
        writer.add(opened(f"v-{number}", **who), closed(f"v-{number}", **who))  # type: ignore[arg-type]
    return writer


@pytest.fixture
def index(tmp_path: Path, writer: AuditWriterForTests) -> SessionIndex:
    """What it says of them."""
    index = SessionIndex(tmp_path / "x.sqlite", lambda: writer.path)
    index.refresh()
    return index


def viewers(index: SessionIndex, **query: Any) -> list[str]:
    return [one.viewer for one in found(index, **query)]


def test_by_user_instance_and_time(index: SessionIndex) -> None:
    """The newest first; a session counts that was open at some time between."""
    began_ms = round(1000 * BEGAN_AT)
    assert viewers(index) == [f"v-{number}" for number in range(9, -1, -1)]
    assert viewers(index, user="bOB") == ["v-9", "v-7", "v-5", "v-3", "v-1"]
    assert viewers(index, user="carl") == []
    (key,) = [one.key for one in index.instances() if one.id == "i-2"]
    query = SessionQuery([key])
    assert [one.viewer for one in index.find(query, 10)] == ["v-8", "v-5", "v-2"]
    assert index.count(query) == 3
    # v-0 is open from 1 s to 2 s, v-1 from 3 s to 4 s.
    span = {"since_ms": began_ms + 2 * SECOND_MS, "until_ms": began_ms + 3 * SECOND_MS}
    assert viewers(index, **span) == ["v-1", "v-0"]
    assert index.find(SessionQuery([]), 10) == []


def test_pages_of_the_list_have_each_session_once(index: SessionIndex) -> None:
    keys = [one.key for one in index.instances()]
    seen: list[str] = []
    before = None
    while rows := index.find(SessionQuery(keys, before=before), 3):
        seen += [one.viewer for one in rows]
        before = rows[-1].started_ms, rows[-1].key
    assert seen == viewers(index)


def test_what_comes_later_is_read_from_there(
    index: SessionIndex, writer: AuditWriterForTests
) -> None:
    """A line that is half written yet counts once it is whole."""
    writer.add(opened("v-x"))
    whole = writer.path.read_bytes()
    writer.path.write_bytes(whole[:-10])
    index.refresh()
    assert "v-x" not in viewers(index)
    with writer.path.open("ab") as file:
        file.write(whole[-10:])
    index.refresh()
    assert viewers(index)[0] == "v-x"
    assert index.problems == []


def test_one_that_was_stopped_goes_on(tmp_path: Path, writer: AuditWriterForTests) -> None:
    index = SessionIndex(tmp_path / "y.sqlite", lambda: writer.path)
    index.refresh(stopped=lambda: True)
    index.refresh()
    assert len(viewers(index)) == 10


def test_a_file_that_was_cut_is_read_anew_and_told(
    index: SessionIndex, writer: AuditWriterForTests
) -> None:
    lines = writer.path.read_bytes().splitlines(keepends=True)
    writer.path.write_bytes(b"".join(lines[:4]))
    index.refresh()
    assert viewers(index) == ["v-1", "v-0"]
    assert index.problems == ["audit.jsonl was cut or changed after it had been read."]


def test_a_file_that_was_changed_while_no_daemon_ran_is_told(
    tmp_path: Path, index: SessionIndex, writer: AuditWriterForTests
) -> None:
    """Also where it is longer than before."""
    assert len(viewers(index)) == 10
    content = writer.path.read_bytes()
    writer.path.write_bytes(content.replace(b'"user":"Bob"', b'"user":"ann"', 1))
    writer.add(opened("v-x"))
    later = SessionIndex(tmp_path / "x.sqlite", lambda: writer.path)
    later.refresh()
    assert len(viewers(later)) == 11
    assert later.problems == [
        "audit.jsonl was cut or changed after it had been read.",
        "audit.jsonl isn't what was written: of its records some were changed, moved or taken out "
        "(1). vncproxy audit verify says which.",
    ]


def test_a_change_that_the_daemon_noticed_is_looked_for(
    index: SessionIndex, writer: AuditWriterForTests
) -> None:
    """It writes that the file was altered; what was read before is compared then."""
    content = writer.path.read_bytes()
    writer.path.write_bytes(content.replace(b'"user":"Bob"', b'"user":"ann"', 1))
    writer.add(Entry(event=Event.ALTERED, text="it was written to by another program"))
    index.refresh()
    index.refresh()
    assert "audit.jsonl was cut or changed after it had been read." in index.problems
    assert "it was written to by another program" in " ".join(index.problems)


def test_a_file_that_is_missing_between_two_is_told(
    tmp_path: Path, writer: AuditWriterForTests
) -> None:
    writer.move_away()
    writer.add(opened("v-x"))
    gone = writer.move_away()
    writer.add(closed("v-x"))
    gone.unlink()
    index = SessionIndex(tmp_path / "y.sqlite", lambda: writer.path)
    index.refresh()
    assert index.problems == ["Between audit.jsonl.1 and audit.jsonl records are missing."]
    assert viewers(index)[0] == "v-x"


@pytest.mark.parametrize("damage", ["cut", "junk", "altered"])
def test_of_a_damaged_compressed_file_the_beginning_is_read(
    tmp_path: Path, writer: AuditWriterForTests, damage: str
) -> None:
    """And it is told, at each call and in the next process, until it is whole."""
    moved = writer.move_away()
    whole = gzip.compress(moved.read_bytes(), 0)
    altered = bytearray(whole)
    altered[-8] ^= 1
    packed = tmp_path / "audit.jsonl.1.gz"
    packed.write_bytes(
        {"cut": whole[:-200], "junk": whole + b"x", "altered": bytes(altered)}[damage]
    )
    packed.chmod(0o600)
    moved.unlink()
    writer.add(opened("v-x"))
    damaged = "audit.jsonl.1.gz isn't read to its end: it is damaged, or cut short."
    for _ in range(2):
        index = SessionIndex(tmp_path / "y.sqlite", lambda: writer.path)
        for _ in range(2):
            index.refresh()
            assert viewers(index) == ["v-x", *(f"v-{number}" for number in range(9, -1, -1))]
            assert damaged in index.problems
            assert not any("changed" in problem for problem in index.problems)
    packed.write_bytes(whole)
    index.refresh()
    assert len(viewers(index)) == 11
    assert index.problems == []


def test_a_half_written_compressed_copy_changes_nothing(
    index: SessionIndex, writer: AuditWriterForTests
) -> None:
    """Nor does the end of the compression, which takes the plain one away."""
    moved = writer.move_away()
    writer.add(opened("v-x"))
    whole = gzip.compress(moved.read_bytes())
    packed = moved.with_name("audit.jsonl.1.gz")
    for length in (0, 5, 15, len(whole) // 2, len(whole) - 1, len(whole)):
        packed.write_bytes(whole[:length])
        packed.chmod(0o600)
        index.refresh()
        assert len(viewers(index)) == 11
        assert index.problems == []
    moved.unlink()
    index.refresh()
    assert len(viewers(index)) == 11
    assert index.problems == []


def test_a_changed_file_that_is_gone_is_told_until_another_has_its_records(
    tmp_path: Path, writer: AuditWriterForTests
) -> None:
    content = writer.path.read_bytes()
    writer.path.unlink()
    writer.add(opened("v-x"))
    packed = tmp_path / "audit.jsonl.1.gz"
    packed.write_bytes(gzip.compress(content))
    packed.chmod(0o600)
    index = SessionIndex(tmp_path / "y.sqlite", lambda: writer.path)
    index.refresh()
    lines = content.splitlines(keepends=True)
    packed.write_bytes(gzip.compress(b"".join(lines[:4])))
    changed = "audit.jsonl.1.gz was cut or changed after it had been read."
    index.refresh()
    assert changed in index.problems
    packed.rename(tmp_path / "elsewhere")
    index.refresh()
    assert changed in index.problems
    plain = tmp_path / "audit.jsonl.1"
    for part, is_told in ((lines[:-1], True), (lines, False)):
        plain.unlink(missing_ok=True)
        written = tmp_path / f"new-{len(part)}"
        written.write_bytes(b"".join(part))
        written.chmod(0o600)
        written.rename(plain)
        index.refresh()
        assert (changed in index.problems) == is_told
    assert index.problems == []
    assert len(viewers(index)) == 11


def test_lines_that_a_crash_left_are_no_fault(tmp_path: Path) -> None:
    """The next record says so."""
    writer = AuditWriterForTests(tmp_path / "audit.jsonl")
    writer.add(opened("v-1"))
    with writer.path.open("ab") as file:
        file.write(b'{"seq":2,"ti\n')
    writer.add(Entry(event=Event.TORN), opened("v-2"))
    index = SessionIndex(tmp_path / "x.sqlite", lambda: writer.path)
    index.refresh()
    assert viewers(index) == ["v-2", "v-1"]
    assert index.problems == []


def test_an_index_that_was_damaged_is_made_again(
    tmp_path: Path, index: SessionIndex, writer: AuditWriterForTests
) -> None:
    assert len(viewers(index)) == 10
    for one in tmp_path.glob("x.sqlite*"):
        one.write_bytes(b"something else")
    later = SessionIndex(tmp_path / "x.sqlite", lambda: writer.path)
    later.refresh()
    assert len(viewers(later)) == 10


def test_a_disk_that_is_full_in_the_midst_leaves_nothing_half_done(
    tmp_path: Path, writer: AuditWriterForTests, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is read next, and what a later process finds, is the whole."""
    taken = 0
    take = SessionWriter.take

    def full(self: SessionWriter, line: bytes) -> None:
        nonlocal taken
        taken += 1
        if taken == 7:
            raise sqlite3.OperationalError("database or disk is full")
        take(self, line)

    monkeypatch.setattr(SessionWriter, "take", full)
    index = SessionIndex(tmp_path / "y.sqlite", lambda: writer.path)
    with pytest.raises(LocalError, match="disk is full"):
        index.refresh()
    assert viewers(index) == []
    index.refresh()
    later = SessionIndex(tmp_path / "y.sqlite", lambda: writer.path)
    later.refresh()
    assert len(viewers(later)) == 10
    assert later.problems == []


def test_an_index_that_goes_while_the_daemon_runs_is_made_again(
    tmp_path: Path, index: SessionIndex, writer: AuditWriterForTests
) -> None:
    """And fits the files for the next process, too."""
    for one in tmp_path.glob("x.sqlite*"):
        one.unlink()
    writer.add(opened("v-x"))
    index.refresh()
    later = SessionIndex(tmp_path / "x.sqlite", lambda: writer.path)
    later.refresh()
    assert len(viewers(later)) == 11
    assert later.problems == []


def test_who_may_see_no_instance_sees_no_session(index: SessionIndex) -> None:
    """Neither does who may see one, of another; what is counted is what is found."""
    keys = [one.key for one in index.instances()]
    for shown in ([], keys[:1], keys[1:], keys, [*keys, *keys]):
        query = SessionQuery(shown)
        rows = index.find(query, 100)
        assert {one.instance.key for one in rows} == set(shown)
        assert index.count(query) == len(rows)
    assert index.find(SessionQuery([0, -1, 99]), 100) == []


def test_an_instance_has_the_same_key_when_the_index_is_made_again(
    tmp_path: Path, index: SessionIndex, writer: AuditWriterForTests
) -> None:
    """Whoever asks for sessions by keys from before isn't shown another's."""
    keys = {one.id: one.key for one in index.instances()}
    writer.path.rename(tmp_path / "elsewhere")
    other = AuditWriterForTests(writer.path)
    other.add(*(opened(f"v-{name}", instance=name) for name in ("i-new", "i-2", "i-0")))
    index.refresh()
    later = {one.id: one.key for one in index.instances()}
    assert set(later) == {"i-new", "i-2", "i-0"}
    assert later["i-2"] == keys["i-2"]
    assert later["i-new"] not in keys.values()
