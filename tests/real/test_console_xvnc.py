"""Xvnc's screen through the simulated cloud and the daemon, in Chromium and in our own decoder."""

from __future__ import annotations

import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio
from playwright.async_api import expect

from tests.clock import IdleClock
from tests.real.console_tab import Tab
from tests.real.peers.process import until as until_async
from tests.real.peers.xvnc import Xvnc
from tests.real.peers.xvnc import xvnc as start_xvnc
from tests.real.rfb_client import connected
from tests.setup import (
    COPY_RECT,
    CURSOR,
    EXTENDED_SIZE,
    HEXTILE,
    LAST_RECT,
    RAW,
    TIGHT,
    Running,
    Viewer,
    pointer,
    running,
    until,
)
from vncproxy.config.model import Instance, Limits
from vncproxy.simulator import Simulator
from vncproxy.simulator.settings import DEMO_INSTANCE_ID, SimulatedInstance, SimulatorSettings

pytestmark = pytest.mark.asyncio(loop_scope="session")

PASSWORD = "abc123"
OVER_TERMINAL = 100, 60
MOVED = pointer(0, 300, 300), pointer(0, *OVER_TERMINAL)
"""By a viewer, from another place: Xvnc paints a pointer that another client moved."""
LINES = 14
"""More than the terminal has: it scrolls."""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def locked_xvnc(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Xvnc]:
    """One server with a VNC password for this file."""
    async with start_xvnc(tmp_path_factory.mktemp("xvnc"), password=PASSWORD) as server:
        yield server


def screen_of(server: Xvnc, **rules: object) -> SimulatorSettings:
    """A cloud that shows this server."""
    instance = SimulatedInstance(screen=f"127.0.0.1:{server.port}")
    return SimulatorSettings(instances=(instance,), **rules)  # type: ignore[arg-type]


async def moved(tab: Tab) -> None:
    """Put the pointer over the terminal: Xvnc paints a pointer that another client moved."""
    await tab.runs()
    for x, y in ((300, 300), OVER_TERMINAL):
        await tab.page.mouse.move(*await tab.at(x, y))


async def shows(viewer: Viewer, server: Xvnc) -> None:
    """Wait until the viewer's picture is the server's screen, every pixel."""

    async def same() -> bool:
        return viewer.decoder.at_boundary and np.array_equal(
            viewer.decoder.frame, await server.pixels()
        )

    await until_async(same, "the viewer shows the same picture")


def kept(setup: Running, dials: int = 1) -> None:
    """No rule of the cloud was broken, and no more dialled than meant."""
    assert not setup.cloud.breaches
    assert [dial.outcome for dial in setup.cloud.dials] == ["accepted"] * dials


def set_desktop_size(width: int, height: int) -> bytes:
    """SetDesktopSize with one screen. Source: rfbproto, SetDesktopSize."""
    return struct.pack(">BxHHBxIHHHHI", 251, width, height, 1, 0, 0, 0, width, height, 0)


def pointer_at(server: Xvnc, x: int, y: int) -> Callable[[], Awaitable[bool]]:
    """Whether the server's pointer is there; a scaled picture has room for a pixel of error."""

    async def there() -> bool:
        at_x, at_y = await server.pointer()
        return abs(at_x - x) <= 1 and abs(at_y - y) <= 1

    return there


async def test_the_page_is_the_servers_screen_keyboard_and_mouse(
    xvnc: Xvnc, tab: Tab, tmp_path: Path
) -> None:
    """Every pixel is right, keys reach the terminal, the pointer is where the page's is."""
    async with tab.on_a_console(tmp_path, cloud=screen_of(xvnc)) as setup:
        await moved(tab)
        await tab.shows(xvnc.pixels)
        await tab.type("Xvnc 5")
        await xvnc.wait_typed(b"Xvnc 5")
        await tab.shows(xvnc.pixels)
        await until_async(pointer_at(xvnc, *OVER_TERMINAL), "the pointer")
        await tab.shoot("xvnc-running")
        kept(setup)


async def test_the_page_follows_a_new_size(xvnc: Xvnc, tab: Tab, tmp_path: Path) -> None:
    """Another client makes the screen smaller and larger again: every pixel is right each time."""
    async with (
        tab.on_a_console(tmp_path, cloud=screen_of(xvnc)) as setup,
        connected(xvnc.port) as other,
    ):
        await moved(tab)
        other.set_encodings((RAW, EXTENDED_SIZE))
        other.request(incremental=False)
        await other.next_update()
        for width, height in ((640, 480), (1000, 700), (800, 600)):
            other.send(set_desktop_size(width, height))
            await expect(tab.page.locator("#dimensions")).to_have_text(f"{width} × {height}")
            await tab.shows(xvnc.pixels)
        await tab.type("sized")
        await xvnc.wait_typed(b"sized")
        kept(setup)


