"""Ends of resources and time: what is open goes on, and who is refused reads why.

What other files test is listed in tests/README.md, "Ends of resources and time".
"""

from __future__ import annotations

import asyncio
import resource
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import aiohttp
import pytest

from tests.clock import ProcessClock
from tests.disks import Disk
from tests.fault.aftermath import farewell, under_fault
from tests.fault.serving import Served, seen_by_cloud, simulated
from tests.setup import WAIT_S, Running, Viewer, connect, running, until
from vncproxy.config.model import Limits, Listen
from vncproxy.simulator.faults import ApiFault, GatewayFault, GatewayFaultKind
from vncproxy.simulator.settings import SimulatedInstance, SimulatorSettings
from vncproxy.simulator.simulator import Simulator

SMALL = SimulatorSettings(animated=False, width=64, height=48)
HOUR_S = 3600.0
HANGS = (
    "The audit can't be written: its disk doesn't answer. Until it can, nothing is opened and "
    "control stays where it is."
)


# The end of the daemon


@pytest.mark.parametrize(
    "state",
    [
        *("waiting-budget", "fetching-url", "connecting", "handshake", "password", "running"),
        *("resuming", "opaque", "lingering"),
    ],
)
async def test_sigterm_in_each_state(tmp_path: Path, state: str) -> None:
    """Viewers get 1012, the link is closed, the audit has the end, and nothing hangs."""
    demo = SimulatedInstance(vnc_password="abc123" if state == "password" else None)
    cloud = replace(SMALL, instances=(demo,))
    limits = Limits(reconnects_per_minute=1 if state == "waiting-budget" else 29)
    pause_s = 60.0 if state == "resuming" else 0.05
    async with under_fault(tmp_path, cloud=cloud, limits=limits, first_pause_s=pause_s) as setup:
        match state:
            case "fetching-url":
                setup.cloud.faults.next("DescribeInstanceVncUrl", ApiFault.hang())
            case "waiting-budget" | "resuming" | "connecting" | "handshake" | "opaque":
                fault = {
                    "connecting": GatewayFault.hang(),
                    "handshake": GatewayFault.stall_after(12),
                    "opaque": GatewayFault(GatewayFaultKind.UNKNOWN_SECURITY),
                }.get(state, GatewayFault.refuse())
                setup.cloud.gateway_faults.next(demo.instance_id, fault)
        viewer = await opening(setup)
        if state == "lingering":
            await viewer.begin()
            await until(lambda: viewer.decoder.updates, "the picture")
            await viewer.close()
            async with asyncio.timeout(WAIT_S):
                while (await setup.state())["viewers"]:
                    await asyncio.sleep(0.01)
        else:
            async with asyncio.timeout(WAIT_S):
                while (await setup.state()).get("state") != state:
                    await asyncio.sleep(0.01)
        setup.daemon.stop()
        if state != "lingering":
            assert await farewell(viewer) == (1012, "restarting")
        await until(lambda: setup.events[-1]["event"] == "daemon.stopped", "the end")
        await until(lambda: not setup.cloud.sessions, "the end of the link at the cloud")
    kinds = [one["what"] for one in setup.events if one["event"] == "audit.recorded"]
    assert kinds.count("open") == kinds.count("close") == 1
    assert kinds[-1] == "stop"


async def opening(setup: Running) -> Viewer:
    """The screen's WebSocket of a page."""
    async with setup.http.get(f"{setup.base}/api/v1/consoles/demo/admission") as answer:
        ticket = (await answer.json())["ticket"]
    await setup.http.ws_connect(f"{setup.base}/control/demo?ticket={ticket}")
    return await setup.connect(f"?ticket={ticket}")


# Time


@pytest.mark.parametrize("jump_s", [HOUR_S, -HOUR_S])
async def test_a_clock_that_jumps_by_an_hour(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, jump_s: float
) -> None:
    """Open consoles don't notice, the next call learns the cloud's time, and the budget stays."""
    several = tuple(SimulatedInstance(instance_id=f"i-{n}", name=f"vm-{n}") for n in range(3))
    cloud = Simulator(replace(SMALL, instances=several))
    limits = Limits(reconnects_per_minute=2, reconnects_key="account", max_wait=20.0)
    async with cloud, under_fault(tmp_path, cloud=cloud, limits=limits) as setup:
        setup.alias = "vm-0"
        first = await setup.viewer()
        await until(lambda: first.decoder.updates, "the picture")
        true = time.time
        # The cloud's own clock stays.
        cloud.settings = replace(cloud.settings, clock_offset_s=-jump_s)
        monkeypatch.setattr(time, "time", partial(_later, true, jump_s))
        await first.type("a")
        await until(lambda: cloud.typed_text == "a", "the key")
        setup.alias = "vm-1"
        second = await setup.viewer()
        await until(lambda: second.decoder.updates, "the other picture")
        # An hour has not passed: both dials still count.
        setup.alias = "vm-2"
        assert await farewell(await setup.connect()) == (4429, "throttled")
        assert not first.socket.closed
        assert not second.socket.closed


def _later(true: Callable[[], float], by_s: float) -> float:
    return true() + by_s


# The network


