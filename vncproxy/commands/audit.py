"""`vncproxy audit verify`: whether an audit file is what the daemon wrote."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from vncproxy.audit.record import LINE_MAX_BYTES
from vncproxy.audit.verification import Verdict, verify
from vncproxy.errors import AuditError


def verify_file(path: Path, head: str | None) -> Verdict:
    """Follow the chain in a file. Raises: AuditError - it can't be read."""
    try:
        with path.open("rb") as file:
            return verify(lines_of(file), head)
    except OSError as fault:
        raise AuditError(f"{path} can't be read: {fault.strerror}.") from fault


def lines_of(file: BinaryIO) -> Iterator[bytes]:
    """The lines; of one that is too long to be a record only the beginning, as a line."""
    while line := file.readline(LINE_MAX_BYTES):
        yield line
        while line and not line.endswith(b"\n"):
            line = file.readline(LINE_MAX_BYTES)


def in_words(path: Path, verdict: Verdict) -> list[str]:
    """The verdict for people, one line each."""
    lines = [str(note) for note in verdict.notes]
    lines += [f"BROKEN  {problem}" for problem in verdict.problems]
    if verdict.untold:
        lines.append(f"BROKEN  and in {verdict.untold} more places")
    records = f"{verdict.records} record{'' if verdict.records == 1 else 's'}"
    if verdict.intact:
        lines.append(f"{path} is intact: {records}, the last is {verdict.head.seq}")
        if verdict.behind_head is None:
            lines.append(
                "Whether records at the end are missing or were written anew shows only with "
                "--head: take the newest hash of audit.head from the daemon's log."
            )
        elif verdict.behind_head:
            lines.append(f"{verdict.behind_head} of them came after the head that was given.")
    else:
        lines.append(f"{path} isn't what was written: {records}")
    lines.append(f"head {verdict.head.hash}")
    return lines


def as_json(verdict: Verdict) -> dict[str, Any]:
    """The verdict for programs."""
    return {
        "intact": verdict.intact,
        "records": verdict.records,
        "head": {"seq": verdict.head.seq, "hash": verdict.head.hash},
        "behind_head": verdict.behind_head,
        "problems": [{"line": one.line, "text": one.text} for one in verdict.problems],
        "untold": verdict.untold,
        "notes": [{"line": one.line, "text": one.text} for one in verdict.notes],
    }
