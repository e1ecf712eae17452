"""The websockets library's client connection, with the payload of its frames let past it.

The library makes the connection: proxy, TLS, handshake; and it acts on control frames: pings, the
close. Binary frames carry the screen; of these only headers are looked at, and what they hold goes
on in slices of what was read, which saves most of what a library's messages cost.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any, Protocol

from websockets.asyncio.client import ClientConnection
from websockets.protocol import State

from vncproxy.console.frame_walker import Broken, Control, FrameWalker, Payload

_HEAD_END = b"\r\n\r\n"
_FAIL = b"\xf0\x00"
"""A frame with reserved bits: the library ends a connection in order when it sees one."""


class GatewayListener(Protocol):
    """Who gets what the gateway sends; called on the event loop's thread."""

    def gateway_sent(self, data: memoryview) -> None:
        """A slice of the stream; may be kept."""

    def gateway_ended(self) -> None:
        """The connection is closed or closing, and all that came before has been given."""


class GatewayConnection(ClientConnection):
    """One connection to a gateway; it waits, not reading, until somebody listens."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        """As the library's."""
        super().__init__(*args, **settings)
        self._walker: FrameWalker | None = None
        self._refused = False
        self._tail = b""
        self._listener: GatewayListener | None = None
        self._held: deque[memoryview] = deque()
        self._paused = True
        self._over = False
        self._told = False
        self.lost_by: Exception | None = None
        """What the transport ended with, which the library keeps to itself."""

    def listen(self, listener: GatewayListener) -> None:
        """Give what comes to `listener` from now on."""
        self._listener = listener
        self.resume()

    def pause(self) -> None:
        """Give nothing more until `resume`, and read nothing."""
        self._paused = True
        self._read(on=False)

    def resume(self) -> None:
        """Go on, from the event loop: the caller may be in the midst of something."""
        self._paused = False
        asyncio.get_running_loop().call_soon(self._flow)

    def _read(self, *, on: bool) -> None:
        if not self.transport.is_closing():
            if on:
                self.transport.resume_reading()
            else:
                self.transport.pause_reading()

    # The transport's side

    def data_received(self, data: bytes) -> None:
        """Bytes of the HTTP answer go to the library, then those of frames to the walker."""
        if self._walker is not None:
            self._walk(data)
            return
        seen = self._tail + data
        end = seen.find(_HEAD_END)
        if self._refused or end < 0:
            self._tail = seen[1 - len(_HEAD_END) :]
            super().data_received(data)
            return
        cut = end + len(_HEAD_END) - len(self._tail)
        super().data_received(data[:cut])
        rest = data[cut:]
        if self.protocol.state is State.OPEN:
            self._walker = FrameWalker()
            self._read(on=False)
            self._walk(rest)
        else:
            self._refused = True
            if rest:
                super().data_received(rest)

    def connection_lost(self, exc: Exception | None) -> None:
        """The transport is closed."""
        super().connection_lost(exc)
        self.lost_by = exc
        self._over = True
        self._tell_end()

    def _walk(self, data: bytes) -> None:
        assert self._walker is not None, "frames come after the handshake"
        slices: list[memoryview] = []
        for piece in self._walker.feed(data):
            match piece:
                case Payload(slice_):
                    slices.append(slice_)
                case Control(frame):
                    super().data_received(frame)
                case Broken():
                    super().data_received(_FAIL)
        if slices:
            # One piece for each read: joining small frames costs less than each of them further on.
            self._give(slices[0] if len(slices) == 1 else memoryview(b"".join(slices)))
        if self.protocol.state is not State.OPEN:
            self._over = True
            self._tell_end()

    def _give(self, data: memoryview) -> None:
        if self._paused or self._held or self._listener is None:
            self._held.append(data)
        else:
            self._listener.gateway_sent(data)

    def _flow(self) -> None:
        while self._held and not self._paused and self._listener is not None:
            self._listener.gateway_sent(self._held.popleft())
        if not self._paused and not self._held:
            self._read(on=True)
            self._tell_end()

    def _tell_end(self) -> None:
        if self._over and not self._told and not self._held and self._listener is not None:
            self._told = True
            self._listener.gateway_ended()
