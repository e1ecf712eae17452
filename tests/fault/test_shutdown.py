"""The daemon's end as a program: within drain_timeout, whatever hangs, and with its own status."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.fault.hanging import HANGING
from tests.fault.serving import Served, simulated
from tests.real.peers.process import running
from tests.real.peers.valkey import valkey_server
from tests.setup import WAIT_S, until

NAMES = "socket.getaddrinfo"
AUDIT = "vncproxy.audit.chained_file.AuditFile.sync"
_LEDGER_FILE = "vncproxy.throttle.sqlite_queries.LedgerFile"
LEDGER = f"{_LEDGER_FILE}.book,{_LEDGER_FILE}.close"
RELOAD = "vncproxy.config.load.load"


def events(served: Served, name: str) -> list[dict[str, Any]]:
    """What the log has of this kind."""
    lines = [line for line in served.log.read_text().splitlines() if line.startswith("{")]
    return [one for one in map(json.loads, lines) if one["event"] == name]


def hanging(served: Served, *names: str) -> Path:
    """Let these hang in the daemon once the file is there that is given."""
    trigger = served.folder / "hang"
    program = (sys.executable, "-m", "tests.fault.hanging", str(trigger), ",".join(names))
    served.program = program
    return trigger


async def ended(process: asyncio.subprocess.Process) -> int:
    """The status, well before anything that hangs goes on."""
    async with asyncio.timeout(WAIT_S):
        return await process.wait()


@pytest.fixture
async def endpoint(tmp_path: Path) -> AsyncIterator[str]:
    """A simulated cloud's."""
    async with simulated(tmp_path, "animated = false\n") as found:
        yield found


async def test_a_silent_name_service(tmp_path: Path) -> None:
    """Names that are being looked up aren't waited for: the process ends with 0, and says so."""
    instances = [f'[[instance]]\nid = "i-{n}"\nregion = "cn-{n}"\n' for n in range(60)]
    sections = f"{''.join(instances)}[limits]\ndrain_timeout = 1.0\n"
    served = Served(tmp_path, "", sections=sections)
    hanging(served, NAMES).touch()
    async with served.life() as process, aiohttp.ClientSession() as http:
        asked = asyncio.create_task(http.get(f"{served.base}/api/v1/instances").__aenter__())
        await until((served.folder / HANGING).exists, "a name to be looked up")
        assert not asked.done()
        process.terminate()
        assert await ended(process) == 0
        asked.cancel()
        await asyncio.wait([asked])
    (stopped,) = events(served, "daemon.stopped")
    assert [name for name in stopped["threads"] if name.startswith("name ecs.cn-")]


async def test_everything_hangs_at_once(tmp_path: Path, endpoint: str) -> None:
    """Viewers hear 1012 all the same; each step has its part of the time, none takes another's."""
    served = Served(tmp_path, endpoint, sections="[limits]\ndrain_timeout = 4.0\n")
    trigger = hanging(served, NAMES, LEDGER, AUDIT, RELOAD)
    async with served.life() as process, aiohttp.ClientSession() as http:
        async with http.ws_connect(f"{served.base}/websockify/demo") as viewer:
            await viewer.receive()
            trigger.touch()
            process.send_signal(signal.SIGHUP)
            process.terminate()
            async for _ in viewer:
                pass
            assert viewer.close_code == 1012
        assert await ended(process) == 0
    (stopped,) = events(served, "daemon.stopped")
    assert stopped["not_waited_for"] == ["the reconnect ledger", "the audit"]
    assert {"audit", "ledger"} <= set(stopped["threads"])
    # What the disk didn't take is in the log.
    assert "stop" in [one["what"] for one in events(served, "audit.unwritten")]


@asynccontextmanager
async def silent_listener() -> AsyncIterator[int]:
    """A port that accepts and never answers: a frozen server."""

    async def keep(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        kept.append(writer)

    kept: list[asyncio.StreamWriter] = []
    async with await asyncio.start_server(keep, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]
        for writer in kept:
            writer.close()


async def test_a_start_that_hangs_is_given_up(tmp_path: Path) -> None:
    """A signal while the audit's disk hangs: status 0, and no half of a record."""
    served = Served(tmp_path, "https://127.0.0.1:1", sections="[limits]\ndrain_timeout = 1.0\n")
    hanging(served, "vncproxy.audit.chained_file._opened").touch()
    command, environ = served.prepare()
    async with running(*command, log=served.log, env=environ) as process:
        await until((tmp_path / "state" / "daemon-id").exists, "the start")
        process.terminate()
        assert await ended(process) == 0
    assert events(served, "daemon.stopped")
    assert not (tmp_path / "state" / "audit.jsonl").exists()


async def test_a_valkey_that_never_answers_while_it_starts(tmp_path: Path) -> None:
    """The start is given up, and nothing of it stays behind."""
    async with silent_listener() as port:
        sections = (
            f'[limits]\ndrain_timeout = 1.0\n[throttle]\nstore = "valkey://127.0.0.1:{port}"\n'
        )
        served = Served(tmp_path, "https://127.0.0.1:1", sections=sections)
        command, environ = served.prepare()
        async with running(*command, log=served.log, env=environ) as process:
            await until((tmp_path / "state" / "audit.jsonl").exists, "the start")
            process.terminate()
            assert await ended(process) == 0
    assert events(served, "daemon.stopped")


async def test_a_valkey_that_freezes(tmp_path: Path, short_path: Path, endpoint: str) -> None:
    """The claim on an open console can't be given back; the end comes all the same."""
    with valkey_server(short_path / "valkey") as server:
        sections = f'[limits]\ndrain_timeout = 1.0\n[throttle]\nstore = "{server.url}"\n'
        served = Served(tmp_path, endpoint, sections=sections)
        async with served.life() as process, aiohttp.ClientSession() as http:
            async with http.ws_connect(f"{served.base}/websockify/demo") as viewer:
                await viewer.receive()
                server.freeze()
                process.terminate()
                async for _ in viewer:
                    pass
                assert viewer.close_code == 1012
            assert await ended(process) == 0
    (stopped,) = events(served, "daemon.stopped")
    assert stopped["not_waited_for"]
