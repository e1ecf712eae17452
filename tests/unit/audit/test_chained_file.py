"""The audit's file: how a chain goes on, what is refused, what is noticed."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from tests.disks import Disk
from vncproxy.audit.chained_file import AuditFile
from vncproxy.audit.record import Entry, Event, Head
from vncproxy.audit.verification import Verification, verify
from vncproxy.errors import AuditError

OPEN = Entry(event=Event.OPEN, user="ann")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the file will be."""
    return tmp_path / "audit.jsonl"


def fill(path: Path, count: int = 3) -> Head:
    """Some records by a daemon that stopped in good order."""
    file = AuditFile(path)
    for _ in range(count):
        file.append(OPEN, 0.0)
    file.sync()
    file.close()
    return file.head


def verdict(path: Path, head: str | None = None) -> Verification:
    with path.open("rb") as lines:
        return verify(lines, head)


def test_a_new_file_is_for_its_owner_alone(path: Path) -> None:
    """Whatever the umask."""
    before = os.umask(0)
    try:
        fill(path)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert verdict(path).records == 3


def test_the_chain_goes_on_after_a_restart(path: Path) -> None:
    """As if there had been none."""
    first = fill(path)
    second = fill(path)
    found = verdict(path, first.hash)
    assert (found.intact, found.records, found.behind_head) == (True, 6, 3)
    assert second.seq == 6


def test_a_torn_line_stays_and_is_noted(path: Path) -> None:
    """What a crash left is evidence: the chain goes on behind it, with a record that says so."""
    fill(path)
    content = path.read_bytes()
    path.write_bytes(content[:-50])
    file = AuditFile(path)
    assert [note.event for note in file.notes] == [Event.TORN]
    file.append(file.notes[0], 0.0)
    file.append(OPEN, 0.0)
    file.sync()
    file.close()
    assert path.read_bytes().startswith(content[:-50] + b"\n")
    found = verdict(path)
    assert (found.intact, found.records) == (True, 4)
    assert "wasn't finished, as record 3 says" in str(found.notes[0])


def test_a_very_first_record_may_be_torn(path: Path) -> None:
    """The chain begins behind it."""
    path.write_bytes(b'{"seq":1,"ti')
    path.chmod(0o600)
    file = AuditFile(path)
    file.append(file.notes[0], 0.0)
    file.sync()
    assert verdict(path).intact
    file.close()


def test_a_record_that_lost_its_line_end_only_counts(path: Path) -> None:
    """It is whole, and the chain goes on from it; that it was torn is noted."""
    head = fill(path)
    path.write_bytes(path.read_bytes()[:-1])
    file = AuditFile(path)
    assert file.head == head
    file.append(file.notes[0], 0.0)
    file.sync()
    file.close()
    assert (verdict(path).intact, verdict(path).records) == (True, 4)


def test_lines_that_are_no_records_are_noted_and_stay_a_break(path: Path) -> None:
    """No crash writes whole lines of something else."""
    fill(path)
    with path.open("ab") as file_:
        file_.write(b"a remark\n")
    file = AuditFile(path)
    assert [note.event for note in file.notes] == [Event.DAMAGED]
    file.append(file.notes[0], 0.0)
    file.sync()
    file.close()
    assert [problem.line for problem in verdict(path).problems] == [4]
    assert "damaged" in str(verdict(path).notes[0])


def test_a_changed_last_record_is_not_gone_on_from(path: Path) -> None:
    """What doesn't match its hash is no record to continue."""
    fill(path)
    path.write_bytes(path.read_bytes()[::-1].replace(b"nna", b"nnx", 1)[::-1])
    file = AuditFile(path)
    assert file.head.seq == 2
    file.close()


@pytest.mark.parametrize("content", [b"hello\nworld\n", b"\n", b"x" * 2_000_000])
def test_a_file_of_something_else_is_refused(path: Path, content: bytes) -> None:
    """A wrong path must not spoil what is there."""
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(AuditError, match="doesn't end in records"):
        AuditFile(path)
    assert path.read_bytes() == content


def test_a_symbolic_link_is_refused(path: Path, tmp_path: Path) -> None:
    """Somebody who may write to the folder can't have the records written elsewhere."""
    victim = tmp_path / "victim"
    victim.write_bytes(b"")
    path.symlink_to(victim)
    with pytest.raises(AuditError, match="symbolic link"):
        AuditFile(path)
    path.unlink()
    path.symlink_to(tmp_path / "nowhere")
    with pytest.raises(AuditError, match="symbolic link"):
        AuditFile(path)
    assert victim.read_bytes() == b""
    assert not (tmp_path / "nowhere").exists()


