"""Whatever a screen shows: sought from any place, a recording gives the picture that was live."""

from __future__ import annotations

import os
import random
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from hypothesis import event, given, settings
from hypothesis import strategies as st

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
    Pixels,
    Shifts,
)
from tests.recorded import NOVNC_SHIFTS, played_from
from vncproxy.console.recorder import Recorder
from vncproxy.console.shared_screen import SharedScreen
from vncproxy.recording.file_format import Header, Kind
from vncproxy.recording.file_writer import RecordingFile
from vncproxy.recording.reader import Recording
from vncproxy.rfb.pixel_format import PixelFormat
from vncproxy.rfb.screen_state import ScreenState
from vncproxy.rfb.server_events import StreamBroken
from vncproxy.rfb.server_stream import ServerStream

WINDOW_BYTES = 1 << 20
KEY_INTERVAL_S = 0.5
VIEWERS = (
    (COPY_RECT, TIGHT, HEXTILE, RAW, CURSOR, DESKTOP_SIZE, LAST_RECT, EXTENDED_SIZE),
    (TIGHT_PNG, RRE, COPY_RECT, CURSOR, EXTENDED_SIZE),
    (HEXTILE, RRE, COPY_RECT, DESKTOP_SIZE),
    (RAW, DESKTOP_SIZE),
)
HEADER = Header(instance="i-1", viewer="v-1", user="ann", started_at="2026-01-01T00:00:00Z")


class DirectSink:
    """Writes at once, unless the disk is stated to have no room."""

    def __init__(self, path: Path) -> None:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        self.file = RecordingFile(descriptor, HEADER)
        self.has_room = True
        self.lost = False

    def fails(self) -> None:
        """The disk is full, and what waited for it is gone."""
        self.has_room = False
        self.lost = True

    def begin(self, time_ms: int, opening: bytes, *, whole: bool, continues: bool) -> None:
        """A block begins."""
        assert self.has_room
        self.lost = False
        self.file.begin(time_ms, opening, whole=whole, continues=continues)

    def add(self, time_ms: int, kind: Kind, slices: Sequence[bytes]) -> None:
        """A record."""
        assert not self.lost
        self.file.add(time_ms, kind, slices)

    def note(self, time_ms: int, what: str) -> None:
        """Something happened."""
        self.file.note(time_ms, what)


class Session:
    """A console with one recorded viewer, and now and then another one, all quick."""

    def __init__(self, seed: int, folder: Path, *, by_area: bool, encodings: int) -> None:
        self.rng = random.Random(seed)
        self.by_area = by_area
        self.now = 100.0
        self.server = ModelServer(self.rng, 24, 20, by_area=by_area)
        memory = _memory(self.server)
        self.shared_screen = SharedScreen(memory, viewer_window_bytes=WINDOW_BYTES)
        self.stream = ServerStream(memory.width, memory.height, memory.pixel_format)
        self.path = folder / "seen.vncrec"
        self.sink = DirectSink(self.path)
        self.recorder = Recorder(
            memory, self.sink, lambda: self.now, began_at=100.0, key_interval_s=KEY_INTERVAL_S
        )
        self.shared_screen.recorders["v1"] = self.recorder
        self.moments: list[tuple[int, Pixels]] = []
        self.joins("v1", encodings)

    def joins(self, name: str, encodings: int) -> None:
        """A viewer comes and asks for everything."""
        screen = self.shared_screen.join(name)
        screen.set_encodings(VIEWERS[encodings % len(VIEWERS)], self.now)
        self.ask(name, incremental=False)

    def ask(self, name: str, *, incremental: bool) -> None:
        """A viewer's request."""
        memory = self.shared_screen.memory
        self.shared_screen.viewers[name].requested(
            incremental=incremental, x=0, y=0, width=memory.width, height=memory.height
        )

    def other(self, encodings: int) -> None:
        """The other viewer comes or goes."""
        if "v2" in self.shared_screen.viewers:
            self.shared_screen.leave("v2")
        else:
            self.joins("v2", encodings)

    def reformat(self, shifts: Shifts) -> None:
        """The only viewer wants other pixels."""
        if len(self.shared_screen.viewers) == 1 and not self.server.wire:
            self.to_server(self.shared_screen.requests.set_pixel_format(_format(shifts)))

    def replace_link(self, width: int, height: int) -> None:
        """The link is lost, perhaps in the middle of something, and another takes its place."""
        self.shared_screen.link_lost()
        self.server = ModelServer(self.rng, width, height, by_area=self.by_area)
        self.stream = ServerStream(width, height, _format(NATIVE))
        self.to_server(self.shared_screen.link_replaced(_memory(self.server)))

    def deliver(self, size: int) -> None:
        """Bytes arrive, and all that follows happens."""
        events = self.stream.feed(self.server.arrive(size))
        assert not any(isinstance(event, StreamBroken) for event in events), events
        while events:
            self.to_server(self.shared_screen.take_next(events))
        self.pump()

    def to_server(self, messages: list[bytes]) -> None:
        """Upstream."""
        self.stream.set_pixel_format(self.shared_screen.memory.pixel_format)
        self.server.take(messages)

    def pump(self) -> None:
        """As the router does; viewers read at once and ask for more."""
        self.now += 0.002
        self.to_server(self.shared_screen.requests.due(self.now))
        for name, screen in list(self.shared_screen.viewers.items()):
            if screen.take(self.now):
                self.ask(name, incremental=True)
            if screen.lost:
                self.shared_screen.leave(name) if name == "v2" else None
        self.to_server(self.shared_screen.requests.due(self.now))

    def rest(self) -> None:
        """Nothing new for a while: what is seen now is a moment to be sought later."""
        self.pump()
        for _ in range(200):
            if self.server.wire:
                self.deliver(2048)
            elif not self.server.answer():
                if self.shared_screen.requests.next_at is None:
                    break
                self.now = max(self.now, self.shared_screen.requests.next_at)
                self.pump()
        else:
            raise AssertionError("it never comes to rest")
        if self.sink.has_room and not self.sink.lost:
            self.now += 0.002
            self.moments.append((self.time_ms, self.server.frame.copy()))
            self.now += 0.002

    @property
    def time_ms(self) -> int:
        """Of the recording."""
        return round((self.now - 100.0) * 1000)


