"""What is pressed and typed in the page, as the instance gets it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio

from tests.real.console_tab import Tab, fresh_tab
from tests.real.peers.browser import Chromium
from tests.real.peers.browser import chromium as start_chromium
from tests.real.peers.presence import need
from tests.real.peers.process import until as until_async
from tests.real.peers.qemu import Qemu
from tests.real.peers.xvnc import Xvnc
from tests.real.peers.xvnc import xvnc as start_xvnc
from tests.setup import until
from vncproxy.simulator.settings import SimulatedInstance, SimulatorSettings

pytestmark = pytest.mark.asyncio(loop_scope="session")

ALT, CONTROL, META, SHIFT = 1, 2, 4, 8
"""Bits of the modifiers in the DevTools protocol."""

MODIFIERS = {
    "ShiftLeft": ("Shift", SHIFT, "shift"),
    "ControlLeft": ("Control", CONTROL, "ctrl"),
    "AltLeft": ("Alt", ALT, "alt"),
    "MetaLeft": ("Meta", META, "meta_l"),
}


def screen_of(qemu: Qemu) -> SimulatorSettings:
    """A cloud that shows this machine."""
    instance = SimulatedInstance(screen=f"127.0.0.1:{qemu.vnc_port}")
    return SimulatorSettings(instances=(instance,))


@asynccontextmanager
async def keyboard_of(tab: Tab) -> AsyncIterator[Callable[..., Awaitable[None]]]:
    """Sends key events as a browser gets them, with the modifiers that are named."""
    session = await tab.page.context.new_cdp_session(tab.page)

    async def send(kind: str, code: str, key: str, modifiers: int = 0) -> None:
        number = 16 if key == "Shift" else 65
        await session.send(
            "Input.dispatchKeyEvent",
            {
                "type": kind,
                "code": code,
                "key": key,
                "modifiers": modifiers,
                "windowsVirtualKeyCode": number,
            },
        )

    yield send
    await session.detach()


async def is_down(qemu: Qemu, name: str) -> None:
    """Wait until the guest takes this key, and no other, to be down."""
    await until(lambda: qemu.keys_down() == {name}, f"{name} is down")


async def test_what_the_browser_reports_no_more_is_let_go_of(
    qemu: Qemu, tab: Tab, tmp_path: Path
) -> None:
    """Each modifier by the next key, click and move; a plain key after a second by itself."""
    async with tab.on_a_console(tmp_path, cloud=screen_of(qemu)), keyboard_of(tab) as send:
        await tab.runs()
        place = await tab.at(100, 50)
        for code, heals in (
            *(("ShiftLeft", heals) for heals in ("key", "click", "move")),
            *zip(("ControlLeft", "AltLeft", "MetaLeft"), ("key", "click", "move"), strict=True),
        ):
            key, bit, name = MODIFIERS[code]
            await send("rawKeyDown", code, key, bit)
            await is_down(qemu, name)
            if heals == "key":
                await send("keyDown", "KeyA", "a")
                await send("keyUp", "KeyA", "a")
            elif heals == "click":
                await tab.page.mouse.click(*place)
            else:
                place = (place[0] + 3, place[1])
                await tab.page.mouse.move(*place)
            await until(lambda: not qemu.keys_down(), f"{name} up by a {heals}")
        assert set(qemu.typed()) == {ord("a")}
        await send("keyDown", "KeyB", "b")
        await is_down(qemu, "b")
        await until(lambda: not qemu.keys_down(), "b up")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def desktop(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Xvnc]:
    """An X server for a browser with a window."""
    async with start_xvnc(tmp_path_factory.mktemp("s") / "x", geometry="1100x900") as server:
        yield server


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def windowed(desktop: Xvnc) -> AsyncIterator[Chromium]:
    """A browser on it."""
    async with start_chromium(desktop.environ) as program:
        yield program


KEY_CODES = {"shift": "50", "grave": "49", "quote": "48", "q": "24", "altgr": "108"}
"""Of X, for what is on these keys of a US keyboard."""

DEAD = {
    "us-intl": (("us", "-variant", "intl"), ("shift", "quote")),
    "de": (("de",), ("grave",)),
    "fr": (("fr",), ("altgr", "q")),
}


async def test_after_a_dead_key_the_guest_types_what_is_typed(
    desktop: Xvnc, windowed: Chromium, qemu: Qemu, tmp_path: Path
) -> None:
    """With real X key codes, where Chromium reports neither the dead key's release nor Shift's."""
    xdotool, setxkbmap = need("xdotool", "xdotool"), need("setxkbmap", "x11-xkb-utils")
    async with (
        windowed.profile(width=900, height=700) as browser,
        fresh_tab(browser, tmp_path) as tab,
        tab.on_a_console(tmp_path, cloud=screen_of(qemu)),
    ):
        await tab.runs()
        for layout, names in DEAD.values():
            await desktop.run(setxkbmap, *layout)
            keys = [KEY_CODES[name] for name in names]
            for key in keys:
                await desktop.run(xdotool, "keydown", key)
            await until(qemu.keys_down, "the keys are down")
            for key in reversed(keys):
                await desktop.run(xdotool, "keyup", key)
            before = len(qemu.typed())
            # Space first, for the dead key's own character.
            for key in ("65", "56", "54", "10", "11"):
                await desktop.run(xdotool, "key", key)

            async def typed(before: int = before) -> bool:
                return qemu.typed()[before:].endswith(b"bc12")

            await until_async(typed, "what was typed")
            await until(lambda: not qemu.keys_down(), "all keys are up")
