"""Whatever happens, in whatever order: once all is quiet, every viewer sees the right picture."""

from __future__ import annotations

import random
import struct
import sys

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.property.model_server import (
    COPY_RECT,
    CURSOR,
    DESKTOP_SIZE,
    EXTENDED_SIZE,
    HEXTILE,
    LAST_RECT,
    NATIVE,
    RAW,
    RRE,
    TIGHT,
    TIGHT_PNG,
    ModelServer,
    Shifts,
)
from tests.property.model_viewer import CONTINUOUS, END, FENCE, ModelViewer
from vncproxy.console.shared_screen import SharedScreen
from vncproxy.rfb.pixel_format import PixelFormat
from vncproxy.rfb.screen_state import ScreenState
from vncproxy.rfb.server_events import StreamBroken, UpdateStarted, plain_slices
from vncproxy.rfb.server_stream import ServerStream

QUEUE_BYTES = 4000
"""More than this waiting for a viewer, and it is behind."""
WINDOW_BYTES = 6000
SMALL_WINDOW_BYTES = 1500
MAX_WIDTH, MAX_HEIGHT = 40, 36
SCREEN_BYTES = MAX_WIDTH * MAX_HEIGHT * 4
MAX_PARTS = 30
"""Into so many an update may be cut that can't be held whole."""
CUT_BYTES = 2048
"""At most this many of the upstream's bytes come at once."""

WITH_TIGHT = (
    (COPY_RECT, TIGHT, HEXTILE, RAW, CURSOR, DESKTOP_SIZE, LAST_RECT, EXTENDED_SIZE),
    (COPY_RECT, TIGHT, TIGHT_PNG, RRE, CURSOR, EXTENDED_SIZE, FENCE, CONTINUOUS),
    (TIGHT, COPY_RECT, DESKTOP_SIZE, FENCE, CONTINUOUS),
    (TIGHT, COPY_RECT, DESKTOP_SIZE),
)
WITHOUT = (
    (TIGHT_PNG, COPY_RECT, DESKTOP_SIZE, CURSOR, LAST_RECT, FENCE, CONTINUOUS),
    (HEXTILE, RRE, COPY_RECT, EXTENDED_SIZE, DESKTOP_SIZE),
    (RAW, EXTENDED_SIZE),
    (COPY_RECT, TIGHT),
    None,
)
"""What viewers ask for; None: one that never says, and so may be sent Raw only."""


def _memory(server: ModelServer) -> ScreenState:
    return ScreenState(*server.size, "model", _pixel_format(NATIVE))


def _pixel_format(shifts: Shifts) -> PixelFormat:
    red, green, blue = shifts
    return PixelFormat(red_shift=red, green_shift=green, blue_shift=blue)


_BOXES = st.tuples(*[st.integers(0, 63)] * 4)
_SIZES = st.tuples(st.integers(1, MAX_WIDTH), st.integers(1, MAX_HEIGHT))
_WHICH = st.integers(0, 7)
_MOSTLY_TIGHT = [st.sampled_from(WITH_TIGHT)] * 4
_ENCODINGS: st.SearchStrategy[tuple[int, ...] | None] = st.one_of(
    *_MOSTLY_TIGHT, st.sampled_from(WITHOUT)
)