def _format(shifts: Shifts) -> PixelFormat:
    return PixelFormat(red_shift=shifts[0], green_shift=shifts[1], blue_shift=shifts[2])


def _memory(server: ModelServer) -> ScreenState:
    return ScreenState(*server.size, "model", _format(NATIVE))


_BOXES = st.tuples(*[st.integers(0, 30)] * 4)
_SIZES = st.tuples(st.integers(1, 30), st.integers(1, 30))
_ACTS = st.one_of(
    st.tuples(st.just("draw"), st.tuples(_BOXES)),
    st.tuples(st.just("work"), st.tuples(_BOXES)),
    st.tuples(st.just("scroll"), st.tuples(_BOXES, st.integers(0, 30), st.integers(0, 30))),
    st.tuples(st.just("point"), st.tuples(st.integers(0, 9), st.integers(0, 9))),
    st.tuples(st.just("resize"), _SIZES),
    st.tuples(st.just("ring"), st.just(())),
    st.tuples(st.just("deliver"), st.tuples(st.integers(1, 2000))),
    st.tuples(st.just("wait"), st.tuples(st.floats(0.01, 2.0))),
    st.tuples(st.just("rest"), st.just(())),
    st.tuples(st.just("other"), st.tuples(st.integers(0, 3))),
    st.tuples(st.just("reformat"), st.tuples(st.sampled_from((NATIVE, NOVNC_SHIFTS, (8, 16, 24))))),
    st.tuples(st.just("replace_link"), _SIZES),
    st.tuples(st.just("disk"), st.tuples(st.booleans())),
)


def _act(session: Session, name: str, how: tuple[object, ...]) -> None:
    server = session.server
    match name:
        case "draw" | "scroll" | "point" | "resize" | "ring":
            getattr(server, name)(*how)
            server.answer()
        case "work":
            for _ in range(3):
                server.draw(*how)  # type: ignore[arg-type]
                server.answer()
                session.deliver(1000)
        case "wait":
            session.now += how[0]  # type: ignore[operator]
            session.pump()
        case "disk":
            if how[0]:
                session.sink.has_room = True
                session.pump()
            else:
                session.sink.fails()
        case _:
            getattr(session, name)(*how)


@settings(max_examples=80)
@given(
    seed=st.integers(0, 2**32),
    by_area=st.booleans(),
    encodings=st.integers(0, 3),
    acts=st.lists(_ACTS, min_size=5, max_size=40),
)
def test_every_moment_from_every_place(
    seed: int, by_area: bool, encodings: int, acts: list[tuple[str, tuple[object, ...]]]
) -> None:
    """From whichever block playing begins, each later moment at rest has the pixels of then."""
    with tempfile.TemporaryDirectory() as folder:
        session = Session(seed, Path(folder), by_area=by_area, encodings=encodings)
        session.rest()
        for name, how in acts:
            _act(session, name, how)
        session.sink.has_room = True
        session.rest()
        session.rest()
        assert session.moments
        assert session.sink.file.close(session.time_ms) is None
        recording = Recording(session.path)
        try:
            _check(recording, session.moments)
        finally:
            recording.close()


def _check(recording: Recording, moments: list[tuple[int, Pixels]]) -> None:
    assert recording.whole
    event(f"blocks: {min(len(recording.blocks), 8)}")
    event(f"gaps: {any(not block.continues for block in recording.blocks[1:])}")
    for number, block in enumerate(recording.blocks):
        if number and not block.whole:
            continue
        wanted = [moment for moment in moments if moment[0] > block.time_ms]
        shown: Pixels | None = None
        for played in played_from(recording, number):
            while wanted and played.time_ms > wanted[0][0]:
                _same(shown, wanted.pop(0))
            shown = played.decoder.frame.copy()
            assert played.decoder.cut_texts == []
        for moment in wanted:
            _same(shown, moment)


def _same(shown: Pixels | None, moment: tuple[int, Pixels]) -> None:
    time_ms, frame = moment
    assert shown is not None, f"nothing was recorded before {time_ms} ms"
    assert np.array_equal(shown, frame), f"another picture at {time_ms} ms"
