"""The built-in RFB server, one for each client. Sans-I/O.

It behaves as QEMU's does: it confirms QEMU's extended keys, announces ExtendedDesktopSize, has no
continuous updates, fences or xvp, and ends the connection on a message that it doesn't know.
Source: RFC 6143, section 7.5; rfbproto.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Protocol

from vncproxy.simulator import lengths
from vncproxy.simulator.screen.arrow import cursor_rectangle
from vncproxy.simulator.screen.canvas import Area, Canvas, Moved
from vncproxy.simulator.screen.entrance import Entrance
from vncproxy.simulator.screen.pixels import WireFormat
from vncproxy.simulator.screen.updates import Updates, rectangle, update

CURSOR, QEMU_KEY, LED_STATE = -239, -258, -261
DESKTOP_SIZE, EXTENDED_DESKTOP_SIZE, DESKTOP_NAME = -223, -308, -307
_MAX_SIZE_CHANGES = 16


class Display(Protocol):
    """What a server shows, and where its input goes."""

    @property
    def canvas(self) -> Canvas:
        """The picture."""

    @property
    def name(self) -> str:
        """The desktop's name."""

    def key(self, keysym: int, *, down: bool) -> None:
        """A key event."""

    def pointer(self, x: int, y: int, buttons: int) -> None:
        """A pointer event."""

    def resize(self, width: int, height: int, asked_by: RfbServer | None = None) -> bool:
        """Change the size; whether that was possible."""

    def throw_out_others(self, but: RfbServer) -> None:
        """One client asked to be alone."""


