"""What somebody hostile, or a part that hangs, costs a neighbour's key.

Run by hand: python -m tests.bench.bench_neighbours [--seconds N] [--only WORDS] [--json FILE].

A viewer presses a key; it goes through the daemon to the gateway of its console, which answers by
an update of one pixel, which comes back: milliseconds, p50 and p99, for each kind of trouble,
beside those of "nothing" in the same run, and how busy the daemon was.

The daemon, the cloud with its gateways (`key_echo`) and each attacker (`attackers`) are processes
of their own. Daemon, cloud and the viewer that measures run on the first processor, who is
hostile on the others: what is measured isn't that attackers take processors away.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import quantiles

import aiohttp

from tests.bench.processes import cpu_s
from tests.fault.serving import VNCPROXY, Served
from tests.fault.test_floods import FLOODS
from tests.hostile_gateway import HEAVY, IDLE
from tests.line import line
from tests.real.peers.process import free_port, running
from tests.real.peers.valkey import valkey_server
from tests.setup import Viewer, connect, key, set_encodings
from vncproxy.access.accounts import least_uid

OPENED = 16
"""Consoles that are opened and left again and again, where what hangs is asked at an opening."""
SLOW_S = 0.5
"""What a slow Valkey or Redis takes for an answer."""
REGIONS = 10
REGIONS_S = 3.0
"""How many regions are listed, and what each takes."""
KEY_TIMEOUT_S = 60.0
_WARM_UP_S = 1.0
_PAUSE_S = 0.01
_NAMES = tuple(f"o{n}" for n in range(OPENED))
_HANGING_DISK = "os.fsync,vncproxy.throttle.sqlite_queries.LedgerFile.book"
_HANGING_DIRECTORY = "pwd.getpwuid,pwd.getpwnam,os.getgrouplist"


@dataclass(frozen=True)
class Kind:
    """One kind of trouble.

    Args:
        attackers: Arguments of each, "BASE" and "PEER" standing for the doors' addresses.
        flood: Of the gateway of `hostile`.
        hangs: Functions of the daemon that hang.
        valkey: The budget is in one, which is slow.
        regions: All instances of some are listed.
    """

    name: str
    attackers: tuple[tuple[str, ...], ...] = ()
    flood: str = ""
    hangs: str = ""
    valkey: bool = False
    regions: bool = False


_OPENERS = ("openers", "BASE", *_NAMES)
KINDS = (
    Kind("nothing"),
    *(Kind(f"viewer: {what}", (("viewer", "BASE", what),)) for what in FLOODS),
    *(Kind(f"gateway: {what}", (("watcher", "BASE"),), flood=what) for what in IDLE | HEAVY),
    Kind("64 gzip clients", (("gzip", "BASE"),)),
    Kind("openers", (_OPENERS,)),
    Kind(
        "stalled directory",
        (("requests", "PEER", str(least_uid() + 1), "/api/v1/instances"),),
        hangs=_HANGING_DIRECTORY,
    ),
    Kind("stalled disk", (_OPENERS,), hangs=_HANGING_DISK),
    Kind("slow Valkey", (_OPENERS,), valkey=True),
    Kind(
        "slow region list",
        (("requests", "BASE", "0", "/api/v1/instances", "/api/v1/consoles/unknown/admission"),),
        regions=True,
    ),
)


@dataclass(frozen=True)
class Row:
    """What was measured.

    Args:
        busy: The part of the time that the daemon was on a processor.
    """

    kind: str
    keys: int
    p50_ms: float
    p99_ms: float
    slowest_ms: float
    busy: float


def _processors() -> tuple[set[int], set[int]]:
    """Those of the daemon, and those of the attackers; the same where there is but one."""
    first, *others = sorted(os.sched_getaffinity(0))
    return {first}, set(others) or {first}


@contextmanager
def _on(cpus: set[int]) -> Iterator[None]:
    """What is started meanwhile runs on these processors."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cpus)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


async def _written(file: Path) -> str:
    async with asyncio.timeout(20.0):
        while not (file.exists() and file.read_text()):
            await asyncio.sleep(0.02)
    return file.read_text()


