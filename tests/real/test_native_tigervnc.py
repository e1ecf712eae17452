"""TigerVNC's viewer on a console's loopback port."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tests.fault.aftermath import dials, under_fault
from tests.real.peers.process import until as until_async
from tests.real.peers.tigervnc import TigerVnc, tigervnc
from tests.setup import Running, until
from vncproxy.config.model import Instance
from vncproxy.simulator.settings import DEMO_INSTANCE_ID, SimulatorSettings

PASSWORD = "tiger12"
SMALL = SimulatorSettings(animated=False, width=640, height=480)


def instance(folder: Path, port: int) -> tuple[Instance, ...]:
    """The demo instance with a port for native viewers."""
    file = folder / "native.password"
    file.write_text(PASSWORD)
    file.chmod(0o600)
    return (Instance(id=DEMO_INSTANCE_ID, alias="demo", tcp_port=port, tcp_password_file=file),)


def screen_of(setup: Running) -> Callable[[], Awaitable[NDArray[np.uint8]]]:
    """The simulator's picture."""

    async def picture() -> NDArray[np.uint8]:
        width, height = setup.cloud.screen_size()
        pixels = np.frombuffer(setup.cloud.framebuffer(), np.uint8)
        return pixels.reshape(height, width, 3)

    return picture


async def sees(
    viewer: TigerVnc, truth: Callable[[], Awaitable[NDArray[np.uint8]]], tolerance: int = 0
) -> None:
    """Wait until the viewer shows this."""

    async def shown() -> bool:
        return await viewer.shows(await truth(), tolerance=tolerance)

    await until_async(shown, "the viewer shows the picture", process=viewer.process, log=viewer.log)


async def test_it_shows_the_screen_and_types(tmp_path: Path, port: int) -> None:
    """Every pixel is the simulator's; keys, Shift and clicks arrive; a lost link is replaced."""
    async with (
        under_fault(tmp_path, cloud=SMALL, instance=instance(tmp_path, port)) as setup,
        tigervnc(tmp_path / "viewer", port, PASSWORD, "-NoJPEG") as viewer,
    ):
        truth = screen_of(setup)
        await sees(viewer, truth)
        await viewer.xdotool("mousemove", "200", "100", "click", "1")
        await until(lambda: {0, 1} <= {report.buttons for report in setup.cloud.pointed}, "a click")
        await viewer.xdotool("mousemove", "880", "690")
        await viewer.xdotool("mousemove", "300", "200")
        await viewer.type("Hi tiger")
        await until(lambda: "Hi tiger" in setup.cloud.typed_text, "the text")
        # The pointer is drawn by the viewer, so that it isn't in its window.
        await sees(viewer, truth)
        setup.cloud.drop()
        await until(lambda: len(setup.cloud.dials) == 2, "another link")
        await viewer.type("again")
        await until(lambda: setup.cloud.typed_text.endswith("again"), "the text")
        await sees(viewer, truth)
        assert dials(setup) == ["accepted", "accepted"]
