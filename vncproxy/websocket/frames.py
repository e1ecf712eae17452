"""WebSocket frames of a peer's stream, without copying what they hold, and those of our own.

An RFB stream doesn't care where frames end, so what binary frames hold comes out in slices as it
arrives, and whole frames can be passed on to another WebSocket as they stand. Control frames come
out whole, for a WebSocket library to understand; so does whatever breaks the rules, after which
nothing comes. A close frame is the end, however malformed it is. Source: RFC 6455, section 5.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from websockets.exceptions import ProtocolError
from websockets.frames import Close, Frame, Opcode
from websockets.utils import apply_mask as _apply_mask_slowly

from vncproxy.rfb.server_events import Pixels

try:
    from websockets.speedups import apply_mask
except ImportError:
    apply_mask = _apply_mask_slowly

OWN_FRAME_BYTES = 64 * 1024
"""Of our own frames: a browser sees one only once it is whole, and is to draw meanwhile."""
CONTROL_WORK = 16
"""A control frame's answer costs as much as so many frames of the stream."""

_SMALL_BYTES = 8 * 1024
"""What holds less is copied sooner than it is written, or read, in parts."""
_SMALL_READ_BYTES = 256
"""Of a client: some keys, or a request; a longer read is opened as far as a turn goes."""
_RUN_FRAMES = 64
"""In a row and of one length, so many cost as much as one by itself."""

_CONTINUATION, _TEXT, _BINARY, _CLOSE, _PONG = 0, 1, 2, 8, 10
_FIN, _RESERVED, _MASKED = 0x80, 0x70, 0x80
_WHOLE_BINARY = _FIN | _BINARY
_CONTROL_MAX_BYTES = 125
_MASKED_SIZE = tuple(bytes((_MASKED | size,)) for size in range(128))
_SMALL_MASKED_HEADS = tuple(bytes((_WHOLE_BINARY, _MASKED | size)) for size in range(126))
_MASK_BYTES = 4
_MASKS_DRAWN = 1024


@dataclass(frozen=True, slots=True)
class ControlFrame:
    """A whole, well-formed control frame; a mask is taken off."""

    opcode: Opcode
    data: bytes = field(repr=False)

    @property
    def close(self) -> Close | None:
        """A close frame's code and reason; None: it isn't one, or has neither."""
        return Close.parse(self.data) if self.opcode is Opcode.CLOSE and self.data else None


@dataclass(frozen=True, slots=True)
class Broken:
    """The peer broke the rules; nothing follows."""

    reason: str


Piece: TypeAlias = bytes | memoryview | ControlFrame | Broken
"""What comes next in a stream; bytes are a slice of what binary frames hold."""


class WholeFrames:
    """Binary frames of a server, one after the other as they stand on the wire, none of them cut.

    Its length is that of what they hold.
    """

    __slots__ = ("_size_bytes", "wire")

    def __init__(self, wire: memoryview, size_bytes: int) -> None:
        """Refer to frames; nothing is copied.

        Args:
            wire: Whole, unmasked, unfragmented binary frames.
            size_bytes: Of what they hold.
        """
        self.wire = wire
        self._size_bytes = size_bytes

    def __len__(self) -> int:
        return self._size_bytes

    def slices(self) -> list[memoryview]:
        """What the frames hold."""
        found, at = [], 0
        while at < len(self.wire):
            start, size = _unmasked_head(self.wire, at, len(self.wire))
            at = start + size
            found.append(self.wire[start:at])
        return found


Slice: TypeAlias = Pixels
"""What a transport takes for sending; `WholeFrames` are such."""


