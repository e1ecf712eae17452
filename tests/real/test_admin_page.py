"""The page of open consoles in a browser: what administrators see, and how they end it."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.async_api import Locator, Route, expect

from tests.fault.test_identity import people_of
from tests.fault.test_log_in_links import link_of
from tests.real.console_tab import Tab, fresh_tab
from tests.real.peers.browser import Browser
from tests.setup import running, until

pytestmark = pytest.mark.asyncio(loop_scope="session")

_LOOK = "document.dispatchEvent(new Event('visibilitychange'))"
_HIDE = "Object.defineProperty(document, 'hidden', {value: %s, configurable: true})"
LIST = "**/api/v1/consoles"
FOCUSED = "document.activeElement?.getAttribute('aria-label') ?? document.activeElement?.id"


def cards(tab: Tab) -> Locator:
    """The consoles that are shown."""
    return tab.page.locator(".open-console")


def lines(tab: Tab) -> Locator:
    """The viewers that are shown."""
    return tab.page.locator(".on-it")


async def test_an_administrator_ends_a_viewer_and_a_console(
    tmp_path: Path, chromium: Browser
) -> None:
    """Both are asked about first, and confirmed; the keyboard stays where it is meanwhile."""
    async with fresh_tab(chromium, tmp_path) as tab, running(tmp_path) as setup:
        page = tab.page
        await tab.open(setup.base)
        await page.get_by_role("link", name="Open consoles").click()
        await expect(page.get_by_text("No console is open")).to_be_visible()
        await tab.shoot("admin-nothing")
        first = await setup.viewer()
        # It comes by itself.
        await expect(page.locator("#lead")).to_have_text("1 console, 1 viewer")
        second = await setup.viewer("?view=1")
        await until(lambda: setup.shows(second), "the picture")
        await first.type("x")
        await page.evaluate(_LOOK)
        await expect(page.locator("#lead")).to_have_text("1 console, 2 viewers")
        card = cards(tab)
        for text in ("demo", "Connected", "28 of 29 left", "for this instance", "Update requests"):
            await expect(card).to_contain_text(text)
        await expect(lines(tab).first).to_contain_text("In control")
        await expect(lines(tab).first).to_contain_text("s ago")
        await expect(lines(tab).last).to_contain_text("none yet")
        await tab.shoot("admin-consoles")

        name = "End the session of anyone 2 on demo"
        await tab.button(name).focus()
        async with page.expect_response(LIST):
            await page.evaluate(_LOOK)
        await first.type("y")
        assert await page.evaluate(FOCUSED) == name
        await page.keyboard.press("Enter")
        dialog = page.get_by_role("dialog")
        await expect(dialog).to_contain_text("End the session of anyone 2 on demo?")
        await tab.shoot("admin-sure")
        # Who goes on pressing Return ends nothing.
        await page.keyboard.press("Enter")
        await expect(dialog).to_be_hidden()
        assert await page.evaluate(FOCUSED) == name
        assert not second.socket.closed
        await page.keyboard.press("Enter")
        await dialog.get_by_role("button", name="End the session").click()
        assert await second.ended() == 4403
        notice = page.locator("#said")
        await expect(notice).to_have_text("The session of anyone 2 on demo was ended.")
        await expect(page.locator("#lead")).to_have_text("1 console, 1 viewer")
        assert not first.socket.closed

        await tab.button("End the console of demo").click()
        await expect(dialog).to_contain_text("anyone is sent away at once.")
        await dialog.get_by_role("button", name="End the console").click()
        assert await first.ended() == 4403
        await expect(notice).to_have_text("The console of demo was ended.")
        await expect(cards(tab)).to_have_count(0)
        await expect(page.get_by_text("No console is open")).to_be_visible()


async def test_a_daemon_that_is_away_and_a_page_that_nobody_looks_at(
    tmp_path: Path, chromium: Browser
) -> None:
    """The page says how old what it shows is, and asks nothing while it is hidden."""
    async with fresh_tab(chromium, tmp_path) as tab, running(tmp_path) as setup:
        page = tab.page
        tab.expected.append("Failed to load resource")
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        await setup.viewer()
        await tab.open(f"{setup.base}/admin")
        await expect(cards(tab)).to_be_visible()

        async def away(route: Route) -> None:
            await route.abort()

        await page.route(LIST, away)
        await page.evaluate(_LOOK)
        banner = page.get_by_role("alert")
        await expect(banner).to_contain_text("vncproxy can’t be reached")
        await expect(banner).to_contain_text("What is shown below is from")
        await expect(cards(tab)).to_be_visible()
        await tab.shoot("admin-away")
        await page.unroute(LIST)
        await expect(banner).to_be_hidden()

        await page.evaluate(_HIDE % "true")
        await page.evaluate(_LOOK)
        await page.wait_for_timeout(100)
        before = len(asked)
        await page.wait_for_timeout(3500)
        assert len(asked) == before
        await page.evaluate(_HIDE % "false")
        async with page.expect_response(LIST):
            await page.evaluate(_LOOK)


async def test_who_is_no_administrator(tmp_path: Path, chromium: Browser) -> None:
    """They read so, and find no link to the page; an administrator sees rule and door."""
    async with fresh_tab(chromium, tmp_path) as tab, people_of(tmp_path) as people:
        page = tab.page
        tab.expected.append("Failed to load resource")
        address = f"{people.setup.base}/admin"
        socket = await people.socket("/websockify/demo", "ann")
        await tab.open(address)
        await page.locator("input[type=password]").fill(people.tokens["ann"])
        await page.keyboard.press("Enter")
        await expect(page.get_by_text("This page is for administrators")).to_be_visible()
        await tab.shoot("admin-refused")
        await page.get_by_role("link", name="All instances").click()
        await expect(page.locator(".instance")).to_be_visible()
        await expect(page.locator("#admin-link")).to_be_hidden()

        await tab.open(address)
        await tab.button("Log out").click()
        await page.get_by_label("Your token").fill(people.tokens["adm"])
        await page.keyboard.press("Enter")
        await expect(lines(tab)).to_contain_text("By a token, rule 2, door “users”")
        await tab.open(people.setup.base)
        await expect(page.get_by_role("link", name="Open consoles")).to_be_visible()
        await socket.close()


async def test_somebody_else_s_link_is_asked_about(tmp_path: Path, chromium: Browser) -> None:
    """Who clicks it stays who they are, unless they say that it is meant."""
    async with fresh_tab(chromium, tmp_path) as tab, people_of(tmp_path) as people:
        page, base = tab.page, people.setup.base
        tab.expected.append("status of 401")
        tab.expected.append("status of 409")
        await tab.open(base)
        await page.locator("input[type=password]").fill(people.tokens["ann"])
        await tab.button("Log in").click()
        await expect(page.get_by_text("1 instance you may open")).to_be_visible()
        ticket = await link_of(people, "wat")
        await tab.open(f"{base}/enter#{ticket}")
        await expect(page.get_by_role("heading", name="Somebody else’s link")).to_be_visible()
        assert "#" not in page.url
        await tab.shoot("enter-other-user")
        await tab.button("Log in by the link").click()
        await expect(page.locator("#account")).to_have_text("wat")
        # Without a log-in it isn't followed blindly either.
        await page.context.clear_cookies()
        ticket = await link_of(people, "adm")
        await tab.open(f"{base}/enter#{ticket}")
        await expect(page.get_by_role("heading", name="Is this your link?")).to_be_visible()
        await expect(page.locator("#text")).to_contain_text("as adm")
        await tab.shoot("enter-whose-link")
        await tab.button("Log in by the link").click()
        await expect(page.locator("#account")).to_have_text("adm")
        await tab.open("about:blank")