def test_a_hard_link_a_pipe_and_a_folder_are_refused(path: Path, tmp_path: Path) -> None:
    """Only a regular file with one name is appended to; nothing hangs."""
    fill(path)
    (tmp_path / "second").hardlink_to(path)
    with pytest.raises(AuditError, match="second name"):
        AuditFile(path)
    os.mkfifo(tmp_path / "pipe", 0o600)
    with pytest.raises(AuditError, match="regular file"):
        AuditFile(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    with pytest.raises(AuditError, match="can't be opened"):
        AuditFile(tmp_path / "folder")


@pytest.mark.parametrize("mode", [0o620, 0o602])
def test_a_file_that_others_may_write_to_is_refused(path: Path, mode: int) -> None:
    """It proves nothing; one that a log collector's group may read is fine."""
    fill(path)
    path.chmod(mode)
    with pytest.raises(AuditError, match=r"others may write to it .* chmod 600"):
        AuditFile(path)
    path.chmod(0o640)
    AuditFile(path).close()


def test_a_missing_folder_is_reported(path: Path) -> None:
    """With the path."""
    with pytest.raises(AuditError, match=r"gone/audit\.jsonl can't be opened: No such file"):
        AuditFile(path.parent / "gone" / "audit.jsonl")


def test_two_writers_are_one_too_many(path: Path) -> None:
    """The second is informed, and the first goes on."""
    first = AuditFile(path)
    with pytest.raises(AuditError, match="Another vncproxy daemon is running already"):
        AuditFile(path)
    first.append(OPEN, 0.0)
    first.sync()
    first.close()
    AuditFile(path).close()
    assert verdict(path).intact


def test_a_cut_file_is_noticed(path: Path) -> None:
    """Also in the middle of a line: what follows begins on a line of its own."""
    fill(path)
    file = AuditFile(path)
    assert file.changed() is None
    size = path.stat().st_size
    os.truncate(path, size - 10)
    assert file.changed() == f"it was cut from {size} to {size - 10} bytes while in use"
    assert file.changed() is None
    file.append(OPEN, 0.0)
    file.sync()
    assert file.changed() is None
    file.close()
    found = verdict(path)
    assert [problem.line for problem in found.problems] == [3, 4]
    assert found.records == 3


def test_foreign_bytes_are_noticed(path: Path) -> None:
    """At the end, and in place."""
    fill(path)
    file = AuditFile(path)
    with path.open("ab") as other:
        other.write(b"x\n")
    assert file.changed() == "2 bytes were written to it by another program"
    with path.open("r+b") as other:
        other.write(b"{")
    os.utime(path, ns=(0, 12345))
    assert file.changed() == "it was written to by another program"
    file.close()


def test_a_moved_file_is_distinguished_from_a_removed_one(path: Path) -> None:
    """What is written to a moved one isn't lost."""
    fill(path)
    file = AuditFile(path)
    assert file.is_in_place
    path.rename(path.with_suffix(".1"))
    assert (file.is_in_place, file.is_gone) == (False, False)
    path.with_suffix(".1").unlink()
    assert (file.is_in_place, file.is_gone) == (False, True)
    file.close()


def test_the_chain_can_go_on_in_another_file(path: Path) -> None:
    """From the head given, whatever stands there."""
    head = fill(path)
    other = path.with_name("other.jsonl")
    other.write_bytes(b"half a line")
    other.chmod(0o600)
    file = AuditFile(other, head)
    file.append(OPEN, 0.0)
    file.sync()
    file.close()
    assert file.head.seq == 4
    assert other.read_bytes().startswith(b"half a line\n{")


def test_a_record_cut_short_by_a_full_disk_is_finished_later(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its first byte makes it a record; the next one waits until it is whole."""
    file = AuditFile(path)
    disk = Disk(monkeypatch, path, room=100)
    file.append(OPEN, 0.0)
    assert file.head.seq == 1
    with pytest.raises(OSError, match="No space"):
        file.sync()
    with pytest.raises(OSError, match="No space"):
        file.append(OPEN, 0.0)
    assert file.head.seq == 1
    assert path.stat().st_size == 100
    assert file.unsynced
    assert file.changed() is None
    disk.room = 10**6
    file.append(OPEN, 0.0)
    file.sync()
    file.close()
    assert not file.unsynced
    assert (verdict(path).intact, verdict(path).records) == (True, 2)
