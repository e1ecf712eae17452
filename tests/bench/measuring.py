"""What every measurement of the benchmark has: the gateway, how long to measure, what was found."""

from __future__ import annotations

import asyncio
import json
import resource
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.authority import Authority
from tests.bench.figures import Found
from tests.bench.processes import cpu_s
from tests.bench.relays import LOAD_CPU, Cloud, Relay, pinned
from tests.real.peers.process import running, until


@dataclass
class Usage:
    """What a piece of work took: of the relay's processor and of the load's, and time."""

    relay_s: float = 0.0
    load_s: float = 0.0
    wall_s: float = 0.0


@dataclass
class Measuring:
    """One run of the benchmark.

    Args: folder - for the relays' files; rounds - of each measurement; is_quick - only to see that
    each works.
    """

    folder: Path
    cloud: Cloud
    rounds: int
    is_quick: bool
    found: Found = field(default_factory=Found)
    load_shares: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    """By kind of measurement and relay: the share of its processor that the load took."""

    def seconds(self, usual_s: float) -> float:
        """How long to measure."""
        return usual_s / 20 if self.is_quick else usual_s

    def count(self, usual: int) -> int:
        """How many consoles."""
        return max(2, usual // 100) if self.is_quick else usual

    @contextmanager
    def using(self, relay: Relay, kind: str = "") -> Iterator[Usage]:
        """Measure the block. Args: kind - of measurement, to note the load's share under."""
        usage = Usage()
        relay_s = cpu_s(relay.pid) if relay.pid else 0.0
        load_s, began = cpu_s(self.cloud.pid) + time.process_time(), time.monotonic()
        yield usage
        usage.wall_s = time.monotonic() - began
        usage.relay_s = (cpu_s(relay.pid) if relay.pid else 0.0) - relay_s
        usage.load_s = cpu_s(self.cloud.pid) + time.process_time() - load_s
        if kind:
            share = usage.load_s / usage.wall_s
            self.load_shares.setdefault(kind, {}).setdefault(relay.name, []).append(share)


@asynccontextmanager
async def gateway(folder: Path) -> AsyncIterator[Cloud]:
    """The cloud of the benchmark, on the load's processor."""
    authority = Authority(folder)
    files = authority.issue()
    ports_file, log = folder / "ports", folder / "gateway.log"
    command = (sys.executable, "-m", "tests.bench.gateway", str(ports_file))
    async with running(
        *pinned(LOAD_CPU), *command, str(files.certificate), str(files.key), log=log
    ) as process:

        async def is_up() -> bool:
            await asyncio.sleep(0)
            return ports_file.exists()

        await until(is_up, "the gateway", process=process, log=log)
        ports = json.loads(ports_file.read_text())
        yield Cloud(
            ports["web"],
            ports["web_tls"],
            ports["plain"],
            ports["tls"],
            authority.ca_file,
            process.pid,
        )


def files_limit() -> int:
    """How many files this process and those it starts may open; raised to what is allowed."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return most
