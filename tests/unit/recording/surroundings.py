"""Files and folders for the tests of recordings."""

from __future__ import annotations

import os
from pathlib import Path

from vncproxy.recording.file_format import Header, Kind
from vncproxy.recording.file_writer import RecordingFile
from vncproxy.recording.folder import RecordingFolder
from vncproxy.recording.reader import Recording

HEADER = Header(instance="i-1", viewer="v-1", user="ann", started_at="2026-01-01T00:00:00Z")
MIB = 1 << 20


def new_file(path: Path) -> RecordingFile:
    """An empty recording."""
    return RecordingFile(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600), HEADER)


def folder(path: Path, *, max_bytes: int = 100 * MIB, max_age_s: float = 1e9) -> RecordingFolder:
    """A folder of recordings."""
    return RecordingFolder(path, max_bytes=max_bytes, max_age_s=max_age_s)


def contents(path: Path) -> list[tuple[int, str, bytes]]:
    """Every record: time, kind, data."""
    recording = Recording(path)
    try:
        return [
            (record.time_ms, Kind(record.kind).name, record.data)
            for number in range(len(recording.blocks))
            for record in recording.records(number)
        ]
    finally:
        recording.close()
