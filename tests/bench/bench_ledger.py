"""What a booking costs. Run by hand: python -m tests.bench.bench_ledger [ROUNDS]

Prints milliseconds for one permit's way through the ledger (book, spend), for usage, with an empty
file and with a file as full as 1024 consoles can make it, and permits per second with four
processes on one file.
"""

from __future__ import annotations

import asyncio
import sqlite3
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from multiprocessing import get_context
from pathlib import Path

from vncproxy.throttle.boot_clock import this_boot
from vncproxy.throttle.ledger_interface import Booking, Ledger
from vncproxy.throttle.memory_ledger import MemoryLedger
from vncproxy.throttle.reconnect_budget import Budget
from vncproxy.throttle.sqlite_ledger import SqliteLedger

PROCESSES = 4


async def _permit(ledger: Ledger, key: str) -> None:
    answer = await ledger.book(key, 0.0)
    assert isinstance(answer, Booking)
    await ledger.spend(answer)


async def _measure(label: str, rounds: int, call: Callable[[int], Awaitable[object]]) -> None:
    times_ms: list[float] = []
    for number in range(rounds):
        start = time.perf_counter()
        await call(number)
        times_ms.append((time.perf_counter() - start) * 1000)
    times_ms.sort()
    median, late = times_ms[rounds // 2], times_ms[rounds * 99 // 100]
    print(f"{label:46} median {median:7.3f} ms   99 % {late:7.3f} ms")


def _fill(path: Path, keys: int, each: int) -> None:
    """Rows as they are after every console has used its whole budget within a minute."""
    clock = this_boot()
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("BEGIN")
        for key in range(keys):
            db.executemany(
                "INSERT INTO booking VALUES (:id, :key, :epoch, :at, :at, 1)",
                [
                    {
                        "id": f"{key}-{n}",
                        "key": f"full-{key}",
                        "epoch": clock.epoch,
                        "at": clock.now(),
                    }
                    for n in range(each)
                ],
            )
        db.execute("COMMIT")


async def _one_process(rounds: int, directory: Path) -> None:
    memory = MemoryLedger(Budget, time.monotonic)
    await _measure("memory: book and spend", rounds, lambda n: _permit(memory, f"i-{n // 29}"))
    ledger = SqliteLedger(directory / "ledger.sqlite", Budget)
    await _measure("sqlite: book and spend", rounds, lambda n: _permit(ledger, f"i-{n // 29}"))
    await _measure("sqlite: usage", rounds, lambda _: ledger.usages(["i-0"]))
    await _measure("sqlite: check_writable", rounds, lambda _: ledger.check_writable())
    _fill(directory / "ledger.sqlite", keys=1024, each=29)
    label = "sqlite, 29,696 rows: book and spend"
    await _measure(label, rounds, lambda n: _permit(ledger, f"j-{n // 29}"))
    await _measure("sqlite, 29,696 rows: usage", rounds, lambda _: ledger.usages(["full-7"]))
    label = "sqlite, 29,696 rows: usages of 1,000"
    names = [f"full-{n}" for n in range(1000)]
    await _measure(label, rounds, lambda _: ledger.usages(names))
    await ledger.close()


def _hammer(path: Path, name: str, rounds: int) -> None:
    async def run() -> None:
        ledger = SqliteLedger(path, Budget)
        for number in range(rounds):
            await _permit(ledger, f"{name}-{number // 29}")
        await ledger.close()

    asyncio.run(run())


def _many_processes(rounds: int, path: Path) -> None:
    with ProcessPoolExecutor(PROCESSES, mp_context=get_context("spawn")) as pool:
        for warm_up in [pool.submit(_hammer, path, f"w{n}", 1) for n in range(PROCESSES)]:
            warm_up.result()
        start = time.perf_counter()
        for work in [pool.submit(_hammer, path, f"p{n}", rounds) for n in range(PROCESSES)]:
            work.result()
        rate = PROCESSES * rounds / (time.perf_counter() - start)
    print(f"sqlite, {PROCESSES} processes on one file: {rate:.0f} permits a second")


def main() -> None:
    """Measure and print."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    with tempfile.TemporaryDirectory() as directory:
        asyncio.run(_one_process(rounds, Path(directory)))
        _many_processes(rounds, Path(directory) / "shared.sqlite")


if __name__ == "__main__":
    main()
