"""What the list of consoles costs. Run by hand: python -m tests.bench.bench_consoles [CONSOLES]

Opens so many consoles (1,000 unless said otherwise) of a simulator in the same process, and prints
the milliseconds of `GET /api/v1/consoles`, as `/admin` and `consoles --watch` ask for it, how long
the event loop stood still meanwhile, and the size of the answer.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from pathlib import Path

from tests.setup import Running, running
from vncproxy.config.model import Limits
from vncproxy.simulator.settings import SimulatedInstance, SimulatorSettings

ROUNDS = 30
AT_ONCE = 20


async def _stalls_ms(stalls: list[float]) -> None:
    while True:
        began = time.perf_counter()
        await asyncio.sleep(0.001)
        stalls.append((time.perf_counter() - began) * 1000 - 1)


async def _open(setup: Running, names: list[str]) -> None:
    for name in names:
        setup.alias = name
        viewer = await setup.connect()
        await viewer.begin()


async def _ask(setup: Running) -> tuple[float, int]:
    began = time.perf_counter()
    async with setup.http.get(f"{setup.base}/api/v1/consoles") as answer:
        body = await answer.read()
        assert answer.status == 200
    return (time.perf_counter() - began) * 1000, len(body)


async def main(consoles: int) -> None:
    """Measure and print."""
    cloud = SimulatorSettings(
        animated=False,
        width=64,
        height=48,
        instances=tuple(
            SimulatedInstance(instance_id=f"i-bp1many{n}", name=f"many-{n}")
            for n in range(consoles)
        ),
    )
    with tempfile.TemporaryDirectory() as folder:
        async with running(
            Path(folder), cloud=cloud, limits=Limits(max_consoles=consoles)
        ) as setup:
            names = [one.name for one in cloud.instances]
            began = time.perf_counter()
            for at in range(0, consoles, AT_ONCE):
                await _open(setup, names[at : at + AT_ONCE])
            print(f"{consoles} consoles open after {time.perf_counter() - began:.1f} s")
            setup.log.truncate(0)
            stalls: list[float] = []
            watching = asyncio.create_task(_stalls_ms(stalls))
            times = sorted([await _ask(setup) for _ in range(ROUNDS)])
            watching.cancel()
            print(
                f"GET /api/v1/consoles: median {times[ROUNDS // 2][0]:.1f} ms, slowest "
                f"{times[-1][0]:.1f} ms, {times[0][1] / 1000:.0f} kB; "
                f"longest stall of the loop {max(stalls):.1f} ms"
            )


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000))
