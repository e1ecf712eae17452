"""What verifying says about files that somebody touched."""

from __future__ import annotations

import hashlib

import pytest

from vncproxy.audit.record import Entry, Event, Head, encode
from vncproxy.audit.verification import REMARKS_MAX, RUBBLE_MAX_BYTES, Verification, verify


def chain(count: int, head: Head | None = None) -> tuple[list[bytes], list[Head]]:
    """Lines of a chain and its end after each."""
    head = head or Head()
    lines, heads = [], []
    for number in range(count):
        line, head = encode(Entry(event=Event.OPEN, user=f"u{number}"), head, float(number))
        lines.append(line)
        heads.append(head)
    return lines, heads


def problems_of(verdict: Verification) -> list[str]:
    return [str(problem) for problem in verdict.problems]


def test_an_untouched_file_is_intact() -> None:
    """Its records are counted, and its end is named for the next time."""
    lines, heads = chain(5)
    verdict = verify(lines)
    assert verdict.intact
    assert (verdict.records, verdict.head, verdict.behind_head) == (5, heads[-1], None)
    assert verdict.notes == ()


def test_a_head_from_the_journal_is_found() -> None:
    """It may be an older one: what follows it is counted."""
    lines, heads = chain(5)
    assert verify(lines, heads[2].hash).behind_head == 2
    assert verify(lines, heads[4].hash).behind_head == 0


def test_a_cut_end_shows_by_the_head_alone() -> None:
    """Without it the rest is a whole chain, and so is one written anew."""
    lines, heads = chain(5)
    assert verify(lines[:3]).intact
    verdict = verify(lines[:3], heads[4].hash)
    assert problems_of(verdict) == [
        "no record has the head that was given: records at the end were cut off, or written anew, "
        "or the head belongs to another file"
    ]
    assert verdict.behind_head is None


def test_a_changed_record_is_named() -> None:
    """By its line and its number."""
    lines, _ = chain(5)
    lines[2] = lines[2].replace(b"u2", b"xx")
    assert problems_of(verify(lines)) == [
        "line 3: record 3 was changed: it doesn't match its hash",
    ]


def test_a_changed_last_record_shows_without_a_head() -> None:
    """A plain edit doesn't know the hash to put in."""
    lines, _ = chain(2)
    lines[1] = lines[1].replace(b"u1", b"xx")
    assert problems_of(verify(lines)) == ["line 2: record 2 was changed: it doesn't match its hash"]


def test_a_changed_record_with_its_hash_made_anew_breaks_the_chain() -> None:
    """The next record names another one before it."""
    lines, heads = chain(5)
    lines[2], _ = encode(Entry(event=Event.OPEN, user="xx"), heads[1], 2.0)
    assert problems_of(verify(lines)) == [
        "line 4: record 4 doesn't continue the record 3 above it: one of the two isn't the one "
        "that was written"
    ]


def test_removed_records_are_counted() -> None:
    """In the middle and at the beginning."""
    lines, _ = chain(6)
    assert problems_of(verify(lines[:2] + lines[3:])) == ["line 3: record 3 is missing above"]
    assert problems_of(verify(lines[:1] + lines[4:])) == [
        "line 2: records 2 to 4 are missing above"
    ]
    assert problems_of(verify(lines[2:])) == ["line 1: records 1 to 2 are missing above"]


def test_records_put_in_or_moved_are_named() -> None:
    """Each by the place where it stands now."""
    lines, _ = chain(5)
    assert problems_of(verify([*lines[:3], lines[0], *lines[3:]])) == [
        "line 4: record 1 stands below record 3: it was moved or put in",
        "line 5: records 2 to 3 are missing above",
    ]
    assert problems_of(verify([lines[0], lines[2], lines[1], *lines[3:]])) == [
        "line 2: record 2 is missing above",
        "line 3: record 2 stands below record 3: it was moved or put in",
        "line 4: record 3 is missing above",
    ]


def test_a_first_record_with_another_before_it_is_reported() -> None:
    """The very first one begins the chain."""
    line, _ = encode(Entry(event=Event.OPEN), Head(0, "ab" * 32), 0.0)
    assert problems_of(verify([line])) == [
        "line 1: record 1 names one before it: it isn't the one that was written"
    ]


