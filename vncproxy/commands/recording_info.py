"""`vncproxy replay --info`: what is in a recording, and whether it is one that the audit knows."""

from __future__ import annotations

import struct
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from vncproxy.audit.record import Event, Record, parse
from vncproxy.commands.audit import lines_of
from vncproxy.commands.output import counted, length
from vncproxy.errors import AuditError, RecordingError
from vncproxy.observe.escaping import escaped
from vncproxy.recording.file_format import LINK_REPLACED
from vncproxy.recording.reader import Recording

_SIZE = struct.Struct(">HH")
"""How a ServerInit begins. Source: RFC 6143, section 7.3.2."""


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
    """The same for people, one line each."""
    screen = found["screen"]
    places = counted(found["key_blocks"], "place")
    name = found["alias"] or found["instance"]
    lines = [
        f"instance   {name} ({found['instance']}, {found['region']})",
        f"user       {found['user']} from {found['address']} through {found['door']}",
        f"viewer     {found['viewer']}",
        f"started    {found['started_at']}",
        f"length     {length(found['duration_s'])}",
        f"screen     {screen['width']} x {screen['height']}"
        if screen
        else "screen     none was shown",
        f"file       {counted(found['size_bytes'], 'byte')}, {places} to begin at",
        f"sha256     {found['sha256']}",
    ]
    if found["links_renewed"]:
        lines.append(f"links      {found['links_renewed']} lost and replaced meanwhile")
    if found["gaps"]:
        times = counted(found["gaps"], "time")
        lines.append(f"MISSING    {times} something was shown that couldn't be recorded")
    for one in found["damaged"]:
        span = f"{length(one['from_s'])} to {length(one['to_s'])}"
        lines.append(f"DAMAGED    from {span} it isn't as it was written")
    if not found["ended"]:
        lines.append(
            "CUT        it has no proper end: it still runs, or a crash or a full disk ended it"
        )
    if found["audit"] is not None:
        lines.append(provenance_in_words(found["audit"]))
    return [escaped(line) for line in lines]


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
    try:
        with audit.open("rb") as file:
            for line in lines_of(file):
                record = parse(line.rstrip(b"\n"))
                if record is None or record.event != Event.RECORDED:
                    continue
                if record.content.get("sha256") == sha256:
                    return _found(record)
                if record.content.get("viewer") == viewer:
                    other = record
    except OSError as fault:
        raise AuditError(f"{audit} can't be read: {fault.strerror}.") from fault
    if other is not None:
        problem = f"record {other.seq} has another SHA-256 for this session: the file was changed"
        return Provenance(problem=problem)
    return Provenance(
        problem="no record has its SHA-256: it still runs, a crash ended it, the audit of then is "
        "another file, or somebody else made it"
    )


def _found(record: Record) -> Provenance:
    problem = None if record.sound else f"record {record.seq}, which has its SHA-256, was changed"
    return Provenance(record.seq, str(record.content.get("time")), problem)


def provenance_as_json(found: Provenance) -> dict[str, Any]:
    """For programs."""
    return asdict(found)


def provenance_in_words(found: dict[str, Any]) -> str:
    """For people, of what `provenance_as_json` gave."""
    if found["problem"] is not None:
        return f"NOT PROVEN {found['problem']}"
    return f"audit      record {found['seq']} of {found['time']} has this SHA-256"
