"""What is pressed and typed in the page, as the instance gets it."""

from __future__ import annotations

import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import expect

from tests.real.console_tab import Tab, fresh_tab
from tests.real.peers.browser import Chromium
from tests.real.peers.browser import chromium as start_chromium
from tests.real.peers.presence import need
from tests.real.peers.process import until as until_async
from tests.real.peers.qemu import Qemu
from tests.real.peers.xvnc import Xvnc
from tests.real.peers.xvnc import xvnc as start_xvnc
from tests.setup import Running, running, until
from vncproxy.config.model import Aliyun
from vncproxy.rfb.encodings import QEMU_LED_STATE
from vncproxy.simulator import Simulator
from vncproxy.simulator.settings import DEMO_INSTANCE_ID, SimulatedInstance, SimulatorSettings

pytestmark = pytest.mark.asyncio(loop_scope="session")

ALT, CONTROL, META, SHIFT = 1, 2, 4, 8
"""Bits of the modifiers in the DevTools protocol."""

SHIFT_KEYSYM, CONTROL_KEYSYM, ALT_KEYSYM, ALT_GR_KEYSYM = 0xFFE1, 0xFFE3, 0xFFE9, 0xFE03
SUPER, SYS_RQ = 0xFFEB, 0xFF15
CAPS_LAMP = 4
"""Its bit in the LED state."""

MODIFIERS = {
    "ShiftLeft": ("Shift", SHIFT, "shift"),
    "ControlLeft": ("Control", CONTROL, "ctrl"),
    "AltLeft": ("Alt", ALT, "alt"),
    "MetaLeft": ("Meta", META, "meta_l"),
}


STILL = SimulatorSettings(animated=False)


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


async def test_a_text_is_typed_as_the_keyboard_of_the_instance_has_it(
    tab: Tab, tmp_path: Path
) -> None:
    """What isn't on it is named first; its lamp tells of Caps Lock; the choice is kept."""
    async with tab.on_a_console(tmp_path, cloud=STILL) as setup:
        await tab.runs()
        await tab.button("Type text").click()
        area = tab.page.get_by_role("textbox", name="Text to type")
        warning = tab.page.locator("#paste-warning")
        await area.fill("grün Ωx\u200b")
        await expect(warning).to_have_text("Not on this keyboard, and left out: ü Ω U+200B")
        await tab.shoot("dialog-paste-missing")
        caps = tab.page.get_by_label("Caps Lock is on in the guest")
        await expect(caps).not_to_be_checked()
        setup.cloud.broadcast(struct.pack(">BxH4HiB", 0, 1, 0, 0, 0, 0, QEMU_LED_STATE, CAPS_LAMP))
        await tab.page.get_by_label("Guest’s keyboard").select_option("German")

        async def is_told() -> bool:
            await area.fill("grün zß@")
            return await caps.is_checked()

        await until_async(is_told, "Caps Lock is told")
        await expect(warning).to_have_text("")
        await tab.shoot("dialog-paste-caps")
        assert not setup.cloud.typed
        await tab.button("Type it").click()
        await until(lambda: setup.cloud.typed_text.endswith("@"), "the text")
        pressed = [key.keysym for key in setup.cloud.typed if key.down]
        letters = [key for character in "grün" for key in (SHIFT_KEYSYM, ord(character))]
        rest = [ord(" "), SHIFT_KEYSYM, ord("z"), ord("ß"), ALT_GR_KEYSYM, ord("@")]
        assert pressed == [*letters, *rest]
        await tab.page.reload()
        await tab.runs()
        await tab.button("Type text").click()
        await expect(tab.page.get_by_label("Guest’s keyboard")).to_have_value("de")
        await tab.page.set_viewport_size({"width": 390, "height": 844})
        await tab.shoot("dialog-paste-phone")


WINDOWS = SimulatorSettings(
    animated=False,
    instances=(SimulatedInstance(os_type="windows", os_name="Windows Server 2022"),),
)


