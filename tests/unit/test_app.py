"""The whole daemon: what it makes, how it starts, and how it ends."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import stat
from datetime import date, datetime, timedelta
from datetime import time as clock_time
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from tests.owner_client import JSON, owner_client
from tests.setup import running, until
from vncproxy.app import Daemon
from vncproxy.config.hours import DAYS
from vncproxy.config.model import Config, Instance, Limits, Listen, Rule, State
from vncproxy.errors import ConfigError, LedgerError, LocalError
from vncproxy.observe.sd_notify import Notifier
from vncproxy.simulator.settings import SimulatorSettings
from vncproxy.web import pages

pytestmark = pytest.mark.sockets


def order(events: list[dict[str, Any]], *names: str) -> list[str]:
    """These events of the log, as they came."""
    return [event["event"] for event in events if event["event"] in names]


async def test_what_it_leaves_in_the_state_folder(tmp_path: Path) -> None:
    """Token, id and ledger, all for its user alone; the same token at the next start."""
    async with running(tmp_path, access="token") as setup:
        token = owner_client(setup).token
        await owner_client(setup).log_in()
    state = tmp_path / "state"
    assert stat.S_IMODE(state.stat().st_mode) == 0o700
    found = {file.name: stat.S_IMODE(file.stat().st_mode) for file in state.iterdir()}
    assert {"token", "daemon-id", "sessions.json", "ledger.sqlite"} <= set(found)
    assert {mode & 0o077 for mode in found.values()} == {0}
    async with running(tmp_path, access="token") as setup:
        assert owner_client(setup).token == token
        assert token not in setup.log.getvalue()


async def test_a_daemon_without_instances_says_so(tmp_path: Path) -> None:
    """It starts all the same, and warns in words."""
    async with running(tmp_path, instance=()) as setup:
        await until(lambda: "instances.missing" in setup.log.getvalue(), "the warning")
    (event,) = [one for one in setup.events if one["event"] == "instances.missing"]
    assert event["level"] == "warning"
    assert "[[instance]]" in event["text"]


async def test_its_end_closes_links_first(tmp_path: Path) -> None:
    """Viewers get 1012 once the link is closed: the cloud's slot is free for the next daemon."""
    async with running(tmp_path) as setup:
        viewer = await setup.viewer()
        await until(lambda: viewer.decoder.updates, "a picture")
        setup.daemon.stop()
        assert await viewer.ended() == 1012
        assert setup.cloud.sessions == []
        await until(lambda: "daemon.stopped" in setup.log.getvalue(), "the end")
        assert order(setup.events, "link.closed", "viewer.closed", "daemon.stopped") == [
            "link.closed",
            "viewer.closed",
            "daemon.stopped",
        ]
        (event,) = [e for e in setup.events if e["event"] == "viewer.closed"]
        assert (event["code"], event["reason"], event["side"]) == (1012, "restarting", "daemon")
    assert not setup.cloud.breaches


@pytest.mark.usefixtures("idle_clock")
async def test_its_end_is_bounded(tmp_path: Path) -> None:
    """Neither a body that never comes nor a viewer that doesn't answer holds it up for long."""
    limits = Limits(drain_timeout=1.0)
    cloud = SimulatorSettings(animated=False)
    async with running(tmp_path, cloud=cloud, limits=limits, access="token") as setup:
        owner = owner_client(setup)
        loop = asyncio.get_running_loop()
        silent = await asyncio.open_connection("127.0.0.1", owner.port)
        body = await asyncio.open_connection("127.0.0.1", owner.port)
        head = f"POST /api/v1/session HTTP/1.1\r\nHost: localhost\r\n{JSON}\r\nContent-Length: 9"
        body[1].write(f"{head}\r\n\r\n".encode())
        viewer = await owner.viewer()
        await until(lambda: viewer.decoder.updates, "a picture")
        deaf = await owner.socket("/websockify/demo", bearer=True)
        page = await owner.socket("/control/demo", bearer=True)
        started = loop.time()
        setup.daemon.stop()
        await until(lambda: "daemon.stopped" in setup.log.getvalue(), "the end")
        assert loop.time() - started < 6.0
        await viewer.close()
        for _, writer in (silent, body):
            writer.close()
        for one in (deaf, page):
            await one.close()


async def test_nobody_comes_in_while_it_ends(tmp_path: Path) -> None:
    """What is open already learns that the daemon is restarting: 503."""
    async with running(tmp_path, access="token") as setup:
        owner = owner_client(setup)
        reader, writer = await asyncio.open_connection("127.0.0.1", owner.port)
        request = (
            f"GET /api/v1/consoles/demo/admission HTTP/1.1\r\nHost: localhost\r\n{owner.bearer}\r\n"
        )
        viewer = await owner.viewer()
        await until(lambda: viewer.decoder.updates, "a picture")
        writer.write(f"{request}\r\n".encode())
        assert b" 200 " in await reader.readline()
        setup.daemon.stop()
        with pytest.raises(OSError):
            while True:
                await asyncio.sleep(0.01)
                _, late = await asyncio.open_connection("127.0.0.1", owner.port)
                late.close()
        writer.close()


