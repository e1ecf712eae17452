"""What one peer sends by WebSocket: its frames are opened on the way to the receiver.

The one loop that every byte of the screen goes through. What the receiver only counts, the pixels
of a Raw rectangle, goes past as whole frames, thousands for one call; the rest comes in slices.
"""

from __future__ import annotations

from typing import Protocol

from vncproxy.websocket.frames import Broken, ControlFrame, FrameReader, Slice, WholeFrames
from vncproxy.websocket.input_flow_control import (
    TURN_BYTES,
    TURN_PIECES,
    Buffer,
    InputFlow,
    InputListener,
    Nobody,
)
from vncproxy.websocket.transport import BodyReceiver, TransportReceiver

TURN_FRAMES = 512
"""So many frames are opened in a turn of the event loop; see `FrameReader.work`."""
PASSED_BYTES = 768 * 1024
"""So much is taken in a turn at most, if all but `TURN_BYTES` of it are only counted: three reads,
of which uvloop makes two between two turns."""
_JOINED_BYTES = 8 * 1024
"""Small frames are joined up to this: that costs less than each of them further on."""


class FrameListener(InputListener, Protocol):
    """Who acts on what isn't content."""

    def control_came(self, control: ControlFrame) -> None:
        """A control frame."""

    def rules_broken(self, broken: Broken) -> None:
        """The peer broke the rules of WebSocket; nothing follows."""

    def receiver_failed(self) -> None:
        """Called while an exception of the receiver is handled."""


class _Nobody(Nobody):
    """Acts on nothing."""

    def control_came(self, control: ControlFrame) -> None:
        pass

    def rules_broken(self, broken: Broken) -> None:
        pass

    def receiver_failed(self) -> None:
        pass


_NOBODY = _Nobody()


class FrameDispatcher(InputFlow):
    """One peer's input, from the byte after its HTTP head on."""

    def __init__(self, frames: FrameReader, listener: FrameListener) -> None:
        """Nothing is given before `attach` and the first `resume`."""
        super().__init__(self._open, listener, PASSED_BYTES)
        self._frames = frames
        self._listener: FrameListener = listener
        self._receiver: TransportReceiver | None = None
        self._body: BodyReceiver | None = None
        self._left: Buffer = b""
        self._room_bytes = TURN_BYTES
        self._most_work = TURN_FRAMES

    def attach(self, receiver: TransportReceiver, body: BodyReceiver | None = None) -> None:
        """Give to `receiver` from the next `resume` on.

        Args:
            receiver: Gets what frames hold.
            body: Gets whole frames of what it only counts.
        """
        self._receiver, self._body = receiver, body

    def discard(self) -> None:
        """Give nothing any more; control frames are acted on as before."""
        self._receiver = self._body = None
        self._left = b""

    def release(self) -> None:
        """As of `InputFlow`."""
        self.discard()
        super().release()
        self._listener = _NOBODY

    @property
    def _is_half_spent(self) -> bool:
        # The base class's conditions first, written out: this is looked at in every read.
        return (
            self._left_bytes < self._turn_bytes // 2
            or self._left_pieces < TURN_PIECES // 2
            or self._room_bytes < TURN_BYTES // 2
            or self._most_work - self._frames.work < TURN_FRAMES // 2
        )

    def put(self, data: Buffer) -> None:
        """The peer sent this."""
        if (
            self._held
            or self._turn_due
            or self._paused
            or self._over
            or self._resting is not None
            or (self._body is not None and self._body.body_bytes)
            or (content := self._frames.only(data)) is None
        ):
            super().put(data)
            return
        # A small message by itself, and nothing that it would have to wait for.
        self._left_bytes -= len(data)
        self._left_pieces -= 1
        # Held while it is taken: not before is the peer's end the end.
        self._held.append(data)
        self._hand_over(content)
        if self._over:
            return
        del self._held[0]
        if self._ended or self._again or not self._reading:
            self._settle()
        if self._is_half_spent:
            self._next_turn()

    def _turn(self) -> None:
        self._room_bytes = TURN_BYTES
        self._most_work = self._frames.work + TURN_FRAMES
        super()._turn()

    def _open(self, data: Buffer) -> int:
        """Open as many frames as a turn goes for; how many bytes of `data` were taken."""
        if self._left or not data:
            self._go_on()
            return 0
        frames, view = self._frames, memoryview(data)
        at, end = 0, len(view)
        most_work = self._most_work
        while at < end and frames.work < most_work and not self._paused:
            if self._body is not None and (body_bytes := self._body.body_bytes):
                at = self._pass(self._body, body_bytes, data, view, at)
                if self._left:
                    break
                continue
            if self._room_bytes <= 0:
                break
            slices: list[Buffer] = []
            size = 0
            while at < end and frames.work < most_work and size < _JOINED_BYTES:
                at, piece = frames.next(view, at)
                if isinstance(piece, bytes | memoryview):
                    slices.append(piece)
                    size += len(piece)
                else:
                    self._act_on(piece)
            if slices:
                self._hand_over(slices[0] if len(slices) == 1 else b"".join(slices))
                if self._left:
                    break
        if frames.idle_work:
            self.waste(frames.take_idle_work())
        return at

    def _pass(
        self, body: BodyReceiver, body_bytes: int, data: Buffer, view: memoryview, at: int
    ) -> int:
        """Let past what is part of a body, in one call; where it ends in `data`, or its `view`."""
        frames, end = self._frames, len(view)
        slices: list[Slice] = []
        rest = body_bytes
        while at < end and rest and frames.work < self._most_work:
            stop, size = frames.whole(data, at, rest, self._most_work - frames.work)
            if size:
                slices.append(WholeFrames(view[at:stop], size))
                at = stop
                rest -= size
                continue
            # One that is cut by the end of what was read, or goes on beyond the body.
            at, piece = frames.next(view, at)
            if not isinstance(piece, bytes | memoryview):
                self._act_on(piece)
            elif len(piece) <= rest:
                slices.append(piece)
                rest -= len(piece)
            else:
                slices.append(piece[:rest])
                self._let_past(body, slices, body_bytes)
                self._hand_over(piece[rest:])
                return at
        if slices:
            self._let_past(body, slices, body_bytes - rest)
        return at

    def _act_on(self, piece: ControlFrame | Broken | None) -> None:
        try:
            if isinstance(piece, ControlFrame):
                self._listener.control_came(piece)
            elif piece is not None:
                self._listener.rules_broken(piece)
        except Exception:
            # The peer's end must be reported all the same.
            self._listener.receiver_failed()

    def _hand_over(self, data: Buffer) -> None:
        """Hand over content, as much as a turn goes for; the rest comes at the next one."""
        if self._receiver is None:
            return
        room = max(0, self._room_bytes)
        portion = data if len(data) <= room else memoryview(data)[:room]
        try:
            taken = self._receiver.transport_received(portion)
        except Exception:
            self._listener.receiver_failed()
            return
        self._room_bytes -= taken
        if taken < len(data):
            self._left = memoryview(data)[taken:]
            self.again()

    def _go_on(self) -> None:
        """Hand over what was left at the last turn; the receiver may have work left without it."""
        data, self._left = self._left, b""
        if self._body is not None and (body_bytes := self._body.body_bytes):
            pixels = data[:body_bytes]
            if pixels:
                self._let_past(self._body, [pixels], len(pixels))
            data = data[len(pixels) :]
            if not data:
                return
        self._hand_over(data)

    def _let_past(self, body: BodyReceiver, slices: list[Slice], size_bytes: int) -> None:
        try:
            body.transport_passed(slices, size_bytes)
        except Exception:
            self._listener.receiver_failed()