def pressed(setup: Running) -> list[int]:
    """The keysyms that went down in the instance, in order; what is down in the end is an error."""
    down: list[int] = []
    for key in setup.cloud.typed:
        (down.append if key.down else down.remove)(key.keysym)
    assert down == []
    return [key.keysym for key in setup.cloud.typed if key.down]


async def tapped(tab: Tab, setup: Running, name: str, *keysyms: int) -> None:
    """Press a button of the panel; see the instance get these keys together."""
    setup.cloud.typed.clear()
    await tab.page.locator("#keys-panel").get_by_role("button", name=name, exact=True).click()
    await until(lambda: len(setup.cloud.typed) == 2 * len(keysyms), name)
    assert pressed(setup) == [*keysyms]


async def test_the_keys_fit_the_instances_system(tab: Tab, tmp_path: Path) -> None:
    """Windows, as the cloud says, has its keys; SysRq is there, and harm is asked for twice."""
    async with Simulator(WINDOWS) as cloud:
        aliyun = Aliyun(endpoint=cloud.endpoint, discover=True)
        async with running(tmp_path, cloud=cloud, aliyun=aliyun, instance=()) as setup:
            await tab.open(f"{setup.base}/console/{DEMO_INSTANCE_ID}")
            await tab.runs()
            await tab.button("Keys").click()
            await tab.shoot("panel-keys-windows")
            await tapped(tab, setup, "Win+R", SUPER, ord("r"))
            await tapped(tab, setup, "Ctrl+Shift+Esc", CONTROL_KEYSYM, SHIFT_KEYSYM, 0xFF1B)
            await tapped(tab, setup, "Alt+F4", ALT_KEYSYM, 0xFFC1)
            await tapped(tab, setup, "Ctrl+W", CONTROL_KEYSYM, ord("w"))
            await tapped(tab, setup, "Page Down", 0xFF56)
            await tab.page.get_by_text("Keys of Linux").click()
            await tapped(tab, setup, "Ctrl+Alt+F2", CONTROL_KEYSYM, ALT_KEYSYM, 0xFFBF)
            await tapped(tab, setup, "Ctrl+Alt+Backspace", CONTROL_KEYSYM, ALT_KEYSYM, 0xFF08)
            await tab.page.get_by_text("SysRq", exact=True).click()
            await tapped(
                tab, setup, "s writes what is unsaved to the disks", ALT_KEYSYM, SYS_RQ, ord("s")
            )
            setup.cloud.typed.clear()
            restart = tab.page.get_by_role("button", name="b restarts at once")
            await restart.click()
            sure = tab.page.get_by_role("button", name="b Really? It restarts at once")
            await expect(sure).to_be_visible()
            await tab.shoot("panel-keys-sysrq")
            assert not setup.cloud.typed

            async def is_obeyed() -> bool:
                # A press so soon after the first counts as part of a double click.
                if await sure.is_visible():
                    await restart.or_(sure).click()
                return len(setup.cloud.typed) == 6

            await until_async(is_obeyed, "SysRq")
            assert pressed(setup) == [ALT_KEYSYM, SYS_RQ, ord("b")]
            await tab.open("about:blank")


async def test_a_users_own_keys_are_kept_in_the_browser(tab: Tab, tmp_path: Path) -> None:
    """What isn't a key is named; a kept one is there after a reload, and can be removed."""
    async with tab.on_a_console(tmp_path, cloud=STILL) as setup:
        await tab.runs()
        await tab.button("Keys").click()
        field = tab.page.get_by_label("A combination of your own")
        await field.fill("Ctrl+Foo")
        await tab.button("Add").click()
        await expect(tab.page.get_by_role("alert")).to_have_text("There is no key “foo”.")
        await field.fill("ctrl+shift+t")
        await tab.page.keyboard.press("Enter")
        await tab.shoot("panel-keys-own")
        await tab.page.reload()
        await tab.runs()
        await tab.button("Keys").click()
        await tapped(tab, setup, "Ctrl+Shift+T", CONTROL_KEYSYM, SHIFT_KEYSYM, ord("T"))
        await tab.button("Remove Ctrl+Shift+T").click()
        await expect(tab.button("Ctrl+Shift+T")).to_be_hidden()