async def test_a_start_that_fails_leaves_nothing_open(tmp_path: Path) -> None:
    """A taken address is reported; ledger and doors are closed again."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        door = Listen(address=f"127.0.0.1:{other.getsockname()[1]}")
        with pytest.raises(LocalError, match="can't listen"):
            async with running(tmp_path, listen=(door,)):
                pass


async def test_a_ledger_that_cannot_be_written(tmp_path: Path) -> None:
    """The daemon doesn't start: without the ledger it may not dial."""
    (tmp_path / "state").mkdir(mode=0o700)
    (tmp_path / "state" / "ledger.sqlite").mkdir()
    with pytest.raises(LedgerError):
        async with running(tmp_path):
            pass


def config(folder: Path, **sections: Any) -> Config:
    """A configuration whose state folder doesn't exist yet."""
    return Config(state=State(directory=folder / "state"), **sections)


async def test_mistakes_are_found_before_any_effect(tmp_path: Path) -> None:
    """A password file that isn't one stops it before the state folder is made."""
    instance = Instance(id="i-bp1", alias="web", password_file=tmp_path / "missing")
    with pytest.raises(ConfigError, match="missing"):
        Daemon(config(tmp_path, instance=(instance,)), {})
    assert list(tmp_path.iterdir()) == []


async def test_an_incomplete_installation_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without noVNC the daemon starts, for other viewers, and says what is missing."""
    monkeypatch.setattr(pages, "is_complete", lambda: False)
    async with running(tmp_path) as setup:
        assert order(setup.events, "page.incomplete", "door.open") == [
            "door.open",
            "page.incomplete",
        ]


async def test_an_sighup_is_answered(tmp_path: Path) -> None:
    """The log says what to do, and the daemon goes on."""
    async with running(tmp_path) as setup:
        setup.daemon.handle_signals()
        os.kill(os.getpid(), 1)
        await until(lambda: "reload.unavailable" in setup.log.getvalue(), "the answer")
        assert (await asked_health(setup)) == 200
        for number in (1, 2, 15):
            asyncio.get_running_loop().remove_signal_handler(number)


async def test_hours_count_from_the_reload_on_that_brings_them(tmp_path: Path) -> None:
    """Who may stay by them is decided by the reload, and again at the next end of hours."""
    wall = [datetime.combine(date.today() + timedelta(days=1), clock_time(12)).timestamp()]
    tomorrow = DAYS[datetime.fromtimestamp(wall[0]).weekday()]
    rule = Rule(users=("ann",), instances=("*",), hours=(f"{tomorrow} 00:00-24:00",))
    async with running(tmp_path, reread=lambda before: replace(before, rule=(rule,))) as setup:
        authority = setup.daemon.components.authority
        authority._clock = lambda: wall[0]
        setup.daemon.reload()
        await until(lambda: setup.daemon.config.rule == (rule,), "the reload")
        assert not authority.turned()
        wall[0] += 12 * 3600
        assert authority.turned()


async def asked_health(setup: Any) -> int:
    """The status of /healthz."""
    async with setup.http.get(f"{setup.base}/healthz") as answer:
        return int(answer.status)


async def test_the_service_manager_is_reported(
    tmp_path: Path, short_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """READY once every door listens, STOPPING before the viewers end."""
    path = short_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(path))
        manager.setblocking(False)
        original = Notifier.from_environ
        monkeypatch.setattr(
            Notifier, "from_environ", lambda environ: original({"NOTIFY_SOCKET": str(path)})
        )
        async with running(tmp_path) as setup:
            assert manager.recv(4096).startswith(b"READY=1\n")
            assert (await asked_health(setup)) == 200
        assert manager.recv(4096).startswith(b"STOPPING=1\n")


async def test_the_log_names_no_secret(tmp_path: Path) -> None:
    """Tokens, cookies, tickets, keys and VncUrls of a whole session: none is in the log."""
    async with running(tmp_path, access="token") as setup:
        owner = owner_client(setup)
        cookie = (await owner.log_in()).partition("=")[2]
        ticket = (await owner.admission())["ticket"]
        link = (await owner.post("/api/v1/tickets", {}, owner.bearer)).json["ticket"]
        await (await owner.socket(f"/websockify/demo?ticket={ticket}", origin=True)).close()
        await owner.ask(f"/enter?{link}")
        viewer = await owner.viewer()
        await until(lambda: viewer.decoder.updates, "a picture")
    log = setup.log.getvalue()
    key = setup.cloud.settings.keys[0]
    for secret in (owner.token, cookie, ticket, link, key.secret, "websockify/?s", "s%3D"):
        assert secret not in log
    assert all(json.loads(line)["event"] for line in log.splitlines())