class SharedScreenMachine(RuleBasedStateMachine):
    """A shared screen between a model upstream and model viewers; this plays the router's part."""

    @initialize(
        seed=st.integers(0, 1 << 32),
        size=_SIZES,
        by_area=st.booleans(),
        small=st.booleans(),
        viewers=st.lists(st.sampled_from(WITH_TIGHT), max_size=3),
    )
    def begin(
        self,
        seed: int,
        size: tuple[int, int],
        by_area: bool,
        small: bool,
        viewers: list[tuple[int, ...]],
    ) -> None:
        """The first link is up, and some viewers may be on."""
        self.rng = random.Random(seed)
        self.by_area = by_area
        self.now = 1000.0
        self.joined = 0
        self.viewers: dict[str, ModelViewer] = {}
        self.held = False
        self.server: ModelServer | None = ModelServer(self.rng, *size, by_area=by_area)
        self.window_bytes = SMALL_WINDOW_BYTES if small else WINDOW_BYTES
        self.shared_screen = SharedScreen(
            _memory(self.server), viewer_window_bytes=self.window_bytes
        )
        self.stream = ServerStream(*size, _pixel_format(NATIVE))
        for encodings in viewers:
            self.joins(encodings, True)

    def teardown(self) -> None:
        """However it ended, it must come to rest with the right picture."""
        if not hasattr(self, "shared_screen"):
            return
        if sys.exc_info()[1] is None:
            if self.server is None:
                self.link_comes((20, 20))
            self.come_to_rest()

    def viewer(self, which: int) -> ModelViewer:
        """One of those that are on."""
        return list(self.viewers.values())[which % len(self.viewers)]

    # Viewers

    @precondition(lambda self: self.server is not None and len(self.viewers) < 4)
    @rule(encodings=_ENCODINGS, asks=st.booleans())
    def joins(self, encodings: tuple[int, ...] | None, asks: bool) -> None:
        """A viewer is sent ServerInit and says what it wants."""
        self.joined += 1
        name = f"v{self.joined}"
        screen = self.shared_screen.join(name)
        memory = self.shared_screen.memory
        promised = self.shared_screen.requests.pixel_format
        shifts = (promised.red_shift, promised.green_shift, promised.blue_shift)
        viewer = self.viewers[name] = ModelViewer(screen, (memory.width, memory.height), shifts)
        if encodings is not None:
            viewer.choose(encodings, self.now)
        if asks:
            viewer.ask(incremental=False)
        self.pump()

    @precondition(lambda self: self.viewers)
    @rule(which=_WHICH)
    def leaves(self, which: int) -> None:
        """A viewer goes."""
        name = list(self.viewers)[which % len(self.viewers)]
        del self.viewers[name]
        self.shared_screen.leave(name)
        self.pump()

    @precondition(lambda self: self.viewers)
    @rule(which=_WHICH, incremental=st.booleans(), area=st.none() | _BOXES)
    def asks(self, which: int, incremental: bool, area: tuple[int, int, int, int] | None) -> None:
        """A viewer asks out of turn, perhaps for a part, perhaps beyond the edge."""
        self.viewer(which).ask(incremental=incremental, area=area)
        self.pump()

    @precondition(lambda self: self.viewers)
    @rule(which=_WHICH, encodings=_ENCODINGS)
    def chooses_anew(self, which: int, encodings: tuple[int, ...] | None) -> None:
        """A viewer changes its mind about encodings, but for the size."""
        viewer = self.viewer(which)
        if encodings is not None:
            kept = tuple({DESKTOP_SIZE, EXTENDED_SIZE} & viewer.may_get)
            viewer.choose(encodings + kept, self.now)
            self.pump()

    @precondition(lambda self: self.viewers)
    @rule(which=_WHICH, reads=st.booleans())
    def turns_slow(self, which: int, reads: bool) -> None:
        """A viewer stops reading, or begins again."""
        self.viewer(which).reads = reads

    @precondition(lambda self: self.viewers)
    @rule(which=_WHICH, size=st.integers(1, 3000))
    def reads_a_little(self, which: int, size: int) -> None:
        """A slow viewer reads some of what waits for it."""
        self.read(self.viewer(which), size)
        self.pump()

    @precondition(lambda self: len(self.viewers) == 1)
    @rule(shifts=st.sampled_from([NATIVE, (0, 8, 16), (8, 16, 24)]))
    def wants_another_format(self, shifts: Shifts) -> None:
        """The only viewer will name another pixel format once it may."""
        self.viewer(0).wished_shifts = shifts

    def name_format(self, viewer: ModelViewer) -> None:
        """At a place where no request is outstanding, or continuous updates are stopped before."""
        shifts = viewer.wished_shifts
        if shifts is None or len(self.viewers) > 1:
            return
        if self.server is not None and self.server.wire:
            # What is under way could pass for the answer that the fan-out waits for.
            return
        viewer.wished_shifts = None
        viewer.next_shifts = shifts
        if viewer.continuous:
            viewer.continuous = False
            viewer.ends = viewer.decoder.messages[END]
            viewer.screen.enable_continuous(enable=False)
        else:
            viewer.change_format()
        self.to_server(self.shared_screen.requests.set_pixel_format(_pixel_format(shifts)))

    # The upstream

    @precondition(lambda self: self.server is not None)
    @rule(box=_BOXES)
    def draws(self, box: tuple[int, int, int, int]) -> None:
        """The screen changes."""
        assert self.server is not None
        self.server.draw(box)

    @precondition(lambda self: self.server is not None)
    @rule(box=_BOXES, source=st.tuples(st.integers(0, 63), st.integers(0, 63)))
    def scrolls(self, box: tuple[int, int, int, int], source: tuple[int, int]) -> None:
        """A part of the screen is moved."""
        assert self.server is not None
        self.server.scroll(box, *source)

    @precondition(lambda self: self.server is not None)
    @rule(width=st.integers(0, 12), height=st.integers(0, 12))
    def points(self, width: int, height: int) -> None:
        """Another cursor."""
        assert self.server is not None
        self.server.point(width, height)

    @precondition(lambda self: self.server is not None)
    @rule(size=_SIZES)
    def resizes(self, size: tuple[int, int]) -> None:
        """Another screen size."""
        assert self.server is not None
        self.server.resize(*size)

    @precondition(lambda self: self.server is not None)
    @rule()
    def rings(self) -> None:
        """A message that is no update."""
        assert self.server is not None
        self.server.ring()

    @precondition(lambda self: self.server is not None)
    @rule()
    def answers(self) -> None:
        """The upstream sends what it owes; it is on its way."""
        assert self.server is not None
        self.server.answer()

    @precondition(lambda self: self.server is not None and self.viewers)
    @rule(
        boxes=st.lists(_BOXES, min_size=1, max_size=4),
        copy=st.none() | st.tuples(_BOXES, st.integers(0, 63), st.integers(0, 63)),
        sizes=st.lists(st.integers(1, CUT_BYTES), max_size=3),
    )
    def works(
        self,
        boxes: list[tuple[int, int, int, int]],
        copy: tuple[tuple[int, int, int, int], int, int] | None,
        sizes: list[int],
    ) -> None:
        """The usual: the screen changes, the upstream sends it, some of it arrives."""
        assert self.server is not None
        for box in boxes:
            self.server.draw(box)
            self.server.answer()
        if copy is not None:
            self.server.scroll(*copy)
            self.server.answer()
        for size in sizes:
            self.deliver(size)

    @precondition(lambda self: self.server is not None and self.server.wire)
    @rule(size=st.integers(1, CUT_BYTES))
    def arrives(self, size: int) -> None:
        """Some of what is on its way arrives, cut anywhere."""
        self.deliver(size)

    @rule(seconds=st.floats(0.001, 2.0))
    def time_passes(self, seconds: float) -> None:
        """The router's timer."""
        self.now += seconds
        self.pump()

    @precondition(lambda self: self.server is not None)
    @rule()
    def link_goes(self) -> None:
        """The link is lost, with all that was on its way."""
        assert self.server is not None
        self.server = None
        self.held = False
        self.shared_screen.link_lost()
        self.pump()
        for name, viewer in self.viewers.items():
            if viewer.reads:
                assert viewer.decoder.at_boundary, f"{name} waits for the rest of a lost update"

    @precondition(lambda self: self.server is None)
    @rule(size=_SIZES)
    def link_comes(self, size: tuple[int, int]) -> None:
        """Another link replaces it."""
        self.server = ModelServer(self.rng, *size, by_area=self.by_area)
        self.stream = ServerStream(*size, _pixel_format(NATIVE))
        self.to_server(self.shared_screen.link_replaced(_memory(self.server)))
        self.pump()

    @precondition(lambda self: self.server is not None and len(self.viewers) > 1)
    @rule(which=_WHICH, boxes=st.lists(_BOXES, min_size=1, max_size=5), stays_slow=st.booleans())
    def lags(self, which: int, boxes: list[tuple[int, int, int, int]], stays_slow: bool) -> None:
        """One viewer reads nothing while much is sent to the others."""
        assert self.server is not None
        viewer = self.viewer(which)
        viewer.reads = False
        for box in boxes:
            self.server.draw(box)
            self.server.answer()
            self.deliver(len(self.server.wire))
        viewer.reads = not stays_slow
        self.pump()

    @precondition(lambda self: self.server is not None)
    @rule(size=_SIZES, boxes=st.lists(_BOXES, max_size=3))
    def link_is_replaced(
        self, size: tuple[int, int], boxes: list[tuple[int, int, int, int]]
    ) -> None:
        """The link is lost and another one is in use at once."""
        self.link_goes()
        self.link_comes(size)
        self.works(boxes, None, [CUT_BYTES])

    @precondition(lambda self: self.server is not None and self.viewers)
    @rule()
    def rests(self) -> None:
        """Nothing new happens for a while: the pictures must be right."""
        self.come_to_rest()

    # The router's part

    def deliver(self, size: int) -> None:
        """Bytes of the upstream, unless it isn't read."""
        server = self.server
        if server is None or self.held:
            return
        events = self.stream.feed(server.arrive(size))
        for event in events:
            assert not isinstance(event, StreamBroken), event
            if isinstance(event, UpdateStarted):
                self.one_update_may_come(event)
        while events:
            self.to_server(self.shared_screen.take_next(events))
        self.pump()

    def one_update_may_come(self, event: UpdateStarted) -> None:
        """To each viewer; more where it must be counted first and is larger than may be held."""
        for viewer in self.viewers.values():
            counted = event.count is None and LAST_RECT not in viewer.screen.encodings
            viewer.may_see += MAX_PARTS if counted else 1

    def to_server(self, messages: list[bytes]) -> None:
        """Upstream, unless there is no link."""
        if self.server is not None:
            self.stream.set_pixel_format(self.shared_screen.memory.pixel_format)
            self.server.take(messages)

    def pump(self) -> None:
        """As the router does after anything happened."""
        self.now += 0.001
        while True:
            if self.server is not None:
                self.to_server(self.shared_screen.requests.due(self.now))
            for name, viewer in list(self.viewers.items()):
                viewer.line += b"".join(viewer.screen.probe(self.now))
                room = len(viewer.line) <= QUEUE_BYTES
                viewer.line += b"".join(plain_slices(viewer.screen.take(self.now, room=room)))
                while viewer.screen.writer.is_filling and len(viewer.line) <= QUEUE_BYTES:
                    viewer.line += b"".join(plain_slices(viewer.screen.take(self.now)))
                if viewer.screen.lost:
                    assert not {DESKTOP_SIZE, EXTENDED_SIZE} & viewer.may_get
                    del self.viewers[name]
                    self.shared_screen.leave(name)
            if self.server is not None:
                self.to_server(self.shared_screen.requests.due(self.now))
            self.hold_back()
            readers = [v for v in self.viewers.values() if v.reads and v.line]
            if not readers:
                return
            for viewer in readers:
                self.read(viewer, len(viewer.line))

    def hold_back(self) -> None:
        """Who is behind skips; if all are, the upstream isn't read."""
        behind = [n for n, v in self.viewers.items() if len(v.line) > QUEUE_BYTES]
        self.held = bool(behind) and len(behind) == len(self.viewers)
        if not self.held:
            for name in behind:
                self.shared_screen.fell_behind(name)

    def read(self, viewer: ModelViewer, size: int) -> None:
        """The viewer takes bytes; one that has them all is caught up."""
        had = bool(viewer.line)
        if viewer.read(size, self.now):
            self.name_format(viewer)
            viewer.go_on()
        if had and not viewer.line:
            for name, each in self.viewers.items():
                if each is viewer:
                    self.shared_screen.became_ready(name)
                    self.held = False

    # What must hold

    @invariant()
    def lines_are_bounded(self) -> None:
        """A viewer that reads nothing costs no more than its queue and one batch."""
        for viewer in getattr(self, "viewers", {}).values():
            bound = QUEUE_BYTES + 3 * SCREEN_BYTES + 2 * CUT_BYTES
            assert len(viewer.line) <= bound

    @invariant()
    def one_update_stays_one(self) -> None:
        """What the upstream sent as one, no viewer has seen as several."""
        for name, viewer in getattr(self, "viewers", {}).items():
            assert viewer.decoder.pictures <= viewer.may_see, f"{name} was sent an update in parts"

    def come_to_rest(self) -> None:
        """Everybody reads, the upstream answers, time passes, until nothing is left to do."""
        assert self.server is not None
        for viewer in self.viewers.values():
            viewer.reads = True
            if not viewer.has_asked:
                viewer.ask(incremental=False)
        self.pump()
        for _ in range(100):
            if self.server.wire:
                self.deliver(CUT_BYTES)
            elif not self.server.answer():
                if self.shared_screen.requests.next_at is None:
                    break
                self.now = max(self.now, self.shared_screen.requests.next_at)
                asked = dict(self.server.requests)
                self.pump()
                assert self.server.requests != asked, "the timer went off for nothing"
        else:
            raise AssertionError("it never comes to rest")
        for name, viewer in self.viewers.items():
            self.check(name, viewer, self.server)
        if self.viewers:
            assert self.server.is_asked, "no request is outstanding: the next change goes unseen"

    def check(self, name: str, viewer: ModelViewer, server: ModelServer) -> None:
        """Its picture is the upstream's, and came only in ways that it knows."""
        decoder = viewer.decoder
        assert decoder.at_boundary, f"{name} was sent half a message"
        assert decoder.size == server.size
        assert decoder.painted.all(), f"{name} lacks a part of the picture"
        assert np.array_equal(decoder.frame, server.frame), f"{name} sees another picture"
        assert set(decoder.encodings) <= viewer.may_get
        if CURSOR in server.encodings and CURSOR in viewer.may_get and server.cursor is not None:
            assert decoder.cursor is not None
            header = struct.unpack(">HHHHi", server.cursor[:12])
            assert decoder.cursor[1:5] == header[:4]


TestSharedScreen = SharedScreenMachine.TestCase
TestSharedScreen.settings = settings(
    max_examples=120,
    stateful_step_count=40,
)
