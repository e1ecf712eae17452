"""What happens on a console while it has a screen: messages from viewers to the link and back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence

from vncproxy.console.control import Control
from vncproxy.console.link import Link
from vncproxy.console.recorder import Recorder
from vncproxy.console.shared_screen import SharedScreen
from vncproxy.console.upstream_writer import (
    INPUT,
    UpstreamWriter,
    is_key_press,
    pointer_form,
    upstream_form,
)
from vncproxy.console.viewer import Phase, Viewer
from vncproxy.console.viewer_updates import RawReceiver, ViewerUpdates
from vncproxy.errors import CloseCode, CloseReason, Side, UpstreamProtocolError
from vncproxy.rfb.client_events import (
    ClientEvent,
    ContinuousUpdatesEnabled,
    DesktopSizeSet,
    EncodingsSet,
    FenceSent,
    KeySent,
    PixelFormatSet,
    UpdateRequested,
)
from vncproxy.rfb.client_stream import work
from vncproxy.rfb.encodings import PICTURE
from vncproxy.rfb.handshake_events import Ready
from vncproxy.rfb.held_input import HeldInput
from vncproxy.rfb.keepalive import Keepalive, KeepaliveClass
from vncproxy.rfb.liveness import Liveness, LivenessAction
from vncproxy.rfb.screen_state import ScreenState
from vncproxy.rfb.server_events import RawStarted, RectangleReceived, ServerEvent, StreamBroken
from vncproxy.rfb.update_writer import UpdateWriter
from vncproxy.rfb.viewer_messages import server_init
from vncproxy.tasks import TIMER_EARLY_S
from vncproxy.websocket.frames import Slice

FENCE_REQUEST = 1 << 31
"""The flag of a fence that asks for an answer. Source: rfbproto, ClientFence."""
RECORDED_PREFIX = "[recorded] "
"""Before the desktop's name, as viewers without a page see it while anything is recorded."""
UPSTREAM_QUEUE_BYTES = 256 * 1024
"""More input than this waiting for the upstream, and the viewers are read no further."""
LINK_PAUSE_BYTES = 512 * 1024
"""If so much waits for each viewer, more needn't be read of the upstream: the system's own buffers
keep the line full meanwhile."""
_LOST = CloseReason(
    CloseCode.PIXEL_FORMAT, Side.VIEWER, "the viewer can't follow the screen's new size"
)


