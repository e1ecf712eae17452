"""WebSocket: what viewers send to a console and its control channel, and what a gateway sends."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from tests.fuzz.loop import run
from tests.fuzz.target import Choices, Target, check_same, splits
from tests.websocket_ends import (
    MESSAGE_MAX_BYTES,
    Outcome,
    at_the_console,
    at_the_control_channel,
    at_the_gateway,
    frame,
)
from vncproxy.websocket.frames import Broken, ControlFrame, FrameReader, WholeFrames

End = Callable[[Sequence[bytes]], Awaitable[Outcome]]

MAX_BYTES = 2048
"""Of control frames with so many bytes, a peer's ration isn't used up: that goes by time."""


def _read(pieces: Sequence[bytes], *, masked: bool, past: bool) -> tuple[bytes, list[object]]:
    """What frames hold, and what else came; `past`: whole frames may go past unopened."""
    reader = FrameReader(masked=masked, max_message_bytes=MESSAGE_MAX_BYTES if masked else None)
    content, others = bytearray(), list[object]()
    for piece in pieces:
        view, at = memoryview(piece), 0
        while at < len(view):
            if past:
                stop, size = reader.whole(view, at, 1000, 7)
                content += b"".join(WholeFrames(view[at:stop], size).slices())
                assert (stop > at) == (size > 0)
                at = stop
                if at == len(view):
                    break
            before = at
            at, found = reader.next(view, at)
            assert at > before or found is not None, "it goes on"
            if isinstance(found, ControlFrame | Broken):
                assert not any(isinstance(one, Broken) for one in others)
                others.append(found)
            elif found is not None:
                content += found
    return bytes(content), others


def frame_reader(data: bytes) -> None:
    """Frames of either side, read by themselves."""
    choices = Choices(data)
    masked, seed = choices.number(1) == 1, choices.number(255)
    wire = choices.rest
    whole = _read([wire], masked=masked, past=False)
    assert len(whole[0]) <= len(wire)
    check_same(_read([wire], masked=masked, past=True), whole)
    for pieces in splits(wire, seed):
        check_same(_read(pieces, masked=masked, past=False), whole)
        check_same(_read(pieces, masked=masked, past=True), whole)


def _target(end: End) -> Callable[[bytes], None]:
    def at_the_end(data: bytes) -> None:
        choices = Choices(data)
        seed, wire = choices.number(255), choices.rest
        pieces = next(splits(wire, seed))

        async def both() -> tuple[Outcome, Outcome]:
            return await end([wire]), await end(pieces)

        whole, cut = run(both())
        check_same(cut, whole)
        assert not whole.breach or whole.over

    return at_the_end


_FRAMES = (
    (2, b"RFB 003.008\n"),
    (8, b"\x03\xe8"),
    (9, b"hi"),
    (0, b"more"),
    (1, b""),
)
_MASKED = tuple(frame(opcode, body, masked=True) for opcode, body in _FRAMES)
_PLAIN = tuple(frame(opcode, body, masked=False) for opcode, body in _FRAMES)
TARGETS = (
    Target("frame-reader", frame_reader, words=(*_MASKED, *_PLAIN)),
    Target("console-websocket", _target(at_the_console), MAX_BYTES, _MASKED),
    Target("control-websocket", _target(at_the_control_channel), MAX_BYTES, _MASKED),
    Target("gateway-websocket", _target(at_the_gateway), MAX_BYTES, _PLAIN),
)
