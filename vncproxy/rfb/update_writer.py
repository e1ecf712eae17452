"""Frames what one viewer is sent: the upstream's updates, the daemon's own ones, other messages.

Pure. Laws (design, rule 3):

1. What the upstream sent as one update reaches the viewer as one: with the upstream's count, in
   which a rectangle that isn't for this viewer is replaced by an empty one; or with an open count,
   ended by LastRect; or, for a viewer that doesn't know LastRect, counted first.
2. An update in which nothing is for this viewer is not sent at all.
3. Pixels of Raw go out as they come; nothing else is announced before it is there.
4. Whatever ends early, the link or the viewer's turn, what was announced is made up for: the viewer
   comes to a message boundary.
5. What isn't part of the update waits until the update is over.

Source: RFC 6143, section 7.6.1; rfbproto, LastRect Pseudo-encoding.
"""

from __future__ import annotations

from collections.abc import Sequence

from vncproxy.rfb import encodings as enc
from vncproxy.rfb import viewer_messages
from vncproxy.rfb.server_events import Pixels

EMPTY_RECTANGLE = viewer_messages.rectangle_header(0, 0, 0, 0, enc.RAW)
"""Nothing, in an encoding that every viewer knows."""
FILL_BYTES = 64 * 1024
"""Of pixels that won't come any more, this many are made up at a time."""
MAX_WAITING_BYTES = 1 << 20
"""What waits for the end of an update is dropped beyond: only a viewer that floods gets there."""
_ZEROS = bytes(FILL_BYTES)
_MAX_RECTANGLES = 0xFFFE
"""0xFFFF means an open count."""
_UPDATE_HEAD_BYTES = 4
_ENTRY_BYTES = 64
"""What keeping a message costs besides its bytes, about."""