class MessageRouter:
    """The screen, the viewers on it, the controller, and the link while there is one."""

    def __init__(
        self,
        control: Control,
        held: HeldInput,
        keepalive: Keepalive,
        liveness: Liveness,
        *,
        viewer_queue_bytes: int,
        changed: Callable[[], None],
        keepalive_sent: Callable[[str], None],
        silent: Callable[[], None],
    ) -> None:
        """Start without a screen.

        Args:
            control: Which viewer's input goes upstream.
            held: The keys and buttons that are pressed in the guest.
            keepalive: What is sent upstream while nobody is active, and when.
            liveness: When a silent upstream is asked for an answer, and when it is given up.
            viewer_queue_bytes: The setting limits.viewer_queue.
            changed: Called when what the pages show has changed.
            keepalive_sent: Called with the kind of each keepalive, for the metrics.
            silent: Called when the link is up, but nobody answers there.
        """
        self.control = control
        self._upstream = UpstreamWriter(held, keepalive)
        self._keepalive = keepalive
        self._liveness = liveness
        self.link: Link | None = None
        self.shared_screen: SharedScreen | None = None
        self.viewers: dict[str, Viewer] = {}
        self.discarded_keys = 0
        self.unknown_message = ""
        """What came from the upstream that isn't known, in words; its link is over by that."""
        self._recorded: dict[str, Callable[[ScreenState], Recorder]] = {}
        self._viewer_queue_bytes = viewer_queue_bytes
        self._changed = changed
        self._keepalive_sent = keepalive_sent
        self._silent = silent
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0
        self._paused = False
        self._waiting_events: list[ServerEvent] = []
        self._raw_to: list[tuple[Viewer, RawReceiver, UpdateWriter]] | None = None
        """Who gets the pixels of the Raw rectangle under way; None: that has to be found out."""

    @property
    def screen(self) -> ScreenState | None:
        """What is known of the screen."""
        return self.shared_screen.memory if self.shared_screen is not None else None

    # The link

    def link_up(self, link: Link, ready: Ready) -> None:
        """A link has its ServerInit: the first of this console, or one that replaces a lost one."""
        memory = ScreenState(ready.width, ready.height, ready.name, ready.pixel_format)
        self.link = link
        now = time.monotonic()
        self._upstream.link_up(link, now)
        self._liveness.link_started(now)
        offenders = self._upstream.offenders
        if offenders.chosen_by not in self.viewers:
            offenders.chosen_by = next(iter(self.viewers), None)
        if self.shared_screen is None:
            self.shared_screen = SharedScreen(memory, viewer_window_bytes=self._viewer_queue_bytes)
            for name, made in self._recorded.items():
                self.shared_screen.recorders[name] = made(memory)
        else:
            messages = self.shared_screen.link_replaced(memory)
            self._follow_format()
            # First of all, since what the lost link left pressed would stick in the guest.
            self._upstream.release_all(self.shared_screen.memory)
            self._upstream.send(messages)
        for viewer in list(self.viewers.values()):
            viewer.time_limits.waiting_is_over()
            try:
                self._bring_in(viewer)
            except Exception:
                viewer.failed()
        self.pump()

    def _bring_in(self, viewer: Viewer) -> None:
        """Go on with a viewer that waits for a link; until then a proved one may be refused.

        Source: RFC 6143, section 7.1.3.
        """
        if viewer.phase is Phase.WAITING:
            viewer.greet()
        elif viewer.phase is Phase.ADMISSION and self.link is not None:
            viewer.admit()
        elif viewer.phase is Phase.WELCOME:
            self.welcome(viewer)

    def link_down(self) -> None:
        """The link is gone; the viewers stay."""
        self.link = None
        self._upstream.link_down()
        self._paused = False
        self._waiting_events.clear()
        self._raw_to = None
        self._cancel_timer()
        for viewer in list(self.viewers.values()):
            viewer.resume()
        if self.shared_screen is not None:
            self.shared_screen.link_lost()
        self.pump()

    def link_received(self, events: list[ServerEvent]) -> bool:
        """Messages of the upstream, or none: go on with what the last ones made to do.

        Returns:
            Whether there is more of that.

        Raises:
            UpstreamProtocolError: It broke RFB; what was whole before that has been passed on.
        """
        shared_screen = self.shared_screen
        assert shared_screen is not None, "a link that has a stream has a screen"
        self._raw_to = None
        waiting = self._waiting_events
        waiting += events
        if not waiting and shared_screen.inflating is None:
            return False
        try:
            if shared_screen.inflating is not None:
                shared_screen.go_on()
            liveness = self._liveness
            is_learning = not liveness.answers and liveness.is_learning
            while waiting and shared_screen.inflating is None:
                event = waiting[0]
                if type(event) is StreamBroken:
                    del waiting[0]
                    self.unknown_message = event.reason if event.unknown else ""
                    raise UpstreamProtocolError(f"the cloud's VNC server sent {event.reason}")
                if is_learning:
                    del waiting[0]
                    if isinstance(event, RectangleReceived | RawStarted):
                        self._maybe_answer(event)
                        is_learning = liveness.is_learning
                    messages = shared_screen.upstream(event)
                else:
                    messages = shared_screen.take_next(waiting)
                if messages:
                    self._follow_format()
                    self._upstream.send(messages)
        except ValueError as fault:
            raise UpstreamProtocolError(f"the cloud's VNC server sent {fault}") from None
        finally:
            self.pump()
        return shared_screen.inflating is not None or bool(waiting)

    def link_passed(self, slices: Sequence[Slice], size_bytes: int) -> None:
        """Pixels of the Raw rectangle under way: nothing else can be due meanwhile.

        Args:
            slices: The pixels.
            size_bytes: Of all of them.
        """
        shared_screen = self.shared_screen
        assert shared_screen is not None, "a link that has a stream has a screen"
        if self._raw_to is None:
            self._raw_to = self._raw_receivers(shared_screen)
        if shared_screen.recorders:
            shared_screen.record_pixels(slices)
        has_more = has_backlog = False
        for viewer, receiver, writer in self._raw_to:
            try:
                receiver.raw(slices, size_bytes)
                viewer.send(writer.take_pixels())
            except Exception:
                viewer.failed()
            has_backlog = has_backlog or viewer.has_backlog
            has_more = has_more or writer.is_filling
        if has_more:
            self.pump()
        elif has_backlog:
            self._hold_back()

    def _raw_receivers(
        self, shared_screen: SharedScreen
    ) -> list[tuple[Viewer, RawReceiver, UpdateWriter]]:
        """Who gets the pixels of the Raw rectangle under way."""
        return [
            (viewer, screen.raw_to, screen.writer)
            for viewer_id, screen in shared_screen.viewers.items()
            if screen.raw_to is not None and (viewer := self.viewers.get(viewer_id)) is not None
        ]

    def offender(self, received_at: float) -> Viewer | None:
        """The upstream ended the link: the viewer whose own choice has ended three in a row.

        Args:
            received_at: When the last byte came, monotonic seconds.
        """
        viewer_id = self._upstream.offenders.link_lost(time.monotonic(), received_at)
        return self.viewers.get(viewer_id) if viewer_id is not None else None

    def _maybe_answer(self, rect: RectangleReceived | RawStarted) -> None:
        if isinstance(rect, RawStarted) or rect.encoding in PICTURE:
            now = time.monotonic()
            self._liveness.rectangle(now, rect.x, rect.y, rect.width, rect.height)

    def _follow_format(self) -> None:
        if self.link is not None and self.shared_screen is not None:
            self.link.set_pixel_format(self.shared_screen.memory.pixel_format)

    # Viewers

    def add(self, viewer: Viewer) -> None:
        """A viewer came."""
        self.viewers[viewer.id] = viewer
        before = self.control.controller
        identity = viewer.identity
        self.control.join(viewer.id, may_control=identity.may_control, take=identity.take)
        self.controller_changed(before)
        if self.shared_screen is not None:
            self._bring_in(viewer)

    def record(self, viewer_id: str, made: Callable[[ScreenState], Recorder]) -> None:
        """Record what is seen while this viewer is on.

        Args:
            viewer_id: The viewer whose session is recorded.
            made: Gives a recorder for the screen; called once there is one.
        """
        self._recorded[viewer_id] = made
        if self.shared_screen is not None:
            self.shared_screen.recorders[viewer_id] = made(self.shared_screen.memory)
        self._show_recorded()

    def remove(self, viewer: Viewer) -> None:
        """A viewer is gone; what its user held is released."""
        self.viewers.pop(viewer.id, None)
        self._raw_to = None
        was_recorded = self._recorded.pop(viewer.id, None) is not None
        if self.shared_screen is not None:
            self.shared_screen.leave(viewer.id)
        before = self.control.controller
        self.control.leave(viewer.id)
        self.controller_changed(before)
        self.pump()
        if was_recorded:
            self._show_recorded()

    def controller_changed(self, before: str | None) -> None:
        """If another controls now than `before`, what the old one held is released first."""
        if self.control.controller != before:
            if self.link is not None and before is not None:
                assert self.shared_screen is not None, "a link that is up has a screen"
                self._upstream.release_all(self.shared_screen.memory)
            self._changed()

    def welcome(self, viewer: Viewer) -> None:
        """Give ServerInit to a viewer whose handshake is done, if there is a link."""
        if self.shared_screen is None or self.link is None:
            return
        memory, pixel_format = self.shared_screen.memory, self.shared_screen.requests.pixel_format
        screen = self.shared_screen.join(viewer.id)
        screen.told_state.name_prefix = self._name_prefix(viewer)
        name = screen.first_name()
        viewer.welcome(server_init(memory.width, memory.height, pixel_format, name))

    def _name_prefix(self, viewer: Viewer) -> str:
        """The name is all that a viewer without a page shows to its user."""
        return RECORDED_PREFIX if self._recorded and not viewer.identity.has_page else ""

    def _show_recorded(self) -> None:
        """A recording began or ended: the desktop name shows it, to viewers that take a new one."""
        if self.shared_screen is None:
            return
        for viewer in self.viewers.values():
            if (screen := self.shared_screen.viewers.get(viewer.id)) is not None:
                screen.told_state.name_prefix = self._name_prefix(viewer)
                screen.introduce()
        self.pump()

    def viewer_sent(self, viewer: Viewer, events: list[ClientEvent]) -> None:
        """Messages of a viewer."""
        shared_screen = self.shared_screen
        if shared_screen is None or (screen := shared_screen.viewers.get(viewer.id)) is None:
            return
        now = time.monotonic()
        input_: list[bytes] = []
        idle_work = 0
        has_input = serves = asks = False
        for event in events:
            if isinstance(event, StreamBroken):
                # The viewer's own matter.
                continue
            if type(event) in INPUT:
                has_input = True
                controls = viewer.id == self.control.controller
                if controls and type(event) is KeySent and self.link is not None:
                    # As it stands, in any case.
                    input_.append(event.raw)
                elif controls:
                    input_ += self._input(shared_screen, event)
                if not controls or type(event) is DesktopSizeSet:
                    idle_work += work(event.raw)
                continue
            # Against its ration counts all but input, which the upstream's pace limits.
            if type(event) is not UpdateRequested:
                idle_work += work(event.raw)
            match event:
                case UpdateRequested():
                    # At the first one it is told what it doesn't know yet; the others are only
                    # for the upstream.
                    serves = serves or not screen.started
                    asks = True
                    idle_work += 1 if event.incremental else work(event.raw)
                    screen.requested(
                        incremental=event.incremental,
                        x=event.x,
                        y=event.y,
                        width=event.width,
                        height=event.height,
                    )
                case FenceSent(flags=flags, payload=payload) if not flags & FENCE_REQUEST:
                    asks = True
                    screen.fence_answered(payload, now)
                    self._note_answers(viewer, screen)
                case FenceSent(flags=flags, payload=payload):
                    serves = True
                    screen.fence_asked(flags, payload)
                case PixelFormatSet():
                    serves = True
                    self._upstream.send(input_)
                    viewer.input_passed_on += len(input_)
                    input_ = []
                    self._upstream.chooser = viewer.id
                    self._set_pixel_format(viewer, event)
                case EncodingsSet(encodings=encodings):
                    serves = True
                    self._upstream.chooser = viewer.id
                    screen.set_encodings(encodings, now)
                case ContinuousUpdatesEnabled(enable=enable):
                    serves = True
                    screen.enable_continuous(enable=enable)
                case _:
                    # Nothing else was ever offered to it.
                    pass
        if has_input:
            viewer.touched()
            self._upstream.send(input_)
            viewer.input_passed_on += len(input_)
        if serves:
            self._serve(viewer, screen, now)
        if serves or asks:
            self._ask(shared_screen, now)
        if serves:
            self._hold_back()
        self._upstream.chooser = None
        if idle_work:
            viewer.waste(idle_work)
        link = self.link
        if (viewer.has_backlog and viewer.behind) or (
            link is not None and link.has_backlog and link.backlog_bytes > UPSTREAM_QUEUE_BYTES
        ):
            viewer.pause()

    def _input(self, shared_screen: SharedScreen, event: ClientEvent) -> list[bytes]:
        if self.link is None:
            if is_key_press(event):
                self.discarded_keys += 1
                self._changed()
            return []
        message = upstream_form(event, shared_screen.memory)
        return [message] if message is not None else []

    def _set_pixel_format(self, viewer: Viewer, event: PixelFormatSet) -> None:
        assert self.shared_screen is not None, "only a viewer on a screen has a stream"
        messages = self.shared_screen.requests.choose_format(viewer.id, event.pixel_format)
        if messages is None:
            viewer.close(
                CloseReason(
                    CloseCode.PIXEL_FORMAT,
                    Side.DAEMON,
                    "the console is shared with viewers of another pixel format",
                )
            )
            return
        if messages:
            # It may be told later, once nothing is outstanding.
            self._upstream.offenders.chosen_by = viewer.id
        self._follow_format()
        self._upstream.send(messages)

    def caught_up(self, viewer: Viewer) -> None:
        """A viewer has taken all that was sent."""
        if self.link is None or self.link.backlog_bytes <= UPSTREAM_QUEUE_BYTES:
            viewer.resume()
        if self.shared_screen is not None:
            self.shared_screen.became_ready(viewer.id)
            self._let_link_flow()
            self.pump()

    def link_caught_up(self) -> None:
        """The upstream has taken all that was sent."""
        for viewer in list(self.viewers.values()):
            if not viewer.behind:
                viewer.resume()

    # Towards the link and the viewers

    def pump(self) -> None:
        """Send what is due, upstream and to the viewers, and set the clock for the next."""
        shared_screen = self.shared_screen
        if shared_screen is None:
            return
        now = time.monotonic()
        for viewer_id, screen in list(shared_screen.viewers.items()):
            viewer = self.viewers.get(viewer_id)
            if viewer is not None:
                self._serve(viewer, screen, now)
        # Once it is known how much is on its way to whom.
        self._ask(shared_screen, now)
        self._hold_back()
        link = self.link
        if link is not None and (screens := shared_screen.screens) != link.screens:
            link.shown_to(screens)

    def _ask(self, shared_screen: SharedScreen, now: float) -> None:
        """Send upstream what is due there."""
        requests = shared_screen.requests
        if self.link is not None and (messages := requests.due(now)):
            self._upstream.send(messages)
        if self._timer is None or requests.next_at is not None:
            self._set_timer()

    def _serve(self, viewer: Viewer, screen: ViewerUpdates, now: float) -> None:
        """Send one viewer what is due to it; a fault ends it alone."""
        try:
            if screen.broken:
                viewer.close(CloseReason(CloseCode.INTERNAL, Side.DAEMON, "a fault of the daemon"))
                return
            viewer.stream.extended_buttons = screen.told_state.extended_buttons
            if screen.is_paced and (fence := screen.probe(now)):
                viewer.send(fence)
            filling = screen.writer.is_filling
            if slices := screen.take(now, room=not (filling and viewer.behind)):
                viewer.send(slices)
            while screen.writer.is_filling and not viewer.behind:
                viewer.send(screen.take(now))
            if screen.is_paced:
                self._note_answers(viewer, screen)
            if screen.lost:
                viewer.close(_LOST)
        except Exception:
            viewer.failed()

    def _note_answers(self, viewer: Viewer, screen: ViewerUpdates) -> None:
        """Whether it answers fences tells whether it reads."""
        since, limits = screen.congestion_control.unanswered_since, viewer.time_limits
        if since is None or limits.watches_answers:
            # It changes with each update.
            limits.owes_since = since
        else:
            viewer.owes_answer_since(since)

    def _hold_back(self) -> None:
        """A viewer that is behind skips; if all have much waiting, the upstream isn't read on."""
        assert self.shared_screen is not None, "only called with a screen"
        if not self._paused:
            for viewer in self.viewers.values():
                if viewer.has_backlog:
                    break
            else:
                # Nothing waits for anybody.
                return
        on = full = 0
        behind: list[Viewer] = []
        for viewer in self.viewers.values():
            if viewer.phase is not Phase.STREAMING:
                continue
            on += 1
            backlog_bytes = viewer.backlog_bytes
            if backlog_bytes > viewer.queue_bytes:
                behind.append(viewer)
                full += 1
            elif backlog_bytes > LINK_PAUSE_BYTES:
                full += 1
        if full < on or not on:
            for viewer in behind:
                self.shared_screen.fell_behind(viewer.id)
            if self._paused:
                self._let_link_flow()
        elif self.link is not None and not self._paused:
            self._paused = True
            self.link.pause()

    def _let_link_flow(self) -> None:
        if self._paused and self.link is not None:
            self._paused = False
            self._liveness.held(time.monotonic())
            self.link.resume()
            # It was set while the silence was the daemon's own.
            self._cancel_timer()
            self._set_timer()

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _set_timer(self) -> None:
        """Wake up when something is due. A timer that is early stays: it sets the next one."""
        if self.link is None or self.shared_screen is None:
            return
        asks_at = self.shared_screen.requests.next_at
        if self._timer is not None and asks_at is None:
            # Whatever is sent or received puts off what it was set for.
            return
        look_at = None if self._paused else self._liveness.next_at(self.link.received_at)
        # The earliest, without a generator: of an idle console's work this is a good part.
        due = self._keepalive.next_at
        for at in (asks_at, look_at):
            if at is not None and (due is None or at < due):
                due = at
        if due is None or (self._timer is not None and self._timer_at <= due):
            return
        self._cancel_timer()
        self._timer_at = due
        delay_s = max(0.0, due - time.monotonic())
        self._timer = asyncio.get_running_loop().call_later(delay_s, self._due)

    def _due(self) -> None:
        """The timer's time has come: a keepalive, a rationed full update, a look at the silence."""
        self._timer = None
        try:
            self._act()
        except Exception:
            # Without its keepalive the link would end unexplained.
            if self.link is not None:
                self.link.failed()

    def _act(self) -> None:
        now, next_at = time.monotonic(), self._keepalive.next_at
        is_due = next_at is not None and now >= next_at - TIMER_EARLY_S
        if is_due and self.shared_screen is not None:
            memory = self.shared_screen.memory
            message = self._keepalive.message(memory.width, memory.height)
            kind = self._keepalive.kind
            if kind is KeepaliveClass.ANY:
                message = self.shared_screen.requests.repeat()
            elif kind is KeepaliveClass.POINTER:
                # Extended buttons may have been agreed on since it was sent.
                message = pointer_form(message, memory)
            self._keepalive_sent(kind.value)
            self._upstream.send(_messages(message, kind))
        self._look_at_silence()
        asks_at = self.shared_screen.requests.next_at if self.shared_screen is not None else None
        if asks_at is not None and now >= asks_at:
            self.pump()
        else:
            self._set_timer()

    def _look_at_silence(self) -> None:
        if self.link is None or self.shared_screen is None or self._paused:
            return
        match self._liveness.check(time.monotonic(), self.link.received_at):
            case LivenessAction.ASK:
                self._upstream.send(self.shared_screen.requests.question())
            case LivenessAction.ASK_ALL:
                self._upstream.send(self.shared_screen.requests.ask_all(time.monotonic()))
            case LivenessAction.DEAD:
                self._silent()
            case LivenessAction.WAIT:
                pass


def _messages(message: bytes, kind: KeepaliveClass) -> list[bytes]:
    """A key's press and release are two messages."""
    if kind is not KeepaliveClass.KEY:
        return [message]
    half = len(message) // 2
    return [message[:half], message[half:]]
