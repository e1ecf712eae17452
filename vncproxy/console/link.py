"""One upstream connection: its handshake, its stream of messages, its end.

Only whole, valid messages go upstream, in the order in which they are handed to `send`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Protocol, TypeAlias

import structlog

from vncproxy.console.faults import contained, logged_faults
from vncproxy.errors import (
    LocalError,
    UpstreamLost,
    UpstreamProtocolError,
    VncPasswordError,
    VncproxyError,
)
from vncproxy.rfb.handshake_events import (
    AuthenticationFailed,
    HandshakeBroken,
    PasswordNeeded,
    Ready,
    Refused,
    Send,
    UnknownSecurity,
    UpstreamHandshakeEvent,
)
from vncproxy.rfb.pixel_format import PixelFormat
from vncproxy.rfb.server_events import ServerEvent, idle_work
from vncproxy.rfb.server_stream import ServerStream
from vncproxy.rfb.upstream_handshake import UpstreamHandshake
from vncproxy.websocket.frames import Slice
from vncproxy.websocket.transport import Transport, TransportEnd

_log = structlog.get_logger("vncproxy.console")

Outcome: TypeAlias = Ready | UnknownSecurity | PasswordNeeded
TURN_WORK = 256
"""Of a link's messages, so much is heeded in a turn of the event loop, in what a bell costs."""
_LEAST_TURN_WORK = 16


class LinkHost(Protocol):
    """The console, as a link sees it."""

    def link_received(self, link: Link, events: list[ServerEvent]) -> bool:
        """Messages came; none: go on. Gives whether more is to be done before others come."""

    def link_passed(self, link: Link, slices: Sequence[Slice], size_bytes: int) -> None:
        """Pixels of the Raw rectangle under way came, `size_bytes` of them."""

    def link_opaque(self, link: Link, data: bytes) -> None:
        """Bytes came on an opaque link."""

    def link_caught_up(self, link: Link) -> None:
        """All that was sent has been taken."""

    def link_ended(self, link: Link, end: TransportEnd) -> None:
        """It is over."""

    def link_failed(self, link: Link) -> None:
        """The daemon had a fault with it, which the log has: it can't go on."""


