"""What QEMU and Xvnc really send: the parser walks it, and it still shows the same picture."""

from __future__ import annotations

import asyncio
import random
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import numpy as np
import pytest
import pytest_asyncio
from msgspec.structs import replace
from numpy.typing import NDArray

from tests.decoder import Decoder
from tests.real.peers.presence import need
from tests.real.peers.process import running
from tests.real.peers.qemu import Qemu
from tests.real.peers.xvnc import Xvnc
from tests.real.rfb_client import PIXELS_8, PIXELS_16, PIXELS_32, RfbClient, connected
from vncproxy.rfb import tight
from vncproxy.rfb.pixel_format import PixelFormat
from vncproxy.rfb.region import Uncovered
from vncproxy.rfb.server_events import (
    RawEnded,
    RawReceived,
    RawStarted,
    RectangleReceived,
    ServerEvent,
    StreamBroken,
    UpdateEnded,
    UpdateStarted,
)
from vncproxy.rfb.server_stream import ServerStream
from vncproxy.rfb.tight_streams import StatelessTight, StreamResets

pytestmark = pytest.mark.asyncio(loop_scope="session")

FORMAT = PixelFormat.unpack(PIXELS_32)
PSEUDO = (-224, -223, -308, -239, -314, -307, -258, -261, -316)
QUALITY_6 = -26
SETTLE_TIMEOUT_S = 60.0
LAST_RECT = bytes(8) + b"\xff\xff\xff\x20"

COLOURS = """
for y in range(24):
    print("".join(f"\\033[48;2;{x * 3};{y * 10};{(x + y) * 2}m " for x in range(80)) + "\\033[0m")
import time; time.sleep(600)
"""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def painted_xvnc(xvnc: Xvnc, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Xvnc]:
    """An X server that shows, besides its terminal, more colours than a palette holds."""
    async with AsyncExitStack() as stack:
        command = (need("xterm", "xterm"), "-geometry", "80x24+200+240", "-e", sys.executable)
        log = tmp_path_factory.mktemp("colours") / "log"
        await stack.enter_async_context(running(*command, "-c", COLOURS, log=log, env=xvnc.environ))
        async with asyncio.timeout(SETTLE_TIMEOUT_S):
            while len(np.unique((await xvnc.pixels()).reshape(-1, 3), axis=0)) < 300:
                await asyncio.sleep(0.1)
        await xvnc.run(need("xdotool", "xdotool"), "mousemove", "100", "60")
        yield xvnc


async def watch(
    client: RfbClient,
    act: Callable[[], Awaitable[object]],
    truth: Callable[[], Awaitable[NDArray[np.uint8]]],
    tolerance: int = 0,
) -> None:
    """Take a full update, act, and follow until the picture is the server's own."""
    client.request(incremental=False)
    # Only once: Xvnc answers it by ExtendedDesktopSize in an update of its own, and then again.
    while not client.decoder.painted.all():
        await client.next_update()
        client.request(incremental=True)
    acting = asyncio.ensure_future(act())
    async with asyncio.timeout(SETTLE_TIMEOUT_S):
        while not (acting.done() and await same(client, truth, tolerance)):
            try:
                async with asyncio.timeout(0.5):
                    await client.receive()
            except TimeoutError:
                continue
            while not client.decoder.at_boundary:
                await client.receive()
            client.request(incremental=True)
    await acting


async def same(
    client: RfbClient, truth: Callable[[], Awaitable[NDArray[np.uint8]]], tolerance: int
) -> bool:
    shown = client.decoder.frame.astype(np.int16)
    expected = await truth()
    return shown.shape == expected.shape and int(np.max(np.abs(shown - expected))) <= tolerance


def parse(client: RfbClient, pixel_format: PixelFormat = FORMAT) -> list[ServerEvent]:
    """The events of all that was captured, cut at random; the same for another cut."""
    data = bytes(client.captured)
    rng = random.Random(len(data))
    results = []
    for lengths in ((len(data),), (40_000,), (7, 7, 7, 7, 40_000)):
        stream = ServerStream(client.width, client.height, pixel_format)
        events: list[ServerEvent] = []
        at = 0
        while at < len(data):
            size = rng.randint(1, rng.choice(lengths))
            events += stream.feed(data[at : at + size])
            at += size
        assert not [event for event in events if isinstance(event, StreamBroken)]
        assert stream.at_boundary
        assert (stream.width, stream.height) == client.decoder.size
        results.append(whole(events))
    assert results[0] == results[1] == results[2]
    return results[0]


