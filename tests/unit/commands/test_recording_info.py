"""What is in a recording, for people and for programs."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from tests.unit.commands.surroundings import recording_file
from tests.unit.recording.surroundings import new_file
from vncproxy.audit.record import Entry, Event, Head, encode
from vncproxy.cli import main
from vncproxy.commands.command import FAILED
from vncproxy.commands.recording_info import (
    describe,
    in_words,
    look_up,
    provenance_as_json,
    provenance_in_words,
)
from vncproxy.errors import AuditError
from vncproxy.recording.file_format import CHUNK_HEADER_BYTES, GAP, LINK_REPLACED, Header
from vncproxy.recording.file_writer import RecordingFile
from vncproxy.rfb.pixel_format import PixelFormat
from vncproxy.rfb.viewer_messages import server_init


def test_what_is_in_a_recording(tmp_path: Path) -> None:
    """For programs, with the hash that the audit has."""
    path = recording_file(tmp_path / "one")
    found = describe(path)
    assert found["instance"] == "i-1"
    assert found["user"] == "ann"
    assert found["duration_s"] == 3661.5
    assert found["screen"] == {"width": 1024, "height": 768}
    assert (found["complete"], found["ended"], found["gaps"]) == (True, True, 0)
    assert found["key_blocks"] == 2
    assert found["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()


def test_in_words(tmp_path: Path) -> None:
    """For people; what is missing is stated plainly."""
    found = describe(recording_file(tmp_path / "one"))
    text = "\n".join(in_words(found))
    assert "1:01:02" in text or "1:01:01" in text
    assert "1024 x 768" in text
    assert found["sha256"] in text
    assert "MISSING" not in text
    assert "CUT" not in text


def test_what_is_missing(tmp_path: Path) -> None:
    """Gaps, lost links, a cut end, a session that never saw a screen."""
    path = tmp_path / "one"
    file = new_file(path)
    file.begin(0, server_init(4, 4, PixelFormat(), "x"), whole=False, continues=False)
    file.note(1, LINK_REPLACED)
    file.note(2, GAP)
    file.flush()
    text = "\n".join(in_words(describe(path)))
    assert "MISSING    1 time something" in text
    assert "links      1" in text
    assert "1 place to begin at" in text
    assert "CUT" in text
    file.close(3)
    found = describe(path)
    assert (found["complete"], found["ended"], found["gaps"]) == (False, True, 1)
    assert "CUT" not in "\n".join(in_words(found))
    assert describe(recording_file(tmp_path / "two", blocks=0))["screen"] is None


def test_a_damaged_one_is_described(tmp_path: Path) -> None:
    """Whose it is, and from when on it can't be relied upon."""
    path = recording_file(tmp_path / "one")
    raw = bytearray(path.read_bytes())
    raw[raw.index(b"BLOK") + CHUNK_HEADER_BYTES + 4] ^= 1
    path.write_bytes(raw)
    found = describe(path)
    assert (found["complete"], found["screen"]) == (False, None)
    assert found["damaged"] == [{"from_s": 0.0, "to_s": 0.001}]
    for more in ("--info", "--json"):
        assert main(["replay", str(path), more]) == FAILED
    text = "\n".join(in_words(found))
    assert "ann" in text
    assert "DAMAGED    from 0:00:00 to 0:00:00" in text


def test_a_name_that_would_draw_on_the_terminal(tmp_path: Path) -> None:
    """Whatever stands in a file, it is printed on its own line, as text."""
    header = Header(instance="i-1", viewer="v", user="ann\x1b[31m\r\nFAKE", started_at="")
    path = tmp_path / "one"
    RecordingFile(os.open(path, os.O_RDWR | os.O_CREAT), header).close(0)
    lines = in_words(describe(path))
    assert not any("\x1b" in line or "\r" in line or "\n" in line for line in lines)
    assert any(r"ann\x1b[31m\r\nFAKE" in line for line in lines)


# What the audit says of a recording


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
    assert "record 2 of 1970-01-01" in provenance_in_words(provenance_as_json(found))


@pytest.mark.parametrize(
    ("viewer", "words"), [("v-1", "record 2 has another"), ("v-3", "no record has")]
)
def test_a_recording_that_is_another(audit: Path, viewer: str, words: str) -> None:
    """Changed, or never written by this daemon: it isn't taken for proven."""
    found = look_up(audit, "c" * 64, viewer)
    assert found.seq is None
    assert words in provenance_in_words(provenance_as_json(found))


def test_a_record_that_was_changed(audit: Path) -> None:
    """It proves nothing, whatever SHA-256 stands in it."""
    audit.write_bytes(audit.read_bytes().replace(OURS.encode(), b"c" * 64))
    assert "was changed" in str(look_up(audit, "c" * 64, "v-1").problem)


def test_no_audit(tmp_path: Path) -> None:
    """It is said why."""
    with pytest.raises(AuditError, match="No such file"):
        look_up(tmp_path / "missing", OURS, "v-1")
