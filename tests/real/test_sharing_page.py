"""Several pages on one machine: each shows every pixel, one controls, and each says who."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from tests.fault.aftermath import dials, under_fault
from tests.line import line
from tests.real.console_tab import Tab, fresh_tab
from tests.real.peers.browser import Browser
from tests.real.peers.qemu import Qemu
from tests.setup import Running, until
from vncproxy.config.model import Limits
from vncproxy.simulator.settings import SimulatedInstance, SimulatorSettings

pytestmark = pytest.mark.asyncio(loop_scope="session")


PATIENT = Limits(control_request_timeout=600.0)
"""No question is answered by itself while a test still looks at it."""


@asynccontextmanager
async def pages(
    folder: Path, browser: Browser, qemu: Qemu, count: int
) -> AsyncIterator[tuple[Running, list[Tab]]]:
    """So many tabs on the machine's console, opened one after the other; the first controls."""
    cloud = SimulatorSettings(instances=(SimulatedInstance(screen=f"127.0.0.1:{qemu.vnc_port}"),))
    async with (
        under_fault(folder, cloud=cloud, limits=PATIENT) as setup,
        fresh_tab(browser, folder) as first,
    ):
        tabs = [first, *[await Tab.opened(browser, folder) for _ in range(count - 1)]]
        for tab in tabs:
            await open_in(tab, setup.base, setup.alias)
        yield setup, tabs
        for page in browser.context.pages:
            # Before the daemon: a page would miss it, and complain.
            await page.goto("about:blank")


async def open_in(tab: Tab, base: str, alias: str, query: str = "") -> None:
    """The console's page, until it shows its screen."""
    await tab.open(f"{base}/console/{alias}{query}")
    await tab.runs()


async def says(tab: Tab, text: str) -> None:
    """Wait until the bar of who is on says this."""
    await expect(tab.page.locator("#people")).to_contain_text(text)


async def front(tab: Tab) -> Page:
    """Its page, in front of the others and with the focus on the screen."""
    await tab.page.bring_to_front()
    await tab.page.locator("#screen canvas").focus()
    return tab.page


async def test_three_pages_show_one_machine(chromium: Browser, qemu: Qemu, tmp_path: Path) -> None:
    """The third joins late; all are equal to the screendump, through changes; one dial."""
    async with pages(tmp_path, chromium, qemu, 2) as (setup, tabs):
        first, second = tabs
        await front(first)
        await first.type("hello")
        await qemu.wait_typed(b"hello")
        for tab in tabs:
            await tab.shows(qemu.pixels)
        third = await Tab.opened(chromium, tmp_path)
        await open_in(third, setup.base, setup.alias)
        await third.shows(qemu.pixels)
        for _ in range(5):
            await qemu.send_key("ret")
            await qemu.send_key("k")
        for tab in (third, first, second):
            await tab.shows(qemu.pixels)
        await third.page.reload()
        await third.runs()
        await third.shows(qemu.pixels)
        assert dials(setup) == ["accepted"]


async def test_control_goes_from_page_to_page(
    chromium: Browser, qemu: Qemu, tmp_path: Path
) -> None:
    """Asked for, refused, asked for again, granted, handed over: each page says who has it."""
    async with pages(tmp_path, chromium, qemu, 3) as (_, tabs):
        first, second, third = tabs
        await says(first, "You have control")
        for tab in (second, third):
            await says(tab, "anyone 1 has control, you are watching")
        await second.page.bring_to_front()
        await second.shoot("sharing-watching")
        await second.type("no")
        await second.button("Request control").click()
        await says(second, "Asked for control")
        await says(third, "asks for control")
        await third.button("Request control").click()

        await first.page.bring_to_front()
        await says(first, "anyone 2 asks for control.")
        await says(first, "Without an answer it is granted in")
        await first.shoot("sharing-asked")
        await first.button("Refuse").click()
        # The other's question is next.
        await says(first, "anyone 3 asks for control.")
        await expect(second.button("Request control")).to_be_visible()
        await first.button("Grant").click()
        await says(third, "You have control")
        await says(second, "you are watching")

        await front(third)
        await third.shoot("sharing-control")
        await third.type("third")
        await qemu.wait_typed(b"third")
        await third.button("Give control").first.click()
        await says(first, "You have control")
        await front(first)
        await first.type("first")
        await qemu.wait_typed(b"thirdfirst")
        await first.button("Release control").click()
        for tab in tabs:
            await says(tab, "Nobody has control")
        await first.shoot("sharing-nobody")
        await second.button("Get control").click()
        await says(second, "You have control")
        assert qemu.typed().endswith(b"thirdfirst")


async def test_taking_over_lets_go_of_what_the_other_held(
    chromium: Browser, qemu: Qemu, tmp_path: Path
) -> None:
    """Shift is down in the guest until another page takes control; then letters are small."""
    async with pages(tmp_path, chromium, qemu, 2) as (_, (first, second)):
        page = await front(first)
        await page.keyboard.down("Shift")
        await until(lambda: qemu.keys_down() == {"shift"}, "Shift")
        # By script: a click would take the first page's focus, and with that its keys.
        await second.button("Take it now").evaluate("button => button.click()")
        await says(second, "You have control")
        await until(lambda: not qemu.keys_down(), "its release")
        await front(second)
        await second.type("small")
        await qemu.wait_typed(b"small")
        await says(first, "you are watching")
        await page.keyboard.up("Shift")
        assert qemu.typed().endswith(b"small")


async def test_an_address_with_take_takes_once(
    chromium: Browser, qemu: Qemu, tmp_path: Path
) -> None:
    """Neither its reload nor its reconnect does so again, or two pages would steal for ever."""
    async with (
        pages(tmp_path, chromium, qemu, 1) as (setup, (first,)),
        line(setup.daemon.servers[0].port) as breaking,
    ):
        second = await Tab.opened(chromium, tmp_path)
        await open_in(second, breaking.base, setup.alias, "?take=1")
        await says(second, "You have control")
        await says(first, "you are watching")
        await first.button("Take it now").click()
        await says(first, "You have control")
        await second.page.reload()
        await second.runs()
        await says(second, "you are watching")
        streams = len(second.streams)
        await breaking.close()
        await until(lambda: len(second.streams) > streams, "the page's next try")
        await second.runs()
        await says(second, "you are watching")
        await says(first, "You have control")
        await second.page.goto("about:blank")
