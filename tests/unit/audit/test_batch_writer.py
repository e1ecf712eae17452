"""What becomes of batches when the disk, or somebody, gets in the way."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from tests.disks import Disk
from vncproxy.audit.batch_writer import AuditWriter, Job, Outcome, in_words
from vncproxy.audit.chained_file import AuditFile
from vncproxy.audit.record import Entry, Event
from vncproxy.audit.verification import Verification, verify
from vncproxy.errors import AuditError

OPEN = Entry(event=Event.OPEN, user="ann")
CLOSE = Entry(event=Event.CLOSE, user="ann")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the file will be."""
    return tmp_path / "audit.jsonl"


@pytest.fixture
def writer(path: Path) -> AuditWriter:
    """On an empty file."""
    return AuditWriter(AuditFile(path), lambda: 0.0)


def awaited(*entries: Entry) -> Job:
    """A job that somebody waits for."""
    loop = asyncio.new_event_loop()
    try:
        return Job(entries, 0.0, loop.create_future())
    finally:
        loop.close()


def later(entry: Entry = CLOSE) -> Job:
    return Job((entry,), 0.0)


def verdict(path: Path) -> Verification:
    with path.open("rb") as lines:
        return verify(lines)


def events(outcome: Outcome) -> list[str]:
    return [str(entry.event) for _, entry in outcome.written]


def test_a_batch_is_written_in_order(path: Path, writer: AuditWriter) -> None:
    """Numbers and all are reported, and all jobs are safe."""
    jobs = [awaited(OPEN, CLOSE), later(), awaited(OPEN)]
    outcome = writer.write(jobs)
    assert events(outcome) == ["open", "close", "close", "open"]
    assert [seq for seq, _ in outcome.written] == [1, 2, 3, 4]
    assert (outcome.safe, outcome.failed, outcome.left) == (jobs, [], [])
    assert outcome.problem is None
    assert verdict(path).head == outcome.head


