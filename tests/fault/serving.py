"""The daemon and the simulator as programs of their own, as `vncproxy serve` and `simulate`."""

from __future__ import annotations

import asyncio
import os
import socket
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
# Becomes the daemon, and so has its process id.
_ACTIVATE = (
    "import os, sys; os.dup2(int(sys.argv[1]), 3); os.environ['LISTEN_PID'] = str(os.getpid()); "
    "os.execv(sys.argv[2], sys.argv[2:])"
)
VNCPROXY = (sys.executable, "-m", "vncproxy")


@dataclass
class Served:
    """A daemon that may be killed and started again, on the same port and state directory.

    Args:
        endpoint: The cloud's; "": by region.
        sections: More of the configuration, as TOML.
        environ: Besides the credentials.
        path: Of the Unix socket that leads to it instead of the port.
        program: Vncproxy's.
        instances: Alias and id of each.
    """

    folder: Path
    endpoint: str
    sections: str = ""
    environ: Mapping[str, str] = field(default_factory=dict)
    path: Path | None = None
    port: int = field(default_factory=free_port)
    program: tuple[str, ...] = VNCPROXY
    instances: Mapping[str, str] = field(default_factory=lambda: {"demo": DEMO_INSTANCE_ID})

    @property
    def base(self) -> str:
        """The address of its door."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> Path:
        """All that it printed, over all its lives."""
        return self.folder / "daemon.log"

    def configure(self) -> Path:
        """Write its configuration, whole at any time that it is read; gives the file."""
        file, new = self.folder / "vncproxy.toml", self.folder / "vncproxy.toml.new"
        new.write_text(
            f'[[listen]]\naddress = "127.0.0.1:{self.port}"\naccess = "open"\n'
            + (f'[aliyun]\nendpoint = "{self.endpoint}"\n' if self.endpoint else "")
            + f'[state]\ndirectory = "{self.folder / "state"}"\n'
            + "".join(
                f'[[instance]]\nalias = "{alias}"\nid = "{instance_id}"\n'
                for alias, instance_id in self.instances.items()
            )
            + self.sections
        )
        return new.replace(file)

    def prepare(self) -> tuple[tuple[str, ...], dict[str, str]]:
        """Write its configuration; gives its command and environment."""
        file = self.configure()
        environ = {
            **os.environ,
            "ALIBABA_CLOUD_ACCESS_KEY_ID": DEMO_KEY_ID,
            "ALIBABA_CLOUD_ACCESS_KEY_SECRET": DEMO_KEY_SECRET,
            "PYTHONPATH": str(ROOT),
            **self.environ,
        }
        return (*self.program, "serve", "--config", str(file)), environ

    @asynccontextmanager
    async def life(
        self, listening: socket.socket | None = None, name: str = "local"
    ) -> AsyncIterator[asyncio.subprocess.Process]:
        """One life of the daemon, from when it listens.

        Args:
            listening: Passed as a service manager passes its sockets, by this name.
            name: Of the door that the socket is for.
        """
        command, environ = self.prepare()
        passed: tuple[int, ...] = ()
        if listening is not None:
            passed = (listening.fileno(),)
            environ |= {"LISTEN_FDS": "1", "LISTEN_FDNAMES": name}
            command = (sys.executable, "-c", _ACTIVATE, str(passed[0]), *command)
        async with running(*command, log=self.log, env=environ, pass_fds=passed) as process:
            await answers(f"{self.base}/healthz", process, self.log, self.path)
            yield process


@asynccontextmanager
async def simulated(folder: Path, settings: str) -> AsyncIterator[str]:
    """A simulator as a program; gives its endpoint.

    Args:
        folder: For its files.
        settings: Its file, as TOML.
    """
    port, file, log = free_port(), folder / "simulator.toml", folder / "simulator.log"
    file.write_text(settings)
    command = (*VNCPROXY, "simulate", "--config", str(file), "--port", str(port))
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    async with running(*command, log=log, env=environ) as process:
        endpoint = f"http://127.0.0.1:{port}"
        await answers(f"{endpoint}/_simulator/state", process, log)
        yield endpoint


async def answers(
    url: str, process: asyncio.subprocess.Process, log: Path, path: Path | None = None
) -> None:
    """Wait until an address answers.

    Raises:
        AssertionError: Where the program ended instead.

    Args:
        url: Asked for again and again.
        process: The program.
        log: Its output, for the error.
        path: Of the Unix socket that leads there.
    """
    connector = None if path is None else aiohttp.UnixConnector(str(path))
    async with asyncio.timeout(WAIT_S), aiohttp.ClientSession(connector=connector) as http:
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
