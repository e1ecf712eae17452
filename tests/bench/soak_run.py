"""A daemon that lives with many consoles while all around it is lost again and again.

The daemon is a process of its own; the cloud, which is the simulator, and the viewers are another,
this one. What is checked, all the time: see `Soaking` and soak_console.py.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import random
import signal
import sqlite3
import statistics
import sys
import tempfile
import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from tests.bench.processes import resident_kib
from tests.bench.soak_console import SoakConsole
from tests.fault.serving import Served
from vncproxy.access.tickets import MAX_TICKETS_OF_ONE
from vncproxy.audit.verification import verify
from vncproxy.simulator.faults import ApiFault
from vncproxy.simulator.record import Breach, TypedKey
from vncproxy.simulator.settings import (
    SimulatedInstance,
    SimulatorSettings,
)
from vncproxy.simulator.simulator import Simulator

SHOWN_FAULTS = 20
SAMPLE_INTERVAL_S = 1.0
LOOK_INTERVAL_S = 0.5
STOP_TIMEOUT_S = 30.0
URL_TTL_S = 15.0
DIALS_PER_MINUTE = 20
LAG_AIM_S = 0.05
LATE_S = 1.0
"""A load that stands still for so long isn't a witness of what comes in time."""
BUSY_CONSOLES = 50
"""One process plays all pages: of more consoles, each does something the more seldom."""
CONSOLES_OF_A_PEER = 50
"""Pages of more than so many would be too many connections from one address."""
WARM_UP_S = 60.0
"""What grows until then doesn't count, or until a third of the time has passed."""

_API_FAULTS = (
    ApiFault.throttle(1.0),
    ApiFault.error("ServiceUnavailable", status=503),
    ApiFault.http_500(),
    ApiFault.html(),
    ApiFault.reset(),
    ApiFault.slow(1.0),
    ApiFault.hang(2.0),
)


@dataclass(frozen=True, slots=True)
class Settings:
    """What is asked for.

    Args:
        duration_s: How long, without the end's checks.
        consoles: Open at once.
        seed: Of all that happens.
        seats: Pages of each console.
        silence: Whether links may fall silent.
        kill: Whether the daemon is killed once, in the middle.
        strict: Whether lag and growth are faults, and not only figures.
        patience_s: How long a picture may take once all are quiet.
        idle_timeout_s: The cloud's; a silent link is noticed after one and a half of it.
        linger_s: How long the daemon keeps a link that nobody watches.
        steps_s: Between two steps of the cloud's API faults and of reloads.
    """

    duration_s: float = 120.0
    consoles: int = 50
    seed: int = 1
    seats: int = 2
    silence: bool = True
    kill: bool = True
    strict: bool = False
    patience_s: float = 150.0
    idle_timeout_s: float = 10.0
    linger_s: float = 2.0
    steps_s: float = 10.0


@dataclass(frozen=True, slots=True)
class Sample:
    """What the daemon had at one moment, `at_s` after its start."""

    at_s: float
    resident_kib: int
    descriptors: int
    threads: int
    tasks: int
    consoles: int


@dataclass
class Report:
    """What came of it; `faults` is empty if all was right."""

    settings: Settings
    faults: list[str] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)


class _Arrivals(deque[TypedKey]):
    """Stands in for the simulator's journal of keys: each goes to its console."""

    def __init__(self, cloud: Simulator, consoles: dict[str, SoakConsole]) -> None:
        super().__init__(maxlen=0)
        self._cloud = cloud
        self._consoles = consoles

    def append(self, typed: TypedKey) -> None:
        session = self._cloud._gateway.sessions.get(typed.instance_id)
        console = self._consoles[typed.instance_id]
        console.key_came(session, typed.keysym, down=typed.down)


