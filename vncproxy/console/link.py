"""One upstream connection: its handshake, its stream of messages, its end.

Only whole, valid messages go upstream, in the order in which they are handed to `send`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Protocol, TypeAlias

import structlog

from vncproxy.console.fault_isolation import contained, logged_faults
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
from vncproxy.websocket.input_flow_control import do_nothing
from vncproxy.websocket.transport import Transport, TransportEnd

_log = structlog.get_logger("vncproxy.console")

Outcome: TypeAlias = Ready | UnknownSecurity | PasswordNeeded
TURN_WORK = 256
"""Of a link's messages, so much is heeded in a turn of the event loop, in what a bell costs."""
_LEAST_TURN_WORK = 16


class LinkHost(Protocol):
    """Who opened a link, and hears of its end."""

    def link_ended(self, link: Link, end: TransportEnd) -> None:
        """It is over."""

    def link_failed(self, link: Link, fault: VncproxyError) -> None:
        """It can't go on: it broke RFB, or the daemon had a fault with it, which the log has."""


class MessageReceiver(Protocol):
    """What takes a link's messages, called on the event loop's thread."""

    def link_received(self, events: list[ServerEvent]) -> bool:
        """Messages came; none: go on. Gives whether more is to be done before others come.

        Raises:
            UpstreamProtocolError: They break RFB.
        """

    def link_passed(self, slices: Sequence[Slice], size_bytes: int) -> None:
        """Pixels of the Raw rectangle under way came, `size_bytes` of them."""

    def link_caught_up(self) -> None:
        """All that was sent has been taken."""