def framed(slices: Sequence[Slice]) -> list[bytes | memoryview]:
    """A server's frames that hold the slices, for a vectored write.

    What is given together shares frames, each of at most `OWN_FRAME_BYTES`; frames that are whole
    already stay as they are.
    """
    size = sum(map(len, slices))
    if 0 < size <= _SMALL_BYTES and WholeFrames not in map(type, slices):
        # One piece: a vectored write costs more for each that it has than copying it does.
        return [b"".join((_head(size), *slices))]  # type: ignore[arg-type]
    found: list[bytes | memoryview] = []
    own: list[bytes | memoryview] = []
    size = 0
    for slice_ in slices:
        if isinstance(slice_, WholeFrames):
            if own:
                found.append(_head(size))
                found += own
                own, size = [], 0
            found.append(slice_.wire)
            continue
        assert isinstance(slice_, bytes | memoryview), "nothing else encloses anything"
        at, end = 0, len(slice_)
        while size + end - at > OWN_FRAME_BYTES:
            stop = at + OWN_FRAME_BYTES - size
            found.append(_head(OWN_FRAME_BYTES))
            found += own
            found.append(memoryview(slice_)[at:stop])
            own, size, at = [], 0, stop
        if at < end:
            own.append(memoryview(slice_)[at:] if at else slice_)
            size += end - at
    if own:
        found.append(_head(size))
        found += own
    return found


def _random_masks() -> Iterator[bytes]:
    while True:
        # A system call for each would cost as much as the masking.
        drawn = os.urandom(_MASKS_DRAWN * _MASK_BYTES)
        for at in range(0, len(drawn), _MASK_BYTES):
            yield drawn[at : at + _MASK_BYTES]


_masks = _random_masks()


def masked_frame(data: bytes) -> bytes:
    """A client's binary frame. Source: RFC 6455, section 5.3: each has a mask that is new."""
    size, mask = len(data), next(_masks)
    if size <= _CONTROL_MAX_BYTES:
        # Nearly all that a daemon sends upstream.
        return b"".join((_SMALL_MASKED_HEADS[size], mask, apply_mask(data, mask)))
    head = _head(size)
    return b"".join((head[:1], _MASKED_SIZE[head[1]], head[2:], mask, apply_mask(data, mask)))


def control_frame(opcode: Opcode, data: bytes = b"") -> bytes:
    """A server's control frame."""
    return Frame(opcode, data).serialize(mask=False)


def _head(size: int) -> bytes:
    if size < 126:
        return bytes((_WHOLE_BINARY, size))
    if size < 1 << 16:
        return b"\x82\x7e" + size.to_bytes(2, "big")
    return b"\x82\x7f" + size.to_bytes(8, "big")


def _unmasked_head(data: bytes | memoryview, at: int, end: int) -> tuple[int, int]:
    """Where the frame's content starts, and its size; 0 if nobody may be given it so.

    That is a header that is cut by the `end`, has a mask, or a length that isn't in its shortest
    form, which browsers refuse.
    """
    if at + 2 > end:
        return at, 0
    size = data[at + 1]
    if size < 126:
        return at + 2, size
    if size == 126 and at + 4 <= end:
        start, size = at + 4, data[at + 2] << 8 | data[at + 3]
        return (start, size) if size > _CONTROL_MAX_BYTES else (at, 0)
    if size == 127 and at + 10 <= end:
        start = at + 10
        size = int.from_bytes(data[at + 2 : start], "big")
        return (start, size) if size >> 16 else (at, 0)
    # It is cut there, or masked.
    return at, 0


def _equal_heads(data: bytes | memoryview, at: int, head_size: int, stride: int, most: int) -> int:
    """How many frames in a row, `most` of which would fit, have the header that stands at `at`.

    A loop over frames of 1 KiB costs more than all else that is done for them. So each byte of all
    headers is looked at in one go.
    """
    stop = at + stride * most
    for n in range(head_size):
        column = bytes(data[at + n : stop : stride])
        other = column.lstrip(column[:1])
        stop -= stride * len(other)
    return (stop - at) // stride


_HEAD_SIZES = tuple(2 + {126: 2, 127: 8}.get(second & 0x7F, 0) for second in range(256))
"""Of a header, by its second byte."""
_MASKED_HEAD_SIZES = tuple(
    size + (_MASK_BYTES if second & _MASKED else 0) for second, size in enumerate(_HEAD_SIZES)
)
"""The same for a peer that has to mask its frames."""


