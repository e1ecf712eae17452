"""The parser of what a viewer sends after ClientInit: bytes in, whole messages out.

Length rules, with their traps: PointerEvent has a seventh byte when bit 7 of its mask is set, but
only where extended buttons were confirmed; ClientCutText's length is signed, and a negative one
means that many bytes of extended clipboard; SetDesktopSize counts screens of 16 bytes; QEMU's type
255 has messages of 4, 10 and 12 bytes. Source: RFC 6143, section 7.5; rfbproto, Client to Server
Messages.
"""

from __future__ import annotations

import struct

from vncproxy.rfb.client_events import (
    ClientEvent,
    ContinuousUpdatesEnabled,
    CutTextSent,
    DesktopSizeSet,
    EncodingsSet,
    FenceSent,
    KeySent,
    PixelFormatSet,
    PointerSent,
    QemuAudioSent,
    QemuKeySent,
    StreamBroken,
    UpdateRequested,
    XvpSent,
)
from vncproxy.rfb.pixel_format import PixelFormat
from vncproxy.rfb.wire_error import WireError

MAX_CUT_TEXT_BYTES = 1 << 20
"""The longest clipboard text taken from a viewer, where no other limit is given."""

_FENCE_PAYLOAD_MAX_BYTES = 64
_SAMPLE_FORMATS = range(6)
_CHANNELS = (1, 2)

_FIXED_LENGTHS = {0: 20, 3: 10, 4: 8, 150: 10, 250: 4}
_AREA = struct.Struct(">BHHHH")
ENCODINGS_MAX = 1024
"""Of one SetEncodings, the most wanted ones: viewers name some dozens, and each costs all others'
time. Those beyond are as if they weren't named."""
_FORMAT_WORK = _SIZE_WORK = 64
_ENCODINGS_WORK = 8
_FULL_REQUEST_WORK = 4
_ENCODINGS_WORK_BYTES = 512
_WORK_BYTES = 8 << 10


def work(raw: bytes) -> int:
    """About how much it costs to heed this message, in units: one is what a key costs.

    A new pixel format or size may have everything made anew; a request that isn't incremental has
    what it names counted as lacking.
    """
    kind = raw[0]
    if kind == 0:
        return _FORMAT_WORK
    if kind == 2:
        return _ENCODINGS_WORK + len(raw) // _ENCODINGS_WORK_BYTES
    if kind == 3:
        return 1 if raw[1] else _FULL_REQUEST_WORK
    return _SIZE_WORK if kind == 251 else 1 + len(raw) // _WORK_BYTES


class ClientStream:
    """Turns a viewer's bytes into one event for each whole, valid message.

    Any way of cutting the bytes gives the same events. Memory is bounded by the longest message
    (max_cut_text_bytes, or 256 KiB of SetEncodings) and the piece being fed; cost is linear.

    Args:
        extended_buttons: The extended-buttons pseudo-encoding was confirmed to this viewer; may be
            set later and counts from the next message on.
        max_cut_text_bytes: Longer is an error.
    """

    def __init__(
        self, *, extended_buttons: bool = False, max_cut_text_bytes: int = MAX_CUT_TEXT_BYTES
    ) -> None:
        """Stand at a message boundary."""
        self.extended_buttons = extended_buttons
        self._max_cut_text_bytes = max_cut_text_bytes
        self._pending = bytearray()
        self._need = 0
        self._marks = extended_buttons
        self._broken = False
        self.untaken = 0
        """How many of the last feed's bytes were left alone, since there was enough to do."""

    @property
    def at_boundary(self) -> bool:
        """Whether everything fed so far was whole messages."""
        return not self._pending and not self._broken

    def feed(
        self, data: bytes | bytearray | memoryview, most_work: int | None = None
    ) -> list[ClientEvent]:
        """Take some bytes and give the messages that they complete.

        Never raises: bad bytes end the stream with `StreamBroken`, after which nothing is returned.

        Args:
            data: The next bytes, cut anywhere.
            most_work: Stop after the message with which this much is to be done, in units of
                `work`: `untaken` bytes are then to be fed again.
        """
        self.untaken = 0
        if self._broken:
            return []
        buffer = data
        if self._pending:
            self._pending += data
            if len(self._pending) < self._need:
                return []
            buffer = self._pending
        else:
            # A message keeps the rule it began under: a confirmation sent while it was on its way
            # can't have been known to the viewer when it wrote the first byte.
            self._marks = self.extended_buttons
        events: list[ClientEvent] = []
        start = done = 0
        end = len(buffer)
        try:
            while start < end:
                if most_work is not None and done >= most_work:
                    # A whole message at least was taken, so all that is left is of this feed.
                    self.untaken = end - start
                    start = end
                    break
                self._need = self._length(buffer, start)
                stop = start + self._need
                if stop > end:
                    break
                raw = bytes(buffer[start:stop])
                events.append(_event(raw))
                if stop < end:
                    done += work(raw)
                start = stop
                self._marks = self.extended_buttons
        except WireError as error:
            self._broken = True
            self._pending.clear()
            events.append(StreamBroken(str(error)))
            return events
        if self._pending:
            del self._pending[:start]
        elif start < end:
            self._pending += data[start:]
        return events

    def _length(self, buffer: bytes | bytearray | memoryview, start: int) -> int:
        """The length of the message at `start`, or how many bytes it takes to know more.

        That is more than there are. Raises: WireError.
        """
        kind = buffer[start]
        if (fixed := _FIXED_LENGTHS.get(kind)) is not None:
            return fixed
        have = len(buffer) - start
        if kind == 5:
            if not self._marks:
                return 6
            return 2 if have < 2 else 7 if buffer[start + 1] & 0x80 else 6
        if kind == 2:
            return 4 + 4 * _u16(buffer, start + 2) if have >= 4 else 4
        if kind == 6:
            return self._cut_text_length(buffer, start) if have >= 8 else 8
        if kind == 248:
            return _fence_length(buffer, start) if have >= 9 else 9
        if kind == 251:
            return 8 + 16 * buffer[start + 6] if have >= 8 else 8
        if kind == 255:
            return _qemu_length(buffer, start, have)
        raise WireError(f"a viewer's message of the unknown type {kind}")

    def _cut_text_length(self, buffer: bytes | bytearray | memoryview, start: int) -> int:
        size = int.from_bytes(buffer[start + 4 : start + 8], "big", signed=True)
        if abs(size) > self._max_cut_text_bytes:
            raise WireError(f"a clipboard text of more than {self._max_cut_text_bytes} bytes")
        if -4 < size < 0:
            raise WireError("an extended clipboard message without its flags")
        return 8 + abs(size)


