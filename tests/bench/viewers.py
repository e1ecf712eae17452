"""The viewers of the benchmark: they read every header, count, and throw the pixels away.

One stands for a browser that asks for each update, or for one with continuous updates and fences.
It reads into one buffer for all, and passes many frames of one length in one step, since what is to
be measured is the relay.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from tests.bench import wire
from tests.bench.pictures import (
    CONTINUOUS_UPDATES,
    COPY_RECT,
    ECHO_SIDE,
    FENCE,
    FENCE_REQUEST,
    LAST_RECT,
    PIXELS,
    RAW,
    TIGHT,
)
from tests.bench.relays import Relay

TIMEOUT_S = 60.0
AT_ONCE = 16
"""Viewers that open at a time."""
_VIEWERS_PER_ADDRESS = 400
"""Fewer than a daemon lets in from one."""
_buffer = memoryview(bytearray(256 * 1024))


@dataclass(frozen=True)
class Asking:
    """What a viewer asks for.

    Args: tight - besides Raw, and CopyRect; under_way - requests at a time, 0: one alone;
    continuous - it asks for none, once the server offers continuous updates.
    """

    tight: bool = False
    under_way: int = 1
    continuous: bool = False

    @property
    def encodings(self) -> tuple[int, ...]:
        """In SetEncodings."""
        return (
            *((COPY_RECT, TIGHT, RAW, LAST_RECT) if self.tight else (RAW,)),
            *((FENCE, CONTINUOUS_UPDATES) if self.continuous else ()),
        )


class Viewer(asyncio.BufferedProtocol):
    """One connection. Its counters may be read at any time."""

    def __init__(self, relay: Relay, path: str, asking: Asking) -> None:
        """Args: path - of the WebSocket."""
        self.payload_bytes = self.updates = self.rectangles = self.scrolls = 0
        self.is_open = False
        self.fault = ""
        """Why it is closed, if it wasn't closed from here."""
        self.echoed: Callable[[int], None] = lambda keysym: None
        """Called with the keysym of each square that shows a key."""
        self.read_per_s = 0.0
        """Bytes read in a second; 0: all that come."""
        self._relay, self.path, self._asking = relay, path, asking
        self._transport: asyncio.Transport | None = None
        self._condition: Callable[[], bool] | None = None
        self._waiting: asyncio.Future[None] | None = None
        self._is_web = True
        self._head = bytearray()
        self._frame_left = self._frame_size = self._opcode = 0
        self._control = bytearray()
        self._skip = self._need = self._rectangles_left = 0
        self._taken = bytearray()
        self._then: Callable[[bytes], None] = self._version
        self._update_request = b""

    # The connection.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the WebSocket."""
        self._transport = transport  # type: ignore[assignment]
        self.write(
            f"GET {self.path} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
            f"{self._relay.headers}Upgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Protocol: binary\r\n\r\n".encode()
        )

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing more comes."""
        self._transport = None
        self._fail(f"the connection ended: {exc!r}")

    def get_buffer(self, sizehint: int) -> memoryview:
        """The one of all."""
        if self.read_per_s:
            return _buffer[:16384]
        return _buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Take what was read."""
        if self.read_per_s and self._transport is not None:
            self._transport.pause_reading()
            asyncio.get_running_loop().call_later(nbytes / self.read_per_s, self._read_on)
        at = 0
        if self._is_web:
            self._head += _buffer[:nbytes]
            if (end := self._head.find(b"\r\n\r\n")) < 0:
                return
            if not self._head.startswith(b"HTTP/1.1 101"):
                self._fail(f"{self._head[:12].decode()} {self._head[end + 4 :].decode()[:300]}")
                self.close()
                return
            at = nbytes - (len(self._head) - end - 4)
            self._head.clear()
            self._is_web = False
            self._expect(12, self._version)
        self._take_frames(_buffer, at, nbytes)
        if self._condition is not None and self._condition():
            self._done()

    def write(self, data: bytes) -> None:
        """Send bytes as they are."""
        if self._transport is not None:
            self._transport.write(data)

    def close(self) -> None:
        """Leave at once."""
        if self._transport is not None:
            self._transport.abort()
            self._transport = None

    def _read_on(self) -> None:
        if self._transport is not None:
            self._transport.resume_reading()

    async def until(self, condition: Callable[[], bool], timeout_s: float = TIMEOUT_S) -> None:
        """Wait until it holds. Raises: ConnectionError, TimeoutError."""
        if self.fault:
            raise ConnectionError(f"{self._relay.name}: {self.fault}")
        if condition():
            return
        self._condition = condition
        self._waiting = asyncio.get_running_loop().create_future()
        async with asyncio.timeout(timeout_s):
            await self._waiting

    async def has(self, updates: int) -> None:
        """Wait until so many have come in all. Raises: as `until`."""
        await self.until(lambda: self.updates >= updates)

    def _done(self) -> None:
        self._condition = None
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    def _fail(self, why: str) -> None:
        self.fault = self.fault or why
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(ConnectionError(f"{self._relay.name}: {self.fault}"))

    # Frames.

    def _take_frames(self, view: memoryview, at: int, end: int) -> None:
        while at < end:
            if self._frame_left:
                step = min(self._frame_left, end - at)
                self._frame_left -= step
                if self._opcode <= wire.BINARY:
                    self.payload_bytes += step
                    self._take(view, at, at + step)
                else:
                    self._control += view[at : at + step]
                    if not self._frame_left:
                        self._answer_control()
                at += step
            elif not self._head and (many := self._alike(view, at, end)):
                at += many
            else:
                self._head.append(view[at])
                at += 1
                self._take_head()

    def _take_head(self) -> None:
        head = self._head
        if len(head) < 2:
            return
        size, extra = head[1] & 127, 0
        if size > 125:
            extra = 2 if size == 126 else 8
            if len(head) < 2 + extra:
                return
            size = int.from_bytes(head[2:], "big")
        self._opcode, self._frame_left, self._frame_size = head[0] & 15, size, size
        head.clear()
        self._control.clear()
        if self._opcode > wire.BINARY and not size:
            self._answer_control()

    def _alike(self, view: memoryview, at: int, end: int) -> int:
        """Bytes of whole frames as the last, all of them inside the pixels that are skipped."""
        size = self._frame_size
        if size < 126 or self._opcode > wire.BINARY:
            return 0
        head = wire.head(size)
        stride = size + len(head)
        count = min((end - at) // stride, self._skip // size)
        if not count:
            return 0
        stop = at + count * stride
        for offset, byte in enumerate(head):
            if bytes(view[at + offset : stop : stride]).count(byte) != count:
                return 0
        self.payload_bytes += count * size
        self._take_skipped(count * size)
        return count * stride

    def _answer_control(self) -> None:
        if self._opcode == wire.PING:
            self.write(wire.masked(bytes(self._control), wire.PONG))
        elif self._opcode == wire.CLOSE:
            code = int.from_bytes(self._control[:2], "big")
            self._fail(f"closed with {code} {bytes(self._control[2:]).decode(errors='replace')}")

    # RFB: so many bytes are collected or skipped, then comes the next step.

    def _expect(self, size: int, then: Callable[[bytes], None]) -> None:
        self._need, self._then = size, then

    def _take(self, view: memoryview, at: int, end: int) -> None:
        while at < end:
            if self._skip:
                step = min(self._skip, end - at)
                self._take_skipped(step)
                at += step
                continue
            step = min(self._need - len(self._taken), end - at)
            self._taken += view[at : at + step]
            at += step
            if len(self._taken) == self._need:
                taken = bytes(self._taken)
                self._taken.clear()
                self._then(taken)

    def _take_skipped(self, size: int) -> None:
        self._skip -= size
        if not self._skip:
            self._end_rectangle()

    def _version(self, said: bytes) -> None:
        self.write(wire.masked(b"RFB 003.008\n"))
        self._expect(2, self._security)

    def _security(self, said: bytes) -> None:
        if said != b"\1\1":
            self._fail(f"security types {said!r}")
        self.write(wire.masked(b"\1"))
        self._expect(4, self._result)

    def _result(self, said: bytes) -> None:
        self.write(wire.masked(b"\1"))
        self._expect(24, self._init)

    def _init(self, said: bytes) -> None:
        self._expect(int.from_bytes(said[20:], "big"), self._begin)
        area = said[:4]
        self._update_request = wire.masked(b"\3\1\0\0\0\0" + area)
        self._whole_request = wire.masked(b"\3\0\0\0\0\0" + area)
        self._enable = wire.masked(b"\x96\1\0\0\0\0" + area)

    def _begin(self, name: bytes) -> None:
        encodings = self._asking.encodings
        count = len(encodings)
        self.write(
            wire.masked(b"\0\0\0\0" + PIXELS)
            + wire.masked(struct.pack(f">BxH{count}i", 2, count, *encodings))
            + self._whole_request
            + self._update_request * (self._asking.under_way - 1)
        )
        self.is_open = True
        self._expect(1, self._message)

    def _message(self, said: bytes) -> None:
        kind = said[0]
        if kind == 0:
            self._expect(3, self._update)
        elif kind == 248:
            self._expect(8, self._fence)
        elif kind == 150:
            self.write(self._enable)
        elif kind != 2:
            self._fail(f"message {kind}")

    def _fence(self, said: bytes) -> None:
        flags, size = struct.unpack(">3xIB", said)

        def answer(payload: bytes) -> None:
            if flags & FENCE_REQUEST:
                self.write(
                    wire.masked(struct.pack(">BxxxIB", 248, flags & 3, size) + payload[:size])
                )
            self._expect(1, self._message)

        if size:
            self._expect(size, answer)
        else:
            answer(b"")

    def _update(self, said: bytes) -> None:
        self._rectangles_left = int.from_bytes(said[1:], "big")
        if self._rectangles_left:
            self._expect(12, self._rectangle)
        else:
            self._expect(1, self._message)

    def _rectangle(self, said: bytes) -> None:
        width, height, encoding = struct.unpack(">4xHHi", said)
        if encoding == RAW and width == height == ECHO_SIDE:
            self._expect(4, self._square)
        elif encoding == RAW:
            self.rectangles += bool(width and height)
            self._pass(4 * width * height)
        elif encoding == TIGHT:
            self.rectangles += 1
            self._area = width, height
            self._expect(1, self._tight)
        elif encoding == COPY_RECT:
            self.rectangles += 1
            self.scrolls += 1
            self._pass(4)
        elif encoding == LAST_RECT:
            self._rectangles_left = 1
            self._end_rectangle()
        else:
            self._fail(f"encoding {encoding}")

    def _pass(self, size: int) -> None:
        self._skip = size
        if not size:
            self._end_rectangle()

    def _square(self, keysym: bytes) -> None:
        self.rectangles += 1
        self.echoed(int.from_bytes(keysym, "big"))
        self._pass(4 * ECHO_SIDE * ECHO_SIDE - 4)

    def _tight(self, said: bytes) -> None:
        kind = said[0] >> 4
        width, height = self._area
        if kind == 8:
            self._pass(3)
        elif kind == 9:
            self._expect(1, self._tight_length)
        elif kind & 4:
            self._expect(2, self._tight_filter)
        else:
            self._tight_data(3 * width * height)

    def _tight_filter(self, said: bytes) -> None:
        width, height = self._area
        if said[0] != 1:
            self._fail(f"filter {said[0]}")
        colours = said[1] + 1
        size = (width + 7) // 8 * height if colours == 2 else width * height
        self._expect(3 * colours, lambda palette: self._tight_data(size))

    def _tight_data(self, size: int) -> None:
        if size < 12:
            self._pass(size)
        else:
            self._expect(1, self._tight_length)

    def _tight_length(self, said: bytes) -> None:
        """Of three bytes at most, each but the last with bit 7. Source: rfbproto, Tight."""
        if said[-1] & 128 and len(said) < 3:
            self._expect(1, lambda more: self._tight_length(said + more))
            return
        size = said[0] & 127
        if len(said) > 1:
            size |= (said[1] & 127) << 7
        if len(said) > 2:
            size |= said[2] << 14
        self._pass(size)

    def _end_rectangle(self) -> None:
        self._rectangles_left -= 1
        if self._rectangles_left > 0:
            self._expect(12, self._rectangle)
            return
        self.updates += 1
        self._expect(1, self._message)
        if self._asking.under_way and not self._asking.continuous:
            self.write(self._update_request)


@asynccontextmanager
async def viewing(
    relay: Relay, screen: str, asking: Asking, *, count: int = 1, at_once: int = AT_ONCE
) -> AsyncIterator[Sequence[Viewer]]:
    """So many viewers, each of a console of its own, as long as the block lasts.

    Raises: ExceptionGroup - of ConnectionError or TimeoutError: one of them wasn't let in.
    """
    viewers = [Viewer(relay, relay.path(screen), asking) for _ in range(count)]
    try:
        waiting = iter(enumerate(viewers))

        async def open_some() -> None:
            for number, viewer in waiting:
                await opened(viewer, relay, number)

        async with asyncio.TaskGroup() as opening:
            for _ in range(at_once):
                opening.create_task(open_some())
        yield viewers
    finally:
        for viewer in viewers:
            viewer.close()
        await asyncio.sleep(0)


async def opened(viewer: Viewer, relay: Relay, number: int = 0, *, wait: bool = True) -> None:
    """Connect, and have the first picture. Raises: ConnectionError, TimeoutError.

    Args: number - of this viewer at the relay; wait - for the picture.
    """
    loop = asyncio.get_running_loop()
    address = f"127.0.0.{2 + number // _VIEWERS_PER_ADDRESS}"
    async with asyncio.timeout(TIMEOUT_S):
        await loop.create_connection(
            lambda: viewer, "127.0.0.1", relay.port(number), local_addr=(address, 0)
        )
    if wait:
        await viewer.has(1)
