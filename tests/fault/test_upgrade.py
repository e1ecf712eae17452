"""An installation that is replaced under a running daemon, and the restart that follows."""

from __future__ import annotations

import asyncio
import re
import shutil
import signal
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from tests.fault.serving import ROOT, Served, simulated
from tests.real.peers.process import free_port
from tests.setup import WAIT_S, Viewer, connect, until
from vncproxy.web.assets import ASSETS

TELL_LATE = """
import atexit, os, sys
class Tell:
    def find_spec(self, name, path, target=None):
        # What belongs to Python itself isn't a part of the installation.
        if not os.path.exists({here!r}) and name.partition(".")[0] not in sys.stdlib_module_names:
            with open({late!r}, "a") as file:
                print(name, file=file)
sys.meta_path.insert(0, Tell())
"""
MORE = """
tcp_port = {native}
tcp_password_file = "{secret}"
[[listen]]
name = "second"
address = "127.0.0.1:{port}"
access = "token"
[[rule]]
users = ["owner", "anyone"]
instances = ["*"]
role = "admin"
record = true
"""


class Installation:
    """A copy of the package by itself, as pip makes it."""

    def __init__(self, folder: Path) -> None:
        """Install it, with something that tells of modules asked for once it is gone."""
        self.folder = folder
        self.package = folder / "vncproxy"
        self.late = folder / "late"
        self.install()
        program = TELL_LATE.format(here=str(self.package), late=str(self.late))
        (folder / "sitecustomize.py").write_text(program)

    def install(self) -> None:
        """Put the package there."""
        shutil.copytree(ROOT / "vncproxy", self.package)

    def remove(self) -> None:
        """Take it away."""
        shutil.rmtree(self.package)

    @property
    def environ(self) -> dict[str, str]:
        """By which Python uses this one and no other."""
        own = {"PYTHONPATH": str(self.folder), "PYTHONSAFEPATH": "1"}
        # No bytecode is left of it, wherever that is kept.
        return {**own, "PYTHONDONTWRITEBYTECODE": "1"}


@pytest.fixture
async def endpoint(tmp_path: Path) -> AsyncIterator[str]:
    """A simulated cloud's."""
    async with simulated(tmp_path, "animated = false\n") as found:
        yield found


async def version_of(served: Served, http: aiohttp.ClientSession) -> str:
    """By which the console's page names its files."""
    async with http.get(f"{served.base}/console/demo") as answer:
        found = re.search(r"/static/(v-[0-9a-f]+)/icon.svg", await answer.text())
    assert found
    return found[1]


async def watching(served: Served, http: aiohttp.ClientSession) -> Viewer:
    """A viewer that has a picture."""
    viewer = await connect(http, served.base)
    await viewer.begin()
    await until(lambda: viewer.decoder.updates, "a picture")
    return viewer


@dataclass(frozen=True)
class Ports:
    """Of the door that wants a token, and of native viewers."""

    second: int
    native: int


async def everything_works(
    served: Served, process: asyncio.subprocess.Process, ports: Ports, http: aiohttp.ClientSession
) -> None:
    """Pages, all their files, a log-in, a recorded console, a native viewer, a reload."""
    second = f"http://127.0.0.1:{ports.second}"

    async def get(url: str, **headers: str) -> bytes:
        async with http.get(url, headers=headers) as answer:
            assert answer.status == 200, (url, answer.status)
            return await answer.read()

    for page in ("/", "/enter", "/console/demo", "/healthz", "/metrics", "/api/v1/instances"):
        await get(served.base + page)
    version = await version_of(served, http)
    for name in ASSETS.names:
        file = ASSETS.file(name)
        assert file is not None, name
        assert await get(f"{served.base}/static/{version}/{name}") == file[0].body, name
    async with http.get(f"{served.base}/nothing", headers={"Accept": "text/html"}) as refusal:
        assert "There is nothing at this address" in await refusal.text()
    token = (served.folder / "state" / "token").read_text().strip()
    async with http.post(f"{second}/api/v1/session", json={"token": token}) as answer:
        assert answer.status == 204
    await get(f"{second}/api/v1/consoles", Authorization=f"Bearer {token}")
    # By uvloop, as everything of a daemon that isn't in the tests' own process.
    native, writer = await asyncio.open_connection("127.0.0.1", ports.native)
    async with asyncio.timeout(WAIT_S):
        assert await native.readexactly(12) == b"RFB 003.008\n"
    writer.close()
    viewer = await watching(served, http)
    before = served.log.read_text().count("reload.done")
    process.send_signal(signal.SIGHUP)
    await until(lambda: served.log.read_text().count("reload.done") > before, "the reload")
    await viewer.close()


async def test_an_upgrade_at_noon(tmp_path: Path, endpoint: str) -> None:
    """A daemon whose installation is gone, or another one, does all that it did; the next one,
    through the same socket, is of the new version whole.
    """
    installation = Installation(tmp_path / "installed")
    ports = Ports(free_port(), free_port())
    secret = tmp_path / "native"
    secret.touch(mode=0o600)
    secret.write_text("abc123")
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        door.listen(128)
        more = MORE.format(port=ports.second, native=ports.native, secret=secret)
        port = door.getsockname()[1]
        served = Served(tmp_path, endpoint, more, installation.environ, port=port)
        async with aiohttp.ClientSession() as http:
            async with served.life(door) as process:
                # Nothing has been asked for yet but whether it lives.
                installation.remove()
                await everything_works(served, process, ports, http)
                assert not installation.late.exists(), installation.late.read_text()
                installation.install()
                script = installation.package / "pages" / "js" / "console.js"
                script.write_text(script.read_text() + "// of another version\n")
                before = await version_of(served, http)
                viewer = await watching(served, http)
                process.terminate()
                assert await viewer.ended() == 1012
                async with asyncio.timeout(WAIT_S):
                    assert await process.wait() == 0
            async with served.life(door):
                after = await version_of(served, http)
                assert after != before
                for version, status in ((before, 404), (after, 200)):
                    url = f"{served.base}/static/{version}/js/console.js"
                    async with http.get(url) as answer:
                        assert answer.status == status
                await (await watching(served, http)).close()
    log = served.log.read_text()
    assert "Traceback" not in log
    assert '"level":"error"' not in log
