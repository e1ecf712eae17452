"""TigerVNC's viewer on a console's loopback port."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from itertools import cycle
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.async_api import expect

from tests.fault.aftermath import dials, under_fault
from tests.real.console_tab import fresh_tab
from tests.real.peers.browser import Browser
from tests.real.peers.process import until as until_async
from tests.real.peers.qemu import Qemu
from tests.real.peers.tigervnc import TigerVnc, tigervnc
from tests.real.peers.xvnc import Xvnc
from tests.setup import Running, until
from vncproxy.config.model import Instance
from vncproxy.simulator.settings import DEMO_INSTANCE_ID, SimulatedInstance, SimulatorSettings

pytestmark = pytest.mark.asyncio(loop_scope="session")

PASSWORD = "tiger12"
COARSE = 64
"""How far two bits of blue may be off eight, and a little more."""
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


async def test_it_shares_a_machine_with_a_page(
    qemu: Qemu, chromium: Browser, tmp_path: Path, port: int
) -> None:
    """They want their pixels in different bytes; each shows every pixel, and one of them types."""
    cloud = SimulatorSettings(instances=(SimulatedInstance(screen=f"127.0.0.1:{qemu.vnc_port}"),))
    async with (
        under_fault(tmp_path, cloud=cloud, instance=instance(tmp_path, port)) as setup,
        fresh_tab(chromium, tmp_path) as tab,
    ):
        await tab.open(f"{setup.base}/console/demo")
        await tab.runs()
        await tab.shows(qemu.pixels)
        async with tigervnc(tmp_path / "viewer", port, PASSWORD, "-NoJPEG") as viewer:
            await sees(viewer, qemu.pixels)
            await viewer.type("no")
            await tab.type("page")
            await qemu.wait_typed(b"page")
            await tab.shows(qemu.pixels)
            await sees(viewer, qemu.pixels)
            # Control that is free goes to who does something.
            await tab.button("Release control").click()
            await expect(tab.page.locator("#people")).to_contain_text("Nobody has control")
            await viewer.xdotool("mousemove", "300", "200", "click", "1")
            await expect(tab.page.locator("#people")).to_contain_text("native has control")
            await tab.shoot("sharing-native")
            await viewer.type("tiger")
            await qemu.wait_typed(b"pagetiger")
            await tab.shows(qemu.pixels)
            await sees(viewer, qemu.pixels)
        assert dials(setup) == ["accepted"]
        await tab.open("about:blank")


async def test_it_shows_xvncs_screen(xvnc: Xvnc, tmp_path: Path, port: int) -> None:
    """Every pixel, also after what is typed into the terminal."""
    start = await xvnc.pointer()
    cloud = SimulatorSettings(instances=(SimulatedInstance(screen=f"127.0.0.1:{xvnc.port}"),))
    async with (
        under_fault(tmp_path, cloud=cloud, instance=instance(tmp_path, port)) as setup,
        tigervnc(tmp_path / "viewer", port, PASSWORD, "-NoJPEG") as viewer,
    ):
        places = cycle(("300", "700"))

        async def moved() -> bool:
            await viewer.xdotool("mousemove", next(places), "500", "click", "1")
            return await xvnc.pointer() != start

        # Xvnc paints its pointer into the picture until this client has moved it to another place.
        await until_async(moved, "the pointer moves", process=viewer.process, log=viewer.log)
        await sees(viewer, xvnc.pixels)
        await xvnc.type("x")
        await sees(viewer, xvnc.pixels)
        assert dials(setup) == ["accepted"]


async def test_few_colours_are_not_shared(tmp_path: Path, port: int) -> None:
    """TigerVNC with 256 colours has them while it is alone; others learn why they can't join."""
    few = ("-AutoSelect=0", "-FullColor=0", "-LowColorLevel=2", "-PreferredEncoding=Hextile")
    async with under_fault(tmp_path, cloud=SMALL, instance=instance(tmp_path, port)) as setup:
        async with tigervnc(tmp_path / "viewer", port, PASSWORD, *few) as viewer:
            await sees(viewer, screen_of(setup), tolerance=COARSE)
            await viewer.type("coarse")
            await until(lambda: setup.cloud.typed_text == "coarse", "the text")
            await sees(viewer, screen_of(setup), tolerance=COARSE)
            other = await setup.viewer()
            assert await other.ended() == 4406
            await viewer.type("x")
            await until(lambda: setup.cloud.typed_text == "coarsex", "the text")

        async def gone() -> bool:
            return not (await setup.state())["viewers"]

        await until_async(gone, "its end")
        alone = await setup.viewer()
        await until(lambda: setup.shows(alone), "the picture of the next")
        assert dials(setup) == ["accepted"]
