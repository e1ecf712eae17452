"""The daemon as a service, with a service manager of the tests' own."""

from __future__ import annotations

import asyncio
import re
import signal
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import pytest

from tests.fault.serving import Served, answers, simulated
from tests.real.peers.presence import need
from tests.real.peers.process import free_port, running
from tests.setup import WAIT_S
from tests.unit.web.raw_http import ask


class Manager:
    """A service manager's socket, and what came through it."""

    def __init__(self, path: Path) -> None:
        """Bind it."""
        self.path = path
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        self.socket.setblocking(False)
        self.messages: list[str] = []

    async def expect(self, pattern: str) -> str:
        """The next message with this in it; those before it are kept in `messages`."""
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(WAIT_S):
            while True:
                text = (await loop.sock_recv(self.socket, 4096)).decode()
                self.messages.append(text)
                if re.search(pattern, text):
                    return text


@pytest.fixture
def manager(short_path: Path) -> Iterator[Manager]:
    """A service manager."""
    made = Manager(short_path / "notify")
    with made.socket:
        yield made


@pytest.fixture
async def endpoint(tmp_path: Path) -> AsyncIterator[str]:
    """A simulated cloud's."""
    async with simulated(tmp_path, "animated = false\n") as found:
        yield found


async def test_what_the_service_manager_gets(
    tmp_path: Path, manager: Manager, endpoint: str
) -> None:
    """Ready, signs of life, what is open, reloads good and bad, and the end."""
    environ = {"NOTIFY_SOCKET": str(manager.path), "WATCHDOG_USEC": "900000"}
    served = Served(tmp_path, endpoint, environ=environ)
    file = tmp_path / "vncproxy.toml"
    async with served.life() as process, aiohttp.ClientSession() as http:
        assert "STATUS=no console open" in await manager.expect("READY=1")
        for _ in range(3):
            await manager.expect("^WATCHDOG=1$")
        async with http.ws_connect(
            f"{served.base}/websockify/demo", protocols=("binary",)
        ) as viewer:
            await viewer.receive()
            await manager.expect("STATUS=1 console open, 1 viewer$")
            manager.messages.clear()
            process.send_signal(signal.SIGHUP)
            assert re.fullmatch(
                r"RELOADING=1\nMONOTONIC_USEC=\d+", await manager.expect("RELOADING")
            )
            assert await manager.expect("READY=1") == "READY=1\nSTATUS=1 console open, 1 viewer"
            good = file.read_text()
            file.write_text(f"{good}\n[limits]\nlinger = 'long'\n")
            process.send_signal(signal.SIGHUP)
            refused = await manager.expect("READY=1")
            assert "1 viewer; the reload was refused, all is as before:" in refused
            assert "linger" in refused
            file.write_text(good.replace("[state]", "[log]\nlevel = 'debug'\n[state]"))
            process.send_signal(signal.SIGHUP)
            assert "refused" not in await manager.expect("READY=1")
            assert not viewer.closed
        process.terminate()
        await manager.expect("STOPPING=1")
        assert await process.wait() == 0
    assert "Traceback" not in served.log.read_text()


async def test_a_restart_refuses_nobody(tmp_path: Path, endpoint: str) -> None:
    """While one daemon ends and the next one starts, every request gets its answer."""
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        door.listen(128)
        port = door.getsockname()[1]
        served = Served(tmp_path, endpoint, port=port)
        answered = 0
        over = False

        async def caller() -> None:
            nonlocal answered
            while not over:
                answer = await ask(port, "/healthz")
                assert answer.status == 200
                answered += 1
                await asyncio.sleep(0.01)

        async with asyncio.TaskGroup() as group:
            async with served.life(door) as process:
                callers = [group.create_task(caller()) for _ in range(4)]
                process.terminate()
                assert await process.wait() == 0
            before = answered
            async with served.life(door) as process:
                async with asyncio.timeout(WAIT_S):
                    while answered < before + 20:
                        await asyncio.sleep(0.01)
                over = True
                await asyncio.wait(callers)
                process.terminate()
                await process.wait()


async def test_a_unix_socket_stays_the_service_managers(
    tmp_path: Path, short_path: Path, endpoint: str
) -> None:
    """The daemon answers on it, and leaves its file where it is."""
    path = short_path / "door"
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(str(path))
        door.listen()
        path.chmod(0o600)
        served = Served(tmp_path, endpoint, path=path)
        for _ in range(2):
            async with served.life(door) as process:
                process.terminate()
                assert await process.wait() == 0
            assert path.is_socket()


async def test_a_socket_of_another_name(tmp_path: Path, endpoint: str) -> None:
    """The daemon doesn't start: status 78, so that nobody restarts it, and words."""
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        door.listen()
        served = Served(tmp_path, endpoint)
        with pytest.raises(AssertionError, match=r"elsewhere.*no door of this name"):
            async with served.life(door, "elsewhere") as process:
                await process.wait()


async def test_systemds_own_activation(tmp_path: Path, endpoint: str) -> None:
    """systemd-socket-activate holds the port until somebody comes, and passes it by name."""
    port = free_port()
    served = Served(tmp_path, endpoint, port=free_port())
    daemon, environ = served.prepare()
    command = (
        need("systemd-socket-activate", "systemd"),
        *("--listen", f"127.0.0.1:{port}", "--fdname=local"),
        *(f"--setenv={name}={value}" for name, value in environ.items()),
        *daemon,
    )
    async with running(*command, log=served.log, env=environ) as process:
        await answers(f"http://127.0.0.1:{port}/healthz", process, served.log)
        with pytest.raises(ConnectionRefusedError):
            await ask(served.port, "/healthz")
        process.terminate()
        assert await process.wait() == 0
