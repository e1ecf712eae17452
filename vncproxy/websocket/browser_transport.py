"""A browser's WebSocket behind the transport interface: aiohttp's request, and our own frames."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Protocol, cast

import structlog
from aiohttp import web
from websockets.datastructures import Headers
from websockets.frames import Close, Opcode
from websockets.http11 import Request
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol

from vncproxy.errors import CloseCode, CloseReason, Side
from vncproxy.tasks import TIMER_EARLY_S
from vncproxy.websocket.frame_dispatcher import FrameDispatcher
from vncproxy.websocket.frames import (
    Broken,
    ControlFrame,
    FrameReader,
    Slice,
    control_frame,
    framed,
)
from vncproxy.websocket.input_flow_control import FlowControlled
from vncproxy.websocket.transport import (
    ABNORMAL,
    CLOSE_TIMEOUT_S,
    BodyReceiver,
    TransportEnd,
    TransportReceiver,
)

_log = structlog.get_logger("vncproxy.viewer")

MESSAGE_MAX_BYTES = 2 * 1024 * 1024
"""A viewer's longest messages of RFB are a clipboard's, of a little more than 1 MiB."""
_SEC_WEBSOCKET = ("key", "version", "protocol", "extensions")
_NO_CODE = 1005
"""A close frame without a code. Source: RFC 6455, section 7.4.1."""
_PROTOCOL_ERROR = 1002
_BINARY = Subprotocol("binary")
_CRLF = b"\r\n"
_PING = control_frame(Opcode.PING)
_HANDSHAKE_FIELDS = frozenset(
    {"connection", "upgrade", "origin", *(f"sec-websocket-{name}" for name in _SEC_WEBSOCKET)}
)
"""All that the handshake looks at, of the many that a browser sends."""


class Upgraded(web.StreamResponse):
    """What a handler returns to aiohttp once its connection isn't aiohttp's any more."""

    def __init__(self) -> None:
        super().__init__(status=101)
        self.force_close()

    async def prepare(self, request: web.BaseRequest) -> None:
        """Nothing is sent: the answer was."""

    async def write_eof(self, data: bytes = b"") -> None:
        """Nothing is sent."""


class HttpConnection(Protocol):
    """The HTTP side of a connection, until it is upgraded."""

    def give_away(self) -> tuple[bytes, Callable[[], None]]:
        """Have no part in the connection any more.

        Returns:
            What came behind the request, and what is to be called when the connection is lost.
        """


def upgrade(
    request: web.Request,
    head_lines: bytes,
    *,
    ping_interval_s: float,
    ping_timeout_s: float,
) -> BrowserTransport | None:
    """Answer a WebSocket's request, and take its connection over; the handler returns `Upgraded`.

    Args:
        request: One that nothing was answered to, without a body: that would be read as frames.
        head_lines: For the answer's head, besides those of the handshake; each with its CRLF.
        ping_interval_s: Between two pings, in seconds.
        ping_timeout_s: A browser that sends nothing for so long after one is gone.

    Returns:
        The transport; None: the browser has left already.

    Raises:
        web.HTTPBadRequest: It isn't a request for a WebSocket.
    """
    protocol = _Handshake()
    asked = Headers(one for one in request.headers.items() if one[0].lower() in _HANDSHAKE_FIELDS)
    version = f"HTTP/{request.version.major}.{request.version.minor}"
    answer = protocol.accept(Request(request.path, asked, protocol=version))
    # It isn't used, but holds the protocol, which holds it.
    protocol.parser.close()
    if answer.status_code != HTTPStatus.SWITCHING_PROTOCOLS:
        raise web.HTTPBadRequest(text=(answer.body or b"").decode())
    handler, connection = cast(HttpConnection, request.protocol), request.transport
    if connection is None or connection.is_closing():
        return None
    connection.write(answer.serialize()[: -len(_CRLF)] + head_lines + _CRLF)
    tail, lost = handler.give_away()
    transport = BrowserTransport(
        connection,
        lost,
        ping_interval_s=ping_interval_s,
        ping_timeout_s=ping_timeout_s,
    )
    connection.set_protocol(transport)
    transport.data_received(tail)
    return transport


class _Handshake(ServerProtocol):
    """The library's, which would keep a function for the choice bound to itself."""

    def select_subprotocol(self, subprotocols: Sequence[Subprotocol]) -> Subprotocol | None:
        """RFB's, if it is offered."""
        return _BINARY if _BINARY in subprotocols else None


