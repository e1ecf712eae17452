"""Recordings: files that were cut, changed, or made to hurt whoever plays them."""

from __future__ import annotations

import gzip

from tests.fuzz.files import in_memory
from tests.fuzz.target import Choices, Target
from vncproxy.errors import RecordingError
from vncproxy.recording import file_format
from vncproxy.recording.canvas import moments
from vncproxy.recording.file_format import Header, Kind
from vncproxy.recording.novnc_form import NovncForm
from vncproxy.recording.reader import Recording
from vncproxy.rfb.pixel_format import PixelFormat
from vncproxy.rfb.viewer_messages import server_init

HEADER = Header(instance="i-1", viewer="v-1", user="ann", started_at="2026-01-01T00:00:00Z")
IDENTITY = b"identity"
SIDE = 48
_RAW, _BYTES, _MESSAGES = 0, 1, 2


def _record(time_ms: int, kind: Kind, data: bytes) -> bytes:
    return b"".join(file_format.record(time_ms, kind, (data,)))


def _zipped(data: bytes) -> bytes:
    return gzip.compress(data, 1, mtime=0)


def _block(choices: Choices, time_ms: int) -> bytes:
    """A block's data: bytes as they are, zipped, or a picture's messages."""
    form, size = choices.number(2), choices.number(255) * 8
    content = choices.take(size)
    if form == _RAW:
        return content
    if form == _BYTES:
        return _zipped(content)
    some = Choices(content)
    pixel_format = PixelFormat()
    if some.number(3) == 0:
        try:
            pixel_format = PixelFormat.unpack(some.take(16).ljust(16, b"\0"))
        except ValueError:
            pixel_format = PixelFormat(red_shift=0, blue_shift=16)
    records = _record(time_ms, Kind.OPENING, server_init(SIDE, SIDE, pixel_format, "fuzzed"))
    half = some.number(255)
    records += _record(time_ms, Kind.KEY, some.take(half))
    records += _record(time_ms + 1, Kind.LIVE, some.rest)
    return _zipped(records)


def _file(choices: Choices) -> bytes:
    """A file whose checksums are right, whatever else isn't."""
    out = file_format.start(HEADER) if choices.number(7) else b""
    number = time_ms = 0
    while choices.rest:
        tag = file_format.TAGS[choices.number(len(file_format.TAGS) - 1)]
        flags = choices.number(7)
        number += (1, 1, 1, 2, 0)[choices.number(4)]
        before = time_ms
        time_ms += choices.number(255)
        data = _block(choices, time_ms) if tag == file_format.BLOCK else choices.take(
            choices.number(255)
        )  # fmt: skip
        out += file_format.chunk(
            tag,
            data,
            flags=flags,
            number=number - 1 if number else 0,
            identity=IDENTITY,
            first_ms=before,
            last_ms=time_ms,
        )
    return out


def recording(data: bytes) -> None:
    """What is left of it is read, drawn and translated; else a RecordingError."""
    choices = Choices(data)
    is_raw, check = choices.number(1) == 0, choices.number(1) == 1
    content = choices.rest if is_raw else _file(choices)
    with in_memory(content) as path:
        try:
            found = Recording(path, check=check)
        except RecordingError:
            return
        try:
            _read(found)
        finally:
            found.close()


def _read(found: Recording) -> None:
    found.sha256()
    assert found.duration_ms >= 0 and len(found.damage) <= len(found.blocks) + 1
    for number in range(len(found.blocks)):
        form: NovncForm | None = None
        try:
            for record in found.records(number):
                if form is None:
                    form = NovncForm(record.data)
                else:
                    form.translated(record.data)
        except RecordingError:
            pass
    last_ms = -1
    for since_ms, until_ms, image in moments(found):
        assert last_ms <= since_ms <= until_ms and image.size
        last_ms = since_ms


TARGETS: tuple[Target, ...] = (
    Target(
        "recording",
        recording,
        16 * 1024,
        (file_format.start(HEADER), *file_format.TAGS, b"gap", b"link-lost"),
    ),
)
