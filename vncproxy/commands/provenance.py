"""Whether a recording is one that the audit knows: its `recorded` entry has the file's SHA-256."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from vncproxy.audit.record import Event, Record, parse
from vncproxy.commands.audit import lines_of
from vncproxy.errors import AuditError


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


def as_json(found: Provenance) -> dict[str, Any]:
    """For programs."""
    return asdict(found)


def in_words(found: dict[str, Any]) -> str:
    """For people, of what `as_json` gave."""
    if found["problem"] is not None:
        return f"NOT PROVEN {found['problem']}"
    return f"audit      record {found['seq']} of {found['time']} has this SHA-256"
