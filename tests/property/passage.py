"""A console between transports in memory, and what must come out at its upstream, step by step."""

from __future__ import annotations

import asyncio
import struct
import time
from pathlib import Path
from typing import cast

from tests.unit.console.fakes import (
    FakeTransport,
    greeting,
    raw,
    rectangle,
    settle,
    update,
)
from vncproxy.aliyun.vncurl import VncUrl
from vncproxy.config.model import Limits
from vncproxy.console.console import Console
from vncproxy.console.dependencies import ConsoleDependencies
from vncproxy.console.viewer import Viewer, ViewerIdentity
from vncproxy.console.viewer_limits import ViewerLimits
from vncproxy.errors import CloseCode, CloseReason, Side
from vncproxy.instances.instance_list import ConsoleInstance
from vncproxy.instances.keepalive_memory import Learned, LearnedStore
from vncproxy.observe.metrics import Metrics
from vncproxy.simulator import lengths
from vncproxy.throttle.memory_ledger import MemoryLedger
from vncproxy.throttle.reconnect_budget import Budget
from vncproxy.websocket.transport import Transport

WIDTH, HEIGHT = 64, 48
LAST_RECT, QEMU_KEY, EXTENDED_SIZE, EXTENDED_BUTTONS = -224, -258, -308, -316
CONFIRMED = (QEMU_KEY, EXTENDED_SIZE, EXTENDED_BUTTONS)
ASKS_FOR_ALL = struct.pack(">BxH5i", 2, 5, 0, LAST_RECT, *CONFIRMED)
ASKS = struct.pack(">BBHHHH", 3, 0, 0, 0, WIDTH, HEIGHT)
KEEPALIVE_KEYSYM = 0xFFEB
SILENCE = 3600.0
SET_PIXEL_FORMAT, SET_ENCODINGS, UPDATE_REQUEST = 0, 2, 3
DRIVING = frozenset({SET_PIXEL_FORMAT, SET_ENCODINGS, UPDATE_REQUEST})
"""Messages of the daemon's own that drive the picture."""

_METRICS = Metrics("test")


class Lessons(LearnedStore):
    """One lesson, in memory: the kind of keepalive."""

    def __init__(self, kind: str) -> None:
        super().__init__(Path("/nowhere"), time.time)
        self._lesson = Learned(kind, 0, (), unknown="", opaque=None, learned_at=time.time())

    async def get(self, instance_id: str) -> Learned | None:
        return self._lesson

    async def put(self, instance_id: str, learned: Learned) -> None:
        return


class NoCloud:
    """Gives VncUrls that nobody dials, and tells no status."""

    async def vnc_url(self, instance_id: str, region: str) -> VncUrl:
        return VncUrl.decode("ws://gateway.example/websockify/?s=x", time.monotonic())

    async def status(self, instance_id: str, region: str) -> str:
        return ""


def whole_messages(data: bytes, *, extended_buttons: bool = False) -> list[bytes]:
    """Client messages, cut by the simulator's table.

    Raises:
        AssertionError: For half a one.
    """
    out = []
    while data:
        measured = lengths.measure(data, extended_buttons=extended_buttons)
        assert measured is not None, f"half a message: {data.hex()}"
        kind, size = measured
        message, data = data[:size], data[size:]
        assert len(message) == size, f"half a {kind}: {message.hex()}"
        out.append(message)
    return out


