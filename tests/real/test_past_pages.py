"""The administrators' page in a browser: past sessions searched, a recording played in place."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from playwright.async_api import Locator, expect

from tests.bench.past import BLOCK_MS, colour_at
from tests.real.console_tab import CANVAS, Tab, fresh_tab
from tests.real.peers.browser import Browser, pixels
from tests.setup import until
from tests.unit.web.past_site import PastSite, past_site

pytestmark = pytest.mark.asyncio(loop_scope="session")


def rows(tab: Tab) -> Locator:
    """What the list shows."""
    return tab.page.locator(".past")


async def enter(tab: Tab, site: PastSite, place: str, user: str = "adm") -> None:
    """Log in, and show a list."""
    tab.expected.append("Failed to load resource")
    await tab.open(f"{site.people.setup.base}/admin#{place}")
    await tab.page.locator("input[type=password]").fill(site.people.tokens[user])
    await tab.page.keyboard.press("Enter")
    await expect(tab.page.get_by_role("navigation")).to_be_visible()


async def test_past_sessions_are_searched_and_exported(tmp_path: Path, chromium: Browser) -> None:
    """As is typed; the file has what the list has, and starts no formula."""
    async with fresh_tab(chromium, tmp_path) as tab, past_site(tmp_path) as site:
        page = tab.page
        await enter(tab, site, "open")
        await page.get_by_role("link", name="Past sessions").click()
        await expect(rows(tab)).to_have_count(3)
        await expect(page.locator("#lead")).to_have_text("3 sessions")
        await expect(rows(tab).first).to_contain_text("eve")
        await expect(rows(tab).first).to_contain_text("The viewer left.")
        await expect(rows(tab).nth(1)).to_contain_text("before it could record the end")
        await page.get_by_role("searchbox", name="User").fill("ANN")
        await expect(rows(tab)).to_have_count(1)
        await expect(rows(tab)).to_contain_text("from 192.0.2.1")
        await page.get_by_role("searchbox", name="User").fill("")
        await page.get_by_role("searchbox", name="Instance").fill("demo")
        await expect(rows(tab)).to_have_count(2)
        async with page.expect_download() as coming:
            await page.get_by_role("link", name="Export as CSV").click()
        file = await (await coming.value).path()
        with file.open(encoding="utf-8-sig", newline="") as text:
            assert [row["user"] for row in csv.DictReader(text)] == ["'=cmd()", "ann"]
        await page.get_by_label("Open after").fill("2035-01-01T00:00")
        await expect(page.get_by_text("No session like this")).to_be_visible()


async def test_a_recording_of_an_hour_is_played_in_place(tmp_path: Path, chromium: Browser) -> None:
    """Sought, at another speed, downloaded; the audit has each; the way leads back."""
    async with (
        fresh_tab(chromium, tmp_path) as tab,
        past_site(tmp_path, blocks=3_600_000 // BLOCK_MS) as site,
    ):
        page = tab.page
        await enter(tab, site, "recordings", "ann")
        await expect(rows(tab)).to_have_count(1)
        await rows(tab).get_by_role("link", name="Play").click()
        await expect(page.locator("#name")).to_have_text("demo")
        await expect(page.locator("#duration")).to_have_text("1:00:00")
        (look,) = await site.people.setup.audited("look")
        assert (look["user"], look["reason"], look["file"]) == ("ann", "recording", site.own)
        await page.locator("#speed").select_option("16")
        await page.locator("#play").click()
        for block in (119, 1, 60, 90, 33):
            at_ms = block * BLOCK_MS + 1000
            await page.eval_on_selector(
                "#seek",
                "(bar, at) => { bar.value = at; bar.dispatchEvent(new Event('input')) }",
                at_ms,
            )
            wanted = (*colour_at(block * BLOCK_MS), 255)
            await page.wait_for_function(
                """([selector, wanted]) => {
                  const canvas = document.querySelector(selector);
                  const pixel = canvas?.getContext("2d").getImageData(5, 5, 1, 1).data;
                  return pixel && wanted.every((value, at) => pixel[at] === value);
                }""",
                arg=[CANVAS, wanted],
            )
            shown = await pixels(page, CANVAS)
            assert np.all(shown[..., :3] == wanted[:3])
        await tab.shoot("replay-in-the-daemon", phone=True)
        async with page.expect_download() as coming:
            await page.get_by_role("link", name="Download").click()
        file = site.people.setup.daemon.state / "recordings" / site.own
        assert (await (await coming.value).path()).read_bytes() == file.read_bytes()
        looks = await site.people.setup.audited("look", 2)
        assert looks[-1]["reason"] == "recording-download"
        await page.get_by_role("link", name="All recordings").click()
        await expect(rows(tab)).to_have_count(1)

        # From one that isn't there, too.
        tab.expected.append("404")
        await tab.open(f"{site.people.setup.base}/replay/nosuch")
        await expect(page.locator("#message")).to_contain_text("The recording can’t be opened")
        await tab.shoot("replay-none", phone=True)
        await page.locator("#message").get_by_role("link", name="All recordings").click()
        await expect(rows(tab)).to_have_count(1)


async def test_an_open_console_is_watched_from_its_card(tmp_path: Path, chromium: Browser) -> None:
    async with fresh_tab(chromium, tmp_path) as tab, past_site(tmp_path) as site:
        page = tab.page
        socket = await site.people.socket("/websockify/demo", "ann")
        await enter(tab, site, "open")
        link = page.get_by_role("link", name="Watch demo")
        await expect(link).to_be_visible()
        assert (await link.get_attribute("href") or "").endswith("/console/demo?view=1")
        await socket.close()
        await until(lambda: socket.closed, "the end")


@pytest.mark.parametrize("language", ["en", "zh"])
async def test_how_it_looks(tmp_path: Path, chromium: Browser, language: str) -> None:
    """At a desk and on a phone, in both languages; nothing is wider than the screen."""
    async with fresh_tab(chromium, tmp_path) as tab, past_site(tmp_path) as site:
        page = tab.page
        await page.context.add_cookies(
            [{"name": "vncproxy-language", "value": language, "url": site.people.setup.base}]
        )
        await enter(tab, site, "past")
        for place, count in (("past", 3), ("recordings", 2)):
            await page.evaluate("place => { location.hash = place }", place)
            await expect(rows(tab)).to_have_count(count)
            for width, height in ((1280, 800), (390, 844)):
                await page.set_viewport_size({"width": width, "height": height})
                assert await page.evaluate("document.documentElement.scrollWidth") <= width
                await tab.shoot(f"admin-{place}-{language}-{width}")
