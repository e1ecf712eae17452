"""A ledger whose disk is slow, full or read-only: consoles come later, and the disk is blamed."""

from __future__ import annotations

import asyncio
import sqlite3
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.disks import LedgerDisk, full_disk
from tests.fault.aftermath import under_fault
from tests.page import page
from tests.setup import Running, running, until
from vncproxy.config.model import Limits
from vncproxy.service import readiness
from vncproxy.service.readiness import check_ledger_at_start
from vncproxy.simulator.faults import GatewayFault
from vncproxy.simulator.settings import SimulatedInstance, SimulatorSettings
from vncproxy.throttle.sqlite_thread import LedgerThread

pytestmark = pytest.mark.usefixtures("idle_clock")

SLOW_S = 0.7
"""More than half of the ledger's margin."""

SEVERAL = SimulatorSettings(
    animated=False,
    width=64,
    height=48,
    instances=tuple(
        SimulatedInstance(instance_id=f"i-bp1slow{n}", name=f"slow-{n}") for n in range(6)
    ),
)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> LedgerDisk:
    """Of the ledger."""
    return LedgerDisk(monkeypatch)


def read_only() -> sqlite3.Error:
    """What SQLite raises on a file system that was mounted again, read-only."""
    fault = sqlite3.OperationalError("attempt to write a readonly database")
    fault.sqlite_errorcode = sqlite3.SQLITE_READONLY
    return fault


def opened(setup: Running) -> int:
    """How many links there have been."""
    return setup.log.getvalue().count('"link.opened"')


def failures(setup: Running) -> list[str]:
    """Why links couldn't be had."""
    return [event["error"] for event in setup.events if event["event"] == "link.failed"]


async def test_on_a_slow_disk_consoles_open_and_are_resumed(
    tmp_path: Path, disk: LedgerDisk
) -> None:
    """Only later: all at once, at the first try, and again when their links are lost."""
    async with under_fault(tmp_path, cloud=SEVERAL) as setup:
        disk.commit_s = SLOW_S
        viewers = []
        for instance in SEVERAL.instances:
            setup.alias = instance.name
            viewers.append(await setup.connect())
        await asyncio.gather(*(viewer.begin() for viewer in viewers))
        await until(lambda: all(map(setup.shows, viewers)), "every console's picture")
        assert setup.cloud.strike(GatewayFault.reset_after(1))
        await viewers[0].send(viewers[0].request(0))
        await until(lambda: opened(setup) == len(viewers) + 1, "another link")
        assert len(setup.cloud.dials) == len(viewers) + 1
        assert failures(setup) == []


async def test_the_daemon_starts_on_a_disk_that_is_very_slow(
    tmp_path: Path, disk: LedgerDisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says so, and opens consoles as soon as the disk answers."""
    monkeypatch.setattr(
        "vncproxy.app.check_ledger_at_start", partial(check_ledger_at_start, timeout_s=0.05)
    )
    disk.commit_s = SLOW_S
    async with running(tmp_path) as setup:
        [event] = [event for event in setup.events if event["event"] == "ledger.slow"]
        assert "see whether the disk of the state directory is overloaded" in event["text"]
        viewer = await setup.viewer()
        await until(lambda: setup.shows(viewer), "the picture")


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        pytest.param(full_disk(), "the disk is full; free some space", id="full"),
        pytest.param(read_only(), "give the daemon's user write access", id="read-only"),
    ],
)
async def test_a_disk_that_takes_nothing_while_a_link_is_lost_is_waited_for(
    tmp_path: Path, disk: LedgerDisk, fault: sqlite3.Error, words: str
) -> None:
    """The viewer stays, its page learns what to do, and then the console goes on."""
    async with under_fault(tmp_path, cloud=SimulatorSettings(animated=False)) as setup:
        watched = await page(setup)
        viewer = watched.viewer
        await until(lambda: setup.shows(viewer), "the picture")
        disk.fault = fault
        assert setup.cloud.strike(GatewayFault.reset_after(1))
        await viewer.send(viewer.request(0))
        await until(lambda: len(failures(setup)) >= 2, "tries without a disk")
        assert all(words in text for text in failures(setup))
        error: Any = (await setup.state())["error"]
        assert words in error["text"]
        assert not viewer.socket.closed
        disk.fault = None
        await until(lambda: opened(setup) == 2, "another link")
        assert len(setup.cloud.dials) == 2
        assert not viewer.socket.closed


async def test_a_disk_that_stays_full_ends_the_wait_after_max_wait(
    tmp_path: Path, disk: LedgerDisk
) -> None:
    """4504, and the page has shown the disk's fault: no 1011 at once, no text on the cloud."""
    async with under_fault(
        tmp_path, cloud=SimulatorSettings(animated=False), limits=Limits(max_wait=0.6)
    ) as setup:
        disk.fault = full_disk()
        viewer = await setup.connect()
        assert await viewer.ended() == 4504
        assert failures(setup)
        assert all("ledger" in text and "cloud" not in text for text in failures(setup))
        assert not setup.cloud.calls


async def test_who_is_nobody_moves_no_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is asked without an identity: the ledger's file isn't touched, nor its queue."""
    monkeypatch.setattr(readiness, "CHECK_INTERVAL_S", 3600.0)
    asked: list[object] = []
    submit = LedgerThread.submit

    def count(thread: LedgerThread, run: Any, **how: Any) -> Any:
        asked.append(run)
        return submit(thread, run, **how)

    async with running(tmp_path, access="token") as setup:
        await until(lambda: setup.daemon.state.joinpath("ledger.sqlite").exists(), "the ledger")
        monkeypatch.setattr(LedgerThread, "submit", count)
        for path in (
            *("/", "/enter", "/console/demo", "/healthz", "/readyz", "/metrics", "/admin"),
            *("/api/v1/consoles", "/api/v1/instances", "/api/v1/consoles/demo/admission"),
            *("/websockify/demo", "/control/demo", "/no/such/page"),
        ):
            for headers in ({}, {"Authorization": "Bearer wrong"}, {"Cookie": "a=b"}):
                async with setup.http.get(setup.base + path, headers=headers) as answer:
                    await answer.read()
                    assert answer.status < 500
        for _ in range(400):
            async with setup.http.get(f"{setup.base}/readyz") as answer:
                assert await answer.json() == {"ready": True}
        assert asked == []
