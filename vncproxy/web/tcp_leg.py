"""A native viewer's TCP connection behind the leg interface."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import cast

from vncproxy.console.leg import ABNORMAL, CLOSE_TIMEOUT_S, LegEnd, LegReceiver
from vncproxy.errors import CloseReason, Side
from vncproxy.web.peer import uid_behind


class TcpLeg(asyncio.Protocol):
    """One accepted connection; RFB itself is all that is spoken on it."""

    def __init__(self, connected: Callable[[TcpLeg], None]) -> None:
        """Args: connected - called once the connection is there."""
        self._connected = connected
        self._transport: asyncio.Transport | None = None
        self._receiver: LegReceiver | None = None
        self._closing = False
        self._over = asyncio.Event()
        self._end: LegEnd | None = None
        self._early: list[bytes] = []
        self._queued_bytes = 0

    # asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection is there; nothing is read before `attach`."""
        # Not asserted: uvloop's transports are of classes of their own.
        self._transport = transport = cast(asyncio.Transport, transport)
        # So that `resume_writing` tells when all was taken.
        transport.set_write_buffer_limits(high=0)
        transport.pause_reading()
        self._connected(self)

    def data_received(self, data: bytes) -> None:
        """Bytes came."""
        if self._receiver is None:
            # asyncio's own loop doesn't heed a pause in `connection_made`.
            self._early.append(data)
            self.pause()
        elif not self._over.is_set():
            self._receiver.leg_received(data)

    def resume_writing(self) -> None:
        """All was taken."""
        if self._receiver is not None and not self._over.is_set():
            self._receiver.leg_drained()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is over."""
        if self._over.is_set():
            return
        self._over.set()
        self._end = LegEnd(Side.DAEMON if self._closing else Side.VIEWER, ABNORMAL)
        if self._receiver is not None:
            self._receiver.leg_ended(self._end)

    def peer_uid(self) -> int | None:
        """The account at the other end, by its user id; None if it can't be told."""
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

    def attach(self, receiver: LegReceiver) -> None:
        """Start delivering."""
        self._receiver = receiver
        early, self._early = self._early, []
        for data in early:
            receiver.leg_received(data)
        if self._end is not None:
            receiver.leg_ended(self._end)
        self.resume()

    def send(self, slices: Sequence[bytes]) -> None:
        """Write; asyncio queues what isn't taken at once."""
        if self._transport is not None and not self._transport.is_closing() and slices:
            self._queued_bytes += sum(map(len, slices))
            self._transport.writelines(slices)

    def pause(self) -> None:
        """Stop reading."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()

    def resume(self) -> None:
        """Read again."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

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