async def test_a_viewer_sets_the_size_and_sees_copies_and_cursors(
    xvnc: Xvnc, tmp_path: Path
) -> None:
    """SetDesktopSize passes, a scrolling terminal is copied, the cursor's shape comes."""
    async with running(tmp_path, cloud=screen_of(xvnc)) as setup:
        viewer = await setup.viewer(
            encodings=(COPY_RECT, HEXTILE, RAW, CURSOR, EXTENDED_SIZE, LAST_RECT)
        )
        await viewer.send(*MOVED)
        await shows(viewer, xvnc)
        await until(lambda: viewer.decoder.screens, "the layout of the screen")
        await viewer.send(set_desktop_size(720, 500))
        await until(lambda: viewer.decoder.size == (720, 500), "the new size")
        await shows(viewer, xvnc)
        await viewer.send(set_desktop_size(800, 600))
        await until(lambda: viewer.decoder.size == (800, 600), "the old size")
        for line in range(LINES):
            await viewer.type(f"line {line}\r")
        await xvnc.wait_typed(f"line {LINES - 1}".encode())

        async def copied() -> bool:
            await viewer.type("another line\r")
            return viewer.decoder.encodings[COPY_RECT] > 0

        # Where the machine is busy, several lines at once are drawn anew instead.
        await until_async(copied, "a copy")
        await shows(viewer, xvnc)
        assert viewer.decoder.cursor is not None
        kept(setup)


async def test_an_idle_viewer_outlives_three_idle_limits(
    xvnc: Xvnc, tmp_path: Path, idle_clock: IdleClock
) -> None:
    """Nobody touches anything, and the picture stays right."""
    limits = Limits(idle_timeout=2.0, keepalive_interval=0.5)
    rules = screen_of(xvnc, idle_timeout_s=2.0)
    async with (
        Simulator(rules, clock=idle_clock) as cloud,
        running(tmp_path, cloud=cloud, limits=limits) as setup,
    ):
        # Whoever draws no cursor has it in the picture, but while xterm hides it.
        viewer = await setup.viewer(encodings=(TIGHT, RAW, CURSOR, EXTENDED_SIZE))
        await viewer.send(*MOVED)
        await shows(viewer, xvnc)
        await idle_clock.pass_by(6.0, 0.25)
        await xvnc.type("later")
        await shows(viewer, xvnc)
        assert setup.cloud.sessions == [DEMO_INSTANCE_ID]
        kept(setup)


async def test_the_picture_goes_on_over_a_lost_link(xvnc: Xvnc, tab: Tab, tmp_path: Path) -> None:
    """Two losses: page and viewer stay connected, and see what changes afterwards."""
    async with tab.on_a_console(tmp_path, cloud=screen_of(xvnc)) as setup:
        await moved(tab)
        viewer = await setup.viewer()
        await shows(viewer, xvnc)
        for number in (1, 2):
            setup.cloud.drop()
            await expect(tab.page.locator("#survived")).to_contain_text(str(number))
            await tab.runs()
            await tab.type("on")
            await tab.shows(xvnc.pixels)
            await shows(viewer, xvnc)
        assert len(tab.streams) == 1
        await xvnc.wait_typed(b"onon")
        kept(setup, dials=3)


async def test_the_password_in_a_file_opens_the_console(locked_xvnc: Xvnc, tmp_path: Path) -> None:
    """The daemon answers the challenge; the viewer is asked for nothing."""
    file = tmp_path / "password"
    file.write_text(f"{PASSWORD}\n")
    file.chmod(0o600)
    configured = Instance(id=DEMO_INSTANCE_ID, alias="demo", password_file=file)
    async with running(tmp_path, cloud=screen_of(locked_xvnc), instance=(configured,)) as setup:
        viewer = await setup.viewer()
        await viewer.send(*MOVED)
        await shows(viewer, locked_xvnc)
        await viewer.type("file")
        await locked_xvnc.wait_typed(b"file")
        kept(setup)
        assert PASSWORD not in setup.log.getvalue()


async def test_the_page_asks_for_the_password(locked_xvnc: Xvnc, tab: Tab, tmp_path: Path) -> None:
    """Given in the page's form, it opens the console, and isn't in the RFB stream."""
    async with tab.on_a_console(tmp_path, cloud=screen_of(locked_xvnc)) as setup:
        await tab.says("The VNC password is needed")
        await tab.page.get_by_role("textbox", name="VNC password").fill(PASSWORD)
        await tab.page.keyboard.press("Enter")
        await moved(tab)
        await tab.shows(locked_xvnc.pixels)
        await tab.type("form")
        await locked_xvnc.wait_typed(b"form")
        stream = b"".join(
            frame for socket in tab.streams for frame in socket.sent + socket.received
        )
        assert PASSWORD.encode() not in stream
        assert PASSWORD not in setup.log.getvalue()
        kept(setup, dials=2)


TEN_BITS = struct.pack(">BBBBHHHBBBxxx", 32, 30, 0, 1, 1023, 1023, 1023, 20, 10, 0)


async def test_a_pixel_format_that_xvnc_hangs_up_on(xvnc: Xvnc, tmp_path: Path) -> None:
    """10 bits a colour: three links, then the viewer learns of it, and the next one sees all."""
    async with running(tmp_path, cloud=screen_of(xvnc)) as setup:
        deep = await setup.connect()
        await deep.shake_hands()
        await deep.send(b"\0\0\0\0" + TEN_BITS, deep.request(0))
        assert await deep.ended() == 4504
        kept(setup, dials=3)
        viewer = await setup.viewer()
        await until(lambda: viewer.decoder.size[0] and viewer.decoder.painted.all(), "a picture")
        # Xvnc paints the pointer until this client has moved it to another place.
        await viewer.send(pointer(0, 300, 300))
        await shows(viewer, xvnc)
        kept(setup, dials=4)
