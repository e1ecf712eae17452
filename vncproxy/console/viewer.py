"""One client of a console: who it is, its transport, its handshake, its messages."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Protocol

import structlog

from vncproxy.console.fault_isolation import contained, logged_faults
from vncproxy.console.viewer_limits import TimeLimits, ViewerLimits
from vncproxy.errors import CloseCode, CloseReason, Side
from vncproxy.observe.traffic import Rate
from vncproxy.rfb.client_events import ClientEvent, StreamBroken
from vncproxy.rfb.client_stream import ClientStream
from vncproxy.rfb.handshake_events import (
    HandshakeBroken,
    PasswordAccepted,
    PasswordRejected,
    RefusalSent,
    Send,
    ViewerReady,
)
from vncproxy.rfb.viewer_handshake import ViewerHandshake
from vncproxy.rfb.vnc_auth import PasswordVerifier
from vncproxy.tasks import Flag, Tasks
from vncproxy.websocket.frames import Slice
from vncproxy.websocket.input_flow_control import do_nothing
from vncproxy.websocket.transport import Transport, TransportEnd

_log = structlog.get_logger("vncproxy.viewer")

FAREWELL_TIMEOUT_S = 3.0
"""How long a native viewer may take to reach the point where RFB can carry a refusal."""
TURN_WORK = 256
"""Of one viewer's messages, so much is heeded in a turn of the loop; see `client_stream.work`."""


@dataclass(frozen=True, slots=True)
class ViewerIdentity:
    """Who is behind a viewer.

    Attributes:
        id: The viewer's, unique in the daemon.
        user: As the listener knows it.
        address: Where the connection came from.
        door: The listener's name.
        has_page: A page belongs to it, which can ask its user for a password.
        native: It speaks RFB over TCP, and proves itself within RFB.
        may_control: Else it only watches.
        take: Takes control from the one who has it.
        ahead: It speaks RFB 3.8, so the daemon needn't wait for its answers in the handshake.
        how, rule: By which proof, and allowed by what, for the audit.
        record: What the screen shows while it is on has to be recorded.
        kind: Of the listener: the same user of another kind is somebody else.
        login: The log-in that its page came by, with which it ends.
    """

    id: str
    user: str
    address: str
    door: str
    has_page: bool = False
    native: bool = False
    may_control: bool = True
    take: bool = False
    ahead: bool = False
    how: str = ""
    rule: str = ""
    record: bool = False
    kind: str = "token"
    login: str = ""


class ViewerHost(Protocol):
    """The console, as a viewer sees it."""

    def viewer_ready(self, viewer: Viewer) -> None:
        """The handshake is done: ServerInit is wanted."""

    def viewer_sent(self, viewer: Viewer, events: list[ClientEvent]) -> None:
        """Messages came."""

    def viewer_opaque(self, viewer: Viewer, data: bytes) -> None:
        """Bytes came from the viewer of an opaque console."""

    def viewer_caught_up(self, viewer: Viewer) -> None:
        """All that was sent has been taken."""

    def viewer_ended(self, viewer: Viewer) -> None:
        """The viewer is gone."""


class Phase(Enum):
    """How far a viewer has come."""

    WAITING = auto()
    HANDSHAKE = auto()
    ADMISSION = auto()
    WELCOME = auto()
    STREAMING = auto()
    OPAQUE = auto()
    LEAVING = auto()
    CLOSED = auto()