class Link:
    """An open WebSocket to the cloud, from the first byte on.

    Args:
        opaque: Relay from the first byte, with no handshake of the daemon's.
        opaque_greeting: An upstream that greets so is handed over, as one with an unknown security
            is.
    """

    def __init__(
        self,
        transport: Transport,
        host: LinkHost,
        password: str | None,
        *,
        opaque: bool,
        opaque_greeting: bytes | None = None,
    ) -> None:
        """Own `transport`; nothing is read before `shake_hands` or `relay`."""
        self.opened_at = self.received_at = time.monotonic()
        self.bytes_in = 0
        self.bytes_out = 0
        self.opaque = opaque
        self.name = ""
        """For the log and the audit; given once the link runs."""
        self.refusal = ""
        self.end: TransportEnd | None = None
        self._transport = transport
        self._host = host
        self._handshake: UpstreamHandshake | None = UpstreamHandshake(password, opaque_greeting)
        self.greeting = b""
        """The upstream's version line and security types, once the handshake is over."""
        self._outcome: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._stream: ServerStream | None = None
        self._failing = False
        self._busy = False
        self._taken = 0
        self._turn_work = TURN_WORK

    @property
    def age_s(self) -> float:
        """Seconds since it was opened."""
        return time.monotonic() - self.opened_at

    @property
    def backlog_bytes(self) -> int:
        """Bytes that the upstream hasn't taken."""
        try:
            return self._transport.backlog_bytes
        except Exception:
            self.failed()
            return 0

    async def shake_hands(self, timeout_s: float) -> Outcome:
        """The upstream's ServerInit, or why the daemon can't have it.

        Raises:
            UpstreamLost: It ended, refused or took longer than `timeout_s`.
            UpstreamProtocolError: It doesn't speak RFB.
            VncPasswordError: The password is wrong.
        """
        self._transport.attach(self, self)
        try:
            async with asyncio.timeout(timeout_s):
                outcome = await self._outcome
        except TimeoutError:
            raise UpstreamLost("the cloud's VNC server didn't finish its handshake") from None
        if self._handshake is not None:
            self.greeting = self._handshake.greeting
        self._handshake = None
        if isinstance(outcome, Ready):
            self._stream = ServerStream(outcome.width, outcome.height, outcome.pixel_format)
        return outcome

    @contained
    def read_on(self) -> None:
        """Take what came with ServerInit and after; to be called once the console is set up."""
        self._transport.resume()

    def shown_to(self, screens: int) -> None:
        """On so many screens what it says is shown: for as many is each of its messages work."""
        self._turn_work = max(_LEAST_TURN_WORK, TURN_WORK // max(1, screens))

    @contained
    def relay(self) -> None:
        """Relay bytes from now on; a fresh link starts reading."""
        self.opaque = True
        if self._outcome.done():
            self._transport.resume()
        else:
            self._handshake = None
            self._transport.attach(self)

    @contained
    def set_pixel_format(self, pixel_format: PixelFormat) -> None:
        """SetPixelFormat was handed to `send`, with no request outstanding."""
        if self._stream is not None:
            self._stream.set_pixel_format(pixel_format)

    @contained
    def send(self, messages: Sequence[bytes]) -> None:
        """Send whole messages upstream (or any bytes, if opaque)."""
        if messages and self.end is None:
            self.bytes_out += sum(map(len, messages))
            self._transport.send(messages)

    @contained
    def pause(self) -> None:
        """Stop reading: no viewer can take more."""
        self._transport.pause()

    @contained
    def resume(self) -> None:
        """Read again."""
        self._transport.resume()

    async def close(self) -> None:
        """Close it properly, so that the cloud's one slot is free."""
        with logged_faults("a link's close", link=self.name):
            await self._transport.close()
        with logged_faults("a link's connection", link=self.name):
            await self._transport.shut()

    def failed(self) -> None:
        """A fault of the daemon on its behalf: the link ends, and its console says why."""
        if self._failing:
            return
        self._failing = True
        _log.exception("link.fault", link=self.name or None)
        if self._handshake is not None:
            self._fail(LocalError("a fault of the daemon"))
        self._host.link_failed(self)

    # The transport's side

    def transport_received(self, data: bytes | memoryview) -> int:
        """Bytes came."""
        self.received_at = time.monotonic()
        # All of it is taken of a link that fails.
        self._taken = len(data)
        self._take(data)
        self.bytes_in += self._taken
        return self._taken

    @property
    def body_bytes(self) -> int:
        """Of what comes next so much are pixels of Raw, which are only counted."""
        return self._stream.body_bytes if self._stream is not None and not self._busy else 0

    @contained
    def transport_passed(self, slices: Sequence[Slice], size_bytes: int) -> None:
        """Pixels of Raw came."""
        stream = self._stream
        assert stream is not None, "only a stream has bodies"
        self.received_at = time.monotonic()
        self.bytes_in += size_bytes
        self._host.link_passed(self, slices, size_bytes)
        if events := stream.passed(size_bytes):
            self._pass_on(events)

    @contained
    def _take(self, data: bytes | memoryview) -> None:
        if self._handshake is not None:
            self._taken -= self._settle(self._handshake.feed(data))
        elif self._stream is not None:
            self._taken = self._messages(self._stream, data)
        elif self.opaque:
            self._host.link_opaque(self, bytes(data))

    def _messages(self, stream: ServerStream, data: bytes | memoryview) -> int:
        """As many as a turn goes for; gives how many bytes were taken."""
        taken = 0
        if self._busy:
            self._pass_on([])
        else:
            events = stream.feed(data, self._turn_work)
            taken = len(data) - stream.untaken
            self._pass_on(events)
            self._transport.waste(idle_work(events))
        return taken

    def _pass_on(self, events: list[ServerEvent]) -> None:
        """Give messages to the console, or none: it goes on with what the last ones made to do."""
        self._busy = self._host.link_received(self, events)
        if self._busy:
            self._transport.again()

    @contained
    def transport_drained(self) -> None:
        """All was taken."""
        self._host.link_caught_up(self)

    @contained
    def transport_ended(self, end: TransportEnd) -> None:
        """The connection is gone."""
        self.end = end
        if self._outcome.done() or self._handshake is None:
            self._host.link_ended(self, end)
            return
        self._settle(self._handshake.ended())

    def _settle(self, events: list[UpstreamHandshakeEvent]) -> int:
        """Gives how many bytes came that are no part of the handshake."""
        trailing = 0
        for event in events:
            match event:
                case Send(data):
                    self.send([data])
                case Ready() | UnknownSecurity() | PasswordNeeded():
                    # Who waits for the outcome sets up first: no byte may overtake that.
                    self._transport.pause()
                    self._conclude(event)
                    trailing = len(event.trailing) if isinstance(event, Ready) else 0
                case AuthenticationFailed(reason):
                    self.refusal = reason
                    self._fail(VncPasswordError("the VNC password is wrong", wrong=True))
                case Refused(reason):
                    self.refusal = reason
                    self._fail(UpstreamLost("the cloud's VNC server refused the connection"))
                case HandshakeBroken(reason):
                    if self.end is not None and not self.end.breach:
                        self._fail(UpstreamLost(reason))
                    else:
                        self._fail(UpstreamProtocolError(reason))
        return trailing

    def _conclude(self, outcome: Outcome) -> None:
        if not self._outcome.done():
            self._outcome.set_result(outcome)

    def _fail(self, error: VncproxyError) -> None:
        if not self._outcome.done():
            self._outcome.set_exception(error)
