"""One client of a console: its transport, its handshake, its messages, and its time limits."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from enum import Enum, auto
from typing import Protocol

import structlog

from vncproxy.console.faults import contained, logged_faults
from vncproxy.console.traffic import Rate
from vncproxy.console.viewer_identity import ViewerIdentity, ViewerLimits
from vncproxy.errors import CloseCode, CloseReason, Side
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
from vncproxy.tasks import Tasks
from vncproxy.websocket.frames import Slice
from vncproxy.websocket.transport import Transport, TransportEnd

_log = structlog.get_logger("vncproxy.viewer")

FAREWELL_TIMEOUT_S = 3.0
"""How long a native viewer may take to reach the point where RFB can carry a refusal."""
TURN_WORK = 256
"""Of one viewer's messages, so much is heeded in a turn of the loop; see `client_stream.work`."""
HANDSHAKE_TIMEOUT_S = 30.0
"""A native viewer's user may have to type a password meanwhile."""


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
        self.phase = Phase.WAITING
        self.since = round(time.time(), 3)
        self.bytes_in = 0
        self.bytes_out = 0
        self.end: CloseReason | None = None
        self.ended = asyncio.Event()
        self.stream = ClientStream()
        self._transport = transport
        self._limits = limits
        self._handshake = ViewerHandshake(verifier)
        self._host: ViewerHost | None = None
        self._farewell: asyncio.Task[None] | None = None
        self._refusal_sent: asyncio.Event | None = None
        self.gave_wrong_password = False
        self.has_backlog = False
        """Whether something waited for it after the last `send`."""
        self._attached = False
        self._judged = asyncio.Event()
        self._tasks = Tasks()
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._opened_at = time.monotonic()
        self._input_at = self._opened_at
        self.rate_in = Rate(self._opened_at)
        self.rate_out = Rate(self._opened_at)
        self._owes_since: float | None = None
        self._failing = False
        self._left = 0

    @property
    def id(self) -> str:
        """The viewer's id."""
        return self.identity.id

    @property
    def age_s(self) -> float:
        """Seconds since it came."""
        return time.monotonic() - self._opened_at

    @property
    def input_age_s(self) -> float | None:
        """Seconds since its user last did something; None: nothing yet."""
        has_done = self._input_at != self._opened_at
        return time.monotonic() - self._input_at if has_done else None

    def look(self, at_s: float) -> None:
        """Note what was counted, for the rates.

        Args:
            at_s: Monotonic seconds.
        """
        self.rate_in.note(at_s, self.bytes_in)
        self.rate_out.note(at_s, self.bytes_out)

    @property
    def behind(self) -> bool:
        """Whether more waits for it than it may have waiting."""
        return self.behind_by(self._limits.queue_bytes)

    @contained
    def open(self, host: ViewerHost) -> None:
        """Begin: the viewer waits until the console starts its handshake, or goes on with it."""
        self._host = host
        self._attach()
        if self.end is not None:
            return
        if self._limits.max_age_s:
            self._after("age", self._limits.max_age_s, self._too_old)
        if self._limits.idle_timeout_s:
            self._after("idle", self._limits.idle_timeout_s, self._maybe_idle)

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
        self._after("handshake", HANDSHAKE_TIMEOUT_S, self._handshake_hangs)
        self.send([self._handshake.start()])

    @contained
    def admit(self) -> None:
        """Let in a viewer that has proved itself; from here on RFB can't carry a refusal.

        Source: RFC 6143, section 7.1.3.
        """
        self.phase = Phase.HANDSHAKE
        self._after("handshake", HANDSHAKE_TIMEOUT_S, self._handshake_hangs)
        self.send([self._handshake.admit()])
        self._shake_hands(b"")
        self._transport.resume()

    @contained
    def welcome(self, server_init: bytes) -> None:
        """Send ServerInit; messages that came early are taken at the next turn."""
        self.phase = Phase.STREAMING
        self.send([server_init])
        self._transport.resume()

    @contained
    def go_opaque(self, first: Sequence[bytes]) -> None:
        """Relay bytes untouched from now on."""
        self.phase = Phase.OPAQUE
        self.send(first)

    def behind_by(self, size_bytes: int) -> bool:
        """Whether more than this waits for it."""
        try:
            return self._transport.backlog_bytes > size_bytes
        except Exception:
            self.failed()
            return True

    @contained
    def wait_at_most(self, wait_s: float, gave_up: Callable[[], CloseReason]) -> None:
        """Close it as `gave_up` says unless `waiting_is_over` is called within `wait_s`."""
        if "wait" not in self._timers:
            self._after("wait", wait_s, lambda: self.close(gave_up()))

    @property
    def patience_s(self) -> float:
        """How much longer it will wait for a link; 0 if it doesn't."""
        timer = self._timers.get("wait")
        return max(0.0, timer.when() - asyncio.get_running_loop().time()) if timer else 0.0

    @contained
    def waiting_is_over(self) -> None:
        """The console runs again."""
        if timer := self._timers.pop("wait", None):
            timer.cancel()

    @contained
    def send(self, slices: Sequence[Slice]) -> None:
        """Send to this viewer."""
        if self.end is not None or not slices:
            return
        self.bytes_out += sum(map(len, slices))
        self._transport.send(slices)
        self.has_backlog = self._transport.backlog_bytes > 0
        if self.has_backlog and "slow" not in self._timers:
            self._watch_progress()

    @contained
    def owes_answer_since(self, since: float | None) -> None:
        """Since when it has answered no fence, in monotonic seconds; None: none is unanswered.

        One that reads nothing isn't noticed otherwise while its system's buffers take everything.
        """
        self._owes_since = since
        if since is not None and "answer" not in self._timers and self.end is None:
            self._watch_answers(since)

    @contained
    def pause(self) -> None:
        """Stop reading from it: the upstream can't take more input now."""
        self._transport.pause()

    @contained
    def resume(self) -> None:
        """Read from it again."""
        self._transport.resume()

    @contained
    def waste(self, work: int) -> None:
        """Something that it sent meant nothing.

        Args:
            work: As of `client_stream.work`.
        """
        self._transport.waste(work)

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
        with logged_faults("a viewer's connection", viewer=self.id):
            await self._transport.shut()

    # The transport's side

    def transport_received(self, data: bytes | memoryview) -> int:
        """Bytes came."""
        # All of it is taken of a viewer that fails.
        self._left = 0
        self._take(data)
        taken = len(data) - self._left
        self.bytes_in += taken
        return taken

    @contained
    def _take(self, data: bytes | memoryview) -> None:
        match self.phase:
            case Phase.STREAMING:
                self._left = self._messages(data)
            case Phase.ADMISSION | Phase.WELCOME:
                # It isn't due yet: it waits where it is, and more isn't read.
                self._transport.pause()
                self._left = len(data)
            case Phase.HANDSHAKE | Phase.LEAVING:
                self._shake_hands(data)
                if self.phase in (Phase.ADMISSION, Phase.WELCOME, Phase.STREAMING):
                    self._left = len(self._handshake.take_trailing())
            case Phase.OPAQUE:
                self._input_at = time.monotonic()
                if self._host is not None:
                    self._host.viewer_opaque(self, bytes(data))
            case Phase.WAITING:
                self._broke_rules("it spoke before the server did")
            case Phase.CLOSED:
                pass

    @contained
    def transport_drained(self) -> None:
        """All was taken."""
        if timer := self._timers.pop("slow", None):
            timer.cancel()
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
                    self._handshake_waits()
                    self._judged.set()
                case ViewerReady():
                    self.phase = Phase.WELCOME
                    self._handshake_waits()
                    if self._host is not None:
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
        self._input_at = time.monotonic()

    def _broke_rules(self, how: str) -> None:
        self.close(CloseReason(CloseCode.VIEWER_PROTOCOL, Side.VIEWER, f"the viewer: {how}"))

    # Time limits

    def _after(self, name: str, delay_s: float, call: Callable[[], None]) -> None:
        self._timers[name] = asyncio.get_running_loop().call_later(delay_s, self._due, call)

    @contained
    def _due(self, call: Callable[[], None]) -> None:
        call()

    def _too_old(self) -> None:
        self.close(CloseReason(CloseCode.SESSION_LIMIT, Side.DAEMON, "session_max_age is reached"))

    def _maybe_idle(self) -> None:
        rest_s = self._input_at + self._limits.idle_timeout_s - time.monotonic()
        if rest_s > 0:
            self._after("idle", rest_s, self._maybe_idle)
        else:
            self.close(CloseReason(CloseCode.IDLE, Side.VIEWER, "no input for too long"))

    def _handshake_waits(self) -> None:
        """For the daemon, not for the viewer."""
        if timer := self._timers.pop("handshake", None):
            timer.cancel()

    def _handshake_hangs(self) -> None:
        self._broke_rules("it didn't finish its handshake in time")

    def _watch_progress(self) -> None:
        sent_bytes = self._transport.sent_bytes
        self._after("slow", self._limits.slow_timeout_s, lambda: self._check_progress(sent_bytes))

    def _check_progress(self, sent_bytes: int) -> None:
        self._timers.pop("slow", None)
        if not self._transport.backlog_bytes:
            return
        if self._transport.sent_bytes != sent_bytes:
            self._watch_progress()
        else:
            self.close(CloseReason(CloseCode.TOO_SLOW, Side.VIEWER, "it reads nothing"))

    def _watch_answers(self, since: float) -> None:
        rest_s = since + self._limits.slow_timeout_s - time.monotonic()
        self._after("answer", max(0.0, rest_s), self._check_answers)

    def _check_answers(self) -> None:
        self._timers.pop("answer", None)
        if (since := self._owes_since) is None:
            return
        if self._transport.backlog_bytes:
            # The fence may stand behind megabytes of one update; that they are read is watched.
            self._watch_answers(time.monotonic())
        elif since + self._limits.slow_timeout_s > time.monotonic():
            self._watch_answers(since)
        else:
            self.close(CloseReason(CloseCode.TOO_SLOW, Side.VIEWER, "it reads nothing"))

    def _finish(self, reason: CloseReason, phase: Phase) -> None:
        if self.end is not None:
            return
        self.phase = phase
        self.end = reason
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
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
