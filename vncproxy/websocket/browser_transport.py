"""A browser's WebSocket, by aiohttp, behind the transport interface."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import suppress
from itertools import count
from typing import Any

import structlog
from aiohttp import ClientConnectionResetError, WSMsgType, web

from vncproxy.errors import CloseCode, CloseReason, Side
from vncproxy.tasks import Tasks
from vncproxy.websocket.intake import TURN_PIECES, Intake, TakesIn
from vncproxy.websocket.transport import ABNORMAL, CLOSE_TIMEOUT_S, TransportEnd, TransportReceiver

_log = structlog.get_logger("vncproxy.viewer")

_FRAME_BYTES = 64 * 1024
"""A browser sees a frame only once it is whole: it is to draw meanwhile, and answer fences."""
_CONTROL_WORK = 16
"""What a ping costs, and what says nothing: as much as so many short messages of RFB."""
_UNSUPPORTED_DATA = 1003
"""Close code for a text message where bytes are meant. Source: RFC 6455, section 7.4.1."""

_BROKEN_RULES = frozenset({1002, 1003, 1007, 1009})
"""Codes with which aiohttp itself closes: broken frames, text that isn't UTF-8, too long."""


class ViewerSocket(web.WebSocketResponse):
    """A WebSocket that says in the contract's words that the other side broke the rules."""

    async def close(self, *, code: int = 1000, message: bytes = b"", drain: bool = True) -> bool:
        """As the library's, but for the codes that it chooses itself."""
        if code in _BROKEN_RULES:
            code, message = CloseCode.VIEWER_PROTOCOL, CloseCode.VIEWER_PROTOCOL.word.encode()
        return await super().close(code=code, message=message, drain=drain)


