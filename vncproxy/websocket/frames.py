"""Walks the frames of a WebSocket server's stream without copying what they hold.

An RFB stream doesn't care where frames end, so the payload of binary frames comes out in slices as
it arrives. Control frames come out whole, for a WebSocket library to act on; so does whatever
breaks the rules, and everything after it. A close frame is the end, however malformed it is: it
comes out as one that the library takes, and nothing after it counts. Source: RFC 6455, section 5.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from websockets.exceptions import ProtocolError
from websockets.frames import Close

_CONTINUATION, _TEXT, _BINARY, _CLOSE, _PONG = 0, 1, 2, 8, 10
_FIN, _RESERVED, _MASKED = 0x80, 0x70, 0x80
_CONTROL_MAX_BYTES = 125
_CLOSE_WITHOUT_CODE = bytes((_FIN | _CLOSE, 0))
_CONTROL_WORK = 16
"""A control frame's answer costs as much as so many frames of the stream."""


@dataclass(frozen=True, slots=True)
class Payload:
    """A slice of what binary frames hold."""

    data: memoryview = field(repr=False)


@dataclass(frozen=True, slots=True)
class Control:
    """A whole, well-formed control frame."""

    frame: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Broken:
    """The server broke the rules; nothing follows."""

    reason: str


Piece = Payload | Control | Broken


class FrameWalker:
    """One server's stream, from the byte after its HTTP answer on."""

    def __init__(self) -> None:
        """Stand before a frame."""
        self._head = bytearray()
        self._left = 0
        self._control = bytearray()
        self._in_control = False
        self._in_message = False
        self._over = False
        self.untaken = 0
        """How many of the last feed's bytes were left alone, since there was enough to do."""
        self._idle_work = 0

    def take_idle_work(self) -> int:
        """What frames that carry nothing have cost since the last call, in frames."""
        work, self._idle_work = self._idle_work, 0
        return work

    def feed(self, data: bytes | memoryview, most_work: int | None = None) -> Iterator[Piece]:
        """The pieces in `data`, which must be consumed before the next call. Never raises.

        Args: most_work - stop after so many frames: `untaken` bytes are then to be fed again.
        """
        view = memoryview(data)
        at = work = 0
        self.untaken = 0
        while at < len(view) and not self._over:
            if self._left:
                piece = view[at : at + self._left]
                at += len(piece)
                self._left -= len(piece)
                if not self._in_control:
                    yield Payload(piece)
                    continue
                self._control += piece
                if not self._left:
                    yield self._whole_control()
                continue
            if most_work is not None and work >= most_work:
                self.untaken = len(view) - at
                return
            at += self._take_head(view[at : at + 10 - len(self._head)])
            if len(self._head) < self._head_size():
                continue
            reason = self._begin()
            cost = _CONTROL_WORK if self._in_control else 1
            work += cost
            if self._in_control or not self._left:
                self._idle_work += _CONTROL_WORK
            if reason:
                self._over = True
                yield Broken(reason)
            elif self._in_control and not self._left:
                yield self._whole_control()

    def _take_head(self, view: memoryview) -> int:
        """Add the bytes that a header still lacks; how many those were."""
        taken = 0
        while taken < len(view) and len(self._head) < self._head_size():
            self._head.append(view[taken])
            taken += 1
        return taken

    def _head_size(self) -> int:
        if len(self._head) < 2:
            return 2
        size = self._head[1] & 0x7F
        return 2 + (8 if size == 127 else 2 if size == 126 else 0)

    def _begin(self) -> str:
        """Begin the frame whose header is complete; what is wrong with it, if anything is."""
        head = bytes(self._head)
        self._head.clear()
        opcode, size = head[0] & 0x0F, head[1] & 0x7F
        if len(head) > 2:
            size = int.from_bytes(head[2:], "big")
        final = bool(head[0] & _FIN)
        if opcode == _CLOSE:
            return self._begin_close(head, size)
        if head[0] & _RESERVED or head[1] & _MASKED or size >> 63:
            return "a frame with bits that mean nothing here"
        if opcode >= _CLOSE:
            if opcode > _PONG or not final or size > _CONTROL_MAX_BYTES:
                return "a control frame that can't be one"
            self._in_control = True
            self._control += head
        elif opcode == _TEXT:
            return "text where bytes are meant"
        elif opcode not in (_CONTINUATION, _BINARY) or self._in_message is (opcode == _BINARY):
            return "a frame out of order"
        else:
            self._in_control = False
            self._in_message = not final
        self._left = size
        return ""

    def _begin_close(self, head: bytes, size: int) -> str:
        self._in_control = True
        is_plain = head[0] == _FIN | _CLOSE and head[1] <= _CONTROL_MAX_BYTES
        # What a malformed one holds isn't waited for: it may never come.
        self._control += head if is_plain else _CLOSE_WITHOUT_CODE
        self._left = size if is_plain else 0
        return ""

    def _whole_control(self) -> Control:
        frame = bytes(self._control)
        self._control.clear()
        self._in_control = False
        if frame[0] == _FIN | _CLOSE:
            self._over = True
            frame = _understandable(frame)
        return Control(frame)


def _understandable(close: bytes) -> bytes:
    """The close frame, or where code or reason can't be one, a close frame without them."""
    try:
        Close.parse(close[2:])
    except (ProtocolError, UnicodeDecodeError):
        return _CLOSE_WITHOUT_CODE
    return close
