"""Records a console's screen: a viewer that is always there and never slows anybody.

It gets what every viewer gets, takes part in every update, and is never asked what encodings it
knows. Pure but for the clock it is given; what it makes goes to a sink, which writes it.

Laws:
1. The recording can be read from each key block on. A key block is made as a viewer is that joins:
   a second screen begins with nothing and is sent what a new viewer is sent. Once it has the whole
   picture, all that it was sent is the block's beginning, and it goes on in the first one's place.
2. Tight rectangles reset their streams, so nothing that was left out is missed later.
3. When the sink has no room, all is left out until there is; then a key block begins anew.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from vncproxy.console.rectangle_runs import TightPart
from vncproxy.console.viewer_updates import Area, ViewerUpdates, union
from vncproxy.recording.file_format import GAP, LINK_LOST, LINK_REPLACED, Kind
from vncproxy.rfb import encodings as enc
from vncproxy.rfb.congestion_control import CongestionControl
from vncproxy.rfb.screen_state import ScreenState
from vncproxy.rfb.server_events import Pixels, RawStarted, RectangleReceived, plain_slices
from vncproxy.rfb.viewer_messages import server_init

KEY_INTERVAL_S = 30.0
"""Of what was recorded since a whole picture, this much is replayed at most to seek in it."""
KEY_PATIENCE_S = 15.0
"""A key picture waits so long for a moment at which it reaches every viewer: one that misses it has
to be sent another."""
KEY_MAX_BYTES = 40 << 20
"""A key picture of more, uncompressed, is given up."""
HOLD_BYTES = 64 << 10
"""Of an update as much is recorded at once; a recording's records are whole messages."""
BLOCK_PICTURES = 4
BLOCK_LEAST_BYTES = 8 << 20
"""Once a block holds as much, uncompressed, as so many pictures of the whole screen, and at least
so many bytes, another key picture is due: to seek in it no more has to be decoded. Once it is
twice as much, nobody's missing that one counts any more."""
_KNOWN = (
    *sorted(enc.PICTURE),
    *sorted(enc.CURSORS),
    enc.DESKTOP_SIZE,
    enc.DESKTOP_NAME,
)
"""Not LastRect, so that an update is written once it, or a part of it, is whole."""


class RecordSink(Protocol):
    """What writes a recording; nothing of it waits."""

    @property
    def has_room(self) -> bool:
        """Whether a block that begins now would be written."""

    @property
    def lost(self) -> bool:
        """Whether something since the last `begin` wasn't written."""

    def begin(self, time_ms: int, opening: bytes, *, whole: bool, continues: bool) -> None:
        """A block begins.

        Args:
            time_ms: Milliseconds since the session began.
            opening: A ServerInit.
            whole: Its KEY records make the whole picture.
            continues: Nothing is missing between the block before and this one.
        """

    def add(self, time_ms: int, kind: Kind, slices: Sequence[bytes]) -> None:
        """A record of the block."""

    def note(self, time_ms: int, what: str) -> None:
        """Something happened."""


class _RecordedScreen(ViewerUpdates):
    """A viewer that knows every encoding and has always asked."""

    def __init__(self, memory: ScreenState, now: float) -> None:
        super().__init__(memory, CongestionControl(1), hold_bytes=HOLD_BYTES, in_step=False)
        self.set_encodings(_KNOWN, now)

    def update_started(self, count: int | None) -> None:
        """It takes part in every update, and has its own ones."""
        self.requested(incremental=True, x=0, y=0, width=0, height=0)
        super().update_started(None)

    def failed(self) -> None:
        """A recording with a hole that nobody knows of would be worse than an end."""
        raise  # noqa: PLE0704 - called while the exception is being handled

    def _tight_data(self, rect: RectangleReceived, tight: TightPart) -> bytes | None:
        try:
            return tight.inflated.stored()
        except ValueError:
            return None


