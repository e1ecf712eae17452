"""A desktop and the clients that look at it."""

from __future__ import annotations

import asyncio
import struct

import pytest

from tests.decoder import Decoder
from vncproxy.simulator.screen.desktop import BuiltInScreen, Desktop
from vncproxy.simulator.screen.scene import Caption

FULL = struct.pack(">BBHHHH", 3, 0, 0, 0, 400, 320)
INCREMENTAL = struct.pack(">BBHHHH", 3, 1, 0, 0, 400, 320)


class Client:
    """A client in front of the desktop."""

    def __init__(self, desktop: Desktop) -> None:
        """Connect."""
        self.link: BuiltInScreen = desktop.connect(None, bytes)
        self.decoder = Decoder(400, 320)

    async def enter(self, *encodings: int, shared: bytes = b"\1") -> None:
        """The handshake, and a full picture."""
        await self.link.write(b"RFB 003.008\n")
        await self.read()
        await self.link.write(b"\1" + shared)
        await self.read()
        await self.link.write(
            struct.pack(f">BxH{len(encodings)}i", 2, len(encodings), *encodings) + FULL
        )
        await self.see()

    async def read(self) -> bytes:
        """The next bytes, within reason."""
        async with asyncio.timeout(60):
            return await self.link.read()

    async def see(self) -> None:
        """Decode the next update."""
        self.decoder.feed(await self.read())


def desktop(events: list[object] | None = None) -> Desktop:
    """400 by 320 pixels."""
    received: list[object] = [] if events is None else events
    return Desktop(
        Caption("d", "i-1", "here", "test"),
        400,
        320,
        lambda keysym, down: received.append((keysym, down)),
        lambda x, y, buttons: received.append((x, y, buttons)),
    )


async def test_what_one_types_both_see() -> None:
    """And the journals get it."""
    events: list[object] = []
    screen = desktop(events)
    ann, bob = Client(screen), Client(screen)
    await ann.enter(7)
    await bob.enter(5)
    await bob.link.write(INCREMENTAL)
    await ann.link.write(struct.pack(">BBxxI", 4, 1, 0x41))
    await bob.see()
    assert events == [(0x41, True)]
    assert bob.decoder.frame.tobytes() == screen.rgb()


async def test_a_pointer_beyond_the_edge_counts_as_on_it() -> None:
    """No picture is drawn outside."""
    events: list[object] = []
    screen = desktop(events)
    screen.pointer(65535, 65535, 0)
    assert events == [(399, 319, 0)]


async def test_one_who_asks_to_be_alone_is() -> None:
    """The others' connections end."""
    screen = desktop()
    ann, bob = Client(screen), Client(screen)
    await ann.enter(7)
    await bob.enter(7, shared=b"\0")
    assert await ann.read() == b""


async def test_time_passes_only_where_somebody_looks() -> None:
    """A second moves the clock for those who are there, and nothing after they left."""
    screen = desktop()
    before = screen.rgb()
    screen.tick()
    assert screen.rgb() == before
    ann = Client(screen)
    await ann.enter(7)
    screen.key(0x41, down=True)
    await ann.link.close()
    await ann.link.close()
    before = screen.rgb()
    screen.tick()
    assert screen.rgb() == before


@pytest.mark.parametrize(("width", "height", "possible"), [(640, 480, True), (10, 10, False)])
async def test_a_new_size_reaches_everybody(width: int, height: int, possible: bool) -> None:
    """Who asked for it gets another reason."""
    screen = desktop()
    ann, bob = Client(screen), Client(screen)
    await ann.enter(7, -308)
    await bob.enter(7, -308)
    wish = struct.pack(">BxHHBx", 251, width, height, 1) + bytes(16)
    await ann.link.write(wish)
    answer = await ann.read()
    assert struct.unpack(">HH", answer[4:8]) == (1, 0 if possible else 1)
    if possible:
        news = await bob.read()
        assert struct.unpack(">HHHH", news[4:12]) == (2, 0, width, height)
    assert (screen.canvas.width == width) is possible


async def test_a_message_can_be_sent_to_all() -> None:
    """Such as a bell."""
    screen = desktop()
    ann = Client(screen)
    await ann.enter(7)
    screen.broadcast(b"\2")
    assert await ann.read() == b"\2"
    assert ann.link.sent_bytes > 100