def whole(events: list[ServerEvent]) -> list[ServerEvent]:
    """The events with each Raw rectangle as one."""
    out: list[ServerEvent] = []
    start, pixels = RawStarted(0, 0, 0, 0, 0), b""
    for event in events:
        match event:
            case RawStarted():
                start, pixels = event, b""
            case RawReceived(data):
                pixels += data
            case RawEnded():
                area = start.x, start.y, start.width, start.height
                out.append(RectangleReceived(*area, 0, pixels))
            case _:
                out.append(event)
    return out


def rewrite(
    events: list[ServerEvent],
    change: Callable[[RectangleReceived], RectangleReceived] = lambda rectangle: rectangle,
) -> bytes:
    """The events back as updates with an open count."""
    wire = bytearray()
    for event in events:
        match event:
            case UpdateStarted():
                wire += b"\0\0\xff\xff"
            case RectangleReceived():
                wire += change(event).message_bytes
            case UpdateEnded():
                wire += LAST_RECT
    return bytes(wire)


def check(client: RfbClient) -> list[ServerEvent]:
    """The parser's events, written anew, show what the capture shows, and cover it all."""
    events = parse(client)
    again = Decoder(client.width, client.height)
    again.feed(rewrite(events))
    assert (again.frame == client.decoder.frame).all()
    region = Uncovered(client.width, client.height)
    for event in events:
        if isinstance(event, RectangleReceived) and event.encoding in (0, 1, 2, 5, 7, -260):
            region.cover(event.x, event.y, event.width, event.height)
    assert region.complete
    return events


def encodings_of(events: list[ServerEvent]) -> set[int]:
    return {event.encoding for event in events if isinstance(event, RectangleReceived)}


@pytest.mark.parametrize("encodings", [(0,), (1, 0), (2,), (5,), (1, 7), (7, QUALITY_6)])
async def test_xvnc(painted_xvnc: Xvnc, encodings: tuple[int, ...]) -> None:
    """Each picture encoding of TigerVNC, through the parser, shows Xvnc's own screen."""
    async with connected(painted_xvnc.port) as client:
        client.set_encodings((*encodings, *PSEUDO))
        tolerance = 255 if QUALITY_6 in encodings else 0

        async def act() -> None:
            await painted_xvnc.type("ls -la\n" * 5)
            # A window that moves is a CopyRect.
            for x in ("560", "500"):
                command = "search", "--class", "XLogo", "windowmove", x, "60"
                await painted_xvnc.run(need("xdotool", "xdotool"), *command)

        await watch(client, act, painted_xvnc.pixels, tolerance)
        events = check(client)
        assert encodings_of(events) - set(PSEUDO) <= set(encodings) | {0}
        assert encodings[0] in encodings_of(events)
        if QUALITY_6 in encodings:
            assert tight.TightKind.JPEG in kinds(events)
            expected = await painted_xvnc.pixels()
            difference = abs(client.decoder.frame.astype(np.int16) - expected)
            assert float(difference.mean()) < 3
        assert client.decoder.cursor is not None


@pytest.mark.parametrize("encodings", [(0,), (5,), (7,), (-260,)])
async def test_qemu(qemu: Qemu, encodings: tuple[int, ...]) -> None:
    """Each picture encoding of QEMU, through the parser, shows the machine's own screen."""
    async with connected(qemu.vnc_port) as client:
        client.set_encodings((*encodings, *PSEUDO))

        async def type_a_line() -> None:
            for key in "abcdefgh":
                await qemu.send_key(key)
                await asyncio.sleep(0.1)

        await watch(client, type_a_line, qemu.pixels)
        events = check(client)
        assert encodings[0] in encodings_of(events)
        assert {-308, -258} <= encodings_of(events)


def kinds(events: list[ServerEvent]) -> set[tight.TightKind]:
    return {
        found.kind
        for event in events
        if isinstance(event, RectangleReceived) and (found := layout(event))
    }


def layout(rectangle: RectangleReceived) -> tight.TightLayout | None:
    return tight.layout(
        rectangle.encoding, rectangle.width, rectangle.height, rectangle.data, FORMAT
    )


PICTURES = (0, 1, 2, 5, 6, 7, 16, -260)


