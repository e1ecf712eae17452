"""The pixel format changes in mid-session under QEMU and Xvnc."""

from __future__ import annotations

import struct
from collections.abc import Awaitable, Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.fault.aftermath import dials, under_fault
from tests.fault.test_sharing import change_format
from tests.real.peers.process import until as until_async
from tests.real.peers.qemu import Qemu
from tests.real.peers.xvnc import Xvnc
from tests.setup import (
    CONTINUOUS_UPDATES,
    COPY_RECT,
    CURSOR,
    EXTENDED_SIZE,
    FENCE,
    HEXTILE,
    LAST_RECT,
    PIXELS,
    Viewer,
    pointer,
)
from vncproxy.simulator.settings import SimulatedInstance, SimulatorSettings

PIXELS_16 = struct.pack(">BBBBHHHBBBxxx", 16, 16, 0, 1, 31, 63, 31, 11, 5, 0)
NATIVE = struct.pack(">BBBBHHHBBBxxx", 32, 24, 0, 1, 255, 255, 255, 16, 8, 0)
ROUNDING = 8
POINTER = (100, 60)
LED_STATE, QEMU_KEYS, NAME = -261, -258, -307
KNOWN = (HEXTILE, COPY_RECT, CURSOR, LAST_RECT, EXTENDED_SIZE, LED_STATE, QEMU_KEYS, NAME)
AHEAD = (*KNOWN, FENCE, CONTINUOUS_UPDATES)
Truth = Callable[[], Awaitable[NDArray[np.uint8]]]
Change = Callable[[], Awaitable[None]]

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def sees(viewer: Viewer, truth: Truth, tolerance: int) -> None:
    """Wait until the viewer shows this, every pixel received anew."""

    async def same() -> bool:
        decoder, wanted = viewer.decoder, (await truth()).astype(int)
        if not decoder.at_boundary or not decoder.painted.all():
            return False
        return bool(np.abs(decoder.frame - wanted).max() <= tolerance)

    await until_async(same, "the viewer shows the picture")


async def there_and_back(
    folder: Path, port: int, encodings: tuple[int, ...], truth: Truth, change: Change
) -> None:
    """A viewer takes three formats in turn, twice, while the screen changes."""
    cloud = SimulatorSettings(instances=(SimulatedInstance(screen=f"127.0.0.1:{port}"),))
    async with under_fault(folder, cloud=cloud) as setup:
        viewer = await setup.viewer(encodings=encodings)
        # Xvnc draws the pointer into the picture of one that has it elsewhere.
        await viewer.send(pointer(0, 300, 300), pointer(0, *POINTER))
        await sees(viewer, truth, 0)
        for pixels, tolerance in ((PIXELS_16, ROUNDING), (NATIVE, 0), (PIXELS, 0)) * 2:
            await change_format(viewer, pixels, change)
            await sees(viewer, truth, tolerance)
            await change()
            await sees(viewer, truth, tolerance)
        assert setup.cloud.messages["set-pixel-format"] == 7
        assert dials(setup) == ["accepted"], setup.events


@pytest.mark.parametrize("encodings", [KNOWN, AHEAD])
async def test_qemu_follows(qemu: Qemu, tmp_path: Path, encodings: tuple[int, ...]) -> None:
    """Every picture is right, in each of the formats, and the link stays."""

    async def change() -> None:
        await qemu.send_key("x")

    await there_and_back(tmp_path, qemu.vnc_port, encodings, qemu.pixels, change)


@pytest.mark.parametrize("encodings", [KNOWN, AHEAD])
async def test_xvnc_follows(xvnc: Xvnc, tmp_path: Path, encodings: tuple[int, ...]) -> None:
    """Every picture is right, in each of the formats, and the link stays."""

    async def change() -> None:
        await xvnc.type("x")

    await there_and_back(tmp_path, xvnc.port, encodings, xvnc.pixels, change)
