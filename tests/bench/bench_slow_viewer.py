"""What a slow viewer costs a fast one.

Run by hand: python -m tests.bench.bench_slow_viewer [ROUNDS]

A screen that changes as a whole, in pictures that can't be compressed; one viewer with a line of
100 kB/s beside one that reads all it can get. Alternating rounds with and without the slow one; for
both, one that asks for each update and one with continuous updates. Aims: the fast one's rate is
within 10 % of its rate alone, and the daemon's memory grows by less than viewer_queue (8 MiB).
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path
from statistics import median

from tests.bench.moving import Served, served, watcher
from tests.bench.processes import resident_kib
from tests.line import line

ROUND_S = 6.0
SLOW_BYTES_PER_S = 100e3
QUEUE_MIB = 8


async def _rounds(daemon: Served, rounds: int, *, slow_ahead: bool) -> None:
    alone, beside, slow, growth, late = [], [], [], [], []
    async with watcher(daemon.base, ahead=True) as fast:
        await fast.rate(2.0)
        for _ in range(rounds):
            alone.append(await fast.rate(ROUND_S))
            before = most = resident_kib(daemon.pid)
            async with (
                line(daemon.port, bytes_per_s=SLOW_BYTES_PER_S) as thin,
                watcher(thin.base, ahead=slow_ahead) as second,
            ):
                rates, had = [], second.pictures
                for _ in range(int(ROUND_S)):
                    rates.append(await fast.rate(1.0))
                    most = max(most, resident_kib(daemon.pid))
                beside.append(sum(rates) / len(rates))
                slow.append((second.pictures - had) / ROUND_S)
                late.append(fast.number - second.number)
            growth.append((most - before) / 1024)
    kind = "continuous updates" if slow_ahead else "a request for each"
    ratio = median(b / a for a, b in zip(alone, beside, strict=True))
    print(
        f"  slow one with {kind}: the fast one alone {median(alone):.1f}/s, beside it "
        f"{median(beside):.1f}/s ({ratio:.0%}); slow {median(slow):.1f}/s, at most {max(late)} "
        f"pictures behind; memory +{max(growth):.1f} MiB (viewer_queue: {QUEUE_MIB} MiB)"
    )


async def _measure(rounds: int) -> None:
    for per_s in (30.0, 1000.0):
        what = f"{per_s:g} pictures a second" if per_s < 1000 else "as many as it can"
        print(f"screen with {what}:")
        with tempfile.TemporaryDirectory() as folder:
            async with served(Path(folder), per_s) as daemon:
                for slow_ahead in (False, True):
                    await _rounds(daemon, rounds, slow_ahead=slow_ahead)


def main() -> None:
    """Measure and print."""
    asyncio.run(_measure(int(sys.argv[1]) if len(sys.argv) > 1 else 3))


if __name__ == "__main__":
    main()