class Upstream:
    """The far end of one link: takes whole messages only, and answers requests when asked to."""

    def __init__(self, *, confirms: bool) -> None:
        self.transport = FakeTransport()
        self.confirmed = False
        self._confirms = confirms
        self._asked: frozenset[int] = frozenset()
        self._pixel_bytes = 4
        self._wanted = False

    def shake_hands(self) -> None:
        """All of a server's handshake at once; what the daemon answers is checked."""
        self.transport.deliver(greeting(WIDTH, HEIGHT))

    def messages(self) -> list[bytes]:
        """The messages since the last call.

        Raises:
            AssertionError: Where one isn't whole.
        """
        out = whole_messages(self.transport.take(), extended_buttons=self.confirmed)
        for message in out:
            self._note(message)
        return out

    def _note(self, message: bytes) -> None:
        if message[0] == SET_ENCODINGS:
            self._asked = frozenset(struct.unpack_from(f">{len(message) // 4 - 1}i", message, 4))
        elif message[0] == UPDATE_REQUEST:
            self._wanted = True
        elif message[0] == SET_PIXEL_FORMAT:
            assert not self._wanted, "a new pixel format while a request is outstanding"
            self._pixel_bytes = message[4] // 8

    def answer(self) -> bytes:
        """An update, if one was asked for: confirmations first, then the whole picture."""
        if not self._wanted:
            return b""
        self._wanted = False
        rectangles = []
        if self._confirms and not self.confirmed and self._asked.issuperset(CONFIRMED):
            self.confirmed = True
            rectangles += [
                rectangle(0, 0, 0, 0, QEMU_KEY),
                rectangle(0, 0, 0, 0, EXTENDED_BUTTONS),
                rectangle(
                    0,
                    0,
                    WIDTH,
                    HEIGHT,
                    EXTENDED_SIZE,
                    struct.pack(">BxxxIHHHHI", 1, 1, 0, 0, WIDTH, HEIGHT, 0),
                ),
            ]
        pixels = bytes(WIDTH * HEIGHT * self._pixel_bytes)
        picture = raw(0, 0, WIDTH, HEIGHT)[:12] + pixels
        return update(*rectangles, picture)


