"""A native viewer's TCP connection behind the transport interface."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import cast

import structlog

from vncproxy.errors import CloseReason, Side
from vncproxy.rfb.server_events import plain_slices
from vncproxy.websocket.frames import Slice
from vncproxy.websocket.input_flow_control import FlowControlled, InputFlow
from vncproxy.websocket.peer_account import uid_behind
from vncproxy.websocket.transport import (
    ABNORMAL,
    CLOSE_TIMEOUT_S,
    BodyReceiver,
    TransportEnd,
    TransportReceiver,
)

_log = structlog.get_logger("vncproxy.native")


class TcpTransport(FlowControlled, asyncio.Protocol):
    """One accepted connection; RFB itself is all that is spoken on it."""

    def __init__(self, connected: Callable[[TcpTransport], None]) -> None:
        """Wait for the connection; `connected` is called once it is there."""
        self._connected = connected
        self._transport: asyncio.Transport | None = None
        self._receiver: TransportReceiver | None = None
        self.flow = InputFlow(self._take, self)
        self._closing = False
        self._over = asyncio.Event()
        self._end: TransportEnd | None = None
        self._queued_bytes = 0

    # asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection is there; nothing is read before `attach`."""
        # Not asserted: uvloop's transports are of classes of their own.
        self._transport = transport = cast(asyncio.Transport, transport)
        # So that `resume_writing` is called when all was taken.
        transport.set_write_buffer_limits(high=0)
        self.flow.pause()
        self._connected(self)

    def data_received(self, data: bytes) -> None:
        """Bytes came; asyncio's own loop doesn't heed a pause in `connection_made`."""
        self.flow.put(data)

    def _take(self, data: bytes | memoryview) -> int:
        if self._receiver is None or self._over.is_set():
            return len(data)
        try:
            return self._receiver.transport_received(data)
        except Exception:
            # The fault is the receiver's; the viewer's place must become free.
            _log.exception("tcp_transport.fault")
            self._report(TransportEnd(Side.DAEMON))
            if self._transport is not None:
                self._transport.abort()
            return len(data)

    def input_wanted(self, on: bool) -> None:
        """Read from the viewer, or don't."""
        if self._transport is None or self._transport.is_closing():
            return
        if on:
            self._transport.resume_reading()
        else:
            self._transport.pause_reading()

    def input_flooded(self) -> None:
        """It doesn't stop sending what means nothing."""
        self._report(TransportEnd(Side.VIEWER, ABNORMAL, flooded=True))

    def resume_writing(self) -> None:
        """All was taken."""
        if self._receiver is not None and not self._over.is_set():
            self._receiver.transport_drained()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is over."""
        self._over.set()
        self._report(TransportEnd(Side.DAEMON if self._closing else Side.VIEWER, ABNORMAL))
        self.flow.release()

    def _report(self, end: TransportEnd) -> None:
        self.flow.stop()
        if self._end is None:
            self._end = end
            receiver, self._receiver = self._receiver, None
            if receiver is not None:
                receiver.transport_ended(end)

    def peer_uid(self) -> int | None:
        """The account at the other end, by its user id; None if it can't be found out."""
        return uid_behind(self._transport)

    # The viewer's side

    @property
    def backlog_bytes(self) -> int:
        """Bytes not yet taken by the operating system."""
        return self._transport.get_write_buffer_size() if self._transport is not None else 0

    @property
    def sent_bytes(self) -> int:
        """Bytes taken by the operating system."""
        return self._queued_bytes - self.backlog_bytes

    def attach(self, receiver: TransportReceiver, body: BodyReceiver | None = None) -> None:
        """Start delivering."""
        if self._end is not None:
            receiver.transport_ended(self._end)
        else:
            self._receiver = receiver
        self.resume()

    def send(self, slices: Sequence[Slice]) -> None:
        """Write; asyncio queues what isn't taken at once."""
        if self._transport is not None and not self._transport.is_closing() and slices:
            self._queued_bytes += sum(map(len, slices))
            self._transport.writelines(plain_slices(slices))

    async def close(self, reason: CloseReason | None = None) -> None:
        """Close once what is queued has been taken; TCP has no words for a reason."""
        if self._transport is None:
            return
        self._closing = True
        self._transport.close()
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await self._over.wait()
        except TimeoutError:
            self._transport.abort()
            await self._over.wait()

    async def shut(self) -> None:
        """Drop the connection."""
        self.abort()

    def abort(self) -> None:
        """Drop the connection at once."""
        if self._transport is not None:
            self._transport.abort()
