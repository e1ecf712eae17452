"""What the upstream sends as one update reaches every viewer as one, whatever happens meanwhile."""

from __future__ import annotations

import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest

from tests.decoder import Pixels
from tests.fault.aftermath import under_fault
from tests.line import line
from tests.setup import (
    CONTINUOUS_UPDATES,
    DESKTOP_SIZE,
    FENCE,
    LAST_RECT,
    RAW,
    TIGHT,
    Running,
    Viewer,
    until,
)
from tests.vnc_server import Client, VncServer, vnc_server
from vncproxy.config.model import Limits
from vncproxy.simulator.settings import SimulatedInstance, SimulatorSettings

FULL_HD = 1920, 1080
"""Of pixels 8.3 MB."""
DESKTOP_NAME = -307
LONG_S = 600.0
COUNTED, OPEN = "counted", "open count"


@pytest.fixture(autouse=True)
def nothing_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether it answers: requests are counted, however long an update takes."""
    monkeypatch.setattr("vncproxy.rfb.liveness.FIRST_QUIET_S", LONG_S)


def picture(width: int, height: int, seed: int) -> Pixels:
    """Noise."""
    noise = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    return np.asarray(noise, np.uint8)


def pixels_of(frame: Pixels) -> bytes:
    """As words of red, green and blue from the lowest byte on: what a `Viewer` asks for."""
    words = np.zeros((*frame.shape[:2], 4), np.uint8)
    words[..., :3] = frame
    return words.tobytes()


def raw(frame: Pixels, y: int = 0) -> bytes:
    """A Raw rectangle at the left edge."""
    height, width, _ = frame.shape
    return struct.pack(">HHHHi", 0, y, width, height, RAW) + pixels_of(frame)


def update(*rectangles: bytes, counting: str = COUNTED) -> bytes:
    """A FramebufferUpdate."""
    if counting == COUNTED:
        return struct.pack(">BxH", 0, len(rectangles)) + b"".join(rectangles)
    last = struct.pack(">HHHHi", 0, 0, 0, 0, LAST_RECT)
    return struct.pack(">BxH", 0, 0xFFFF) + b"".join(rectangles) + last


class Painter:
    """A VNC server that answers each full request, and nothing else, by the rows that it names.

    While `holds` the answers wait for the test.
    """

    def __init__(self, frame: Pixels, counting: str) -> None:
        self.frame = frame
        self.counting = counting
        self.holds = False
        self.server: VncServer

    def received(self, client: Client, message: bytes) -> None:
        """A client's message."""
        if message[0] == 3 and not message[1] and not self.holds:
            _, y, _, height = struct.unpack_from(">HHHH", message, 2)
            client.send(self.answer(y, height))

    def answer(self, top: int = 0, height: int | None = None) -> bytes:
        """One update of two rectangles."""
        height = len(self.frame) if height is None else height
        cut = top + height // 3
        rectangles = raw(self.frame[top:cut], top), raw(self.frame[cut : top + height], cut)
        return update(*rectangles, counting=self.counting)


@asynccontextmanager
async def painter(
    folder: Path,
    size: tuple[int, int] = FULL_HD,
    counting: str = COUNTED,
    limits: Limits | None = None,
) -> AsyncIterator[tuple[Running, Painter]]:
    """A daemon whose console is a painter's."""
    paints = Painter(picture(*size, 1), counting)
    async with vnc_server(*size, paints.received) as paints.server:
        cloud = SimulatorSettings(
            instances=(SimulatedInstance(screen=paints.server.address),), frame_bytes=65536
        )
        async with under_fault(folder, cloud=cloud, limits=limits) as setup:
            yield setup, paints


async def asks_once(setup: Running, *encodings: int, base: str = "") -> Viewer:
    """A viewer that asks for one full update, and for nothing after it."""
    viewer = await setup.connect(base=base)
    viewer.requests_itself = False
    await viewer.begin(encodings)
    return viewer


def shown(viewer: Viewer, frame: Pixels) -> bool:
    """Whether it shows this, and stands between messages."""
    decoder = viewer.decoder
    return bool(
        decoder.at_boundary and decoder.painted.all() and np.array_equal(decoder.frame, frame)
    )


@pytest.mark.parametrize("counting", [COUNTED, OPEN])
@pytest.mark.parametrize(
    "encodings",
    [(RAW,), (RAW, LAST_RECT), (TIGHT, DESKTOP_SIZE, LAST_RECT, FENCE, CONTINUOUS_UPDATES)],
    ids=["raw", "last-rect", "continuous"],
)
async def test_one_request_is_answered_by_one_update(
    tmp_path: Path, counting: str, encodings: tuple[int, ...]
) -> None:
    """Of 8.3 MB of Raw; every pixel is right."""
    async with painter(tmp_path, counting=counting) as (setup, paints):
        viewer = await asks_once(setup, *encodings)
        await until(lambda: viewer.decoder.updates, "the update")
        assert viewer.decoder.updates == 1
        assert shown(viewer, paints.frame)
        (client,) = paints.server.clients
        assert client.full_requests == 1
        # What comes after it hasn't been waiting.
        client.send(b"\2")
        await until(lambda: viewer.decoder.messages[2], "a bell")
        assert viewer.decoder.updates == 1


