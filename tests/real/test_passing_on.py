"""Pages that come to the wrong one of several daemons, in Chromium, with a real server between."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.async_api import expect

from tests.real.console_tab import Tab, fresh_tab
from tests.real.peers.browser import Browser
from tests.real.peers.process import free_port
from tests.real.peers.valkey import ValkeyServer, valkey_server
from tests.setup import Running, running, until
from vncproxy.cluster.valkey_ownership import SharedOwnership
from vncproxy.config.model import Access, Limits, Listen, Throttle
from vncproxy.console import registry
from vncproxy.simulator.settings import SimulatorSettings
from vncproxy.simulator.simulator import Simulator
from vncproxy.throttle.valkey_connection import StoreAddress, ValkeyStore

pytestmark = pytest.mark.asyncio(loop_scope="session")

SETTINGS = SimulatorSettings(animated=False)
INSTANCE = SETTINGS.instances[0]
ELSEWHERE = "Another vncproxy has this console"


@dataclass
class TwoDaemons:
    """Two daemons, at two sites for a browser, the server that they share, and a tab."""

    one: Running
    two: Running
    server: ValkeyServer
    tab: Tab
    urls: tuple[str, str]

    async def taken_by_a_third(self, url: str) -> None:
        """Another daemon, which says that its pages are at `url`, has the console from now on."""
        store = ValkeyStore(StoreAddress(host="127.0.0.1", port=self.server.port))
        third = SharedOwnership(store, "third", "bastion-3", url)
        while await third.claim(INSTANCE.instance_id) is not None:
            self.server.command("DEL", f"vncproxy:console:{INSTANCE.instance_id}")
        await store.close()


@asynccontextmanager
async def two(browser: Browser, folder: Path, short_path: Path) -> AsyncIterator[TwoDaemons]:
    """Both daemons pass pages on, and take each other's."""
    ports = (free_port(), free_port())
    urls = (f"http://127.0.0.1:{ports[0]}", f"http://localhost:{ports[1]}")
    async with AsyncExitStack() as stack:
        server = stack.enter_context(valkey_server(short_path / "v"))
        cloud = await stack.enter_async_context(Simulator(SETTINGS))
        tab = await stack.enter_async_context(fresh_tab(browser, folder))
        # The refused admission, and the connections of a page that goes away.
        tab.expected += ["status of 409", "WebSocket"]
        daemons = []
        for n in range(2):
            throttle = Throttle(
                store=server.url, name=f"bastion-{n + 1}", url=urls[n], pass_on=True
            )
            daemons.append(
                await stack.enter_async_context(
                    running(
                        folder / f"bastion-{n + 1}",
                        cloud=cloud,
                        listen=(Listen(address=f"127.0.0.1:{ports[n]}", access="open"),),
                        throttle=throttle,
                        limits=Limits(linger=0.0),
                        access=Access(allowed_origins=urls),
                    )
                )
            )
        made = TwoDaemons(daemons[0], daemons[1], server, tab, urls)
        yield made
        await tab.open("about:blank")


async def test_a_page_goes_on_to_the_daemon_that_has_its_console(
    chromium: Browser, tmp_path: Path, short_path: Path
) -> None:
    """It says where to, keeps ?view=1, and shows the console there."""
    async with two(chromium, tmp_path, short_path) as here:
        viewer = await here.one.viewer()
        await until(lambda: here.one.shows(viewer), "the picture")
        await here.tab.open(f"{here.urls[1]}/console/demo?view=1")
        await here.tab.said("Passing you on to bastion-1…")
        await here.tab.shoot("passing-on")
        await here.tab.runs()
        assert here.tab.page.url == f"{here.urls[0]}/console/demo?view=1"
        await expect(here.tab.page.locator("#typing")).to_have_text("Watching only")
        # Back leads to where it was before, not to the page that passes on.
        assert here.urls[1] not in "".join(await here.tab.addresses())
        assert len(here.one.cloud.dials) == 1
        assert not here.one.cloud.breaches


async def test_a_page_is_passed_on_once_and_no_more(
    chromium: Browser, tmp_path: Path, short_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A console that another daemon takes in mid-session is followed; where it isn't found, the
    page learns who has it, and stays.
    """
    monkeypatch.setattr(registry, "RENEW_INTERVAL_S", 0.1)
    async with two(chromium, tmp_path, short_path) as here:
        await here.tab.open(f"{here.urls[1]}/console/demo")
        await here.tab.runs()
        # It isn't there: that daemon would send the page on to itself, or back, for ever.
        await here.taken_by_a_third(here.urls[0])
        await here.tab.said("Passing you on to bastion-3…")
        await here.tab.says(ELSEWHERE, "bastion-3")
        link = here.tab.page.locator("#message-detail a")
        await expect(link).to_have_attribute("href", f"{here.urls[0]}/console/demo")
        await expect(link).to_have_text(f"{here.urls[0]}/console/demo")
        assert here.tab.page.url == f"{here.urls[0]}/console/demo?passed=1"
        await here.tab.shoot("passed-on-in-vain")
        await here.tab.button("Try again").click()
        await here.tab.says(ELSEWHERE, "bastion-3")
        assert here.tab.page.url == f"{here.urls[0]}/console/demo?passed=1"
