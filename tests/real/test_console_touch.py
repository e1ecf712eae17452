"""The console page on a phone: keys that its keyboard lacks, fingers, zoom, a touchpad."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import expect

from tests.real.console_tab import Tab, fresh_tab
from tests.real.peers.browser import Chromium
from tests.real.peers.process import until as until_async
from tests.setup import until
from vncproxy.simulator.settings import SimulatorSettings

pytestmark = pytest.mark.asyncio(loop_scope="session")

STILL = SimulatorSettings(animated=False)
LEFT, RIGHT, WHEEL_UP, WHEEL_DOWN = 1, 4, 8, 16
"""Bits of a pointer message's buttons."""

CONTROL, ESCAPE, DOWN, RETURN, BACKSPACE, F2 = 0xFFE3, 0xFF1B, 0xFF54, 0xFF0D, 0xFF08, 0xFFBF

Fingers = Callable[..., Awaitable[None]]


@pytest_asyncio.fixture(loop_scope="session")
async def phone(chromium_program: Chromium, tmp_path: Path) -> AsyncIterator[Tab]:
    """A tab on a phone."""
    async with (
        chromium_program.profile(width=390, height=844, phone=True) as browser,
        fresh_tab(browser, tmp_path) as tab,
    ):
        yield tab


@asynccontextmanager
async def fingers_of(tab: Tab) -> AsyncIterator[Fingers]:
    """Puts fingers on the glass: all that are there, by place; none lifts them."""
    session = await tab.page.context.new_cdp_session(tab.page)
    there = 0

    async def touch(*places: tuple[float, float]) -> None:
        nonlocal there
        kind = "touchMove" if len(places) == there else "touchStart"
        if len(places) < there:
            kind = "touchEnd"
        there = len(places)
        points = [{"x": x, "y": y, "id": number} for number, (x, y) in enumerate(places)]
        await session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    yield touch
    await session.detach()


async def fits(tab: Tab) -> bool:
    """Whether nothing of the page lies beside the window."""
    return bool(
        await tab.page.evaluate(
            """() => document.documentElement.scrollWidth <= innerWidth
            && [...document.querySelectorAll('.tool, .touch-row .key, .status > *')].every(e => {
                const {left, right} = e.getBoundingClientRect();
                return left >= 0 && right <= innerWidth;
            })"""
        )
    )


async def test_a_phone_has_the_keys_that_its_keyboard_lacks(phone: Tab, tmp_path: Path) -> None:
    """A boot menu can be driven, a shell used; words are mended as its keyboard mends them."""
    async with phone.on_a_console(tmp_path, cloud=STILL) as setup:
        cloud = setup.cloud
        await phone.runs()
        await phone.shoot("phone")
        for width in (360, 390):
            await phone.page.set_viewport_size({"width": width, "height": 844})
            assert await fits(phone)
        await phone.button("Keyboard").tap()
        field = phone.page.locator("#touch-field")
        await expect(field).to_be_focused()
        for name in ("Down", "Enter", "Esc", "F1…", "F2"):
            await phone.button(name).tap()
        await expect(field).to_be_focused()
        await phone.shoot("phone-keys")
        await phone.page.set_viewport_size({"width": 360, "height": 740})
        assert await fits(phone)
        await phone.page.keyboard.insert_text("ls -A")
        await phone.button("Ctrl").tap()
        await phone.page.keyboard.insert_text("c")
        for key in ("d", "Backspace", "Enter"):
            await phone.page.keyboard.press(key)
        session = await phone.page.context.new_cdp_session(phone.page)
        for text in ("t", "te", "tes"):
            composed = {"text": text, "selectionStart": len(text), "selectionEnd": len(text)}
            await session.send("Input.imeSetComposition", composed)
        await session.send("Input.insertText", {"text": "taste"})
        typed = [DOWN, RETURN, ESCAPE, F2, *b"ls -", 0xFFE1, *b"A", CONTROL, *b"cd"]
        typed += [BACKSPACE, RETURN, *b"tes", BACKSPACE, BACKSPACE, *b"aste"]
        await until(lambda: cloud.typed_text.endswith("aste"), "the word")
        assert [key.keysym for key in cloud.typed if key.down] == typed
        await field.evaluate("field => field.setSelectionRange(60, 60)")
        await phone.page.keyboard.insert_text("x")
        await phone.button("Ctrl").tap()
        await phone.page.keyboard.insert_text("é")
        await expect(phone.page.locator("#notices")).to_contain_text("left out: é")
        await phone.page.keyboard.insert_text("c")
        await until(lambda: cloud.typed_text.endswith("c"), "a key with Ctrl")
        assert [key.keysym for key in cloud.typed if key.down] == [*typed, *b"x", CONTROL, *b"c"]
        await phone.button("Keyboard").tap()
        await expect(phone.page.locator("#touch-keys")).to_be_hidden()


async def test_fingers_scroll_zoom_and_move_the_pointer(phone: Tab, tmp_path: Path) -> None:
    """Two scroll or pinch; on the touchpad one moves the pointer from where it is."""
    async with phone.on_a_console(tmp_path, cloud=STILL) as setup, fingers_of(phone) as touch:
        pointed = setup.cloud.pointed
        await phone.runs()
        canvas = phone.page.locator("#screen canvas")
        before = await canvas.bounding_box()
        assert before is not None
        middle = before["x"] + before["width"] / 2, before["y"] + before["height"] / 2
        x, y = middle

        await touch((x, y), (x + 60, y))
        for far in (30, 60, 90, 120):
            await touch((x, y + far), (x + 60, y + far))
        await touch()
        await until(lambda: any(report.buttons == WHEEL_UP for report in pointed), "scrolled")

        await touch((x - 20, y), (x + 20, y))
        for far in (60, 90, 120):
            await touch((x - far, y), (x + far, y))
        await touch()

        async def is_large() -> bool:
            box = await canvas.bounding_box()
            return box is not None and box["width"] > 2 * before["width"]

        await until_async(is_large, "the picture is large")
        await expect(phone.page.locator("#size")).to_have_value("zoom")
        await phone.shoot("phone-zoomed")
        assert await fits(phone)
        await phone.page.locator("#size").select_option("Fit")

        async def is_whole() -> bool:
            return await canvas.bounding_box() == before

        await until_async(is_whole, "the whole picture")

        await phone.button("Keyboard").tap()
        await phone.button("Touchpad").tap()
        pointed.clear()
        x, y = 100, 300
        await touch((x, y))
        await touch((x + 20, y))
        await until(lambda: bool(pointed), "the pointer moves")
        first = pointed[-1]
        await touch((x + 40, y + 10))
        await until(lambda: pointed[-1].x > first.x, "the pointer goes on")
        await touch()
        there = pointed[-1]
        assert {report.buttons for report in pointed} == {0}
        await touch((10, 200))
        await touch()
        await until(lambda: any(report.buttons == LEFT for report in pointed), "a click")
        click = next(report for report in pointed if report.buttons == LEFT)
        assert abs(click.x - there.x) <= 4
        assert abs(click.y - there.y) <= 4
        await touch((100, 200), (150, 200))
        await touch()
        await until(lambda: any(report.buttons == RIGHT for report in pointed), "a right click")
        await touch((100, 200), (150, 200))
        for far in (40, 80, 120):
            await touch((100, 200 - far), (150, 200 - far))
        await touch()
        await until(lambda: any(report.buttons == WHEEL_DOWN for report in pointed), "scrolled")