class FrameReader:
    """One peer's frames, from the byte after its HTTP head on. Never raises, holds no content."""

    def __init__(self, *, masked: bool = False, max_message_bytes: int | None = None) -> None:
        """Stand before a frame.

        Args:
            masked: The peer is a client, which has to mask its frames.
            max_message_bytes: A longer message breaks the rules, once its length is known.
        """
        self.over = False
        """Whether the peer has sent a close frame, or broken the rules."""
        self.work = 0
        """What the stream has cost so far, in frames."""
        self.idle_work = 0
        """What frames that carry nothing have cost since `take_idle_work`, in frames."""
        self._masked = masked
        self._head_sizes = _MASKED_HEAD_SIZES if masked else _HEAD_SIZES
        self._max_message_bytes = max_message_bytes
        # Of a header that the end of what was read has cut: kept, being 13 bytes at most. Content
        # is never kept, but that of a control frame, of 125 bytes at most.
        self._head = b""
        self._left = 0
        self._mask = b""
        self._opcode = _BINARY
        self._control = b""
        self._in_message = False
        self._message_bytes = 0

    def take_idle_work(self) -> int:
        """Give `idle_work`, and begin anew."""
        work, self.idle_work = self.idle_work, 0
        return work

    def only(self, data: bytes | memoryview) -> bytes | None:
        """What small frames hold that are all of `data`; None: it is another, nothing is taken.

        While somebody types, what comes is a key's press, mostly with its release, each in a frame
        of its own, or an update in one. For those it does at once what `next` does for any frames,
        cut anywhere.
        """
        if self._left or self._head or self._in_message or self.over:
            return None
        if self._masked:
            return self._only_masked(data)
        size = len(data)
        if size < 2 or data[0] != _WHOLE_BINARY:
            return None
        if size <= 2 + _CONTROL_MAX_BYTES:
            if size == 2 or data[1] != size - 2:
                return None
            content = bytes(data[2:])
        else:
            size -= 4
            if not _CONTROL_MAX_BYTES < size <= _SMALL_BYTES:
                return None
            if data[1] != 126 or data[2] << 8 | data[3] != size:
                return None
            content = bytes(data[4:])
        self.work += 1
        return content

    def _only_masked(self, data: bytes | memoryview) -> bytes | None:
        end, at = len(data), 0
        if end > _SMALL_READ_BYTES:
            return None
        found: list[bytes] = []
        while at < end:
            start = at + 2 + _MASK_BYTES
            if start > end or data[at] != _WHOLE_BINARY:
                return None
            size = data[at + 1] - _MASKED
            stop = start + size
            if not 0 < size <= _CONTROL_MAX_BYTES or stop > end:
                return None
            found.append(apply_mask(bytes(data[start:stop]), bytes(data[at + 2 : start])))
            at = stop
        if not found:
            return None
        self.work += len(found)
        return found[0] if len(found) == 1 else b"".join(found)

    def whole(
        self, data: bytes | memoryview, at: int, most_bytes: int, most_work: int
    ) -> tuple[int, int]:
        """Binary frames that can be passed on as they stand: unmasked, whole and not empty.

        Args:
            data: What was read; nothing was taken of it but what stands before `at`.
            at: Where to begin.
            most_bytes: So much may the frames hold at most.
            most_work: None is begun once they have cost so much; see `work`.

        Returns:
            Where they end, and how much they hold; 0 if there are none.
        """
        size = 0
        # Amid a frame or a message nothing stands at `at` that could be passed on by itself.
        if self._left or self._head or self._in_message or self._masked or self.over:
            return at, size
        end = len(data)
        while most_work > 0 and at < end and data[at] == _WHOLE_BINARY:
            start, length = _unmasked_head(data, at, end)
            stop = start + length
            if stop > end or not length or size + length > most_bytes:
                break
            # A gateway sends full buffers mostly, so the next headers are mostly the same.
            stride = stop - at
            most = min((most_bytes - size) // length, (end - at) // stride)
            frames = 1 if most == 1 else _equal_heads(data, at, start - at, stride, most)
            at += frames * stride
            size += frames * length
            work = 1 + frames // _RUN_FRAMES
            most_work -= work
            self.work += work
        return at, size

    def next(self, data: memoryview, at: int) -> tuple[int, Piece | None]:
        """Take what comes next.

        Args:
            data: What was read; all before `at` was taken.
            at: Where to begin, before the end.

        Returns:
            Where it ends, and what it is; None: the data ends before there is anything.
        """
        if self.over:
            return len(data), None
        if not self._left:
            at, broken = self._next_head(data, at)
            if broken is not None:
                self.over = True
                return len(data), broken
            if self._head:
                return at, None
        if self._opcode >= _CLOSE:
            return self._next_control(data, at)
        stop = min(at + self._left, len(data))
        if stop == at:
            return at, None
        self._left -= stop - at
        slice_ = data[at:stop]
        return stop, slice_ if not self._masked else self._unmask(slice_)

    def _next_head(self, data: memoryview, at: int) -> tuple[int, Broken | None]:
        """Take the next header, as much of it as is there; `_head` holds one that isn't whole."""
        end = len(data)
        if not self._head and at + 2 <= end:
            stop = at + self._head_sizes[data[at + 1]]
            if stop <= end:
                return stop, self._begin(bytes(data[at:stop]))
        head = self._head
        while at < end:
            size = 2 if len(head) < 2 else self._head_sizes[head[1]]
            stop = min(at + size - len(head), end)
            head += data[at:stop]
            at = stop
            if len(head) >= 2 and len(head) == self._head_sizes[head[1]]:
                self._head = b""
                return at, self._begin(head)
        self._head = head
        return at, None

    def _begin(self, head: bytes) -> Broken | None:
        """Begin the frame whose header is complete; what is wrong with it, if anything is."""
        opcode, size = head[0] & 0x0F, head[1] & 0x7F
        least = 0
        if size > _CONTROL_MAX_BYTES:
            least = 126 if size == 126 else 1 << 16
            size = int.from_bytes(head[2 : 4 if size == 126 else 10], "big")
        self._opcode, self._control = opcode, b""
        is_control = opcode >= _CLOSE
        self.work += CONTROL_WORK if is_control else 1
        if is_control or not size:
            self.idle_work += CONTROL_WORK
        if bool(head[1] & _MASKED) is not self._masked and (self._masked or opcode != _CLOSE):
            return Broken("a frame without a mask" if self._masked else "a frame with a mask")
        self._mask = head[-_MASK_BYTES:] if self._masked else b""
        if opcode == _CLOSE:
            is_plain = head[0] == _FIN | _CLOSE and head[1] & ~(_MASKED * self._masked) <= 125
            # What a malformed one holds isn't waited for: it may never come.
            self._left = size if is_plain else 0
            return None
        if head[0] & _RESERVED or size >> 63:
            return Broken("a frame with bits that mean nothing here")
        if size < least:
            return Broken("a length that isn't in its shortest form")
        if is_control:
            if opcode > _PONG or not head[0] & _FIN or size > _CONTROL_MAX_BYTES:
                return Broken("a control frame that can't be one")
        elif opcode == _TEXT:
            return Broken("text where bytes are meant")
        elif opcode not in (_CONTINUATION, _BINARY) or self._in_message is (opcode == _BINARY):
            return Broken("a frame out of order")
        else:
            self._message_bytes = size + (self._message_bytes if self._in_message else 0)
            self._in_message = not head[0] & _FIN
            most_bytes = self._max_message_bytes
            if most_bytes is not None and self._message_bytes > most_bytes:
                return Broken("a message that is too long")
        self._left = size
        return None

    def _next_control(self, data: memoryview, at: int) -> tuple[int, ControlFrame | None]:
        stop = min(at + self._left, len(data))
        self._control += data[at:stop]
        self._left -= stop - at
        if self._left:
            return stop, None
        content = apply_mask(self._control, self._mask) if self._masked else self._control
        opcode, self._opcode = Opcode(self._opcode), _BINARY
        if opcode is Opcode.CLOSE:
            self.over = True
            content = _understandable(content)
        return stop, ControlFrame(opcode, content)

    def _unmask(self, slice_: memoryview) -> bytes:
        # The mask is turned on, so that the frame's next slice begins where this one ended in it.
        mask, turn = self._mask, len(slice_) % _MASK_BYTES
        self._mask = mask[turn:] + mask[:turn]
        return apply_mask(slice_, mask)


def _understandable(close: bytes) -> bytes:
    """A close frame's content; empty where its code or its reason can't be one."""
    try:
        Close.parse(close)
    except (ProtocolError, UnicodeDecodeError):
        return b""
    return close