class BrowserTransport(FlowControlled, asyncio.Protocol):
    """One open WebSocket from a viewer, pinged so that a dead one is noticed."""

    flow: FrameDispatcher

    def __init__(
        self,
        connection: asyncio.Transport,
        lost: Callable[[], None],
        *,
        ping_interval_s: float,
        ping_timeout_s: float,
    ) -> None:
        """Own an upgraded connection; nothing is read before `attach`.

        Args:
            connection: The TCP or TLS connection.
            lost: Called when it is lost.
            ping_interval_s: As of `upgrade`.
            ping_timeout_s: As of `upgrade`.
        """
        self._connection = connection
        self._leave = lost
        self._ping_interval_s = ping_interval_s
        self._ping_timeout_s = ping_timeout_s
        frames = FrameReader(masked=True, max_message_bytes=MESSAGE_MAX_BYTES)
        self.flow = FrameDispatcher(frames, self)
        self._receiver: TransportReceiver | None = None
        self._end: TransportEnd | None = None
        self._handed_bytes = 0
        self._is_reading = True
        self._has_received = False
        self._pinged_at = 0.0
        self._closing = self._has_closed = self._is_unreadable = False
        self._waiting: asyncio.Future[None] | None = None
        """Of `close`: for room, then for the browser's goodbye."""
        self._is_lost = False
        self._timer: asyncio.TimerHandle | None = None
        # So that `resume_writing` is called when all was taken.
        connection.set_write_buffer_limits(high=0)
        self.flow.pause()

    # asyncio's side

    def data_received(self, data: bytes) -> None:
        """Bytes came."""
        self._has_received = True
        if data:
            self.flow.put(data)

    def resume_writing(self) -> None:
        """All was taken."""
        self._go_on()
        if self._receiver is not None:
            self._receiver.transport_drained()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is over."""
        self._is_lost = True
        self._stop_timer()
        self._go_on()
        self._leave()
        side = Side.DAEMON if self._closing else Side.VIEWER
        self.flow.end(lambda: self._lost(side))

    def _lost(self, side: Side) -> None:
        """It is over, and all that came before was taken."""
        self._report(TransportEnd(side, ABNORMAL))
        self.flow.release()

    # The viewer's side

    @property
    def backlog_bytes(self) -> int:
        """Bytes not yet taken by the operating system."""
        return self._connection.get_write_buffer_size()

    @property
    def sent_bytes(self) -> int:
        """Bytes taken by the operating system."""
        return self._handed_bytes - self._connection.get_write_buffer_size()

    def attach(self, receiver: TransportReceiver, body: BodyReceiver | None = None) -> None:
        """Start delivering."""
        if self._end is not None:
            receiver.transport_ended(self._end)
            return
        self._receiver = receiver
        self.flow.attach(receiver, body)
        self.flow.resume()
        self._after(self._ping_interval_s, self._ping)

    def send(self, slices: Sequence[Slice]) -> None:
        """Send at once, in frames; the event loop keeps what isn't taken."""
        connection = self._connection
        if self._closing or self._end is not None or self._is_lost or connection.is_closing():
            return
        frames = framed(slices)
        if len(frames) == 1:
            self._handed_bytes += len(frames[0])
            connection.write(frames[0])
        elif frames:
            self._handed_bytes += sum(map(len, frames))
            connection.writelines(frames)

    @property
    def _is_open(self) -> bool:
        """Whether something can be written: a lost one may still have input to be taken."""
        return not self._is_lost and not self._connection.is_closing()

    def _write(self, frame: bytes) -> None:
        if self._is_open:
            self._connection.write(frame)

    async def close(self, reason: CloseReason | None = None) -> None:
        """Send what waits and a close frame with the reason, wait for its answer, and hang up."""
        if self._closing or self._is_lost:
            return
        self._closing = True
        self._stop_timer()
        self.flow.discard()
        self.flow.resume()
        code = reason.code if reason is not None else 1000
        if await self._within_time(lambda: not self.backlog_bytes):
            self._send_close(code, reason.reason if reason is not None else "")
            await self._within_time(lambda: self._has_closed)
            self._connection.close()
            await self._within_time(lambda: self._is_lost)
        self._connection.abort()
        self._report(TransportEnd(Side.DAEMON, code))

    def _send_close(self, code: int, reason: str) -> None:
        self._write(control_frame(Opcode.CLOSE, Close(code, reason).serialize()))
        if self._is_unreadable and self._is_open and self._connection.can_write_eof():
            # Its answer wouldn't be recognized: it is to hang up first. If we did, the
            # connection would be reset by what it still sends, and it wouldn't read our frame.
            self._connection.write_eof()

    async def _within_time(self, is_done: Callable[[], bool]) -> bool:
        """Wait until `is_done`, for `CLOSE_TIMEOUT_S` at most; whether it is."""
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                while not is_done() and not self._is_lost:
                    self._waiting = asyncio.get_running_loop().create_future()
                    await self._waiting
        except TimeoutError:
            return False
        return is_done()

    def _go_on(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    async def shut(self) -> None:
        """Drop the connection."""
        self._stop_timer()
        if self._is_unreadable and self._end is not None and self._end.side is Side.DAEMON:
            # It was sent the reason just now.
            await self._within_time(lambda: self._is_lost)
        self._connection.abort()
        # Nor is what it sent before waited for.
        self.flow.stop()

    # The flow's side

    def input_wanted(self, on: bool) -> None:
        """Read from the browser, or don't."""
        if not self._connection.is_closing():
            self._is_reading = on
            if on:
                self._connection.resume_reading()
            else:
                self._connection.pause_reading()

    def control_came(self, control: ControlFrame) -> None:
        """A ping, a pong or a close frame."""
        if control.opcode is Opcode.PING and not self._closing:
            self._write(control_frame(Opcode.PONG, control.data))
        elif control.opcode is Opcode.CLOSE:
            self._take_close(control)

    def _take_close(self, control: ControlFrame) -> None:
        """The browser closes, or answers our close frame."""
        close = control.close
        self._has_closed = True
        self._go_on()
        if not self._closing:
            self._write(control_frame(Opcode.CLOSE, control.data))
            self._connection.close()
        code = close.code if close is not None else _NO_CODE
        side = Side.DAEMON if self._closing else Side.VIEWER
        self.flow.end(lambda: self._report(TransportEnd(side, code)))

    def rules_broken(self, broken: Broken) -> None:
        """Its frames can't be read any more."""
        self._is_unreadable = True
        end = TransportEnd(Side.VIEWER, _PROTOCOL_ERROR, broke_rules=True)
        # What came before counts, in whichever packets it came.
        self.flow.end(lambda: self._report(end))

    def input_flooded(self) -> None:
        """It doesn't stop sending what means nothing."""
        self._report(TransportEnd(Side.VIEWER, flooded=True))

    def receiver_failed(self) -> None:
        """An exception of the receiver, which is being handled; the viewer gets a close frame."""
        _log.exception("browser_transport.fault")
        reason = CloseReason(CloseCode.INTERNAL, Side.DAEMON)
        self._is_unreadable = True
        self._send_close(reason.code, reason.reason)
        self._report(TransportEnd(Side.DAEMON, reason.code))

    # Is it there?

    def _ping(self) -> None:
        self._has_received = False
        self._pinged_at = asyncio.get_running_loop().time()
        self._write(_PING)
        self._after(min(self._ping_interval_s, self._ping_timeout_s), self._judge)

    def _judge(self) -> None:
        """A viewer that sends nothing and answers no ping is gone, whatever TCP believes."""
        since_s = asyncio.get_running_loop().time() - self._pinged_at
        # What it sends while it isn't read doesn't show.
        if self._has_received or not self._is_reading:
            rest_s = self._ping_interval_s - since_s
            if rest_s > TIMER_EARLY_S:
                self._after(rest_s, self._ping)
            else:
                self._ping()
        elif since_s < self._ping_timeout_s:
            self._after(self._ping_timeout_s - since_s, self._judge)
        else:
            self._connection.abort()

    def _after(self, delay_s: float, call: Callable[[], None]) -> None:
        self._stop_timer()
        if not self._is_lost:
            self._timer = asyncio.get_running_loop().call_later(delay_s, call)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _report(self, end: TransportEnd) -> None:
        if self._end is not None:
            return
        self._end = end
        self._stop_timer()
        self.flow.discard()
        receiver, self._receiver = self._receiver, None
        if receiver is not None:
            receiver.transport_ended(end)
