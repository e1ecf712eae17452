"""The websockets library's client connection, with the content of its frames let past it.

The library makes the connection: proxy, TLS, handshake; and it acts on control frames: pings, the
close. Binary frames carry the screen; they go their own way, which saves most of what a library's
messages cost.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any, Protocol

from websockets.asyncio.client import ClientConnection
from websockets.datastructures import Headers
from websockets.http11 import Response
from websockets.protocol import Protocol as WebSocketProtocol
from websockets.protocol import State

from vncproxy.websocket.frame_dispatcher import FrameDispatcher
from vncproxy.websocket.frames import Broken, ControlFrame, FrameReader, control_frame
from vncproxy.websocket.read_buffer import ReadBuffer

_ANSWERED = Response(101, "", Headers())
_HEAD_END = b"\r\n\r\n"
_buffer = ReadBuffer()
_FAIL = b"\xf0\x00"
"""A frame with reserved bits: the library ends a connection in order when it sees one."""


class GatewayListener(Protocol):
    """Is called with what happens to the connection, on the event loop's thread."""

    def gateway_drained(self) -> None:
        """The operating system has taken all that was sent."""

    def gateway_flooded(self) -> None:
        """It doesn't stop sending what means nothing; nothing of it is given any more."""

    def gateway_failed(self) -> None:
        """Called while an exception of the receiver is handled."""

    def gateway_ended(self) -> None:
        """The connection is closed or closing, and all that came before has been given."""


class _FrameInput(asyncio.BufferedProtocol):
    """Stands between the transport and an open connection, and reads into the buffer of all."""

    def __init__(self, connection: GatewayConnection) -> None:
        """Give it what comes, and all else that happens."""
        self._put = connection.flow.put
        self.pause_writing = connection.pause_writing  # type: ignore[method-assign]
        self.resume_writing = connection.resume_writing  # type: ignore[method-assign]
        self.eof_received = connection.eof_received  # type: ignore[method-assign]
        self.connection_lost = connection.connection_lost  # type: ignore[method-assign]

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where to read to."""
        return _buffer.free()

    def buffer_updated(self, nbytes: int) -> None:
        """So much was read."""
        self._put(_buffer.read(nbytes))


class GatewayConnection(ClientConnection):
    """One connection to a gateway; it waits, not reading, until somebody listens."""

    # With more than 30 attributes in all, each would have a dictionary, of a kilobyte.
    __slots__ = (
        "_is_open",
        "_is_refused",
        "_listener",
        "_tail",
        "flow",
        "lost_by",
    )

    def __init__(self, *args: Any, **settings: Any) -> None:
        """As the library's."""
        super().__init__(*args, **settings)
        self._tail = b""
        self._is_open = self._is_refused = False
        self._listener: GatewayListener | None = None
        self.lost_by: Exception | None = None
        """What the transport ended with, which the library keeps to itself."""
        self.flow = FrameDispatcher(FrameReader(), self)

    def listen(self, listener: GatewayListener) -> None:
        """Call `listener` from now on."""
        self._listener = listener
        self.transport.set_write_buffer_limits(high=0)

    # The flow's side

    def input_flooded(self) -> None:
        """The gateway doesn't stop sending what means nothing."""
        if self._listener is not None:
            self._listener.gateway_flooded()

    def receiver_failed(self) -> None:
        """Called while an exception of the receiver is handled."""
        if self._listener is not None:
            self._listener.gateway_failed()

    def input_wanted(self, on: bool) -> None:
        """Read from the gateway, or don't."""
        if not self.transport.is_closing():
            if on:
                self.transport.resume_reading()
            else:
                self.transport.pause_reading()

    # The transport's side

    def data_received(self, data: bytes) -> None:
        """Bytes of the HTTP answer go to the library, those of frames to the flow."""
        if self._is_open:
            self.flow.put(data)
            return
        seen = self._tail + data
        end = seen.find(_HEAD_END)
        if self._is_refused or end < 0:
            self._tail = seen[1 - len(_HEAD_END) :]
            super().data_received(data)
            return
        cut = end + len(_HEAD_END) - len(self._tail)
        super().data_received(data[:cut])
        rest = data[cut:]
        if self.protocol.state is State.OPEN:
            self._is_open = True
            self._forget_handshake()
            self.flow.pause()
            # It isn't read now, which uvloop needs for this.
            self.transport.set_protocol(_FrameInput(self))
            if rest:
                self.flow.put(rest)
        else:
            self._is_refused = True
            if rest:
                super().data_received(rest)

    def _forget_handshake(self) -> None:
        """Let go of what the library would keep as long as the connection: three kilobytes."""
        # It only asks whether there is one.
        self.request, self.response = None, _ANSWERED
        # The parser that has read the answer has it in a variable. None of a frame came yet.
        self.protocol.parser = WebSocketProtocol.parse(self.protocol)
        next(self.protocol.parser)
        # A deque takes 760 bytes though it is empty.
        self.drain_waiters = []  # type: ignore[assignment]

    def resume_writing(self) -> None:
        """What was sent has been taken."""
        super().resume_writing()
        if self._listener is not None:
            self._listener.gateway_drained()

    def connection_lost(self, exc: Exception | None) -> None:
        """The transport is closed; the library gets to know after what came before."""
        self.lost_by = exc
        if self._is_open:
            self.flow.end(partial(self._lost, exc))
        else:
            self._end_library(exc)
            self.flow.release()

    def eof_received(self) -> None:
        """The gateway sends nothing more; the transport closes upon that."""
        if not self._is_open:
            super().eof_received()

    def control_came(self, control: ControlFrame) -> None:
        """The library acts on it."""
        self._to_library(control_frame(control.opcode, control.data))

    def rules_broken(self, broken: Broken) -> None:
        """The library ends the connection in order."""
        self._to_library(_FAIL)

    def _to_library(self, frame: bytes) -> None:
        if self.transport.is_closing():
            # What was read before the end counts, but nothing can be answered any more.
            self.protocol.receive_data(frame)
            self.protocol.data_to_send()
        else:
            super().data_received(frame)
        if self.protocol.state is not State.OPEN:
            self.flow.end(self._report_end)

    def _lost(self, exc: Exception | None) -> None:
        self._end_library(exc)
        self._report_end()
        self.flow.release()

    def _end_library(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        # It holds the protocol, which holds it.
        self.protocol.parser.close()
        if (fault := self.protocol.parser_exc) is not None:
            # Its traceback holds the protocol, which holds it.
            fault.__traceback__ = None

    def _report_end(self) -> None:
        listener, self._listener = self._listener, None
        if listener is not None:
            listener.gateway_ended()