def test_with_a_full_disk_openings_fail_and_ends_wait(
    path: Path, writer: AuditWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each kind as it must; what was written before the disk was full is safe."""
    writer.write([later()])
    size = path.stat().st_size
    disk = Disk(monkeypatch, path, room=size + 20)
    jobs = [awaited(OPEN), later(), awaited(OPEN), later(CLOSE)]
    outcome = writer.write(jobs)
    assert outcome.problem == "its disk is full"
    assert (outcome.safe, outcome.failed) == ([], [jobs[0], jobs[2]])
    assert outcome.left == [jobs[3]]
    disk.room = 10**6
    outcome = writer.write(outcome.left)
    assert (outcome.problem, outcome.left) == (None, [])
    assert (verdict(path).intact, verdict(path).records) == (True, 4)
    assert not writer.unsynced


def test_a_disk_that_fails_to_sync_makes_nothing_safe(
    path: Path, writer: AuditWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who waits is refused; the records aren't written a second time."""
    disk = Disk(monkeypatch, path)
    disk.failing = True
    jobs = [awaited(OPEN), later()]
    outcome = writer.write(jobs)
    assert (outcome.problem, outcome.failed, outcome.left) == ("its disk fails", jobs[:1], [])
    assert writer.unsynced
    disk.failing = False
    assert writer.write([]).problem is None
    assert not writer.unsynced
    assert verdict(path).records == 2


def test_a_cut_is_recorded_before_anything_else(path: Path, writer: AuditWriter) -> None:
    """And reported once."""
    writer.write([later(), later()])
    os.truncate(path, 0)
    outcome = writer.write([later()])
    assert events(outcome) == ["altered", "close"]
    assert len(outcome.troubles) == 1
    assert "was cut from" in outcome.troubles[0]
    assert writer.write([later()]).troubles == []
    assert [str(problem) for problem in verdict(path).problems] == [
        "line 1: records 1 to 2 are missing above"
    ]


def test_a_cut_on_a_full_disk_is_recorded_when_there_is_room(
    path: Path, writer: AuditWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The note waits like everything else."""
    writer.write([later()])
    disk = Disk(monkeypatch, path, room=0)
    os.truncate(path, 0)
    assert events(writer.write([later()])) == []
    disk.room = 10**6
    assert events(writer.write([later()])) == ["altered", "close"]


def test_a_removed_file_is_made_anew(path: Path, writer: AuditWriter) -> None:
    """Or everything after it would be lost with it; the chain shows what is missing."""
    writer.write([later()])
    path.unlink()
    outcome = writer.write([later()])
    assert events(outcome) == ["altered", "close"]
    assert "removed while in use" in outcome.troubles[0]
    assert [problem.line for problem in verdict(path).problems] == [1]


def test_nothing_is_safe_while_a_removed_file_can_not_be_made(
    path: Path, writer: AuditWriter
) -> None:
    """Writing on into the removed one would seem to work."""
    writer.write([later()])
    path.unlink()
    path.symlink_to("/dev/null")
    jobs = [awaited(OPEN), later()]
    outcome = writer.write(jobs)
    assert outcome.written == []
    assert (outcome.failed, outcome.left) == (jobs[:1], jobs[1:])
    assert outcome.problem is not None
    assert "symbolic link" in outcome.problem
    path.unlink()
    assert writer.write(outcome.left).problem is None


def test_a_moved_file_is_gone_on_in_until_somebody_asks(path: Path, writer: AuditWriter) -> None:
    """Then the chain goes on in a new one, and both verify."""
    old = path.with_suffix(".1")
    writer.write([later()])
    path.rename(old)
    outcome = writer.write([later()])
    assert outcome.troubles == ["the file was moved; a reload begins a new one"]
    assert writer.write([later()]).troubles == []
    assert not path.exists()
    writer.reopen()
    assert events(writer.write([later()])) == ["rotated", "close"]
    assert verdict(old).intact
    assert verdict(path).intact
    assert verdict(old).head.hash in str(verdict(path).notes[0])


def test_asking_changes_nothing_where_nothing_was_moved(path: Path, writer: AuditWriter) -> None:
    """A reload may ask every time."""
    writer.write([later()])
    writer.reopen()
    assert events(writer.write([later()])) == ["close"]
    assert verdict(path).records == 2


def test_a_bad_file_in_its_place_leaves_the_old_one_in_use(path: Path, writer: AuditWriter) -> None:
    """The request fails, the records go on."""
    path.rename(path.with_suffix(".1"))
    path.symlink_to("/dev/null")
    with pytest.raises(AuditError, match="symbolic link"):
        writer.reopen()
    assert writer.write([later()]).problem is None
    assert verdict(path.with_suffix(".1")).records == 1


def test_a_file_is_not_left_with_half_a_record(
    path: Path, writer: AuditWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The old file must be whole before the chain goes on elsewhere."""
    disk = Disk(monkeypatch, path, room=50)
    writer.write([later()])
    old = path.with_suffix(".1")
    path.rename(old)
    disk._path = old
    with pytest.raises(AuditError, match="goes on in the old file: its disk is full"):
        writer.reopen()
    disk.room = 10**6
    writer.reopen()
    writer.write([later()])
    assert verdict(old).intact
    assert verdict(path).intact


def test_what_stood_at_the_end_is_noted_first(path: Path, writer: AuditWriter) -> None:
    """With the first batch after the start."""
    writer.write([later()])
    writer.close()
    with path.open("ab") as file:
        file.write(b'{"seq"')
    again = AuditWriter(AuditFile(path), lambda: 0.0)
    assert events(again.write([later()])) == ["torn", "close"]
    assert verdict(path).intact
    again.close()


def test_faults_are_reported_in_words() -> None:
    """Those that an operator can mend by name, others as the system puts them."""
    assert in_words(OSError(28, "x")) == "its disk is full"
    assert in_words(OSError(13, "Permission denied")) == "Permission denied"
    assert in_words(AuditError("It is so.")) == "It is so"


def test_another_file_continues_the_chain(path: Path, writer: AuditWriter) -> None:
    """The old one says at its end where it goes on; the new one begins with that end's hash."""
    writer.write([later()])
    other = path.with_name("other.jsonl")
    move = writer.go_on_in(AuditFile.begun(other))
    assert [(seq, entry.event) for seq, entry in move.written] == [(2, "continued"), (3, "rotated")]
    assert writer.write([later()]).head.seq == 4
    first, second = verdict(path), verdict(other)
    assert (first.intact, second.intact, first.head) == (True, True, move.ended)
    assert first.head.hash in str(second.notes[0])
    assert f"goes on in {other}" in str(first.notes[0]).replace("is to go on", "goes on")


def test_a_file_with_something_in_it_is_refused(path: Path, writer: AuditWriter) -> None:
    """Whatever it is: a chain that begins in the middle of a file would prove nothing."""
    writer.write([later()])
    other = path.with_name("other.jsonl")
    AuditWriter(AuditFile(other), lambda: 0.0).write([later()])
    with pytest.raises(AuditError, match="running already"):
        AuditFile.begun(other)
    third = path.with_name("third.jsonl")
    third.write_bytes(other.read_bytes())
    third.chmod(0o600)
    with pytest.raises(AuditError, match="something in it already"):
        AuditFile.begun(third)


@pytest.mark.parametrize("which", ["old", "new"])
def test_a_disk_that_fails_refuses_another_file(
    path: Path, writer: AuditWriter, monkeypatch: pytest.MonkeyPatch, which: str
) -> None:
    """Whichever it is: the chain goes on in the old file, and another try may succeed."""
    writer.write([later()])
    other = path.with_name("other.jsonl")
    disk = Disk(monkeypatch, path if which == "old" else other)
    disk.failing = True
    text = "goes on in the old file" if which == "old" else "can't go on in"
    with pytest.raises(AuditError, match=f"{text}.*its disk fails"):
        writer.go_on_in(AuditFile.begun(other))
    assert other.read_bytes() == b""
    disk.failing = False
    writer.write([later()])
    writer.go_on_in(AuditFile.begun(other))
    assert verdict(path).intact
    assert verdict(other).intact
