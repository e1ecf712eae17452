"""What the audit says of a recording."""

from __future__ import annotations

from pathlib import Path

import pytest

from vncproxy.audit.record import Entry, Event, Head, encode
from vncproxy.commands.provenance import as_json, in_words, look_up
from vncproxy.errors import AuditError

OURS, THEIRS = "a" * 64, "b" * 64


@pytest.fixture
def audit(tmp_path: Path) -> Path:
    """Two recordings' records among others, and a line that is none."""
    path = tmp_path / "audit.jsonl"
    head, lines = Head(), [b"nonsense\n"]
    for entry in (
        Entry(event=Event.OPEN, viewer="v-1", sha256=OURS),
        Entry(event=Event.RECORDED, viewer="v-1", sha256=OURS),
        Entry(event=Event.RECORDED, viewer="v-2", sha256=THEIRS),
    ):
        line, head = encode(entry, head, 0.0)
        lines.append(line)
    path.write_bytes(b"".join(lines))
    return path


def test_a_recording_as_it_was_written(audit: Path) -> None:
    """The record is named; one of another event doesn't count."""
    found = look_up(audit, OURS, "v-1")
    assert (found.seq, found.problem) == (2, None)
    assert "record 2 of 1970-01-01" in in_words(as_json(found))


@pytest.mark.parametrize(
    ("viewer", "words"), [("v-1", "record 2 has another"), ("v-3", "no record has")]
)
def test_a_recording_that_is_another(audit: Path, viewer: str, words: str) -> None:
    """Changed, or never written by this daemon: it isn't taken for proven."""
    found = look_up(audit, "c" * 64, viewer)
    assert found.seq is None
    assert words in in_words(as_json(found))


def test_a_record_that_was_changed(audit: Path) -> None:
    """It proves nothing, whatever SHA-256 stands in it."""
    audit.write_bytes(audit.read_bytes().replace(OURS.encode(), b"c" * 64))
    assert "was changed" in str(look_up(audit, "c" * 64, "v-1").problem)


def test_no_audit(tmp_path: Path) -> None:
    """The text says why."""
    with pytest.raises(AuditError, match="No such file"):
        look_up(tmp_path / "missing", OURS, "v-1")