async def walk(port: int, pixels: bytes, encoding: int) -> set[int]:
    """The encodings of a full update, which the parser must walk to its end."""
    async with connected(port) as client:
        client.set_pixel_format(pixels)
        client.set_encodings((encoding, *PSEUDO))
        client.request(incremental=False)
        region = Uncovered(client.width, client.height)
        stream = ServerStream(client.width, client.height, PixelFormat.unpack(pixels))
        seen = set()
        start = RawStarted(0, 0, 0, 0, 0)
        while not (region.complete and stream.at_boundary):
            before = len(client.captured)
            await client.receive(decode=False)
            for event in stream.feed(bytes(client.captured[before:])):
                assert not isinstance(event, StreamBroken), event
                if isinstance(event, UpdateEnded):
                    client.request(incremental=True)
                if isinstance(event, RawStarted):
                    seen.add(0)
                    start = event
                if isinstance(event, RawEnded):
                    region.cover(start.x, start.y, start.width, start.height)
                if isinstance(event, RectangleReceived) and event.encoding in PICTURES:
                    seen.add(event.encoding)
                    region.cover(event.x, event.y, event.width, event.height)
        return seen


@pytest.mark.parametrize("pixels", [PIXELS_16, PIXELS_8, PIXELS_32], ids=["16", "8", "32"])
async def test_xvnc_is_walked_in_any_pixel_format(painted_xvnc: Xvnc, pixels: bytes) -> None:
    """Lengths are right for small pixels too, and for encodings that are never asked for."""
    for encoding in (0, 2, 5, 7, 16):
        assert encoding in await walk(painted_xvnc.port, pixels, encoding)


@pytest.mark.parametrize("pixels", [PIXELS_16, PIXELS_8, PIXELS_32], ids=["16", "8", "32"])
async def test_qemu_is_walked_in_any_pixel_format(qemu: Qemu, pixels: bytes) -> None:
    """Lengths are right for small pixels too, and for encodings that are never asked for."""
    for encoding in (0, 5, 6, 7, 16, -260):
        # With 8 bits per pixel QEMU breaks TightPNG's rules: it sends basic rectangles.
        if (encoding, pixels) != (-260, PIXELS_8):
            assert encoding in await walk(qemu.vnc_port, pixels, encoding)


async def test_a_late_viewer_reads_restarted_rectangles(painted_xvnc: Xvnc) -> None:
    """A viewer that missed the streams' past follows once each rectangle starts afresh."""
    async with connected(painted_xvnc.port) as client:
        client.set_encodings((7, *PSEUDO))
        await watch(client, lambda: painted_xvnc.type("date\n" * 5), painted_xvnc.pixels)
        events = check(client)
        stateless = StatelessTight()
        taken = []
        for event in events:
            if isinstance(event, RectangleReceived) and (found := layout(event)):
                taken.append(stateless.take(event.data, found))
        assert len(taken) > 20
        # The late viewer has the picture so far, by whatever means, and not the streams.
        middle = len(taken) // 2
        early, late = Decoder(client.width, client.height), Decoder(client.width, client.height)
        tight_events = [event for event in events if isinstance(event, RectangleReceived)]
        tight_events = [event for event in tight_events if layout(event)]
        early.feed(rewrite([UpdateStarted(None), *tight_events[:middle], UpdateEnded(0, True)]))
        late.frame[:] = early.frame
        remaining = iter(taken[middle:])
        late.feed(
            rewrite(
                [UpdateStarted(None), *tight_events[middle:], UpdateEnded(0, True)],
                lambda rectangle: replace(rectangle, data=next(remaining).restart(), wire=b""),
            )
        )
        assert (late.frame == client.decoder.frame).all()


async def test_a_viewer_follows_from_one_link_to_the_next(painted_xvnc: Xvnc) -> None:
    """With reset bits at the first use of each stream one viewer decodes two connections."""
    captures = []
    for text in ("ls\n", "date\n"):
        async with connected(painted_xvnc.port) as client:
            client.set_encodings((7, *PSEUDO))
            await watch(client, lambda text=text: painted_xvnc.type(text), painted_xvnc.pixels)  # type: ignore[misc]
            captures.append((check(client), client.decoder.frame.copy()))
    viewer = Decoder(*captures[0][1].shape[1::-1])
    resets = StreamResets()

    def carry_over(rectangle: RectangleReceived) -> RectangleReceived:
        found = layout(rectangle)
        if found is None:
            return rectangle
        return replace(rectangle, data=resets.apply(rectangle.data, found), wire=b"")

    for events, frame in captures:
        viewer.feed(rewrite(events, carry_over))
        assert (viewer.frame == frame).all()
        resets.link_replaced()