class Soaking:
    """One run.

    Besides what its consoles check: no rule of the cloud is broken, no session ends for being idle,
    nothing in the log is an error or a traceback, audit and ledger are whole at the end, and the
    daemon keeps nothing of what is gone.

    Args:
        settings: What is asked for.
        folder: For the daemon's files.
    """

    def __init__(self, settings: Settings, folder: Path) -> None:
        self.settings = settings
        self.life = 1
        self.silence = settings.silence
        self.patience_s = settings.patience_s
        self.coming = asyncio.Semaphore(MAX_TICKETS_OF_ONE // 2)
        self.slowness = max(1.0, settings.consoles / BUSY_CONSOLES)
        self.closes: Counter[int] = Counter()
        self.report = Report(settings)
        self._folder = folder
        self._random = random.Random(settings.seed)
        self.cloud = Simulator(_cloud_of(settings))
        self.http: aiohttp.ClientSession
        """The soak's own; pages have some by their address."""
        self._peers: list[aiohttp.ClientSession] = []
        self._served = Served(
            folder,
            "",
            instances={one.name: one.instance_id for one in self.cloud.settings.instances},
        )
        self.base = self._served.base
        self._consoles = {
            one.instance_id: SoakConsole(
                self, number, one.name, one.instance_id, settings.seed * 100_003, settings.seats
            )
            for number, one in enumerate(self.cloud.settings.instances)
        }
        self.cloud._record.typed = _Arrivals(self.cloud, self._consoles)
        self._log_read = 0
        self._audit_head = ""
        self._breaches: Counter[str] = Counter()
        self._endings = 0
        self._samples: list[Sample] = []
        self._empty: Sample | None = None
        self._load_lags: list[float] = []
        self._late_at = -math.inf

    def fault(self, console: str, text: str, events: Sequence[str]) -> None:
        """Something is wrong; the first ones are shown at once."""
        self.report.faults.append(f"{console}: {text}")
        if len(self.report.faults) <= SHOWN_FAULTS:
            lines = "".join(f"\n    {event}" for event in events)
            at = f"{time.monotonic():.2f}"
            print(f"seed {self.settings.seed}, {at}, {console}: {text}{lines}", file=sys.stderr)

    def peer(self, number: int) -> aiohttp.ClientSession:
        """By which the pages of this console come."""
        return self._peers[number // CONSOLES_OF_A_PEER]

    async def run(self) -> Report:
        """All of it."""
        async with self.cloud, AsyncExitStack() as sessions:
            self.http = await sessions.enter_async_context(_session("127.0.0.1"))
            for number in range(0, self.settings.consoles, CONSOLES_OF_A_PEER):
                session = _session(f"127.0.1.{1 + number // CONSOLES_OF_A_PEER}")
                self._peers.append(await sessions.enter_async_context(session))
            self._served.endpoint = self.cloud.endpoint
            self._served.sections = self._sections()
            looking = asyncio.create_task(self._look())
            if self.settings.kill:
                await self._live(self.settings.duration_s / 2, killed=True)
            share = 2 if self.settings.kill else 1
            await self._live(self.settings.duration_s / share, killed=False)
            looking.cancel()
            self._tell()
        return self.report

    async def _live(self, duration_s: float, *, killed: bool) -> None:
        """One life of the daemon, and those who are on meanwhile."""
        async with self._served.life() as daemon:
            self.life += 1
            self._samples.clear()
            self._empty = await self._sample(daemon.pid, 0.0)
            living = asyncio.create_task(self._all_at_once(daemon, time.monotonic()))
            until = time.monotonic() + duration_s
            latest = until + self.settings.patience_s
            while time.monotonic() < until or (self._is_dull and time.monotonic() < latest):
                await asyncio.wait([living], timeout=LOOK_INTERVAL_S)
                if living.done():
                    # Only by a fault of this program.
                    await living
            if killed:
                self.life += 1
                for console in self._consoles.values():
                    console.daemon_lost()
                daemon.kill()
                await daemon.wait()
            else:
                await asyncio.gather(*(one.rest() for one in self._consoles.values()))
            living.cancel()
            await asyncio.wait([living])
            self.cloud.faults.clear()
            if not killed:
                # Links that are about to be lost, and waits for permits, take their time.
                await asyncio.gather(*(one.check() for one in self._consoles.values()))
            await asyncio.gather(*(one.leave() for one in self._consoles.values()))
            if not killed:
                await self._stop(daemon)
            self._look_at_cloud()
            self._look_at_log()

    async def _all_at_once(self, daemon: asyncio.subprocess.Process, began: float) -> None:
        async with asyncio.TaskGroup() as group:
            for console in self._consoles.values():
                group.create_task(console.run())
            group.create_task(self._watch(daemon, began))
            group.create_task(self._trouble_api())
            group.create_task(self._reload(daemon))

    @property
    def _was_late(self) -> bool:
        """Whether this process stood still lately, so that it may have seen too late what came."""
        return time.monotonic() - self._late_at < 2 * self.settings.idle_timeout_s

    @property
    def _is_dull(self) -> bool:
        """Whether nothing has happened yet: on a busy machine a short time may be too short."""
        typed = sum(one.keys.arrived for one in self._consoles.values())
        return typed < self.settings.consoles or not self.cloud.endings

    # What happens

    async def _trouble_api(self) -> None:
        while True:
            await asyncio.sleep(self._random.expovariate(1 / self.settings.steps_s))
            self.cloud.faults.next("DescribeInstanceVncUrl", self._random.choice(_API_FAULTS))

    async def _reload(self, daemon: asyncio.subprocess.Process) -> None:
        for number in range(1, 1_000_000):
            await asyncio.sleep(self.settings.steps_s)
            self._served.sections = self._sections(more_linger_s=number % 2)
            self._served.configure()
            daemon.send_signal(signal.SIGHUP)

    def _sections(self, more_linger_s: float = 0.0) -> str:
        limits = {
            "url_ttl": URL_TTL_S,
            "idle_timeout": self.settings.idle_timeout_s,
            "keepalive_interval": self.settings.idle_timeout_s / 4,
            "upstream_timeout": self.settings.idle_timeout_s / 2,
            "reconnects_per_minute": DIALS_PER_MINUTE,
            "linger": self.settings.linger_s + more_linger_s,
            "control_request_timeout": 2.0,
        }
        return '[log]\nformat = "json"\nlevel = "info"\n[limits]\n' + "".join(
            f"{name} = {value}\n" for name, value in limits.items()
        )

    # What is looked at

    async def _watch(self, daemon: asyncio.subprocess.Process, began: float) -> None:
        while True:
            await asyncio.sleep(SAMPLE_INTERVAL_S)
            if daemon.returncode is not None:
                if self.life % 2 == 0:
                    self.fault("daemon", f"it ended with {daemon.returncode}", [])
                    self.life += 1
                return
            with suppress(aiohttp.ClientError, OSError):
                self._samples.append(await self._sample(daemon.pid, time.monotonic() - began))

    async def _sample(self, pid: int, at_s: float) -> Sample:
        metrics = await self._metrics()
        self._latest = metrics
        process = Path(f"/proc/{pid}")
        return Sample(
            at_s,
            resident_kib(pid),
            len(list((process / "fd").iterdir())),
            len(list((process / "task").iterdir())),
            round(metrics["vncproxy_tasks"]),
            round(metrics["vncproxy_consoles"]),
        )

    async def _metrics(self) -> dict[str, float]:
        """All samples without labels, and the buckets of the lag."""
        async with self.http.get(f"{self.base}/metrics") as answer:
            families = text_string_to_metric_families(await answer.text())
        return {
            sample.name + "".join(sample.labels.get("le", "")): sample.value
            for family in families
            for sample in family.samples
            if set(sample.labels) <= {"le"}
        }

    def _look_at_cloud(self) -> None:
        new = Counter(self.cloud.breaches) - self._breaches
        self._breaches = Counter(self.cloud.breaches)
        for breach, times in new.items():
            if breach != Breach.EXPIRED_URL or not self._was_late:
                self.fault("cloud", f"broken {times} times: {breach}", [])
        endings = self.cloud.endings
        for instance_id, reason in list(endings)[self._endings :]:
            console = self._consoles[instance_id]
            if reason == "idle" and not console.is_frozen and not self._was_late:
                console.fault("a link was idle for too long")
            console.link_ended(reason)
        self._endings = len(endings)

    def _look_at_log(self) -> None:
        if not self._served.log.exists():
            return
        with self._served.log.open("rb") as file:
            file.seek(self._log_read)
            new = file.read()
        whole = new[: new.rfind(b"\n") + 1]
        self._log_read += len(whole)
        for line in whole.decode(errors="replace").splitlines():
            level = ""
            with suppress(ValueError):
                entry = json.loads(line)
                level = str(entry.get("level"))
                if entry.get("event") == "audit.head":
                    self._audit_head = entry["hash"]
            if level in ("error", "critical") or "Traceback" in line or not level:
                self.fault("log", line[:2000], [])

    async def _look(self) -> None:
        """At the cloud's and the daemon's journals, and whether this process is in time itself."""
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + LOOK_INTERVAL_S
            await asyncio.sleep(LOOK_INTERVAL_S)
            self._load_lags.append(loop.time() - due)
            if self._load_lags[-1] > LATE_S:
                self._late_at = time.monotonic()
            self._look_at_cloud()
            self._look_at_log()

    async def _stop(self, daemon: asyncio.subprocess.Process) -> None:
        """Let it be empty, compare with its beginning, and end it."""
        begin = self._empty
        assert begin is not None, "sampled at its start"
        deadline = time.monotonic() + STOP_TIMEOUT_S
        while True:
            consoles = (await self._metrics())["vncproxy_consoles"]
            end = await self._sample(daemon.pid, 0.0)
            left = [f"{consoles:.0f} consoles are left"] if consoles else []
            for name, more in (("descriptors", 12), ("threads", 8), ("tasks", 6)):
                before, after = getattr(begin, name), getattr(end, name)
                if after > before + more:
                    left.append(f"{after} {name} when it is empty, {before} at first")
            if not left or time.monotonic() > deadline:
                break
            await asyncio.sleep(LOOK_INTERVAL_S)
        self.report.figures["empty"] = [asdict(begin), asdict(end)]
        for text in left:
            self.fault("daemon", text, [])
        daemon.send_signal(signal.SIGTERM)
        async with asyncio.timeout(STOP_TIMEOUT_S):
            await daemon.wait()
        if daemon.returncode != 0:
            self.fault("daemon", f"after SIGTERM it ended with {daemon.returncode}", [])
        self._verify()

    def _verify(self) -> None:
        """Audit and ledger."""
        state = self._folder / "state"
        with sqlite3.connect(state / "ledger.sqlite") as ledger:
            if (answer := ledger.execute("PRAGMA integrity_check").fetchone()[0]) != "ok":
                self.fault("ledger", answer, [])
        with (state / "audit.jsonl").open("rb") as lines:
            verdict = verify(lines, self._audit_head or None)
        self.report.figures["audit records"] = verdict.records
        for problem in verdict.problems:
            self.fault("audit", str(problem), [])
        if self._audit_head and verdict.behind_head is None:
            self.fault("audit", f"the head {self._audit_head!r} of the log isn't in it", [])

    # What came of it

    def _tell(self) -> None:
        figures = self.report.figures
        consoles = self._consoles.values()
        figures["dials"] = len(self.cloud.dials)
        figures["dials accepted"] = sum(dial.outcome == "accepted" for dial in self.cloud.dials)
        figures["most dials of an instance in 60 s"] = max(
            self.cloud.most_dials(60.0, one) for one in self._consoles
        )
        figures["API calls failed"] = sum(call.outcome != "OK" for call in self.cloud.calls)
        figures["links' ends"] = dict(Counter(reason for _, reason in self.cloud.endings))
        figures["viewers closed by the daemon"] = dict(self.closes)
        figures["keys arrived"] = sum(one.keys.arrived for one in consoles)
        figures["keys lost with their link, or discarded"] = sum(one.keys.lost for one in consoles)
        figures["times counted"] = sum(one.keys.reckonings for one in consoles)
        figures["times all was right"] = sum(one.checks for one in consoles)
        figures["slowest until all was right, s"] = round(
            max(one.slowest_check_s for one in consoles), 1
        )
        if self._samples:
            figures["consoles, at the median"] = round(
                statistics.median(one.consoles for one in self._samples)
            )
        for text in self._growth():
            if self.settings.strict:
                self.fault("daemon", text, [])
        lag_s = self._lag_p99_s()
        figures["event loop's lag at p99, s"] = f"<= {lag_s:g}"
        if lag_s > LAG_AIM_S and self.settings.strict:
            self.fault("daemon", f"the event loop's lag at p99 is up to {lag_s:g} s", [])
        if self._load_lags:
            lags = sorted(self._load_lags)
            of = (lags[len(lags) * 99 // 100], lags[-1])
            figures["this load's own lag at p99, and at most, s"] = [round(lag, 3) for lag in of]
        for one in consoles:
            if not one.checks:
                one.fault("was never found quiet and right")

    def _growth(self) -> Iterator[str]:
        """What is more in the last third of a life than in the first after the warm-up."""
        total_s = self._samples[-1].at_s if self._samples else 0.0
        warm = [one for one in self._samples if one.at_s >= min(WARM_UP_S, total_s / 3)]
        third = len(warm) // 3
        if not third:
            return
        for name, part, more in (
            ("resident_kib", 0.1, 8192),
            ("descriptors", 0.3, 20),
            ("threads", 0.3, 4),
            ("tasks", 0.3, 50),
        ):
            before, after = (
                round(statistics.median(getattr(one, name) for one in some))
                for some in (warm[:third], warm[-third:])
            )
            self.report.figures[name] = [before, after]
            if after > before * (1 + part) + more:
                yield f"{name} grew from {before} to {after}"

    def _lag_p99_s(self) -> float:
        """The upper bound of the bucket that has it."""
        name = "vncproxy_event_loop_lag_seconds_bucket"
        buckets = sorted(
            (float(key.removeprefix(name)), count)
            for key, count in self._latest.items()
            if key.startswith(name)
        )
        total = buckets[-1][1]
        return next(bound for bound, count in buckets if count >= 0.99 * total)


def _session(address: str) -> aiohttp.ClientSession:
    """For requests from this address, each on a connection of its own: none is left behind."""
    connector = aiohttp.TCPConnector(limit=0, force_close=True, local_addr=(address, 0))
    return aiohttp.ClientSession(connector=connector)


def _cloud_of(settings: Settings) -> SimulatorSettings:
    return SimulatorSettings(
        instances=tuple(
            SimulatedInstance(instance_id=f"i-bp1soak{number:08}", name=f"soak-{number}")
            for number in range(settings.consoles)
        ),
        idle_timeout_s=settings.idle_timeout_s,
        url_ttl_s=URL_TTL_S,
        reconnects_per_minute=DIALS_PER_MINUTE,
        width=320,
        height=240,
        animated=False,
        max_sessions=2 * settings.consoles,
        seed=settings.seed,
    )


async def soak(settings: Settings, folder: Path) -> Report:
    """Run it.

    Args:
        settings: What is asked for.
        folder: An empty one, for the daemon's files, which stay.
    """
    folder.mkdir(exist_ok=True)
    return await Soaking(settings, folder).run()


def main() -> None:
    """The command `tests/bench/soak`."""
    parser = argparse.ArgumentParser(prog="tests/bench/soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=2.0, metavar="N", help="how long; 2")
    parser.add_argument("--consoles", type=int, default=50, metavar="M", help="open at once; 50")
    parser.add_argument("--seats", type=int, default=2, metavar="K", help="pages of each; 2")
    parser.add_argument("--seed", type=int, metavar="S", help="of all that happens; else by chance")
    parser.add_argument(
        "--strict",
        action="store_true",
        help="lag and growth are faults, too: for a machine with nothing else to do",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="for the figures")
    parser.add_argument("--folder", type=Path, help="an empty one, for the daemon's files, kept")
    given = parser.parse_args()
    seed = given.seed if given.seed is not None else random.SystemRandom().randrange(100_000)
    settings = Settings(
        duration_s=60 * given.minutes,
        consoles=given.consoles,
        seats=given.seats,
        seed=seed,
        strict=given.strict,
    )
    # Its daemon goes with it.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    print(f"seed {seed}", file=sys.stderr)
    with tempfile.TemporaryDirectory() as made:
        report = asyncio.run(soak(settings, given.folder or Path(made)))
    print(f"{given.minutes:g} minutes with {given.consoles} consoles, seed {seed}")
    for name, value in report.figures.items():
        print(f"  {name}: {value}")
    if given.json is not None:
        given.json.write_text(json.dumps(asdict(report), indent=1, default=str))
    if report.faults:
        print(f"{len(report.faults)} faults; the first: {report.faults[0]}")
    sys.exit(bool(report.faults))


if __name__ == "__main__":
    main()