class ByteReceiver(Protocol):
    """What takes the bytes of an opaque link, called on the event loop's thread."""

    def from_link(self, data: bytes) -> None:
        """Bytes came."""

    def link_caught_up(self) -> None:
        """All that was sent has been taken."""


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
        self.moved: Callable[[], object] = do_nothing
        """Called when it has counted something."""
        self.opaque = opaque
        self.has_backlog = False
        """Whether something waited for the upstream after the last `send`."""
        self.name = ""
        """For the log and the audit; given once the link runs."""
        self.refusal = ""
        self.end: TransportEnd | None = None
        self._transport = transport
        self._host = host
        self._handshake: UpstreamHandshake | None = UpstreamHandshake(password, opaque_greeting)
        self.greeting = b""
        """The upstream's version line and security types, once the handshake is over."""
        self._outcome: asyncio.Future[Outcome] | None = asyncio.get_running_loop().create_future()
        """Of the handshake, until it is over."""
        self._stream: ServerStream | None = None
        self._messages_to: MessageReceiver | None = None
        self._bytes_to: ByteReceiver | None = None
        self.body_bytes = 0
        """Of what comes next so much are pixels of Raw, which are only counted."""
        self._counted_bytes = 0
        """Pixels of Raw that the stream hasn't heard of yet."""
        self._failing = False
        self._busy = False
        self._taken = 0
        self.screens = 1
        """As `shown_to` was told last."""
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
        assert self._outcome is not None, "there is one handshake"
        try:
            async with asyncio.timeout(timeout_s):
                outcome = await self._outcome
        except TimeoutError:
            raise UpstreamLost("the cloud's VNC server didn't finish its handshake") from None
        finally:
            # A failure's traceback holds this link, which mustn't hold the failure.
            self._outcome = None
        if self._handshake is not None:
            self.greeting = self._handshake.greeting
        self._handshake = None
        if isinstance(outcome, Ready):
            self._stream = ServerStream(outcome.width, outcome.height, outcome.pixel_format)
        return outcome

    @contained
    def read_on(self, receiver: MessageReceiver) -> None:
        """Take what came with ServerInit and after.

        Args:
            receiver: Gets the messages; it is ready for them.
        """
        self._messages_to = receiver
        self._transport.resume()

    def shown_to(self, screens: int) -> None:
        """On so many screens what it says is shown: for as many is each of its messages work."""
        self.screens = screens
        self._turn_work = max(_LEAST_TURN_WORK, TURN_WORK // max(1, screens))

    @contained
    def relay(self, receiver: ByteReceiver) -> None:
        """Relay bytes from now on; a fresh link starts reading.

        Args:
            receiver: Gets the bytes.
        """
        self.opaque = True
        self._bytes_to = receiver
        if self._has_outcome:
            self._transport.resume()
        else:
            self._handshake = None
            self._transport.attach(self)

    @contained
    def set_pixel_format(self, pixel_format: PixelFormat) -> None:
        """SetPixelFormat was handed to `send`, with no request outstanding."""
        if self._stream is not None:
            self._stream.set_pixel_format(pixel_format)

    def send(self, messages: Sequence[bytes]) -> None:
        """Send whole messages upstream (or any bytes, if opaque)."""
        if not messages or self.end is not None:
            return
        # As `contained` does, but without its call, for each key.
        try:
            self.bytes_out += sum(map(len, messages))
            self.moved()
            self._transport.send(messages)
            self.has_backlog = self._transport.backlog_bytes > 0
        except Exception:
            self.failed()

    @contained
    def pause(self) -> None:
        """Stop reading: no viewer can take more."""
        self._transport.pause()

    @contained
    def resume(self) -> None:
        """Read again."""
        self._transport.resume()

    def detach(self) -> None:
        """Give nothing of what comes to anybody any more."""
        self._messages_to = self._bytes_to = None
        self.body_bytes = 0

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
        fault = LocalError("a fault of the daemon")
        if self._handshake is not None:
            self._fail(fault)
        self._host.link_failed(self, fault)

    @property
    def _has_outcome(self) -> bool:
        """Whether the handshake came to one, or was given up."""
        return self._outcome is None or self._outcome.done()

    # The transport's side

    def transport_received(self, data: bytes | memoryview) -> int:
        """Bytes came."""
        self.received_at = time.monotonic()
        # All of it is taken of a link that fails.
        self._taken = len(data)
        try:
            if self._messages_to is not None and self._stream is not None:
                self._taken = self._messages(self._stream, data)
            else:
                self._take(data)
        except Exception:
            self.failed()
        self.bytes_in += self._taken
        self.moved()
        return self._taken

    @contained
    def transport_passed(self, slices: Sequence[Slice], size_bytes: int) -> None:
        """Pixels of Raw came."""
        self.received_at = time.monotonic()
        self.bytes_in += size_bytes
        self.moved()
        receiver = self._messages_to
        if receiver is None:
            return
        self.body_bytes -= size_bytes
        self._counted_bytes += size_bytes
        receiver.link_passed(slices, size_bytes)
        if not self.body_bytes and self._stream is not None:
            self._pass_on(self._stream, self._stream.passed(self._take_counted()))

    def _take_counted(self) -> int:
        counted_bytes, self._counted_bytes = self._counted_bytes, 0
        return counted_bytes

    def _take(self, data: bytes | memoryview) -> None:
        """What is no message: of the handshake, or of an opaque upstream."""
        if self._handshake is not None:
            self._taken -= self._settle(self._handshake.feed(data))
        elif self._bytes_to is not None:
            self._bytes_to.from_link(bytes(data))

    def _messages(self, stream: ServerStream, data: bytes | memoryview) -> int:
        """As many as a turn goes for; gives how many bytes were taken."""
        taken = 0
        if self._busy:
            self._pass_on(stream, [])
        else:
            if self._counted_bytes:
                stream.passed(self._take_counted())
            events = stream.feed(data, self._turn_work)
            taken = len(data) - stream.untaken
            self._pass_on(stream, events)
            if wasted := idle_work(events):
                self._transport.waste(wasted)
        return taken

    def _pass_on(self, stream: ServerStream, events: list[ServerEvent]) -> None:
        """Give messages to the receiver, or none: it goes on with what the last ones made due."""
        if self._messages_to is None:
            return
        try:
            self._busy = self._messages_to.link_received(events)
        except UpstreamProtocolError as fault:
            self._host.link_failed(self, fault)
            return
        if self._messages_to is None:
            # Something in them ended it.
            return
        self.body_bytes = 0 if self._busy else stream.body_bytes
        if self._busy:
            self._transport.again()

    @contained
    def transport_drained(self) -> None:
        """All was taken."""
        receiver = self._messages_to or self._bytes_to
        if receiver is not None:
            receiver.link_caught_up()

    @contained
    def transport_ended(self, end: TransportEnd) -> None:
        """The connection is gone."""
        self.end = end
        if self._has_outcome or self._handshake is None:
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
        if self._outcome is not None and not self._outcome.done():
            self._outcome.set_result(outcome)

    def _fail(self, error: VncproxyError) -> None:
        if self._outcome is not None and not self._outcome.done():
            self._outcome.set_exception(error)
