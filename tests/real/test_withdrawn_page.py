"""People of a `users` door in Chromium: what they read, and what is left when they must go."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest
from playwright.async_api import expect

from tests.real.console_tab import Tab, fresh_tab
from tests.real.peers.browser import Browser
from tests.setup import Running, running
from tests.unit.access.test_users import add
from vncproxy.config.model import Access, Config, Listen, Rule

pytestmark = pytest.mark.asyncio(loop_scope="session")

RULES = (
    Rule(users=("ann",), instances=("demo",)),
    Rule(users=("bob",), instances=("demo",), role="watch"),
)
REFUSED = "status of 401"
ENDED = "Your session was ended"
_LEFT = """() => [...document.querySelectorAll('canvas')]
    .filter(({ width, height }) => width * height > 0).length"""


@dataclass
class Rules:
    """What a reload finds."""

    now: tuple[Rule, ...] = RULES

    def read(self, before: Config) -> Config:
        """The configuration with them."""
        return msgspec.structs.replace(before, rule=self.now)


@asynccontextmanager
async def daemon_with_users(
    folder: Path, rules: Rules
) -> AsyncIterator[tuple[Running, dict[str, str]]]:
    """A daemon that knows ann, bob, and eve whom no rule names; and their tokens."""
    file = folder / "users.json"
    tokens = {name: add(file, name) for name in ("ann", "bob", "eve")}
    door = Listen(address="127.0.0.1:0", access="users")
    async with running(
        folder, access=Access(users_file=file), listen=(door,), rule=RULES, reread=rules.read
    ) as setup:
        yield setup, tokens


async def log_in(tab: Tab, token: str) -> None:
    """With the form that is shown."""
    field = tab.page.get_by_label("Your token")
    await expect(field).to_be_visible()
    await field.fill(token)
    await tab.page.keyboard.press("Enter")


async def is_gone(tab: Tab, *texts: str) -> None:
    """Wait for the card; nothing is left of the instance's picture behind it."""
    await tab.says(ENDED, *texts)
    assert await tab.page.evaluate(_LEFT) == 0


async def test_a_shared_desk(tmp_path: Path, chromium: Browser) -> None:
    """Each is reported what is theirs to do; what somebody leaves behind shows no picture."""
    rules = Rules()
    async with (
        daemon_with_users(tmp_path, rules) as (setup, tokens),
        fresh_tab(chromium, tmp_path) as tab,
    ):
        tab.expected.append(REFUSED)
        page = tab.page
        await tab.open(setup.base)
        await expect(page.locator(".login")).not_to_contain_text("state directory")
        await tab.shoot("users-log-in")
        await log_in(tab, tokens["eve"])
        await expect(page.locator(".empty")).to_contain_text("known here as eve")
        await expect(page.locator(".empty")).not_to_contain_text("[[instance]]")
        await tab.shoot("users-nothing")
        await tab.button("Log out").click()
        await log_in(tab, tokens["ann"])
        await expect(page.get_by_role("listitem")).to_have_count(1)

        # Another tab of the same log-in has the console; who watches can't be given control.
        other = await Tab.opened(chromium, tmp_path)
        await other.open(f"{setup.base}/console/demo")
        await other.runs()
        bearer = {"Authorization": f"Bearer {tokens['bob']}"}
        watcher = await setup.connect(headers=bearer)
        await watcher.begin()
        people = other.page.locator("#people")
        await expect(people).to_contain_text("bob")
        await expect(other.button("Release control")).to_be_visible()
        await expect(other.button("Give control")).to_have_count(0)
        await other.shoot("users-watched")
        await watcher.close()

        await tab.button("Log out").click()
        await is_gone(other, "You logged out.")
        await other.shoot("users-logged-out")
        await other.open(f"{setup.base}/console/demo")
        await other.says("Log in first")
        await other.shoot("users-console-log-in")
        await log_in(other, tokens["ann"])
        await other.runs()

        rules.now = RULES[1:]
        setup.daemon.reload()
        await is_gone(other, "withdrawn")
        await other.shoot("users-withdrawn")
        await other.button("All instances").click()
        await expect(other.page.locator(".empty")).to_contain_text("known here as ann")
        for one in (tab, other):
            await one.open("about:blank")