class BrowserTransport(TakesIn):
    """One open WebSocket from a viewer, pinged so that a dead one is noticed."""

    def __init__(
        self,
        socket: web.WebSocketResponse,
        transport: asyncio.Transport,
        *,
        ping_interval_s: float,
        ping_timeout_s: float,
    ) -> None:
        """Own a WebSocket that was prepared with autoping off, and its transport."""
        self._socket = socket
        self._transport = transport
        self._ping_interval_s = ping_interval_s
        self._ping_timeout_s = ping_timeout_s
        self._tasks = Tasks()
        self._queue: deque[bytes] = deque()
        self._queued_bytes = 0
        self._work = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._reading = asyncio.Event()
        self._reading.set()
        self.intake = Intake(self._take, self._read_on, self._flooded)
        self._heard = asyncio.Event()
        self._receiver: TransportReceiver | None = None
        self._receiving: asyncio.Task[None] | None = None
        self._closing = False
        self._end: TransportEnd | None = None
        self._over = asyncio.Event()
        self._handed_bytes = 0

    @property
    def sent_bytes(self) -> int:
        """Bytes taken by the operating system, of a large slice as well while it is being taken."""
        return self._handed_bytes - self._transport.get_write_buffer_size()

    @property
    def backlog_bytes(self) -> int:
        """Bytes not yet taken by the operating system."""
        return self._queued_bytes + self._transport.get_write_buffer_size()

    def attach(self, receiver: TransportReceiver) -> None:
        """Start delivering."""
        self._receiver = receiver
        if self._end is not None:
            receiver.transport_ended(self._end)
            return
        self.intake.resume()
        self._receiving = self._tasks.start(self._guard(self._receive()), "viewer-read")
        self._tasks.start(self._guard(self._write()), "viewer-write")
        self._tasks.start(self._guard(self._ping()), "viewer-ping")

    def send(self, slices: Sequence[bytes]) -> None:
        """Queue for the one writer."""
        if self._closing or not slices:
            return
        self._queue.extend(_frames(slices))
        self._queued_bytes += sum(map(len, slices))
        self._idle.clear()
        self._work.set()

    def _read_on(self, on: bool) -> None:
        if on:
            self._reading.set()
        else:
            self._reading.clear()

    def _flooded(self) -> None:
        self._report(TransportEnd(Side.VIEWER, flooded=True))

    def _take(self, data: bytes | memoryview) -> int:
        if self._receiver is None or self._closing:
            return len(data)
        try:
            return self._receiver.transport_received(data)
        except Exception:
            # Whoever receives is at fault; the viewer must hear of it, and its place become free.
            _log.exception("browser_transport.fault")
            self.intake.stop()
            self._tasks.start(self._fail(), "viewer-fault")
            return len(data)

    async def _fail(self) -> None:
        reason = CloseReason(CloseCode.INTERNAL, Side.DAEMON)
        # First, since the listener that reads meanwhile takes the close for the viewer's.
        self._report(TransportEnd(Side.DAEMON, reason.code))
        with suppress(ClientConnectionResetError):
            await self._socket.close(code=reason.code, message=reason.reason.encode())
        self._over.set()

    async def close(self, reason: CloseReason | None = None) -> None:
        """Say what is still queued and why it ends, then drop the connection."""
        if self._closing or self._over.is_set():
            return
        self._closing = True
        self.intake.stop()
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await self._idle.wait()
        except TimeoutError:
            # It reads too slowly for a farewell: the close frame would stand behind the backlog.
            self._transport.abort()
        if self._receiving is not None:
            # While somebody receives, the library hangs up right after its close frame, and what
            # the viewer still sends then resets the connection before the frame is read.
            self._receiving.cancel()
            await asyncio.wait([self._receiving])
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                if reason is None:
                    await self._socket.close()
                else:
                    await self._socket.close(code=reason.code, message=reason.reason.encode())
        except (TimeoutError, ClientConnectionResetError):
            self._transport.abort()
        self._report(TransportEnd(Side.DAEMON, reason.code if reason else 1000))
        self._over.set()

    async def shut(self) -> None:
        """End the tasks, and drop the connection."""
        await self._tasks.close()
        if not self._over.is_set():
            self._transport.abort()

    async def _guard(self, work: Coroutine[Any, Any, None]) -> None:
        """Run one of the tasks. A fault in it ends the viewer, which must hear of it."""
        try:
            await work
        except Exception:
            _log.exception("browser_transport.fault")
            await self._fail()

    async def _receive(self) -> None:
        end = TransportEnd(Side.VIEWER)
        for number in count(1):
            if number % TURN_PIECES == 0:
                # What the library holds already comes without a pause.
                await asyncio.sleep(0)
            await self._reading.wait()
            message = await self._socket.receive()
            self._heard.set()
            if message.type is WSMsgType.BINARY:
                self.intake.put(message.data)
                self.intake.waste(0 if message.data else _CONTROL_WORK)
            elif message.type is WSMsgType.PING:
                self.intake.waste(_CONTROL_WORK)
                # One that left without waiting is noticed by the next look.
                with suppress(ClientConnectionResetError):
                    await self._socket.pong(message.data)
            elif message.type is WSMsgType.PONG:
                self.intake.waste(_CONTROL_WORK)
            elif message.type is WSMsgType.TEXT:
                # The receiver closes it, with a reason of its own.
                self._report(TransportEnd(Side.VIEWER, _UNSUPPORTED_DATA, broke_rules=True))
                return
            else:
                code = self._socket.close_code or ABNORMAL
                end = TransportEnd(Side.VIEWER, code, broke_rules=message.type is WSMsgType.ERROR)
                break
        self._report(end)
        self._over.set()

    async def _write(self) -> None:
        try:
            while True:
                await self._work.wait()
                self._work.clear()
                while self._queue:
                    frame = self._queue.popleft()
                    # From here on the transport counts it.
                    self._queued_bytes -= len(frame)
                    self._handed_bytes += len(frame)
                    await self._socket.send_bytes(frame)
                self._idle.set()
                if self._receiver is not None and not self._closing:
                    self._receiver.transport_drained()
        except (ClientConnectionResetError, ConnectionError):
            self._queue.clear()
            self._queued_bytes = 0
            self._idle.set()

    async def _ping(self) -> None:
        """A viewer that sends nothing and answers no ping is gone, whatever TCP believes."""
        while True:
            await asyncio.sleep(self._ping_interval_s)
            self._heard.clear()
            try:
                async with asyncio.timeout(self._ping_timeout_s):
                    await self._socket.ping()
                    while self._reading.is_set() and not self._heard.is_set():
                        await self._heard.wait()
            except TimeoutError:
                if self._reading.is_set():
                    self._transport.abort()
                    return
            except ClientConnectionResetError:
                return

    def _report(self, end: TransportEnd) -> None:
        if self._end is not None:
            return
        self._end = end
        if self._receiver is not None:
            self._receiver.transport_ended(end)


def _frames(slices: Sequence[bytes]) -> Iterator[bytes]:
    """What is sent together, in frames; what is sent for itself has frames of its own."""
    whole = slices[0] if len(slices) == 1 else b"".join(slices)
    for start in range(0, len(whole), _FRAME_BYTES):
        yield whole[start : start + _FRAME_BYTES]