class RfbServer:
    """Give it the client's bytes with `receive`; fetch what to send with `take`."""

    def __init__(
        self,
        display: Display,
        password: str | None,
        random_bytes: Callable[[int], bytes],
        *,
        odd_security: bool = False,
    ) -> None:
        """Start with the version on its way."""
        self.ended = False
        self.announced: frozenset[int] = frozenset()
        self.sent_updates = 0
        self._display = display
        self._entrance = Entrance(
            password, self._server_init, random_bytes, odd_security=odd_security
        )
        self._received = bytearray()
        self._output = bytearray()
        self._asked: frozenset[int] = frozenset()
        self._updates = Updates(display.canvas)
        self._size_changes: list[tuple[int, int]] = []

    def receive(self, data: bytes) -> None:
        """Take client bytes."""
        if self.ended:
            return
        self._received += data
        if not self._entrance.done:
            self._entrance.feed(self._received)
            self._output += self._entrance.output
            self._entrance.output.clear()
            if self._entrance.failed:
                self.end()
                return
            if not self._entrance.done:
                return
            if self._entrance.exclusive:
                self._display.throw_out_others(self)
        self._read_messages()

    def take(self) -> bytes:
        """What to send now; empty if nothing is due."""
        if not self._entrance.done:
            self._output += self._entrance.output
            self._entrance.output.clear()
        elif not self.ended and not self._output:
            self._compose()
        output = bytes(self._output)
        self._output.clear()
        return output

    def end(self) -> None:
        """Send what is waiting, then end the connection."""
        self.ended = True

    def note(self, changes: list[Area | Moved]) -> None:
        """The picture changed."""
        self._updates.note(changes)

    def resized(self, *, reason: int) -> None:
        """The picture has another size.

        Args:
            reason: As in ExtendedDesktopSize.
        """
        self._updates.start_over(self._display.canvas)
        if EXTENDED_DESKTOP_SIZE in self._asked:
            self._note_size(reason, 0)
        elif DESKTOP_SIZE in self._asked:
            self._send([rectangle(self._display.canvas.area, DESKTOP_SIZE, b"")])
        elif self._entrance.done:
            # A client that can't follow would draw over its edge.
            self.end()

    def raw_message(self, data: bytes) -> None:
        """Send a whole server message, such as a bell."""
        if self._entrance.done:
            self._output += data

    def _server_init(self) -> bytes:
        canvas, name = self._display.canvas, self._display.name.encode()
        head = struct.pack(">HH", canvas.width, canvas.height) + WireFormat().pack()
        return head + struct.pack(">I", len(name)) + name

    def _read_messages(self) -> None:
        try:
            while not self.ended:
                measured = lengths.measure(self._received, extended_buttons=False)
                if measured is None or len(self._received) < measured[1]:
                    return
                kind, size = measured
                raw = bytes(self._received[:size])
                del self._received[:size]
                lengths.check(kind, raw)
                self._obey(kind, raw)
        except (lengths.UnknownMessage, lengths.InvalidMessage):
            self.end()

    def _obey(self, kind: str, raw: bytes) -> None:
        match kind:
            case "set-pixel-format":
                self._set_format(WireFormat.unpack(raw[4:20]))
            case "set-encodings":
                self._set_encodings(struct.unpack(f">{len(raw) // 4 - 1}i", raw[4:]))
            case "update-request":
                self._request(bool(raw[1]), Area(*struct.unpack(">4H", raw[2:10])))
            case "key":
                self._display.key(int.from_bytes(raw[4:8], "big"), down=raw[1] == 1)
            case "qemu-key":
                self._display.key(int.from_bytes(raw[4:8], "big"), down=raw[3] == 1)
            case "pointer":
                x, y = struct.unpack(">HH", raw[2:6])
                self._display.pointer(x, y, raw[1])
            case "cut-text":
                return
            case "desktop-size":
                self._set_size(*struct.unpack(">HH", raw[2:6]))
            case _:
                # Nothing that needs an agreement was agreed on.
                self.end()

    def _set_format(self, wire: WireFormat) -> None:
        if max(wire.shifts) >= wire.bits:
            self.end()
            return
        self._updates.set_format(wire)
        if not wire.true_colour:
            self._output += self._updates.packer.colour_map()

    def _set_encodings(self, encodings: tuple[int, ...]) -> None:
        self._asked = frozenset(encodings)
        self._updates.set_encodings(encodings)
        self.announced = self._asked & {QEMU_KEY, EXTENDED_DESKTOP_SIZE}
        news = []
        if QEMU_KEY in self._asked:
            news.append(rectangle(self._display.canvas.area, QEMU_KEY, b""))
        if LED_STATE in self._asked:
            news.append(rectangle(self._display.canvas.area, LED_STATE, b"\0"))
        if CURSOR in self._asked:
            width, height, data = cursor_rectangle(self._updates.packer)
            news.append(rectangle(Area(0, 0, width, height), CURSOR, data))
        if DESKTOP_NAME in self._asked:
            name = self._display.name.encode()
            data = struct.pack(">I", len(name)) + name
            news.append(rectangle(Area(0, 0, 0, 0), DESKTOP_NAME, data))
        if news:
            self._send(news)

    def _request(self, incremental: bool, area: Area) -> None:
        if not incremental and EXTENDED_DESKTOP_SIZE in self._asked:
            self._note_size(0, 0)
        self._updates.request(area, incremental=incremental)

    def _set_size(self, width: int, height: int) -> None:
        if EXTENDED_DESKTOP_SIZE not in self._asked:
            self.end()
        elif not self._display.resize(width, height, self):
            self._note_size(1, 1)

    def _note_size(self, reason: int, status: int) -> None:
        if (
            len(self._size_changes) < _MAX_SIZE_CHANGES
            and (reason, status) not in self._size_changes
        ):
            self._size_changes.append((reason, status))

    def _compose(self) -> None:
        canvas = self._display.canvas
        for reason, status in self._size_changes:
            screen = struct.pack(">BxxxIHHHHI", 1, 0, 0, 0, canvas.width, canvas.height, 0)
            area = Area(reason, status, canvas.width, canvas.height)
            self._send([rectangle(area, EXTENDED_DESKTOP_SIZE, screen)])
        self._size_changes.clear()
        if self._updates.due:
            self._output += self._updates.compose()
            self.sent_updates += 1

    def _send(self, rectangles: list[bytes]) -> None:
        self._output += update(rectangles)