async def test_ipv6_alone(tmp_path: Path) -> None:
    """Listener, API and gateway are on ::1."""
    settings = replace(SMALL, host="::1")
    listen = (Listen(address="[::1]:0", access="open"),)
    async with under_fault(tmp_path, cloud=settings, listen=listen) as setup:
        base = f"http://[::1]:{setup.daemon.servers[0].port}"
        viewer = await setup.viewer(base=base)
        await until(lambda: setup.shows(viewer), "the picture")
        await viewer.type("6")
        await until(lambda: setup.cloud.typed_text == "6", "the key")


# Disks


async def test_an_audit_whose_disk_hangs_for_a_minute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, process_clock: ProcessClock
) -> None:
    """Who is on goes on, who comes is refused in words, and no record is missing afterwards."""
    cloud = replace(SMALL, idle_timeout_s=10 * HOUR_S)
    async with running(tmp_path, cloud=cloud) as setup:
        stays = await setup.viewer()
        await until(lambda: setup.shows(stays), "the picture")
        await setup.audited("open")
        disk = Disk(monkeypatch, tmp_path / "state" / "audit.jsonl")
        disk.hanging.clear()
        coming = asyncio.create_task(setup.connect())
        await until(lambda: disk.waiting, "the disk is written to")
        await process_clock.pass_by(60.0, 2.0)
        with pytest.raises(aiohttp.WSServerHandshakeError, match="503"):
            await coming
        async with setup.http.get(f"{setup.base}/api/v1/consoles/demo/admission") as answer:
            words = (await answer.json())["error"]["text"]
        assert (answer.status, words) == (503, HANGS)
        await stays.type("x")
        await until(lambda: setup.cloud.typed_text == "x", "a key of the one who is on")
        disk.hanging.set()
        later = await setup.viewer()
        await until(lambda: setup.shows(later), "the picture")
        assert not stays.socket.closed
        await setup.audited("open", 2)


# A daemon of its own process


@asynccontextmanager
async def served(
    folder: Path, cloud: str, sections: str = ""
) -> AsyncIterator[tuple[Served, asyncio.subprocess.Process, aiohttp.ClientSession]]:
    """The simulator and the daemon as programs."""
    async with simulated(folder, cloud) as endpoint, aiohttp.ClientSession() as http:
        daemon = Served(folder, endpoint, sections)
        async with daemon.life() as process:
            yield daemon, process, http


async def viewer_of(daemon: Served, http: aiohttp.ClientSession) -> Viewer:
    """One that sees the screen."""
    viewer = await connect(http, daemon.base)
    await viewer.begin()
    await until(lambda: viewer.decoder.painted.all() or viewer.socket.closed, "the picture")
    return viewer


async def echoes(viewer: Viewer) -> None:
    """Wait until a key changes the picture."""
    before = viewer.decoder.pictures
    await viewer.type("e")
    await until(lambda: viewer.decoder.pictures > before, "the echo")


CLOUD = "animated = false\nwidth = 320\nheight = 320\n"


async def test_a_suspended_host(tmp_path: Path) -> None:
    """After it the lost link is replaced, and the viewer goes on: nothing is to be done."""
    limits = "[limits]\nkeepalive_interval = 0.5\nidle_timeout = 1.0\n"
    async with served(tmp_path, f"{CLOUD}idle_timeout_s = 2.0\n", limits) as (
        daemon,
        process,
        http,
    ):
        viewer = await viewer_of(daemon, http)
        process.send_signal(signal.SIGSTOP)
        try:
            async with asyncio.timeout(WAIT_S):
                while (await seen_by_cloud(http, daemon.endpoint))["sessions"]:
                    await asyncio.sleep(0.05)
        finally:
            process.send_signal(signal.SIGCONT)
        async with asyncio.timeout(WAIT_S):
            while not (await seen_by_cloud(http, daemon.endpoint))["sessions"]:
                await asyncio.sleep(0.05)
        await echoes(viewer)
        assert not viewer.socket.closed
        await viewer.close()
    assert "Traceback" not in daemon.log.read_text()


async def test_no_descriptor_is_left_while_a_console_runs(tmp_path: Path) -> None:
    """It goes on; whoever comes waits, and is let in when there are some again."""
    async with served(tmp_path, CLOUD) as (daemon, process, http):
        viewer = await viewer_of(daemon, http)
        before = resource.prlimit(process.pid, resource.RLIMIT_NOFILE)
        in_use = max(int(entry.name) for entry in Path(f"/proc/{process.pid}/fd").iterdir()) + 1
        resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (in_use, before[1]))
        # Some of the numbers below the limit may be free.
        late = [asyncio.create_task(viewer_of(daemon, http)) for _ in range(in_use + 1)]
        words = "out of file descriptors (LimitNOFILE)"
        await until(lambda: words in daemon.log.read_text(), "that the log says so")
        await echoes(viewer)
        resource.prlimit(process.pid, resource.RLIMIT_NOFILE, before)
        # More than these may not share one console.
        await until(lambda: sum(seated(one) for one in late) == 15, "who waited is let in")
        await echoes(viewer)
        for one in late:
            one.cancel()
        await asyncio.wait(late)
        for other in (viewer, *(one.result() for one in late if seated(one))):
            await other.close()
        assert "Traceback" not in daemon.log.read_text()


def seated(opening: asyncio.Task[Viewer]) -> bool:
    """Whether this one sees the screen."""
    return opening.done() and not opening.cancelled() and opening.exception() is None