def test_what_is_no_record_is_reported() -> None:
    """Where it begins, once however much it is."""
    lines, _ = chain(3)
    odd = [b"# a remark\n", b"\n"]
    assert problems_of(verify([*lines[:2], *odd, lines[2]])) == [
        "line 3: what stands here is no record"
    ]
    assert problems_of(verify([*lines, b"x\n"])) == ["line 4: what stands here is no record"]


def test_a_last_line_cut_short_is_reported() -> None:
    """A record isn't whole without its line end."""
    lines, _ = chain(3)
    verdict = verify([*lines[:2], lines[2][:40]])
    assert [problem.line for problem in verdict.problems] == [3]
    assert "cut short" in problems_of(verdict)[0]
    assert not verify([*lines[:2], lines[2].rstrip(b"\n")]).intact


def _torn(rubble: bytes, head: Head, event: Event = Event.TORN) -> bytes:
    digest = hashlib.sha256(rubble).hexdigest()
    return encode(Entry(event=event, size_bytes=len(rubble), sha256=digest, text="so"), head, 9.0)[
        0
    ]


def test_a_line_that_a_crash_cut_is_no_break_once_it_is_noted() -> None:
    """The daemon leaves it where it is, and says so in the record that follows."""
    lines, heads = chain(3)
    half = lines[2][:40]
    verdict = verify([*lines[:2], half + b"\n", _torn(half, heads[1])])
    assert verdict.intact
    assert [str(note) for note in verdict.notes] == [
        "line 3: 40 bytes of a record that wasn't finished, as record 3 says"
    ]


def test_a_noted_line_can_not_be_changed_either() -> None:
    """The note holds its hash; other kinds of record note nothing of the kind."""
    lines, heads = chain(3)
    half = lines[2][:40]
    torn = _torn(half, heads[1])
    assert problems_of(verify([*lines[:2], half[:-1] + b"x\n", torn])) == [
        "line 3: what stands here is no record"
    ]
    assert not verify([*lines[:2], half + b"\n", b"more\n", torn]).intact
    damaged = _torn(half, heads[1], Event.DAMAGED)
    assert problems_of(verify([*lines[:2], half + b"\n", damaged])) == [
        "line 3: what stands here is no record"
    ]


def test_a_file_after_a_rotation_begins_in_the_middle() -> None:
    """With what the file before it must end in."""
    _, heads = chain(4)
    first, head = encode(Entry(event=Event.ROTATED), heads[-1], 0.0)
    second, _ = encode(Entry(event=Event.OPEN), head, 0.0)
    verdict = verify([first, second])
    assert verdict.intact
    assert str(verdict.notes[0]) == (
        f"line 1: this file continues another one: verify that with --head {heads[-1].hash}"
    )


def test_what_the_daemon_noted_is_passed_on_harmlessly() -> None:
    """Its texts can't move the cursor of who reads the verdict."""
    line, _ = encode(Entry(event=Event.ALTERED, text="cut\x1b[2J"), Head(), 0.0)
    assert [str(note) for note in verify([line]).notes] == [
        "line 1: record 1 says: altered: cut\\x1b[2J"
    ]


@pytest.mark.parametrize("lines", [[], [b""], [b"\n"], [b"hello\n"]])
def test_a_file_without_records_is_not_intact(lines: list[bytes]) -> None:
    """An emptied file is a cut one."""
    assert "there is no record in this file" in problems_of(verify(lines))


def test_many_breaks_are_counted() -> None:
    """They don't fill the memory, nor the screen."""
    lines, _ = chain(1)
    verdict = verify(lines * (REMARKS_MAX + 6))
    assert len(verdict.problems) == REMARKS_MAX
    assert verdict.unlisted == 5


def test_rubble_without_end_is_not_kept() -> None:
    """However much it is, it is a break, whatever a record says about its beginning."""
    lines, heads = chain(1)
    junk = b"x" * 1023 + b"\n"
    count = RUBBLE_MAX_BYTES // 1024 + 2
    kept = (junk * count)[: RUBBLE_MAX_BYTES + 1024].removesuffix(b"\n")
    assert not verify([*lines, *[junk] * count, _torn(kept, heads[0])]).intact
