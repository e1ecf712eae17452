"""Below a path behind real proxies, by the recipes of config/README.md: passed on or not."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.async_api import expect

from tests.real.console_tab import Tab
from tests.real.peers.presence import need
from tests.real.peers.process import answers, free_port, until
from tests.real.peers.process import running as running_program
from tests.setup import Running, running
from vncproxy.commands.console_url import console_url
from vncproxy.config.model import Listen

pytestmark = pytest.mark.asyncio(loop_scope="session")

BASE = "/vnc"
RECIPES = (Path(__file__).parents[2] / "config" / "README.md").read_text()
DAEMON = "127.0.0.1:6080"


def recipe(kind: str) -> str:
    """The block of this kind in config/README.md."""
    found = re.search(rf"```{kind}\n(.*?)```", RECIPES, re.DOTALL)
    assert found and DAEMON in found[1]
    return found[1]


def nginx_config(folder: Path, port: int, daemon: str, *, strips: bool) -> str:
    """The recipe in what it says belongs around it."""
    before, location = re.split(r"(?m)^# In server .*$", recipe("nginx"), maxsplit=1)
    location = location.replace(DAEMON, f"{daemon}/" if strips else daemon)
    temporary = "".join(
        f"    {kind}_temp_path {folder}/{kind};\n"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    return (
        f"daemon off;\npid {folder}/pid;\nerror_log stderr;\nevents {{ }}\n"
        f"http {{\n    access_log off;\n{temporary}{before}"
        f"    server {{\n        listen 127.0.0.1:{port};\n{location}    }}\n}}\n"
    )


def haproxy_config(port: int, daemon: str, *, strips: bool) -> str:
    """The recipe, with what any configuration begins with."""
    text = recipe("haproxy").replace(DAEMON, daemon)
    text = text.replace("frontend web\n", f"frontend web\n    bind 127.0.0.1:{port}\n")
    if strips:
        text = text.replace("# http-request set-path", "http-request set-path")
    times = "".join(f"    timeout {name} 60s\n" for name in ("connect", "client", "server"))
    return f"defaults\n    mode http\n{times}\n{text}"


@asynccontextmanager
async def proxied(
    program: str, folder: Path, setup: Running, *, strips: bool
) -> AsyncIterator[str]:
    """The proxy before a daemon; gives its origin."""
    port, daemon = free_port(), f"127.0.0.1:{setup.daemon.servers[0].port}"
    file, log = folder / "proxy.conf", folder / "proxy.log"
    if program == "nginx":
        path = need("/usr/sbin/nginx", "nginx")
        file.write_text(nginx_config(folder, port, daemon, strips=strips))
        command = [path, "-p", str(folder), "-e", "stderr", "-c", str(file)]
    else:
        path = need("haproxy", "haproxy")
        file.write_text(haproxy_config(port, daemon, strips=strips))
        command = [path, "-f", str(file)]
    async with running_program(*command, log=log) as process:

        async def listens() -> bool:
            return await answers(port)

        await until(listens, f"{program} starts", process=process, log=log)
        yield f"http://127.0.0.1:{port}"


@pytest.mark.parametrize("strips", [False, True], ids=["passed-on", "taken-off"])
@pytest.mark.parametrize("program", ["nginx", "haproxy"])
async def test_a_console_below_a_path(tab: Tab, tmp_path: Path, program: str, strips: bool) -> None:
    """By a link, then over the list; nothing is asked for beside the path."""
    door = Listen(address="127.0.0.1:0", access="token", base_path=BASE)
    async with (
        running(tmp_path, listen=(door,)) as setup,
        proxied(program, tmp_path, setup, strips=strips) as origin,
    ):
        link = await console_url(setup.daemon.config, {}, setup.alias, f"{origin}{BASE}")
        await tab.open(link)
        await tab.runs()
        assert tab.page.url == f"{origin}{BASE}/console/{setup.alias}"
        [cookie] = await tab.browser.context.cookies()
        assert (cookie["path"], cookie["httpOnly"]) == (BASE, True)
        await tab.page.locator("#bar .home").click()
        await tab.page.wait_for_url(f"{origin}{BASE}/")
        row = tab.page.get_by_role("link", name=f"Open the console of {setup.alias}")
        # It would be in a tab of its own.
        await tab.open(f"{origin}{await row.get_attribute('href')}")
        await tab.runs()
        await tab.shoot(f"below-a-path-{program}")
        await tab.open(f"{origin}{BASE}/admin")
        await expect(tab.page.locator("#log-out")).to_be_visible()
        await tab.open(f"{origin}{BASE}/")
        # What the list asks for then.
        tab.expected.append("401 (Unauthorized)")
        await tab.page.locator("#log-out").click()
        await expect(tab.page.locator("input[type=password]")).to_be_visible()
        assert await tab.browser.context.cookies() == []
        paths = {urlsplit(url).path for url in tab.browser.requests if url != "about:blank"}
        assert paths
        assert all(path.startswith(f"{BASE}/") for path in paths), paths
        assert len(tab.sockets) >= 4
        assert all(urlsplit(one.url).path.startswith(f"{BASE}/") for one in tab.sockets)
        await tab.open("about:blank")
