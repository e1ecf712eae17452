"""Losses under QEMU, Xvnc and Chromium: the picture is right again each time, to the pixel."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.fault.aftermath import dials, under_fault
from tests.real.console_tab import Tab
from tests.real.peers.process import until as until_async
from tests.real.peers.qemu import Qemu
from tests.real.peers.qemu import qemu as start_qemu
from tests.real.peers.xvnc import Xvnc
from tests.setup import (
    CONTINUOUS_UPDATES,
    COPY_RECT,
    CURSOR,
    DESKTOP_SIZE,
    EXTENDED_SIZE,
    FENCE,
    HEXTILE,
    LAST_RECT,
    RAW,
    TIGHT,
    TIGHT_PNG,
    Running,
    Viewer,
    pointer,
    until,
)
from vncproxy.config.model import Limits
from vncproxy.simulator.faults import GatewayFault
from vncproxy.simulator.settings import DEMO_INSTANCE_ID, SimulatedInstance, SimulatorSettings

pytestmark = pytest.mark.asyncio(loop_scope="session")

PSEUDO = (CURSOR, DESKTOP_SIZE, LAST_RECT, EXTENDED_SIZE)
SHIFT = 0xFFE1
HARDLY_A_PAUSE_S = 1e-6
MANY = 1000
PAGE_LOSSES, VIEWER_LOSSES = 20, 8


def cloud_of(port: int) -> SimulatorSettings:
    """A cloud that shows a VNC server of this machine."""
    return SimulatorSettings(instances=(SimulatedInstance(screen=f"127.0.0.1:{port}"),))


async def shows(viewer: Viewer, truth: Callable[[], Awaitable[NDArray[np.uint8]]]) -> None:
    """Wait until the viewer's picture is `truth`, every pixel of it received."""

    async def same() -> bool:
        decoder = viewer.decoder
        return bool(
            decoder.at_boundary
            and decoder.painted.all()
            and np.array_equal(decoder.frame, await truth())
        )

    await until_async(same, "the viewer shows the same picture")


async def lose(
    setup: Running,
    viewer: Viewer,
    number: int,
    after_bytes: int,
    change: Callable[[], Awaitable[object]],
) -> None:
    """Lose the link after so many bytes of pictures that change, and wait for the next."""
    assert setup.cloud.strike(GatewayFault.reset_after(after_bytes))
    while len(setup.cloud.endings) < number:
        await change()
        await viewer.send(viewer.request(0))
        await asyncio.sleep(0.05)
    await until(
        lambda: setup.log.getvalue().count('"link.opened"') == number + 1,
        f"another link after loss {number}",
    )


@pytest.mark.parametrize(
    ("encodings", "largest"),
    [
        pytest.param((RAW, COPY_RECT, *PSEUDO), 1_000_000, id="raw"),
        pytest.param((HEXTILE, COPY_RECT, *PSEUDO), 50_000, id="hextile"),
        pytest.param((TIGHT, COPY_RECT, *PSEUDO), 30_000, id="tight"),
        pytest.param((TIGHT_PNG, COPY_RECT, *PSEUDO), 30_000, id="tight-png"),
    ],
)
async def test_losses_under_qemu(
    qemu: Qemu, tmp_path: Path, encodings: Sequence[int], largest: int
) -> None:
    """At any byte; two viewers, of which one has fences, see every pixel after each."""
    dice = random.Random(str(encodings))
    cloud = cloud_of(qemu.vnc_port)
    async with under_fault(tmp_path, cloud=cloud, first_pause_s=HARDLY_A_PAUSE_S) as setup:
        viewers = [
            await setup.viewer(encodings=encodings),
            await setup.viewer(encodings=(*encodings, FENCE, CONTINUOUS_UPDATES)),
        ]
        for viewer in viewers:
            await shows(viewer, qemu.pixels)
        for number in range(1, VIEWER_LOSSES + 1):
            after = dice.randint(1, largest)
            await lose(setup, viewers[0], number, after, lambda: qemu.send_key("x"))
            for viewer in viewers:
                await shows(viewer, qemu.pixels)
            await qemu.send_key("y")
            for viewer in viewers:
                await shows(viewer, qemu.pixels)
        assert not any(viewer.socket.closed for viewer in viewers)


