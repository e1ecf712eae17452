"""`vncproxy replay --info`: what is in a recording, and whether it is one that the audit knows."""

from __future__ import annotations

import struct
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from vncproxy.audit.record import Event, Record, parse
from vncproxy.commands.audit import lines_in
from vncproxy.commands.help_language import columns
from vncproxy.commands.output import length
from vncproxy.commands.terminal_language import shown
from vncproxy.errors import RecordingError
from vncproxy.languages.text import Text, counted
from vncproxy.observe.escaping import escaped
from vncproxy.observe.times import local_or
from vncproxy.recording.file_format import LINK_REPLACED
from vncproxy.recording.reader import Recording
from vncproxy.recording.recording_state import RecordingState, is_running, state_of

_SIZE = struct.Struct(">HH")
"""How a ServerInit begins. Source: RFC 6143, section 7.3.2."""
_HEAD_COLUMNS = 10


def describe(path: Path, audit: Path | None = None) -> dict[str, Any]:
    """What is in a recording, for programs.

    Args:
        path: The recording.
        audit: The audit file to look it up in; None: it isn't looked up.

    Raises:
        RecordingError: It can't be read, or is no recording.
        AuditError: The audit can't be read.
    """
    recording = Recording(path)
    try:
        header = recording.header
        screen = _screen(recording)
        sha256 = recording.sha256()
        known = None if audit is None else provenance_as_json(look_up(audit, sha256, header.viewer))
        return {
            "file": str(path),
            "instance": header.instance,
            "alias": header.alias,
            "region": header.region,
            "user": header.user,
            "viewer": header.viewer,
            "address": header.address,
            "door": header.door,
            "started_at": header.started_at,
            "duration_s": recording.duration_ms / 1000,
            "screen": screen,
            "state": state_of(recording, running=is_running(recording)),
            "complete": recording.complete,
            "ended": recording.whole,
            "key_blocks": len(recording.blocks),
            "gaps": recording.gaps,
            "damaged": [
                {"from_s": one.from_ms / 1000, "to_s": one.to_ms / 1000} for one in recording.damage
            ],
            "links_renewed": sum(note.what == LINK_REPLACED for note in recording.notes),
            "size_bytes": recording.size_bytes,
            "sha256": sha256,
            "audit": known,
        }
    finally:
        recording.close()


def _screen(recording: Recording) -> dict[str, int] | None:
    """Its size at the beginning."""
    try:
        opening = next(recording.records(0), None) if recording.blocks else None
    except RecordingError:
        opening = None
    if opening is None or len(opening.data) < _SIZE.size:
        return None
    width, height = _SIZE.unpack_from(opening.data)
    return {"width": width, "height": height}


def in_words(found: dict[str, Any]) -> list[str]:
    """The same for people, one line each, in the terminal's language."""
    screen = found["screen"]
    size = counted(found["size_bytes"], "{count} byte", "{count} bytes")
    places = counted(found["key_blocks"], "{count} place to begin at", "{count} places to begin at")
    name = found["alias"] or found["instance"]
    rows: list[tuple[Text, str]] = [
        (Text("instance"), f"{name} ({found['instance']}, {found['region']})"),
        (
            Text("user"),
            Text(
                "{user} from {address} through {door}",
                user=found["user"],
                address=found["address"],
                door=found["door"],
            ),
        ),
        (Text("viewer"), found["viewer"]),
        (Text("started", context="recording"), local_or(found["started_at"], found["started_at"])),
        (Text("length"), length(found["duration_s"])),
        (
            Text("screen"),
            f"{screen['width']} x {screen['height']}" if screen else Text("none was shown"),
        ),
        (Text("file"), Text("{size}, {places}", size=size, places=places)),
        (Text("sha256"), found["sha256"]),
    ]
    if found["links_renewed"]:
        text = Text("{count} lost and replaced meanwhile", count=found["links_renewed"])
        rows.append((Text("links"), text))
    if found["gaps"]:
        text = counted(
            found["gaps"],
            "{count} time something was shown that couldn't be recorded",
            "{count} times something was shown that couldn't be recorded",
        )
        rows.append((Text("MISSING"), text))
    for one in found["damaged"]:
        text = Text(
            "from {begin} to {end} it isn't as it was written",
            begin=length(one["from_s"]),
            end=length(one["to_s"]),
        )
        rows.append((Text("DAMAGED"), text))
    if found["state"] == RecordingState.RUNNING:
        rows.append((Text("RUNNING"), Text("it is still being recorded")))
    elif not found["ended"]:
        text = Text("it has no proper end: a crash or a full disk ended it")
        rows.append((Text("CUT"), text))
    lines = [_line(head, value) for head, value in rows]
    if found["audit"] is not None:
        lines.append(provenance_in_words(found["audit"]))
    return lines


def _line(head: Text, value: str) -> str:
    head_shown = shown(head)
    blanks = " " * max(0, _HEAD_COLUMNS - columns(head_shown))
    return f"{head_shown}{blanks} {escaped(shown(value))}"


@dataclass(frozen=True, slots=True)
class Provenance:
    """What the audit says of a recording.

    Args:
        seq: Number of the record that has its SHA-256; None: there is none.
        time: That record's, as it is written there.
        problem: Why the recording can't be relied upon, in a sentence; None: it can.
    """

    seq: int | None = None
    time: str | None = None
    problem: str | None = None


def look_up(audit: Path, sha256: str, viewer: str) -> Provenance:
    """Look for a recording in an audit file; whether that is intact is for `audit verify` to say.

    Args:
        audit: The audit file.
        sha256: The recording's, in hexadecimal.
        viewer: Id of the viewer whose session it is by its header.

    Raises:
        AuditError: The audit can't be read.
    """
    other: Record | None = None
    with lines_in(audit) as lines:
        for line in lines:
            record = parse(line.rstrip(b"\n"))
            if record is None or record.event != Event.RECORDED:
                continue
            if record.content.get("sha256") == sha256:
                return _found(record)
            if record.content.get("viewer") == viewer:
                other = record
    if other is not None:
        problem = Text(
            "record {seq} has another SHA-256 for this session: the file was changed", seq=other.seq
        )
        return Provenance(problem=problem)
    return Provenance(
        problem=Text(
            "no record has its SHA-256: it still runs, a crash ended it, the audit "
            "of then is another file, or somebody else made it"
        )
    )


def _found(record: Record) -> Provenance:
    problem = (
        None
        if record.sound
        else Text("record {seq}, which has its SHA-256, was changed", seq=record.seq)
    )
    return Provenance(record.seq, str(record.content.get("time")), problem)


def provenance_as_json(found: Provenance) -> dict[str, Any]:
    """For programs."""
    return asdict(found)


def provenance_in_words(found: dict[str, Any]) -> str:
    """For people, of what `provenance_as_json` gave."""
    if found["problem"] is not None:
        return _line(Text("NOT PROVEN"), found["problem"])
    text = Text("record {seq} of {time} has this SHA-256", seq=found["seq"], time=found["time"])
    return _line(Text("audit"), text)
