"""`vncproxy replay --info`: what is in a recording."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

from vncproxy.commands.formatting import counted, length
from vncproxy.commands.provenance import as_json, look_up
from vncproxy.commands.provenance import in_words as provenance_in_words
from vncproxy.errors import RecordingError
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
        known = None if audit is None else as_json(look_up(audit, sha256, header.viewer))
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