def _program(module: str, *arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-m", f"tests.bench.{module}", *arguments)


def _sections(kind: Kind, endpoint: str, peer: int) -> str:
    """The daemon's configuration besides what each has; `peer` is a second door's port."""
    regions = ", ".join(f'"cn-region-{n}"' for n in range(REGIONS)) if kind.regions else ""
    instances = "".join(
        f'[[instance]]\nalias = "{name}"\nid = "i-{name}"\n'
        for name in ("other", "hostile", *_NAMES)
    )
    recorded = "".join(
        f'[[rule]]\nusers = ["anyone"]\ninstances = ["{name}"]\nrole = "admin"\nrecord = {how}\n'
        for name, how in (("demo", "false"), ("*", "true"))
    )
    return (
        f'[[listen]]\nname = "peer"\naddress = "127.0.0.1:{peer}"\naccess = "peer"\n'
        f'[aliyun]\nendpoint = "{endpoint}"\n'
        f"discover = {'true' if kind.regions else 'false'}\nregions = [{regions}]\n{instances}"
        f"{recorded if kind.hangs == _HANGING_DISK else ''}"
    )


@dataclass(frozen=True)
class Troubled:
    """A daemon that serves.

    Args:
        begin: Begins the trouble.
    """

    base: str
    pid: int
    begin: Callable[[], Awaitable[None]]

    @property
    def busy_s(self) -> float:
        """The processor's time that it has used."""
        return cpu_s(self.pid)


@asynccontextmanager
async def _troubled(kind: Kind, attack: set[int]) -> AsyncIterator[Troubled]:
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        # Its attackers may run as another account.
        folder.chmod(0o711)
        log, trigger = folder / "attackers.log", folder / "hangs"
        start = stack.enter_async_context
        hostile_url = ""
        if kind.flood:
            port_file = folder / "gateway"
            command = _program("attackers", "gateway", str(port_file), kind.flood)
            with _on(attack):
                await start(running(*command, log=log))
            hostile_url = f"ws://127.0.0.1:{await _written(port_file)}/websockify/?s=hostile"
        cloud_file, regions_s = folder / "cloud", REGIONS_S if kind.regions else 0.0
        command = _program("key_echo", str(cloud_file), hostile_url, str(regions_s))
        await start(running(*command, log=log))
        peer = free_port()
        sections = _sections(kind, f"http://127.0.0.1:{await _written(cloud_file)}", peer)
        if kind.valkey:
            server = stack.enter_context(valkey_server(folder / "valkey"))
            slow = await start(line(server.port, delay_s=SLOW_S / 2))
            sections += f'[throttle]\nstore = "valkey://127.0.0.1:{slow.port}/0"\n'
        program: tuple[str, ...] = VNCPROXY
        if kind.hangs:
            program = (sys.executable, "-m", "tests.fault.hanging", str(trigger), kind.hangs)
        served = Served(folder, "", sections, program=program)
        daemon = await start(served.life())
        hostile: list[asyncio.subprocess.Process] = []

        async def begin() -> None:
            trigger.touch()
            addresses = {"BASE": served.base, "PEER": f"http://127.0.0.1:{peer}"}
            for number, words in enumerate(kind.attackers):
                command = _program("attackers", *(addresses.get(word, word) for word in words))
                log_file = folder / f"attacker-{number}.log"
                with _on(attack):
                    hostile.append(await start(running(*command, log=log_file)))
                await _written(log_file)

        yield Troubled(served.base, daemon.pid, begin)
        for number, one in enumerate(hostile):
            assert one.returncode is None, (folder / f"attacker-{number}.log").read_text()


async def _key_ms(viewer: Viewer) -> float:
    """One key's way to the gateway and its pixel's way back."""
    updates = viewer.decoder.updates
    began = time.perf_counter()
    await viewer.send(key(1, 97), key(0, 97))
    async with asyncio.timeout(KEY_TIMEOUT_S):
        while viewer.decoder.updates == updates or not viewer.decoder.at_boundary:
            viewer.decoder.feed(await viewer.socket.receive_bytes())
    took_ms = (time.perf_counter() - began) * 1000
    await viewer.send(viewer.request(1))
    return took_ms


async def _measured(kind: Kind, seconds: float) -> Row:
    own, attack = _processors()
    times_ms: list[float] = []
    with _on(own):
        async with _troubled(kind, attack) as troubled, aiohttp.ClientSession() as http:
            viewer = await connect(http, troubled.base)
            await viewer.shake_hands()
            await viewer.send(set_encodings([0]), viewer.request(0))
            while not viewer.decoder.updates or not viewer.decoder.at_boundary:
                viewer.decoder.feed(await viewer.socket.receive_bytes())
            await viewer.send(viewer.request(1))
            await troubled.begin()
            warm_at = time.monotonic() + _WARM_UP_S
            while time.monotonic() < warm_at:
                await _key_ms(viewer)
                await asyncio.sleep(_PAUSE_S)
            began, busy_before_s = time.monotonic(), troubled.busy_s
            while time.monotonic() < began + seconds:
                times_ms.append(await _key_ms(viewer))
                await asyncio.sleep(_PAUSE_S)
            busy = (troubled.busy_s - busy_before_s) / (time.monotonic() - began)
    cuts = quantiles(times_ms, n=100, method="inclusive")
    p50_ms, p99_ms, slowest_ms = (round(one, 1) for one in (cuts[49], cuts[98], max(times_ms)))
    return Row(kind.name, len(times_ms), p50_ms, p99_ms, slowest_ms, round(busy, 2))


async def _measure(only: str, seconds: float) -> list[Row]:
    rows = []
    for kind in KINDS:
        if kind.name == "nothing" or only in kind.name:
            row = await _measured(kind, seconds)
            rows.append(row)
            print(
                f"{row.kind:28} {row.keys:5} keys   p50 {row.p50_ms:7.1f} ms   "
                f"p99 {row.p99_ms:7.1f} ms   slowest {row.slowest_ms:7.1f} ms   "
                f"daemon {row.busy:4.0%}",
                flush=True,
            )
    return rows


if __name__ == "__main__":
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--seconds", type=float, default=5.0, help="for each kind")
    arguments.add_argument("--only", default="", help="kinds whose names have these words")
    arguments.add_argument("--json", type=Path, help="the figures go to this file, too")
    given = arguments.parse_args()
    measured = asyncio.run(_measure(given.only, given.seconds))
    if given.json is not None:
        given.json.write_text(json.dumps([asdict(row) for row in measured], indent=1))