async def test_a_key_held_down_is_up_after_a_loss(tab: Tab, tmp_path: Path) -> None:
    """However quick the loss, the panel shows what the instance has down."""
    async with tab.on_a_console(tmp_path, cloud=STILL) as setup:
        await tab.runs()
        await tab.button("Keys").click()
        held = tab.page.get_by_role("group", name="Hold down").get_by_role(
            "button", name="Alt", exact=True
        )
        await held.click()
        await until(lambda: len(setup.cloud.typed) == 1, "Alt")
        await expect(held).to_have_attribute("aria-pressed", "true")
        setup.cloud.drop()
        await expect(tab.page.locator("#notices")).to_contain_text("The link was lost and is back.")
        await expect(held).to_have_attribute("aria-pressed", "false")


async def test_the_way_out_of_the_screen_and_of_the_page(tab: Tab, tmp_path: Path) -> None:
    """A chord leads out and in, and Tab in; who controls is asked before the page goes away."""
    async with tab.on_a_console(tmp_path, cloud=STILL) as setup:
        await tab.runs()
        chord, canvas = tab.page.locator("#chord"), tab.page.locator("#screen canvas")
        await canvas.click()
        await expect(chord).to_have_text("Ctrl+Alt+Shift+T leaves it")
        await tab.shoot("chord")
        await tab.page.keyboard.press("Tab")
        await until(lambda: bool(setup.cloud.typed), "Tab goes to the instance")
        await expect(canvas).to_be_focused()
        await tab.page.keyboard.press("Control+Alt+Shift+T")
        await expect(tab.button("Ctrl+Alt+Del")).to_be_focused()
        await expect(chord).to_have_text("Ctrl+Alt+Shift+T does so too")
        await tab.page.keyboard.press("Control+Alt+Shift+T")
        await expect(canvas).to_be_focused()
        await tab.page.keyboard.press("Control+Alt+Shift+T")
        for _ in range(10):
            await tab.page.keyboard.press("Tab")
            if await canvas.evaluate("canvas => canvas === document.activeElement"):
                break
        await expect(canvas).to_be_focused()
        assert {key.keysym for key in setup.cloud.typed if key.down}.isdisjoint({ord("T")})

        tab.may_leave = False
        await tab.page.evaluate("setTimeout(() => location.reload())")
        await until(lambda: tab.asked == ["beforeunload"], "the page asks")
        await tab.runs()
        assert len(tab.streams) == 1
        async with setup.http.delete(f"{setup.base}/api/v1/consoles/demo") as answer:
            assert answer.status == 204
        await expect(tab.page.locator("#veil")).to_be_visible()
        await tab.page.reload()
        await tab.runs()
        assert tab.asked == ["beforeunload"]
        tab.may_leave = True


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


async def test_a_typed_text_has_the_right_case_under_caps_lock(
    qemu: Qemu, tab: Tab, tmp_path: Path
) -> None:
    """The guest has no lamp: the user says that the lock is on, which stays as it is."""
    async with tab.on_a_console(tmp_path, cloud=screen_of(qemu)):
        await tab.runs()
        await tab.page.keyboard.press("CapsLock")
        try:
            await tab.button("Type text").click()
            await tab.page.get_by_label("Caps Lock is on in the guest").check()
            await tab.page.get_by_role("textbox", name="Text to type").fill("Zy2@")
            await tab.button("Type it").click()
            await qemu.wait_typed(b"Zy2@")
        finally:
            await tab.page.locator("#screen canvas").click()
            await tab.page.keyboard.press("CapsLock")
        # The firmware puts its lamp out with the next key.
        await tab.type("x")
        await qemu.wait_typed(b"Zy2@x")
        await until(lambda: len(qemu.key_events()) % 2 == 0 and not qemu.keys_down(), "all is up")
        assert [name for name, _ in qemu.key_events()].count("caps_lock") == 4