class UpdateWriter:
    """Framing for one viewer. `take` gives what is to be sent.

    In an update of the upstream, `put` and `start_raw` are for its rectangles, each followed by
    `end_rectangle`, also where nothing was put. Everything else may come at any time.
    """

    def __init__(self, hold_bytes: int) -> None:
        """Nothing was sent.

        Args:
            hold_bytes: No more than this is held of an update that must be counted first: one that
                is larger becomes several; and so much of a Raw rectangle is passed on to a viewer
                that has fallen behind, before the rest is made up.
        """
        self.update_bytes = 0
        """Bytes of rectangles that were given to `take` or will be."""
        self.has_begun = False
        """Whether the viewer was sent the head of the upstream's current update."""
        self.is_open = False
        """Whether the viewer is in the middle of an update of the upstream."""
        self.is_filling = False
        """Whether pixels that won't come any more are being made up; `take` has to be called."""
        self.raw_bytes = 0
        """Of the current or last Raw rectangle as many bytes were passed on, not made up."""
        self._hold_bytes = hold_bytes
        self._outbox: list[Pixels] = []
        self._sent_open = False
        self._waiting: list[bytes | list[bytes]] = []
        self._waiting_bytes = 0
        self._sealed = False
        self._taking = False
        self._last_rect = False
        self._count: int | None = None
        self._placed = False
        self._ending = False
        self._due: int | None = None
        self._held: list[Pixels] = []
        self._held_count = 0
        self._held_bytes = 0
        self._raw_left = 0
        self._raw_at = 0
        self._spare_bytes: int | None = None

    @property
    def is_mid_message(self) -> bool:
        """Whether what `take` gave last ended inside an update."""
        return self._sent_open

    # The upstream's updates

    def begin(self, count: int | None, *, last_rect: bool) -> None:
        """An update of the upstream begins that this viewer takes part in.

        Args:
            count: Of its rectangles, None: open.
            last_rect: The viewer knows LastRect.
        """
        assert not self.is_open, "an update begins after the last one's end"
        self._taking, self._count, self._last_rect = True, count, last_rect
        self.has_begun = self._placed = self._ending = False
        self._spare_bytes = None

    def put(self, wire: bytes) -> None:
        """A rectangle in the place of the upstream's current one, or else of the daemon's own."""
        if not self._taking or self._placed:
            self.add(wire)
            return
        self._placed = True
        self._write(wire)
        if self._holds:
            self._held_count += 1
            self._bound_held()

    def put_whole(self, wires: Sequence[bytes]) -> None:
        """As `put` for each, after which the upstream's current rectangle is over."""
        at = 0
        while at < len(wires):
            # Those amid an update whose head is out, many at once: neither its first one nor, where
            # they are counted, its last.
            many = 0
            if self.is_open and self._taking and not (self._placed or self._ending):
                if self._due is None:
                    many = len(wires) - at
                elif self._count is not None:
                    many = min(len(wires) - at, self._due - 1)
            if many <= 0:
                self.put(wires[at])
                self.end_rectangle()
                at += 1
                continue
            if self._due is not None and self._count is not None:
                self._count -= many
                self._due -= many
            whole = wires[at : at + many]
            self._outbox += whole
            self.update_bytes += sum(map(len, whole))
            at += many

    @property
    def is_idle(self) -> bool:
        """Whether nothing is under way or waits, so that `whole_update` may be called."""
        return not (self.is_open or self.is_filling or self._taking or self._waiting)

    def whole_update(self, message: bytes) -> None:
        """All of an update of the upstream, its head included; what `begin` to `end` would give."""
        self._outbox.append(message)
        self.update_bytes += len(message) - _UPDATE_HEAD_BYTES
        self.has_begun = True

    def put_size(self, wire: bytes) -> None:
        """A new size, which must be the last rectangle of its update; what follows is another one.

        Source: rfbproto, DesktopSize and ExtendedDesktopSize Pseudo-encodings.
        """
        if not self._taking or self._placed:
            self.add_size(wire)
            return
        self._placed = True
        if self._holds:
            self._held_count += 1
            self._write(wire)
            self._release()
        else:
            if self._due is not None and self.is_open and not self._last_rect:
                self._outbox.append(EMPTY_RECTANGLE * (self._due - 1))
                self._due = 1
            elif not self.is_open:
                self._open(1)
            self._write(wire)
        if self._due is not None:
            self._due -= 1
        self._close()

    def start_raw(self, header: bytes, size_bytes: int) -> None:
        """A Raw rectangle in the place of the upstream's current one; its pixels follow."""
        assert self._taking and not self._placed, "a Raw rectangle is the upstream's"
        self._placed = True
        if self._holds:
            self._raw_at = len(self._held)
            self._held_count += 1
            self._held.append(header)
            self._held_bytes += len(header)
        else:
            if not self.is_open:
                self._open(self._count)
            self._outbox.append(header)
            self.update_bytes += len(header)
        self._raw_left, self.raw_bytes = size_bytes, 0

    def raw(self, slices: Sequence[Pixels], size_bytes: int) -> None:
        """The next pixels, `size_bytes` of them; more than were announced never come."""
        if self.is_filling or not self._raw_left:
            return
        if self._spare_bytes is not None:
            self._spare_bytes -= size_bytes
            if self._spare_bytes < 0:
                self._fill()
                return
        self._raw_left -= size_bytes
        self.raw_bytes += size_bytes
        if not self.is_open and self._holds:
            self._held += slices
            self._held_bytes += size_bytes
            self._bound_held()
        else:
            self._outbox += slices
            self.update_bytes += size_bytes

    def take_pixels(self) -> list[Pixels]:
        """As `take`, in the midst of a Raw rectangle, when nothing else can be due."""
        out, self._outbox = self._outbox, []
        return out

    def end_rectangle(self) -> None:
        """The upstream's current rectangle is over."""
        placed, self._placed = self._placed, False
        if not self._taking:
            return
        if self._count is not None:
            self._count -= 1
        if self.is_open and self._due is not None:
            if not placed:
                self._outbox.append(EMPTY_RECTANGLE)
            self._due -= 1
            if not self._due:
                self._close()
        if self._ending:
            self.end()

    def end(self) -> None:
        """The upstream's update is over."""
        self._taking = self._ending = False
        if self.is_filling:
            return
        if self._held_count:
            self._release()
        if self.is_open:
            self._close()

    # What ends early

    def cut(self) -> None:
        """No more of the upstream's update is for this viewer than the rectangle under way."""
        self._drop_held_raw()
        if self._raw_left:
            self._ending = True
        else:
            self.end()

    def fall_behind(self) -> None:
        """As `cut`; of a Raw rectangle under way the rest is made up if it is too long."""
        if self._spare_bytes is None:
            self._spare_bytes = self._hold_bytes
        self.cut()

    def lose(self) -> None:
        """No more of the upstream's update will come."""
        self._drop_held_raw()
        if self._raw_left:
            self._fill()
        self.end()

    def _drop_held_raw(self) -> None:
        """Of what is still held a rectangle that isn't whole can be left out."""
        if self._raw_left and self._holds:
            self._raw_left = self.raw_bytes = 0
            self._placed = False
            dropped = self._held[self._raw_at :]
            del self._held[self._raw_at :]
            self._held_bytes -= sum(map(len, dropped))
            self._held_count -= 1

    def _fill(self) -> None:
        self.is_filling = True
        self._taking = False

    # The daemon's own

    def add(self, wire: bytes) -> None:
        """A rectangle in an update of the daemon's own."""
        batch = self._waiting[-1] if self._waiting and not self._sealed else None
        if not self._has_room_for(wire):
            return
        if isinstance(batch, list) and len(batch) < _MAX_RECTANGLES:
            batch.append(wire)
        else:
            self._waiting.append([wire])
            self._sealed = False

    def add_size(self, wire: bytes) -> None:
        """A new size in an update of the daemon's own, which it ends."""
        self.add(wire)
        self._sealed = True

    def message(self, raw: bytes) -> None:
        """A whole message that is no update, in its place among the daemon's own rectangles."""
        if self.is_open or self._waiting:
            if self._has_room_for(raw):
                self._waiting.append(raw)
        else:
            self._outbox.append(raw)

    def _has_room_for(self, raw: bytes) -> bool:
        has_room = self._waiting_bytes <= MAX_WAITING_BYTES
        if has_room:
            self._waiting_bytes += len(raw) + _ENTRY_BYTES
        return has_room

    def take(self, *, room: bool = True) -> list[Pixels]:
        """What is to be sent now, in order.

        Args:
            room: For pixels that are made up.
        """
        if self._waiting and not self.is_open:
            self._send_waiting()
        if self.is_filling and room:
            self._fill_on()
        out, self._outbox = self._outbox, []
        self._sent_open = self.is_open
        return out

    def _fill_on(self) -> None:
        size = min(self._raw_left, FILL_BYTES)
        self._write(_ZEROS[:size])
        self._raw_left -= size
        if not self._raw_left:
            self.is_filling = False
            if self._due is not None:
                self._due -= 1
            self._close()

    # Framing

    @property
    def _holds(self) -> bool:
        """Whether what is put is counted first."""
        return self._count is None and not self._last_rect and not self.is_open

    def _write(self, wire: Pixels) -> None:
        if self._holds:
            self._held.append(wire)
            self._held_bytes += len(wire)
            return
        if not self.is_open:
            self._open(self._count)
        self._outbox.append(wire)
        self.update_bytes += len(wire)

    def _open(self, count: int | None) -> None:
        if self._waiting:
            self._send_waiting()
        self._outbox.append(viewer_messages.framebuffer_update(count))
        self._due = count
        self.is_open = self.has_begun = True

    def _close(self) -> None:
        if self._due is None or (self._due and self._last_rect):
            self._outbox.append(viewer_messages.last_rect())
        elif self._due:
            self._outbox.append(EMPTY_RECTANGLE * self._due)
        self.is_open = False
        if self._waiting:
            self._send_waiting()

    def _bound_held(self) -> None:
        if self._held_bytes >= self._hold_bytes or self._held_count == _MAX_RECTANGLES:
            self._release()

    def _release(self) -> None:
        """What is held goes out, counted; also what has come of a Raw rectangle."""
        if not self._held_count:
            return
        self._open(self._held_count)
        self._outbox += self._held
        self.update_bytes += self._held_bytes
        # One that isn't over yet is still counted at its end.
        self._due = int(self._placed)
        self._held = []
        self._held_count = self._held_bytes = 0
        if not self._placed:
            self._close()

    def _send_waiting(self) -> None:
        waiting, self._waiting, self._waiting_bytes = self._waiting, [], 0
        for entry in waiting:
            if isinstance(entry, bytes):
                self._outbox.append(entry)
            else:
                self._outbox.append(viewer_messages.framebuffer_update(len(entry)))
                self._outbox += entry
                self.update_bytes += sum(map(len, entry))
