"""The daemon and the simulator as programs of their own, as `vncproxy serve` and `simulate`."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from tests.real.peers.process import free_port, running
from tests.setup import WAIT_S
from vncproxy.simulator.settings import DEMO_INSTANCE_ID, DEMO_KEY_ID, DEMO_KEY_SECRET

ROOT = Path(__file__).parents[2]
VNCPROXY = (sys.executable, "-m", "vncproxy")


@dataclass
class Served:
    """A daemon that may be killed and started again, on the same port and state directory.

    Args: endpoint - the cloud's; sections - more of the configuration, as TOML; environ - besides
    the credentials.
    """

    folder: Path
    endpoint: str
    sections: str = ""
    environ: Mapping[str, str] = field(default_factory=dict)
    port: int = field(default_factory=free_port)

    @property
    def base(self) -> str:
        """The address of its door."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> Path:
        """All that it printed, over all its lives."""
        return self.folder / "daemon.log"

    @asynccontextmanager
    async def life(self) -> AsyncIterator[asyncio.subprocess.Process]:
        """One life of the daemon, from when it listens."""
        file = self.folder / "vncproxy.toml"
        file.write_text(
            f'[[listen]]\naddress = "127.0.0.1:{self.port}"\naccess = "open"\n'
            f'[aliyun]\nendpoint = "{self.endpoint}"\n'
            f'[state]\ndirectory = "{self.folder / "state"}"\n'
            f'[[instance]]\nalias = "demo"\nid = "{DEMO_INSTANCE_ID}"\n'
            f"{self.sections}"
        )
        environ = {
            **os.environ,
            "ALIBABA_CLOUD_ACCESS_KEY_ID": DEMO_KEY_ID,
            "ALIBABA_CLOUD_ACCESS_KEY_SECRET": DEMO_KEY_SECRET,
            "PYTHONPATH": str(ROOT),
            **self.environ,
        }
        command = (*VNCPROXY, "serve", "--config", str(file))
        async with running(*command, log=self.log, env=environ) as process:
            await answers(f"{self.base}/healthz", process, self.log)
            yield process


@asynccontextmanager
async def simulated(folder: Path, settings: str) -> AsyncIterator[str]:
    """A simulator as a program; gives its endpoint. Args: settings - its file, as TOML."""
    port, file, log = free_port(), folder / "simulator.toml", folder / "simulator.log"
    file.write_text(settings)
    command = (*VNCPROXY, "simulate", "--config", str(file), "--port", str(port))
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    async with running(*command, log=log, env=environ) as process:
        endpoint = f"http://127.0.0.1:{port}"
        await answers(f"{endpoint}/_simulator/state", process, log)
        yield endpoint


async def answers(url: str, process: asyncio.subprocess.Process, log: Path) -> None:
    """Wait until an address answers. Raises: AssertionError where the program ended instead."""
    async with asyncio.timeout(WAIT_S), aiohttp.ClientSession() as http:
        while True:
            with suppress(aiohttp.ClientConnectionError):
                async with http.get(url):
                    return
            assert process.returncode is None, log.read_text()
            await asyncio.sleep(0.02)


async def seen_by_cloud(http: aiohttp.ClientSession, endpoint: str) -> dict[str, Any]:
    """The simulator's journals so far."""
    async with http.get(f"{endpoint}/_simulator/state") as answer:
        state: dict[str, Any] = await answer.json()
        return state
