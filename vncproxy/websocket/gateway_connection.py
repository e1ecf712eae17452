"""The websockets library's client connection, with the payload of its frames let past it.

The library makes the connection: proxy, TLS, handshake; and it acts on control frames: pings, the
close. Binary frames carry the screen; of these only headers are looked at, and what they hold goes
on in slices of what was read, which saves most of what a library's messages cost.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Protocol

from websockets.asyncio.client import ClientConnection
from websockets.protocol import State

from vncproxy.websocket.frames import Broken, Control, FrameWalker, Payload
from vncproxy.websocket.intake import Buffer, Intake

TURN_BYTES = 256 * 1024
"""Of a gateway's input in a turn: what one read brings at most. Most of it are pixels, which cost a
copy; frames and RFB messages, which cost more, have limits of their own. In portions of 64 KiB a
full screen costs nearly twice the CPU."""
TURN_FRAMES = 512
"""So many frames are walked over in a turn of the event loop; see `frames`."""
_HEAD_END = b"\r\n\r\n"
_FAIL = b"\xf0\x00"
"""A frame with reserved bits: the library ends a connection in order when it sees one."""


class GatewayListener(Protocol):
    """Who gets what the gateway sends; called on the event loop's thread."""

    def gateway_sent(self, data: memoryview) -> int:
        """A slice of the stream; may be kept. Gives how much of it was taken."""

    def gateway_flooded(self) -> None:
        """It doesn't stop saying what means nothing; nothing of it is given any more."""

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
        self._told = False
        self.lost_by: Exception | None = None
        """What the transport ended with, which the library keeps to itself."""
        self.intake = Intake(self._walk, self._read, self._flooded, TURN_BYTES)
        self._left = memoryview(b"")

    def listen(self, listener: GatewayListener) -> None:
        """Give what comes to `listener` from now on."""
        self._listener = listener
        self.intake.resume()

    def _flooded(self) -> None:
        if self._listener is not None:
            self._listener.gateway_flooded()

    def _read(self, on: bool) -> None:
        if not self.transport.is_closing():
            if on:
                self.transport.resume_reading()
            else:
                self.transport.pause_reading()

    # The transport's side

    def data_received(self, data: bytes) -> None:
        """Bytes of the HTTP answer go to the library, then those of frames to the walker."""
        if self._walker is not None:
            self.intake.put(data)
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
            self.intake.pause()
            if rest:
                self.intake.put(rest)
        else:
            self._refused = True
            if rest:
                super().data_received(rest)

    def connection_lost(self, exc: Exception | None) -> None:
        """The transport is closed; the library hears of it after what came before."""
        self.lost_by = exc
        if self._walker is None:
            super().connection_lost(exc)
        else:
            self.intake.end(partial(self._lost, exc))

    def eof_received(self) -> None:
        """The gateway sends nothing more; the transport closes upon that."""
        if self._walker is None:
            super().eof_received()

    def _lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._tell_end()

    def _walk(self, data: Buffer) -> int:
        walker = self._walker
        assert walker is not None, "frames come after the handshake"
        if self._left or not data:
            self._give(self._left)
            return 0
        slices: list[memoryview] = []
        for piece in walker.feed(data, TURN_FRAMES):
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
        self.intake.waste(walker.take_idle_work())
        if self.protocol.state is not State.OPEN:
            self.intake.end(self._tell_end)
        return len(data) - walker.untaken

    def _give(self, data: memoryview) -> None:
        assert self._listener is not None, "nothing is given before somebody listens"
        self._left = data[self._listener.gateway_sent(data) :]
        if self._left:
            self.intake.again()

    def _tell_end(self) -> None:
        if not self._told and self._listener is not None:
            self._told = True
            self._listener.gateway_ended()
