"""The WebSocket to the cloud, once it is open, behind the transport interface.

The library's pings stay off: the cloud doesn't count them as interaction, and a gateway that
answered none would lose a good link. A dead line is noticed by TCP itself (`DEAD_LINE_S`).
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from contextlib import suppress

import structlog
from websockets.protocol import State

from vncproxy.errors import CloseReason, Side
from vncproxy.rfb.server_events import plain_slices
from vncproxy.websocket.frame_dispatcher import FrameDispatcher
from vncproxy.websocket.frames import Slice, masked_frame
from vncproxy.websocket.gateway_reader import GatewayConnection
from vncproxy.websocket.input_flow_control import FlowControlled
from vncproxy.websocket.transport import (
    ABNORMAL,
    CLOSE_TIMEOUT_S,
    BodyReceiver,
    TransportEnd,
    TransportReceiver,
)

DEAD_LINE_S = 30
"""Unacknowledged data for this long ends the connection (TCP_USER_TIMEOUT)."""
_NORMAL_CLOSE = 1000

_log = structlog.get_logger("vncproxy.upstream")


class GatewayTransport(FlowControlled):
    """One open WebSocket to the cloud."""

    flow: FrameDispatcher

    def __init__(self, connection: GatewayConnection) -> None:
        """Own an open connection."""
        self._connection = connection
        self.flow = connection.flow
        self._receiver: TransportReceiver | None = None
        self._closing = False
        self._drained: asyncio.Future[None] | None = None
        self._end: TransportEnd | None = None
        self._handed_bytes = 0
        _watch_line(connection.transport.get_extra_info("socket"))

    @property
    def backlog_bytes(self) -> int:
        """Bytes not yet taken by the operating system."""
        return self._connection.transport.get_write_buffer_size()

    @property
    def sent_bytes(self) -> int:
        """Bytes taken by the operating system, frames and all."""
        return self._handed_bytes - self.backlog_bytes

    def attach(self, receiver: TransportReceiver, body: BodyReceiver | None = None) -> None:
        """Start delivering."""
        if self._end is not None:
            receiver.transport_ended(self._end)
            return
        self._receiver = receiver
        self._connection.listen(self)
        self.flow.attach(receiver, body)
        self.flow.resume()

    def send(self, slices: Sequence[Slice]) -> None:
        """Send whole messages, in one frame."""
        if self._closing or not slices:
            return
        connection, transport = self._connection, self._connection.transport
        if connection.protocol.state is not State.OPEN or transport.is_closing():
            # Of a connection that is closing the flow reports the end, after what came before it.
            return
        # Not by the library, which takes several times as long.
        data = slices[0]
        if len(slices) > 1 or not isinstance(data, bytes):
            data = b"".join(plain_slices(slices))
        self._handed_bytes += len(data)
        transport.write(masked_frame(data))

    async def close(self, reason: CloseReason | None = None) -> None:
        """Close properly, so that the cloud's one slot is free again.

        A gateway that takes nothing any more is dropped without a close frame.
        """
        self._closing = True
        self.flow.discard()
        self.resume()
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(CLOSE_TIMEOUT_S):
                    await self._all_taken()
                # The library limits the wait for the answer, but not that for room to send.
                async with asyncio.timeout(2 * CLOSE_TIMEOUT_S):
                    await self._connection.close(_NORMAL_CLOSE)
        finally:
            self._connection.transport.abort()
        self._report(TransportEnd(Side.DAEMON, _NORMAL_CLOSE))

    async def _all_taken(self) -> None:
        if self.backlog_bytes and self._end is None:
            self._drained = asyncio.get_running_loop().create_future()
            await self._drained

    def _no_longer_draining(self) -> None:
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)

    async def shut(self) -> None:
        """Drop the connection."""
        self._connection.transport.abort()
        # Nor is what it sent before waited for.
        self.flow.stop()

    def gateway_drained(self) -> None:
        """The operating system has taken all that was sent."""
        self._no_longer_draining()
        if self._receiver is not None and self._end is None:
            self._receiver.transport_drained()

    def gateway_flooded(self) -> None:
        """It doesn't stop sending what means nothing."""
        self._report(TransportEnd(Side.CLOUD, flooded=True))

    def gateway_failed(self) -> None:
        """An exception of the receiver: the link can't go on."""
        _log.exception("upstream.fault")
        self._report(TransportEnd(Side.DAEMON))
        self._connection.transport.abort()

    def gateway_ended(self) -> None:
        """The connection is closed or closing."""
        closed = self._connection.protocol.close_rcvd
        code = closed.code if closed is not None else ABNORMAL
        if self._closing:
            self._report(TransportEnd(Side.DAEMON, code))
        else:
            self._report(TransportEnd(Side.CLOUD, code, broke_rules=self._broke_rules()))

    def _broke_rules(self) -> bool:
        """A close frame of ours that answers none is the library's word on bad frames."""
        protocol = self._connection.protocol
        return protocol.close_sent is not None and protocol.close_rcvd is None

    def _report(self, end: TransportEnd) -> None:
        if self._end is not None:
            return
        self._end = end
        self._closing = True
        self.flow.discard()
        self._no_longer_draining()
        receiver, self._receiver = self._receiver, None
        if receiver is not None:
            receiver.transport_ended(end)


def _watch_line(shown: socket.socket | None) -> None:
    """Have TCP watch the connection. Args: shown - its socket, as its transport shows it."""
    if shown is None:
        return
    # uvloop's makes a new socket object for each call.
    sock = socket.socket(shown.family, shown.type, shown.proto, shown.fileno())
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, DEAD_LINE_S)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, DEAD_LINE_S // 3)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, DEAD_LINE_S * 1000)
    finally:
        # It isn't this one's to close.
        sock.detach()