@pytest.mark.parametrize(
    ("encodings", "largest"),
    [
        pytest.param((HEXTILE, COPY_RECT, *PSEUDO), 100_000, id="hextile"),
        pytest.param((TIGHT, COPY_RECT, *PSEUDO), 20_000, id="tight"),
    ],
)
async def test_losses_under_xvnc(
    xvnc: Xvnc, tmp_path: Path, encodings: Sequence[int], largest: int
) -> None:
    """At any byte, copies and cursors among them; each viewer sees every pixel after each."""
    dice = random.Random(str(encodings))
    cloud = cloud_of(xvnc.port)
    async with under_fault(tmp_path, cloud=cloud, first_pause_s=HARDLY_A_PAUSE_S) as setup:
        viewer = await setup.viewer(encodings=encodings)
        late = await setup.viewer(encodings=(*encodings, FENCE, CONTINUOUS_UPDATES))

        async def scroll() -> None:
            # Over the terminal and back, so that the cursor's shape changes; the text scrolls.
            await viewer.send(pointer(0, 700, 500), pointer(0, 100, 60))
            await viewer.type("z\r")

        for number in range(1, VIEWER_LOSSES + 1):
            await lose(setup, viewer, number, dice.randint(1, largest), scroll)
            await viewer.send(pointer(0, 100, 60))
            for one in (viewer, late):
                await shows(one, xvnc.pixels)

        async def copied() -> bool:
            await scroll()
            return viewer.decoder.encodings[COPY_RECT] > 0

        # Where the machine is busy, each scrolling may have come with a whole picture so far.
        await until_async(copied, "a copy")
        for one in (viewer, late):
            await shows(one, xvnc.pixels)
        assert viewer.decoder.cursor is not None
        assert not (viewer.socket.closed or late.socket.closed)


async def test_losses_under_a_page(qemu: Qemu, tab: Tab, tmp_path: Path) -> None:
    """Twenty, at any byte: noVNC goes on drawing on its WebSocket, and every pixel is right."""
    dice = random.Random(20)
    cloud = cloud_of(qemu.vnc_port)
    async with under_fault(tmp_path, cloud=cloud, first_pause_s=HARDLY_A_PAUSE_S) as setup:
        await tab.open(f"{setup.base}/console/{setup.alias}")
        await tab.runs()
        other = await setup.viewer()
        for number in range(1, PAGE_LOSSES + 1):
            after = dice.randint(1, 25_000)
            await lose(setup, other, number, after, lambda: qemu.send_key("p"))
            await tab.shows(qemu.pixels)
        await tab.type("q")
        await tab.shows(qemu.pixels)
        assert len(tab.streams) == 1
        assert dials(setup) == ["accepted"] * (1 + PAGE_LOSSES)
        await tab.open("about:blank")


async def test_shift_that_was_held_over_a_loss_is_let_go(
    short_path: Path, tab: Tab, tmp_path: Path
) -> None:
    """The guest sees it go up, gets nothing of what is typed meanwhile, and small letters then."""
    async with (
        start_qemu(short_path / "q") as qemu,
        under_fault(tmp_path, cloud=cloud_of(qemu.vnc_port), limits=Limits(url_ttl=2.0)) as setup,
    ):
        await tab.open(f"{setup.base}/console/{setup.alias}")
        await tab.runs()
        await tab.page.keyboard.down("Shift")
        await until(lambda: qemu.keys_down() == {"shift"}, "Shift")
        # Each dial is in vain until its VncUrl has expired.
        setup.cloud.gateway_faults.next(DEMO_INSTANCE_ID, GatewayFault.hang(), MANY)
        setup.cloud.drop()
        await tab.says("Bringing the link back", "isn’t passed on")
        await tab.type("zz")
        setup.cloud.gateway_faults.clear()
        await tab.runs()
        await until(lambda: not qemu.keys_down(), "its release")
        await tab.page.keyboard.up("Shift")
        await tab.type("after")
        await qemu.wait_typed(b"after")
        assert qemu.typed() == b"after"
        await tab.shows(qemu.pixels)
        await tab.open("about:blank")