class Passage:
    """One console, its viewers' far ends, and the upstream of the moment.

    Each step returns what reached the upstream by it and by nothing else: timers run in `turn`
    alone, where a keepalive is always due.
    """

    def __init__(self, keepalive: str, *, confirms: bool) -> None:
        self.confirms = confirms
        self.upstream: Upstream | None = None
        self.viewers: dict[str, FakeTransport] = {}
        self._dialled: asyncio.Future[Transport] | None = None
        self._keepalive = keepalive
        self.console: Console

    async def start(self) -> None:
        """A console that waits for its first viewer."""
        limits = Limits(
            keepalive_interval=1e-9,
            keepalive_key=KEEPALIVE_KEYSYM,
            linger=SILENCE,
            max_wait=SILENCE,
            slow_viewer_timeout=SILENCE,
        )
        parts = ConsoleDependencies(
            limits=limits,
            ledger=MemoryLedger(lambda: Budget(limit=1000), time.monotonic),
            cloud=NoCloud(),
            dial=self._dial,
            learned=Lessons(self._keepalive),
            metrics=_METRICS,
            scatter=lambda: 0.0,
        )
        instance = ConsoleInstance("i-1", "cn-hangzhou", "one")
        learned = await parts.learned.get(instance.id)
        self.console = Console(instance, parts, learned, lambda _: None)

    async def _dial(self, url: VncUrl, timeout_s: float) -> Transport:
        self._dialled = asyncio.get_running_loop().create_future()
        return await self._dialled

    def take(self) -> list[bytes]:
        """What reached the upstream since the last call."""
        return self.upstream.messages() if self.upstream is not None else []

    def join(self, name: str) -> None:
        """A viewer connects; the first controls."""
        transport = self.viewers[name] = FakeTransport()
        limits = ViewerLimits(0.0, 0.0, SILENCE, 1 << 30)
        self.console.join(
            Viewer(ViewerIdentity(name, name, "127.0.0.1", "local"), transport, limits)
        )

    async def connect(self) -> list[bytes]:
        """A link comes up, if there is none; what it is sent in the course."""
        if self.upstream is not None:
            return []
        for _ in range(100):
            await settle(1)
            if self._dialled is not None:
                break
        assert self._dialled is not None, "nobody dialled"
        upstream = self.upstream = Upstream(confirms=self.confirms)
        self._dialled.set_result(upstream.transport)
        self._dialled = None
        for _ in range(100):
            await settle(1)
            if upstream.transport.is_attached:
                break
        upstream.shake_hands()
        handshake = upstream.transport.take()
        assert handshake == b"RFB 003.008\n\x01\x01", "version, None, shared"
        for _ in range(100):
            if self.console.router.link is not None:
                break
            await settle(1)
        for transport in self.viewers.values():
            # What a viewer sent before it was welcomed, without the time that a turn takes.
            if transport.held_bytes:
                transport.deliver(b"")
        return self.take()

    def lose(self) -> None:
        """The link ends, if there is one."""
        if self.upstream is not None:
            self.upstream.transport.end(Side.CLOUD)

    async def lost(self) -> None:
        """The console has noticed."""
        self.upstream = None
        for _ in range(100):
            if self.console.router.link is None:
                return
            await settle(1)
        raise AssertionError("the loss went unnoticed")

    def answer(self, cut: int) -> list[bytes]:
        """The upstream answers what it was asked, in two pieces."""
        if self.upstream is None:
            return []
        data = self.upstream.answer()
        place = cut % (len(data) + 1)
        for piece in (data[:place], data[place:]):
            if piece:
                self.upstream.transport.deliver(piece)
        return self.take()

    async def turn(self) -> list[bytes]:
        """Time passes: a keepalive is due."""
        await settle(2)
        return self.take()

    def say(self, name: str, data: bytes) -> list[bytes]:
        """Bytes of a viewer, in one frame."""
        self.viewers[name].deliver(data)
        return self.take()

    def leave(self, name: str) -> list[bytes]:
        """A viewer goes, perhaps in the middle of a message."""
        self.viewers.pop(name).end(Side.VIEWER)
        return self.take()

    async def grab(self, name: str) -> list[bytes]:
        """A viewer takes control."""
        await self.console.control_requests.take(name)
        return self.take()

    async def close(self) -> None:
        """The end: nothing is left running."""
        await self.console.close(CloseReason(CloseCode.RESTARTING, Side.DAEMON))
        if self._dialled is not None:
            self._dialled.cancel()
        await settle()
        rest = asyncio.all_tasks() - {cast("asyncio.Task[object]", asyncio.current_task())}
        assert not rest, rest


def input_for(message: bytes, *, confirmed: bool) -> bytes | None:
    """What of a controller's message the guest is to get, if anything.

    Args:
        message: A whole client message.
        confirmed: The upstream has announced QEMU keys, extended buttons and a layout.
    """
    match message[0]:
        case 4:
            return message
        case 5:
            return pointer_for(message, confirmed=confirmed)
        case 6:
            extended_clipboard = message[4] >= 0x80
            return None if extended_clipboard else message
        case 251:
            return message if confirmed else None
        case 255 if message[1] == 0:
            keysym = message[4:8]
            if confirmed:
                return message
            pressed = message[2:4] != b"\0\0"
            return bytes([4, pressed, 0, 0]) + keysym if any(keysym) else None
        case _:
            return None


def pointer_for(message: bytes, *, confirmed: bool) -> bytes:
    """A pointer event for a guest that knows extended buttons, or doesn't.

    Source: rfbproto, Extended Mouse Buttons: the mask's bit 7 marks a seventh byte, whose lowest
    bit is the eighth button; without the extension bit 7 is that button itself.
    """
    if len(message) == 7:
        return message if confirmed else message[:1] + bytes([message[1] & 0x7F]) + message[2:6]
    eighth_button = message[1] & 0x80
    return message + b"\1" if confirmed and eighth_button else message


def is_release(message: bytes) -> bool:
    """Whether it lets go of a key or of all buttons."""
    match message[0]:
        case 4:
            return message[1] == 0
        case 5:
            return message[1] == 0
        case 255:
            return message[:4] == b"\xff\0\0\0"
        case _:
            return False
