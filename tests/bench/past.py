"""A long past, made up: an audit of many records, and many recordings."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest.mock import patch

from vncproxy.audit.record import Entry, Event, Head, encode
from vncproxy.recording import file_writer as file_module
from vncproxy.recording.file_format import Header, Kind
from vncproxy.recording.file_writer import RecordingFile
from vncproxy.recording.novnc_form import NOVNC
from vncproxy.rfb.viewer_messages import framebuffer_update, rectangle_header, server_init

USERS, INSTANCES = 40, 300
BEGAN_AT = 1_780_000_000.0
"""Seconds since 1970."""
STEP_S = 15.0
_PER_SESSION = 6


def entries(count: int) -> Iterator[tuple[Entry, float]]:
    """So many records, with their times: sessions that overlap, and what goes with each."""
    yield Entry(event=Event.START, version="1.0.0"), BEGAN_AT
    for number in range(1, count):
        session, step = divmod(number, _PER_SESSION)
        at = BEGAN_AT + number * STEP_S
        which = session % INSTANCES
        names: dict[str, Any] = {
            "user": f"user{session * 7 % USERS:02}",
            "identity": "cookie",
            "door": "local",
            "address": f"192.0.2.{session % 250}",
            "rule": "rule 1",
            "instance": f"i-{which:06x}",
            "alias": f"web-{which}",
            "region": "cn-hangzhou",
            "viewer": f"v-{session:010x}",
        }
        if step == 0:
            yield Entry(event=Event.OPEN, **names), at
        elif step == _PER_SESSION - 1:
            yield (
                Entry(
                    event=Event.CLOSE,
                    **names,
                    links=(f"l-{session:06x}",),
                    bytes_in=session % 9999,
                    bytes_out=session % 99999,
                    seconds=STEP_S * step,
                    side="viewer",
                    code=1000,
                    reason="viewer-left",
                ),
                at,
            )
        else:
            yield Entry(event=Event.LOOK, **names, reason="thumbnail"), at


def make_audit(path: Path, records: int) -> None:
    """Write an audit file."""
    head = Head()
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        for entry, at in entries(records):
            line, head = encode(entry, head, at)
            file.write(line)


WIDTH, HEIGHT = 64, 48
BLOCK_MS = 30_000


def colour_at(time_ms: int) -> tuple[int, int, int]:
    """What a made-up recording shows then, all over: red, green, blue."""
    return time_ms // BLOCK_MS * 10 % 256, 90, 150


def write_recording(
    folder: Path, number: int, *, blocks: int = 20, instance: str = "", alias: str = ""
) -> str:
    """Write a recording of a small screen in one colour after the other; gives its name.

    Args:
        folder: It is made if it is missing.
        number: Tells it from others: each began ten minutes after the one before.
        blocks: Of `BLOCK_MS` each.
        instance: Of which; default: one of `INSTANCES`.
        alias: The instance's.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    at = datetime.fromtimestamp(BEGAN_AT + number * 600, UTC)
    which = number % INSTANCES
    header = Header(
        instance=instance or f"i-{which:06x}",
        alias=alias or f"web-{which}",
        region="cn-hangzhou",
        viewer=f"v-{number:010x}",
        user=f"user{number % USERS:02}",
        started_at=f"{at:%Y-%m-%dT%H:%M:%SZ}",
    )
    name = f"{at:%Y%m%dT%H%M%SZ}-{header.instance}-{header.viewer}.vncrec"
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL
    file = RecordingFile(os.open(folder / name, flags, 0o600), header)
    for block in range(blocks):
        at_ms = block * BLOCK_MS
        opening = server_init(WIDTH, HEIGHT, NOVNC, "made up")
        file.begin(at_ms, opening, whole=True, continues=block > 0)
        pixels = bytes((*colour_at(at_ms), 0)) * (WIDTH * HEIGHT)
        header_bytes = rectangle_header(0, 0, WIDTH, HEIGHT, 0)
        file.add(at_ms, Kind.KEY, [framebuffer_update(1), header_bytes, pixels])
    file.close(blocks * BLOCK_MS)
    # Young enough to be kept, and not so young that it may still be written.
    os.utime(folder / name, times=(time.time() - 3600, time.time() - 3600))
    return name


def write_long_recording(folder: Path, size_bytes: int) -> str:
    """Write a recording of about so many bytes; gives its name."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    name = "20260601T000000Z-i-long-v-1.vncrec"
    header = Header(instance="i-long", viewer="v-1", user="ann", started_at="2026-06-01T00:00:00Z")
    width, height = 256, 64
    picture = [
        framebuffer_update(1),
        rectangle_header(0, 0, width, height, 0),
        os.urandom(width * height * 4),
    ]
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL
    # Random pixels don't get smaller, and trying that takes long.
    with patch.object(file_module, "LEVEL", 0):
        file = RecordingFile(os.open(folder / name, flags, 0o600), header)
        at_ms = 0
        while file.written_bytes < size_bytes:
            opening = server_init(width, height, NOVNC, "made up")
            file.begin(at_ms, opening, whole=True, continues=at_ms > 0)
            for step in range(256):
                file.add(at_ms + step, Kind.LIVE if step else Kind.KEY, picture)
            at_ms += BLOCK_MS
        file.close(at_ms)
    os.utime(folder / name, times=(time.time() - 3600, time.time() - 3600))
    return name
