"""What distance costs. Run by hand: python -m tests.bench.bench_long_line [ROUNDS]

A screen that changes as a whole 30 times a second, watched over lines with a delay each way, by a
viewer that asks for each update and by one with continuous updates and fences. For each: pictures a
second, and how old the newest one shown is beyond what the line itself takes.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path
from statistics import median

from tests.bench.moving import Served, Watcher, served, watcher
from tests.line import line

PER_S = 30.0
ROUND_S = 5.0
DELAYS_S = (0.0, 0.05, 0.1)
BYTES_PER_S = 20e6


async def _age_s(far: Watcher, near: Watcher, delay_s: float) -> float:
    """How far the one over the line is behind the one beside the daemon, less the line's delay."""
    ages = []
    for _ in range(10):
        await far.rate(0.1)
        ages.append((near.number - far.number) / PER_S - delay_s)
    return median(ages)


async def _rate(
    daemon: Served, near: Watcher, delay_s: float, *, ahead: bool
) -> tuple[float, float]:
    async with (
        line(daemon.port, delay_s=delay_s, bytes_per_s=BYTES_PER_S) as long,
        watcher(long.base, ahead=ahead) as viewer,
    ):
        await viewer.rate(2.0)
        return await viewer.rate(ROUND_S), await _age_s(viewer, near, delay_s)


async def _measure(rounds: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with served(Path(folder), PER_S) as daemon, watcher(daemon.base, ahead=True) as near:
            for delay_s in DELAYS_S:
                asked, ahead = [], []
                for _ in range(rounds):
                    asked.append(await _rate(daemon, near, delay_s, ahead=False))
                    ahead.append(await _rate(daemon, near, delay_s, ahead=True))
                by_request, age = median(r for r, _ in asked), median(a for _, a in asked)
                continuous, fresh = median(r for r, _ in ahead), median(a for _, a in ahead)
                print(
                    f"{delay_s * 1000:4.0f} ms each way:   a request for each {by_request:5.1f}/s, "
                    f"{age * 1000:4.0f} ms old   continuous {continuous:5.1f}/s, "
                    f"{fresh * 1000:4.0f} ms old   ratio {continuous / by_request:4.1f}"
                )


def main() -> None:
    """Measure and print."""
    asyncio.run(_measure(int(sys.argv[1]) if len(sys.argv) > 1 else 2))


if __name__ == "__main__":
    main()
