"""A transport in memory, and what the console's tests say over it."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable, Sequence

from tests.setup import WAIT_S
from vncproxy.errors import CloseReason, Side
from vncproxy.rfb.server_events import plain_slices
from vncproxy.websocket.frames import Slice
from vncproxy.websocket.transport import ABNORMAL, BodyReceiver, TransportEnd, TransportReceiver

PIXEL_FORMAT = struct.pack(">BBBBHHHBBBxxx", 32, 24, 0, 1, 255, 255, 255, 16, 8, 0)
"""What `vncproxy.rfb.pixel_format.PixelFormat()` is on the wire."""
VERSION = b"RFB 003.008\n"


class FakeTransport:
    """One connection whose far end is the test.

    `taken` is what the far end has read; while `stuck` it reads nothing, so what is sent becomes
    backlog until `drain`. `closed_with` is the reason of `close`.
    """

    def __init__(self) -> None:
        """Open, with a far end that reads everything at once."""
        self.taken = bytearray()
        self.stuck = False
        self.paused = False
        self.closed = False
        self.closed_with: CloseReason | None = None
        self.is_shut = False
        self.sent_bytes = 0
        self._backlog = bytearray()
        self.wasted = 0
        self._receiver: TransportReceiver | None = None
        self._ended = False
        self._held = b""

    # The Transport protocol

    @property
    def backlog_bytes(self) -> int:
        """What the far end hasn't read."""
        return len(self._backlog)

    def attach(self, receiver: TransportReceiver, body: BodyReceiver | None = None) -> None:
        """Deliver to `receiver`."""
        assert self._receiver is None, "attached twice"
        self._receiver = receiver

    def send(self, slices: Sequence[Slice]) -> None:
        """To the far end, or to the backlog."""
        if self.closed or self._ended:
            return
        self._backlog += b"".join(plain_slices(slices))
        if not self.stuck:
            self._read(len(self._backlog))

    def pause(self) -> None:
        """Noted in `paused`."""
        self.paused = True

    def resume(self) -> None:
        """Noted in `paused`; what wasn't taken is delivered again."""
        self.paused = False
        if self._held:
            self.again()

    def again(self) -> None:
        """Deliver at the next turn."""
        asyncio.get_running_loop().call_soon(self.deliver, b"")

    def waste(self, work: int) -> None:
        """Noted in `wasted`."""
        self.wasted += work

    async def close(self, reason: CloseReason | None = None) -> None:
        """Noted in `closed` and `closed_with`; the end is reported as a real transport does."""
        if self.closed:
            return
        self.closed = True
        self.closed_with = reason
        await asyncio.sleep(0)
        self._report(TransportEnd(Side.DAEMON, reason.code if reason is not None else 1000))

    async def shut(self) -> None:
        """Noted in `is_shut`."""
        self.is_shut = True

    # The far end

    @property
    def is_attached(self) -> bool:
        """Whether somebody listens."""
        return self._receiver is not None

    @property
    def held_bytes(self) -> int:
        """What the receiver didn't take yet."""
        return len(self._held)

    def deliver(self, data: bytes | memoryview) -> None:
        """The far end sent this, in one piece; what isn't taken of it at once waits."""
        assert self._receiver is not None, "nobody listens yet"
        self._held += data
        while not self.closed and not self._ended:
            taken = self._receiver.transport_received(self._held)
            self._held = self._held[taken:]
            if not taken or not self._held or self.paused:
                break

    def drain(self, size_bytes: int | None = None) -> None:
        """The far end reads so much of the backlog, or all of it and from now on everything."""
        if size_bytes is None:
            self.stuck = False
            size_bytes = len(self._backlog)
        size_bytes = min(size_bytes, len(self._backlog))
        had = bool(self._backlog)
        self._read(size_bytes)
        if had and not self._backlog and self._receiver is not None:
            self._receiver.transport_drained()

    def end(
        self, side: Side = Side.CLOUD, code: int = ABNORMAL, *, broke_rules: bool = False
    ) -> None:
        """The connection ends."""
        self._report(TransportEnd(side, code, broke_rules=broke_rules))

    def _read(self, size_bytes: int) -> None:
        self.taken += self._backlog[:size_bytes]
        del self._backlog[:size_bytes]
        self.sent_bytes += size_bytes

    def _report(self, end: TransportEnd) -> None:
        if not self._ended:
            self._ended = True
            if self._receiver is not None:
                self._receiver.transport_ended(end)

    def take(self) -> bytes:
        """What the far end has read since the last call."""
        data = bytes(self.taken)
        self.taken.clear()
        return data


async def settle(rounds: int = 10) -> None:
    """Let everything run that needs no time."""
    for _ in range(rounds):
        await asyncio.sleep(0)


async def until(condition: Callable[[], object]) -> None:
    """Wait until `condition` holds.

    Raises:
        TimeoutError: It didn't within `WAIT_S`.
    """
    async with asyncio.timeout(WAIT_S):
        while not condition():
            await asyncio.sleep(0.001)


# An upstream's bytes


def greeting(width: int = 64, height: int = 48, name: str = "guest") -> bytes:
    """All that a server without a password sends in its handshake, RFB 3.8."""
    return VERSION + b"\x01\x01" + bytes(4) + server_init(width, height, name)


def server_init(width: int = 64, height: int = 48, name: str = "guest") -> bytes:
    """ServerInit."""
    text = name.encode()
    return struct.pack(">HH", width, height) + PIXEL_FORMAT + struct.pack(">I", len(text)) + text


def update(*rectangles: bytes) -> bytes:
    """A FramebufferUpdate."""
    return struct.pack(">BxH", 0, len(rectangles)) + b"".join(rectangles)


def rectangle(x: int, y: int, width: int, height: int, encoding: int, data: bytes = b"") -> bytes:
    """A rectangle's header and data."""
    return struct.pack(">HHHHi", x, y, width, height, encoding) + data


def raw(x: int, y: int, width: int, height: int, pixel: int = 0x123456) -> bytes:
    """A Raw rectangle of one colour, 0xRRGGBB."""
    return rectangle(x, y, width, height, 0, struct.pack("<I", pixel) * (width * height))


# A viewer's bytes

VIEWER_HANDSHAKE = (VERSION, b"\x01", b"\x01")
"""Version, security type None, shared."""


def set_encodings(*encodings: int) -> bytes:
    """SetEncodings."""
    return struct.pack(f">BxH{len(encodings)}i", 2, len(encodings), *encodings)


def request(
    incremental: bool = False, x: int = 0, y: int = 0, width: int = 64, height: int = 48
) -> bytes:
    """FramebufferUpdateRequest."""
    return struct.pack(">BBHHHH", 3, incremental, x, y, width, height)


def key(down: bool, keysym: int) -> bytes:
    """KeyEvent."""
    return struct.pack(">BBxxI", 4, down, keysym)


def pointer(buttons: int, x: int, y: int) -> bytes:
    """PointerEvent."""
    return struct.pack(">BBHH", 5, buttons, x, y)