class Recorder:
    """Of one session."""

    def __init__(
        self,
        memory: ScreenState,
        sink: RecordSink,
        clock: Callable[[], float],
        *,
        began_at: float,
        key_interval_s: float = KEY_INTERVAL_S,
    ) -> None:
        """Begin with what the screen shows from now on.

        Args:
            memory: What is known of the screen, brought up to date by `SharedScreen`.
            sink: Writes the recording.
            clock: Monotonic seconds.
            began_at: When the session did, by that clock.
            key_interval_s: A key picture is due so long after a block's first LIVE record.
        """
        self._memory = memory
        self._sink = sink
        self._clock = clock
        self._began_at = began_at
        self._key_interval_s = key_interval_s
        self._live: _RecordedScreen | None = _RecordedScreen(memory, clock())
        self._next: _RecordedScreen | None = None
        self._key: list[bytes] = []
        self._key_bytes = 0
        self._key_opening = b""
        self._begin_with: bytes | None = self._opening()
        self._first = self._asks_first = True
        self._block_bytes = 0
        self._key_at: float | None = None

    # As a viewer's screen

    @property
    def in_step(self) -> bool:
        """Never: what is recorded can be read from each block's beginning on."""
        return False

    def update_started(self, count: int | None) -> None:
        """The upstream begins an update."""
        for screen in self._screens():
            screen.update_started(count)

    def rectangle(self, rect: RectangleReceived, wire: bytes, tight: TightPart | None) -> None:
        """A picture rectangle came; see `ViewerUpdates`."""
        for screen in self._screens():
            screen.rectangle(rect, wire, tight)
        self._store()

    def missed(self, rect: RectangleReceived | RawStarted, tight: TightPart | None) -> None:
        """A picture rectangle came that nobody can use."""
        for screen in self._screens():
            screen.missed(rect, tight)

    def passed_over(self) -> None:
        """A rectangle came that is for nobody."""

    def state_changed(self) -> None:
        """A rectangle came that isn't picture."""
        for screen in self._screens():
            screen.state_changed()
        self._store()

    def introduce(self) -> None:
        """There may be something to send."""
        for screen in self._screens():
            screen.introduce()
        self._store()

    def resize_refused(self, rect: RectangleReceived) -> None:
        """Nothing that is seen."""

    def update_ended(self) -> None:
        """The upstream's update is over."""
        for screen in self._screens():
            screen.update_ended()
        self._store()
        if self._next is not None and self._next.synced:
            self._begin_key_block(self._next)

    def message(self, raw: bytes) -> None:
        """A whole message between updates; only what is seen or heard is ever given here."""
        for screen in self._screens():
            screen.message(raw)
        self._store()

    def link_lost(self) -> None:
        """The upstream is gone; another may follow."""
        self._sink.note(self._time_ms(), LINK_LOST)

    def link_replaced(self, memory: ScreenState) -> None:
        """Another link has replaced the lost one."""
        self._store_unfinished()
        self._sink.note(self._time_ms(), LINK_REPLACED)
        reformatted = memory.pixel_format != self._memory.pixel_format
        self._memory = memory
        self._drop_key()
        if self._live is not None:
            self._live.link_replaced(memory)
        if reformatted:
            self._begin_with = self._opening()
        self._store()
        self._key_at = self._clock()

    def forget_picture(self) -> None:
        """The pixel format is another: a block begins, since a block has only one."""
        self._store_unfinished()
        self._drop_key()
        if self._live is not None:
            self._live.forget_picture()
        self._begin_with = self._opening()
        if not self._first:
            self._key_at = self._clock()

    def session_ended(self) -> None:
        """Nothing more is recorded: what was left out for want of room won't come any more."""
        if self._live is None and not self._sink.lost:
            self._sink.note(self._time_ms(), GAP)

    # What it asks for

    def take_asked_area(self, now: float, *, all_take_part: bool) -> Area | None:
        """The whole screen, at the beginning and when a key picture is due.

        Args:
            now: By the recorder's clock.
            all_take_part: No viewer would miss it.
        """
        if self._asks_first:
            # Its viewer does so mostly, but may ask for a part only.
            self._asks_first = False
            return 0, 0, self._memory.width, self._memory.height
        at = self._ask_at(all_take_part=all_take_part)
        if at is None or now < at or not self._sink.has_room:
            return None
        self._key_at = None
        self._next = _RecordedScreen(self._memory, now)
        self._key_opening = self._opening()
        self._store()
        return 0, 0, self._memory.width, self._memory.height

    def asks_at(self, now: float, *, all_take_part: bool) -> float | None:
        """When a key picture will be due; None if none is in sight."""
        at = self._ask_at(all_take_part=all_take_part)
        return at if at is not None and now < at and self._sink.has_room else None

    def _ask_at(self, *, all_take_part: bool) -> float | None:
        self._notice_gap()
        if self._key_at is None or self._next is not None:
            return None
        return self._key_at + (0.0 if all_take_part else KEY_PATIENCE_S)

    @property
    def missing(self) -> Area | None:
        """The smallest area that holds all that was asked for and hasn't come."""
        area = None
        for screen in self._screens():
            if (lacking := screen.missing) is not None:
                area = union(area, lacking)
        return area

    # What is written

    def _screens(self) -> list[_RecordedScreen]:
        return [screen for screen in (self._live, self._next) if screen is not None]

    def _time_ms(self) -> int:
        return max(0, round((self._clock() - self._began_at) * 1000))

    def _opening(self) -> bytes:
        memory = self._memory
        return server_init(memory.width, memory.height, memory.pixel_format, memory.name)

    def _store_unfinished(self) -> None:
        """What came of an update whose end won't come, before anything changes."""
        if self._live is not None:
            self._live.update_ended()
            self._store()

    def _store(self) -> None:
        """Give what the screens were sent to where it belongs."""
        self._notice_gap()
        now = self._clock()
        if self._live is not None and (slices := _copied(self._live.take(now))):
            if self._begin_with is not None:
                self._begin(self._begin_with, whole=False, continues=not self._first)
            self._sink.add(self._time_ms(), Kind.LIVE, slices)
            self._block_bytes += sum(map(len, slices))
            if self._key_at is None and self._next is None:
                self._key_at = now + self._key_interval_s
            # A block that has become large makes the next key picture due at once; of one twice as
            # large it counts as long due, so that it is asked for even if a viewer would miss it.
            if self._key_at is not None and (late := self._block_bytes // self._block_limit):
                self._key_at = min(self._key_at, now if late == 1 else now - KEY_PATIENCE_S)
        if self._next is not None and (slices := _copied(self._next.take(now))):
            self._key += slices
            self._key_bytes += sum(map(len, slices))
            # The screen changes faster than a whole picture comes: what was kept would grow without
            # end. The live block goes on meanwhile, so nothing is lost but a place to seek to.
            if self._key_bytes > KEY_MAX_BYTES:
                self._drop_key()
                self._key_at = now + self._key_interval_s
                self._block_bytes = 0

    @property
    def _block_limit(self) -> int:
        memory = self._memory
        picture = memory.width * memory.height * memory.pixel_format.bytes_per_pixel
        return max(BLOCK_LEAST_BYTES, BLOCK_PICTURES * picture)

    def _begin(self, opening: bytes, *, whole: bool, continues: bool) -> None:
        self._sink.begin(self._time_ms(), opening, whole=whole, continues=continues)
        self._begin_with = None
        self._first = False
        self._block_bytes = 0

    def _begin_key_block(self, screen: _RecordedScreen) -> None:
        # Without a live screen something was left out, and the block doesn't continue the last one.
        gap = self._live is None
        if gap:
            self._sink.note(self._time_ms(), GAP)
        self._begin(self._key_opening, whole=True, continues=not gap and not self._first)
        self._sink.add(self._time_ms(), Kind.KEY, self._key)
        self._block_bytes = self._key_bytes
        self._live = screen
        self._drop_key()

    def _drop_key(self) -> None:
        self._next = None
        self._key = []
        self._key_bytes = 0

    def _notice_gap(self) -> None:
        """What was written no longer leads to what is shown: begin anew, once there is room."""
        no_room = not self._sink.has_room
        if (no_room or self._sink.lost) and self._live is not None:
            # From here on nothing may be added to this block: its decoder would miss what is left
            # out. Only a whole picture, in a block of its own, leads back to what is shown.
            self._live = None
        elif not no_room or self._next is None:
            # No gap begins, and a key picture that is being collected is complete so far.
            return
        self._drop_key()
        self._key_at = self._clock()


def _copied(slices: list[Pixels]) -> list[bytes]:
    """What is kept longer than a read's buffer should live."""
    return [bytes(slice_) for slice_ in plain_slices(slices)]