async def test_pixels_are_passed_on_before_their_rectangle_is_whole(tmp_path: Path) -> None:
    """What has come of it is with the viewer; a bell of another message waits for its end."""
    async with painter(tmp_path, (64, 48)) as (setup, paints):
        paints.holds = True
        viewer = await asks_once(setup, RAW)
        await until(lambda: paints.server.clients and paints.server.clients[0].full_requests, "it")
        wire = update(raw(paints.frame)) + b"\2"
        (client,) = paints.server.clients
        got = viewer.decoder.received_bytes
        for at in range(0, len(wire), 1000):
            piece = wire[at : at + 1000]
            client.send(piece)
            got += len(piece)
            await until(lambda: viewer.decoder.received_bytes == got, "the piece")  # noqa: B023
        assert viewer.decoder.updates == 1
        assert shown(viewer, paints.frame)


@pytest.mark.parametrize("encodings", [(RAW,), (RAW, LAST_RECT)], ids=["raw", "last-rect"])
@pytest.mark.parametrize("counting", [COUNTED, OPEN])
@pytest.mark.parametrize("had", [4, 5, 16, 17, 5000, 12_303])
async def test_a_link_lost_within_an_update(
    tmp_path: Path, encodings: tuple[int, ...], counting: str, had: int
) -> None:
    """The viewer comes to the update's end, and sees the new link's picture, every pixel of it."""
    async with painter(tmp_path, (64, 48), counting) as (setup, paints):
        paints.holds = True
        viewer = await asks_once(setup, *encodings)
        await until(lambda: paints.server.clients and paints.server.clients[0].full_requests, "it")
        paints.holds = False
        (client,) = paints.server.clients
        client.send(paints.answer()[:had])
        paints.frame = picture(64, 48, 2)
        client.drop()
        await until(lambda: shown(viewer, paints.frame), "the new link's picture")
        assert viewer.decoder.updates <= 2
        await viewer.close()


async def test_a_slow_viewer_in_the_middle_of_a_large_update(tmp_path: Path) -> None:
    """It slows nobody, and sees every pixel in the end."""
    limits = Limits(viewer_queue=1 << 20)
    async with (
        painter(tmp_path, limits=limits) as (setup, paints),
        line(setup.daemon.servers[0].port, bytes_per_s=50e6) as thin,
    ):
        fast = await asks_once(setup, RAW, FENCE, CONTINUOUS_UPDATES)
        await until(lambda: shown(fast, paints.frame), "the picture of the fast one")
        slow = await setup.viewer(encodings=(RAW,), base=thin.base)
        await until(lambda: shown(slow, paints.frame), "the picture of the slow one")
        thin.held = True
        paints.frame = picture(*FULL_HD, 2)
        updates = fast.decoder.updates
        await slow.send(slow.request(0))
        await until(lambda: fast.decoder.updates > updates, "an update of the fast one")
        await until(lambda: shown(fast, paints.frame), "its new picture")
        thin.held = False
        await until(lambda: shown(slow, paints.frame), "the new picture of the slow one")


async def test_a_viewer_that_leaves_within_an_update(tmp_path: Path) -> None:
    """And one that comes: neither is noticed by the one beside them."""
    async with painter(tmp_path, (64, 48)) as (setup, paints):
        stays = await asks_once(setup, RAW)
        await until(lambda: shown(stays, paints.frame), "the picture")
        leaves = await asks_once(setup, RAW, LAST_RECT)
        await until(lambda: shown(leaves, paints.frame), "the picture")
        (client,) = paints.server.clients
        paints.holds = True
        paints.frame = picture(64, 48, 2)
        asked = client.full_requests
        await stays.send(stays.request(0))
        await leaves.send(leaves.request(0))
        await until(lambda: client.full_requests > asked, "their requests")
        answer = paints.answer()
        client.send(answer[:5000])
        await until(lambda: not leaves.decoder.at_boundary, "the beginning of it")
        await leaves.socket.close()
        comes = await asks_once(setup, RAW)
        await until(lambda: comes.decoder.size == (64, 48), "its greeting")
        paints.holds = False
        client.send(answer[5000:])
        await until(lambda: shown(stays, paints.frame), "the new picture")
        await until(lambda: shown(comes, paints.frame), "the picture of who came")


@pytest.mark.parametrize("size", [5000, 1 << 20])
async def test_a_long_name_is_cut(tmp_path: Path, size: int) -> None:
    """As it is in ServerInit, and the console goes on."""
    async with painter(tmp_path, (64, 48)) as (setup, paints):
        viewer = await setup.viewer(encodings=(RAW, DESKTOP_NAME))
        await until(lambda: shown(viewer, paints.frame), "the picture")
        (client,) = paints.server.clients
        name = struct.pack(">HHHHiI", 0, 0, 0, 0, DESKTOP_NAME, size) + b"n" * size
        client.send(update(name), update(raw(paints.frame)))
        await until(lambda: viewer.decoder.name == b"n" * 4096, "the name")
        assert len(paints.server.clients) == 1
        late = await setup.connect()
        await late.shake_hands()
        assert late.name == "n" * 4096