class Viewer:
    """A browser's WebSocket or a native viewer's connection, on one console."""

    def __init__(
        self,
        identity: ViewerIdentity,
        transport: Transport,
        limits: ViewerLimits,
        verifier: PasswordVerifier | None = None,
    ) -> None:
        """Own `transport`; nothing is read before `open` or `prove`."""
        self.identity = identity
        self.id = identity.id
        self.phase = Phase.WAITING
        self.since = round(time.time(), 3)
        self.bytes_in = 0
        self.bytes_out = 0
        self.input_passed_on = 0
        """So many messages of keyboard, pointer and clipboard went upstream."""
        self.end: CloseReason | None = None
        self.ended = Flag()
        self.stream = ClientStream()
        self._transport = transport
        self.time_limits = TimeLimits(limits, transport, self)
        self.queue_bytes = limits.queue_bytes
        """So much may wait for it."""
        self._handshake = ViewerHandshake(verifier, ahead=identity.ahead)
        self._has_init = False
        self._host: ViewerHost | None = None
        self._farewell: asyncio.Task[None] | None = None
        self._refusal_sent: asyncio.Event | None = None
        self.gave_wrong_password = False
        self.has_backlog = False
        """Whether something waited for it after the last `send`."""
        self._attached = False
        self._judged = Flag()
        self._tasks = Tasks()
        self._opened_at = time.monotonic()
        self.rate_in = Rate(self._opened_at)
        self.rate_out = Rate(self._opened_at)
        self.moved: Callable[[], object] = do_nothing
        """Called when it has counted something; the console's, once it is on one."""
        self._failing = False
        self._left = 0

    def identify(self, identity: ViewerIdentity) -> None:
        """It was found out who this is, or what it may do; no console knows the viewer yet."""
        self.identity = identity
        self.id = identity.id

    @property
    def age_s(self) -> float:
        """Seconds since it came."""
        return time.monotonic() - self._opened_at

    @property
    def input_age_s(self) -> float | None:
        """Seconds since its user last did something; None: nothing yet."""
        input_at = self.time_limits.input_at
        return time.monotonic() - input_at if input_at is not None else None

    def sample_rates(self, at_s: float, still_s: float) -> None:
        """Note what was counted, for the rates; arguments as of `Traffic.sample`."""
        self.rate_in.note(at_s, self.bytes_in, still_s)
        self.rate_out.note(at_s, self.bytes_out, still_s)

    @property
    def behind(self) -> bool:
        """Whether more waits for it than it may have waiting."""
        try:
            return self._transport.backlog_bytes > self.queue_bytes
        except Exception:
            self.failed()
            return True

    @property
    def backlog_bytes(self) -> int:
        """So much waits for it."""
        try:
            return self._transport.backlog_bytes
        except Exception:
            self.failed()
            return self.queue_bytes + 1

    @contained
    def open(self, host: ViewerHost) -> None:
        """Begin: the viewer waits until the console starts its handshake, or goes on with it."""
        self._host = host
        self._attach()
        if self.end is not None:
            return
        self.time_limits.begin()

    @contained
    def listen(self) -> None:
        """Take what it sends, though no console serves it yet."""
        self._attach()

    def _attach(self) -> None:
        if not self._attached:
            self._attached = True
            self._transport.attach(self)

    async def prove(self) -> bool:
        """Ask a native viewer for its password, before anything is opened for it.

        Returns:
            True: it knows it, and waits to be admitted or refused. False: it has ended.
        """
        self.greet()
        self.listen()
        await self._judged.wait()
        return self.end is None

    @contained
    def greet(self) -> None:
        """Send the version line: from here on the daemon speaks RFB with it."""
        self.phase = Phase.HANDSHAKE
        self.time_limits.handshake_begins()
        self.send([self._handshake.start()])
        if self._handshake.ahead and self._host is not None:
            self._host.viewer_ready(self)

    @contained
    def admit(self) -> None:
        """Let in a viewer that has proved itself; from here on RFB can't carry a refusal.

        Source: RFC 6143, section 7.1.3.
        """
        self.phase = Phase.HANDSHAKE
        self.time_limits.handshake_begins()
        self.send([self._handshake.admit()])
        self._shake_hands(b"")
        self._transport.resume()

    @contained
    def welcome(self, server_init: bytes) -> None:
        """Send ServerInit; messages that came early are taken at the next turn."""
        self._has_init = True
        self.send([server_init])
        if self.phase is not Phase.WELCOME:
            # Greeted ahead: its answers come first.
            return
        self.phase = Phase.STREAMING
        self._transport.resume()

    @contained
    def go_opaque(self, first: Sequence[bytes]) -> None:
        """Relay bytes untouched from now on."""
        self.phase = Phase.OPAQUE
        self.send(first)

    def send(self, slices: Sequence[Slice]) -> None:
        """Send to this viewer."""
        if self.end is not None or not slices:
            return
        # As `contained` does, but without its call: for each small message both of them would be
        # most of what this costs.
        try:
            self.bytes_out += sum(map(len, slices))
            self.moved()
            self._transport.send(slices)
            self.has_backlog = self._transport.backlog_bytes > 0
            if self.has_backlog:
                self.time_limits.watch_progress()
        except Exception:
            self.failed()

    @contained
    def owes_answer_since(self, since: float | None) -> None:
        """Since when it has answered no fence, in monotonic seconds; None: none is unanswered.

        One that reads nothing isn't noticed otherwise while its system's buffers take everything.
        """
        self.time_limits.owes_since = since
        if since is not None and self.end is None:
            self.time_limits.watch_answers(since)

    @contained
    def pause(self) -> None:
        """Stop reading from it: the upstream can't take more input now."""
        self._transport.pause()

    @contained
    def resume(self) -> None:
        """Read from it again."""
        self._transport.resume()

    def waste(self, work: int) -> None:
        """Something that it sent meant nothing.

        Args:
            work: As of `client_stream.work`.
        """
        try:
            self._transport.waste(work)
        except Exception:
            self.failed()

    def failed(self) -> None:
        """A fault of the daemon on its behalf: it ends with 1011, and nobody else does."""
        if self._failing:
            return
        self._failing = True
        _log.exception("viewer.fault", viewer=self.id, user=self.identity.user)
        # Not at once, since the caller may be in the midst of serving all viewers.
        asyncio.get_running_loop().call_soon(self._end_failed)

    def _end_failed(self) -> None:
        try:
            self._close(_FAULT)
        except Exception:
            # Nor can it be refused: `abandon` drops the connection.
            _log.exception("viewer.fault", viewer=self.id, user=self.identity.user)
            self._finish(_FAULT, Phase.CLOSED)

    @contained
    def close(self, reason: CloseReason) -> None:
        """End it; before ServerInit a native viewer is sent why, by RFB's own means."""
        self._close(reason)

    def _close(self, reason: CloseReason) -> None:
        if self.phase in (Phase.LEAVING, Phase.CLOSED):
            return
        refusal_sent = asyncio.Event()
        if self.identity.native and self.phase in (
            Phase.WAITING,
            Phase.HANDSHAKE,
            Phase.ADMISSION,
        ):
            self._transport.send([self._handshake.fail(reason.text or reason.reason)])
            self._refusal_sent = refusal_sent
        if self._refusal_sent is None or self._handshake.finished:
            refusal_sent.set()
        self._farewell = self._tasks.start(self._leave(reason, refusal_sent), f"close-{self.id}")
        self._finish(reason, Phase.LEAVING)

    async def _leave(self, reason: CloseReason, refusal_sent: asyncio.Event) -> None:
        try:
            async with asyncio.timeout(FAREWELL_TIMEOUT_S):
                await refusal_sent.wait()
        except TimeoutError:
            # It didn't come far enough for that; the log has the reason.
            pass
        await self._transport.close(reason)

    async def turn_away(self, reason: CloseReason) -> None:
        """End a viewer that no console is to see, and send it why."""
        self.listen()
        self.close(reason)
        await self.closed()
        await self.abandon()

    async def closed(self) -> None:
        """Wait until the close frame is sent and the connection is closed."""
        await self.ended.wait()
        if self._farewell is not None:
            await asyncio.wait([self._farewell])

    async def abandon(self) -> None:
        """End whatever still runs of it, as when the server stops; nothing is left behind."""
        if self.end is None:
            self._finish(_LEFT, Phase.CLOSED)
        await self._tasks.close()
        # How it ended holds this viewer.
        self._farewell = None
        with logged_faults("a viewer's connection", viewer=self.id):
            await self._transport.shut()

    # The transport's side

    def transport_received(self, data: bytes | memoryview) -> int:
        """Bytes came."""
        # All of it is taken of a viewer that fails.
        self._left = 0
        try:
            if self.phase is Phase.STREAMING:
                self._left = self._messages(data)
            else:
                self._take(data)
        except Exception:
            self.failed()
        taken = len(data) - self._left
        self.bytes_in += taken
        self.moved()
        return taken

    def _take(self, data: bytes | memoryview) -> None:
        """What comes before messages do, or after them."""
        match self.phase:
            case Phase.ADMISSION | Phase.WELCOME:
                # It isn't due yet: it waits where it is, and more isn't read.
                self._transport.pause()
                self._left = len(data)
            case Phase.HANDSHAKE | Phase.LEAVING:
                self._shake_hands(data)
                if self.phase in (Phase.ADMISSION, Phase.WELCOME, Phase.STREAMING):
                    self._left = len(self._handshake.take_trailing())
            case Phase.OPAQUE:
                self.time_limits.input_at = time.monotonic()
                if self._host is not None:
                    self._host.viewer_opaque(self, bytes(data))
            case Phase.WAITING:
                self._broke_rules("it spoke before the server did")
            case Phase.CLOSED | Phase.STREAMING:
                pass

    @contained
    def transport_drained(self) -> None:
        """All was taken."""
        self.has_backlog = False
        self.time_limits.drained()
        if self._host is not None and self.end is None:
            self._host.viewer_caught_up(self)

    @contained
    def transport_ended(self, end: TransportEnd) -> None:
        """The connection is gone."""
        if self._refusal_sent is not None:
            self._refusal_sent.set()
        if self.end is not None:
            return
        if end.breach:
            self._broke_rules(f"it {end.breach}")
            return
        if end.side is Side.DAEMON:
            self._finish(_FAULT, Phase.CLOSED)
            return
        self._finish(_LEFT, Phase.CLOSED)

    def _shake_hands(self, data: bytes | memoryview) -> None:
        for event in self._handshake.feed(data):
            match event:
                case Send(sent):
                    self.bytes_out += len(sent)
                    self._transport.send([sent])
                case PasswordAccepted():
                    self.phase = Phase.ADMISSION
                    self.time_limits.handshake_waits()
                    self._judged.set()
                case ViewerReady():
                    self.phase = Phase.WELCOME
                    self.time_limits.handshake_waits()
                    if self._has_init:
                        self.phase = Phase.STREAMING
                    elif self._host is not None:
                        self._host.viewer_ready(self)
                case HandshakeBroken(reason):
                    if self._refusal_sent is not None:
                        self._refusal_sent.set()
                    self._broke_rules(reason)
                case PasswordRejected():
                    self.gave_wrong_password = True
                    self.close(
                        CloseReason(CloseCode.VNC_PASSWORD, Side.VIEWER, "a wrong viewer password")
                    )
                case RefusalSent():
                    if self._refusal_sent is not None:
                        self._refusal_sent.set()

    def _messages(self, data: bytes | memoryview) -> int:
        """Heed messages; gives how many bytes are left for another turn."""
        events = self.stream.feed(data, TURN_WORK)
        broken = events.pop() if events and isinstance(events[-1], StreamBroken) else None
        if events and self._host is not None:
            self._host.viewer_sent(self, events)
        if isinstance(broken, StreamBroken):
            self._broke_rules(broken.reason)
        return self.stream.untaken

    def touched(self) -> None:
        """The viewer's user did something: the idle time begins anew."""
        self.time_limits.input_at = time.monotonic()

    def _broke_rules(self, how: str) -> None:
        self.close(CloseReason(CloseCode.VIEWER_PROTOCOL, Side.VIEWER, f"the viewer: {how}"))

    def _finish(self, reason: CloseReason, phase: Phase) -> None:
        if self.end is not None:
            return
        self.phase = phase
        self.end = reason
        self.time_limits.end()
        try:
            if self._host is not None:
                self._host.viewer_ended(self)
        except Exception:
            _log.exception("viewer.fault", viewer=self.id)
        finally:
            self._judged.set()
            self.ended.set()


_FAULT = CloseReason(CloseCode.INTERNAL, Side.DAEMON, "a fault of the daemon")
_LEFT = CloseReason(CloseCode.VIEWER_LEFT, Side.VIEWER, "the viewer left")
