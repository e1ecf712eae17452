"""Sessions that have to be recorded, whatever the rules say, and what their recordings hold."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.decoder import Decoder
from vncproxy.console import session_recordings
from vncproxy.console.recorder import Recorder
from vncproxy.console.viewer import ViewerIdentity
from vncproxy.recording.file_format import Kind, Record
from vncproxy.recording.novnc_form import NovncForm
from vncproxy.recording.reader import Recording
from vncproxy.web import viewer_websockets

NOVNC_SHIFTS = (0, 8, 16)


def record_everybody(monkeypatch: pytest.MonkeyPatch, *, key_interval_s: float = 30.0) -> None:
    """From now on.

    Args:
        monkeypatch: Undoes it.
        key_interval_s: Between key pictures.
    """
    who = viewer_websockets._who

    def recorded(*arguments: Any, **more: Any) -> ViewerIdentity:
        return replace(who(*arguments, **more), record=True)

    monkeypatch.setattr(viewer_websockets, "_who", recorded)
    recorder = partial(Recorder, key_interval_s=key_interval_s)
    monkeypatch.setattr(session_recordings, "Recorder", recorder)


def recordings(state: Path) -> list[Path]:
    """The files in a state folder, the oldest first."""
    return sorted((state / "recordings").glob("*.vncrec"))


@dataclass
class Played:
    """A decoder that was shown a recording.

    Args:
        time_ms: Of the last record it was shown.
    """

    decoder: Decoder
    time_ms: int


def played_from(recording: Recording, number: int) -> Iterator[Played]:
    """As a player that begins at a block sees it: after its beginning, and after each record."""
    decoder: Decoder | None = None
    for at in range(number, len(recording.blocks)):
        form: NovncForm | None = None
        for record in recording.records(at):
            if form is None:
                form = NovncForm(record.data)
                if decoder is None or not recording.blocks[at].continues:
                    width, height = struct.unpack_from(">HH", form.opening)
                    decoder = Decoder(width, height, NOVNC_SHIFTS)
                    begins = True
                else:
                    begins = False
                continue
            data = form.translated(record.data)
            assert decoder is not None
            if record.kind is Kind.LIVE or begins:
                decoder.feed(data)
                assert decoder.at_boundary
                yield Played(decoder, record.time_ms)


def everything(path: Path) -> bytes:
    """All that a file holds, decompressed."""
    recording = Recording(path)
    try:
        records: list[Record] = [
            record for n in range(len(recording.blocks)) for record in recording.records(n)
        ]
    finally:
        recording.close()
    return path.read_bytes() + b"".join(record.data for record in records)