def _u16(buffer: bytes | bytearray | memoryview, at: int) -> int:
    return int.from_bytes(buffer[at : at + 2], "big")


def _fence_length(buffer: bytes | bytearray | memoryview, start: int) -> int:
    size = buffer[start + 8]
    if size > _FENCE_PAYLOAD_MAX_BYTES:
        raise WireError(f"a fence with more than {_FENCE_PAYLOAD_MAX_BYTES} bytes")
    return 9 + size


def _qemu_length(buffer: bytes | bytearray | memoryview, start: int, have: int) -> int:
    if have < 2:
        return 2
    kind = buffer[start + 1]
    if kind == 0:
        return 12
    if kind != 1:
        raise WireError(f"a QEMU message of the unknown type {kind}")
    if have < 4:
        return 4
    operation = _u16(buffer, start + 2)
    if operation > 2:
        raise WireError(f"a QEMU audio message of the unknown operation {operation}")
    return 10 if operation == 2 else 4


def _supported(pixel_format: PixelFormat) -> PixelFormat:
    """The format, if all servers count its pixels alike.

    QEMU answers any format without true colours by pixels of one byte. Raises: ValueError.
    """
    if not pixel_format.true_colour and pixel_format.bits_per_pixel != 8:
        raise ValueError(f"a colour map and {pixel_format.bits_per_pixel} bits per pixel")
    return pixel_format


def _event(raw: bytes) -> ClientEvent:
    """The event of a whole message. Raises: WireError."""
    kind = raw[0]
    if kind == 0:
        try:
            return PixelFormatSet(raw, _supported(PixelFormat.unpack(raw[4:])))
        except ValueError as error:
            raise WireError(f"a pixel format with {error}") from error
    if kind == 2:
        count = min((len(raw) - 4) // 4, ENCODINGS_MAX)
        return EncodingsSet(raw, struct.unpack_from(f">{count}i", raw, 4))
    if kind == 3:
        incremental, x, y, width, height = _AREA.unpack_from(raw, 1)
        return UpdateRequested(raw, incremental != 0, x, y, width, height)
    if kind == 4:
        return KeySent(raw)
    if kind == 5:
        return PointerSent(raw)
    if kind == 6:
        return CutTextSent(raw, len(raw) - 8, extended=raw[4] >= 0x80)
    if kind == 150:
        enable, x, y, width, height = _AREA.unpack_from(raw, 1)
        return ContinuousUpdatesEnabled(raw, enable != 0, x, y, width, height)
    if kind == 248:
        return FenceSent(raw, int.from_bytes(raw[4:8], "big"), raw[9:])
    if kind == 250:
        return XvpSent(raw)
    if kind == 251:
        return DesktopSizeSet(raw)
    if raw[1] == 0:
        return QemuKeySent(raw)
    if len(raw) == 10 and (raw[4] not in _SAMPLE_FORMATS or raw[5] not in _CHANNELS):
        raise WireError("a QEMU audio message with an impossible sample format")
    return QemuAudioSent(raw)
