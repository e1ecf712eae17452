"""What a console costs through vncproxy, beside HAProxy, nginx and websockify.

    tests/bench/run [--quick] [--rounds N] [--only WORDS] [--json FILE]

Relays run on the first processor, the gateway and the viewers on the last; in each round all
relays are measured one after the other, or beside each other. Printed are medians of the rounds.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path

import uvloop

from tests.bench import (
    report,
    rows_idle,
    rows_keys,
    rows_lines,
    rows_pixels,
    rows_start,
    rows_text,
)
from tests.bench.measuring import Measuring, files_limit, gateway
from tests.bench.relays import LOAD_CPU, missing

MEASUREMENTS = {
    "pixels": rows_pixels.pixels,
    "text": rows_text.text,
    "keys": rows_keys.keys,
    "idle": rows_idle.idle,
    "turn": rows_idle.turn,
    "opening": rows_idle.opening,
    "slow": rows_lines.slow,
    "start": rows_start.start,
    "far": rows_lines.far,
}


async def _measure(given: argparse.Namespace) -> int:
    """The exit status. A measurement that fails doesn't keep the others from being told."""
    task = asyncio.current_task()
    assert task is not None
    # What was started is ended.
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    rounds = given.rounds or (1 if given.quick else 3)
    status = 0
    with tempfile.TemporaryDirectory(prefix="bench") as name:
        folder = Path(name)
        async with gateway(folder) as cloud:
            run = Measuring(folder, cloud, rounds, is_quick=given.quick)
            for what in given.only:
                began = time.monotonic()
                try:
                    await MEASUREMENTS[what](run)
                except Exception as fault:
                    traceback.print_exc()
                    run.found.notes.append(f"{what} failed: {fault!r}")
                    status = 1
                print(f"{what}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
                if given.json:
                    given.json.write_text(json.dumps(report.data(run), indent=1) + "\n")
    print(report.table(run))
    print("\n".join(["", *report.remarks(run)]))
    return status


def main() -> int:
    """Measure and print; the exit status."""
    summary = (__doc__ or "").partition("\n")[0]
    parser = argparse.ArgumentParser(description=summary, prog="tests/bench/run")
    parser.add_argument("--quick", action="store_true", help="only see that each works")
    parser.add_argument("--rounds", type=int, help="default: 3; with --quick 1")
    parser.add_argument(
        "--only",
        nargs="+",
        choices=MEASUREMENTS,
        default=list(MEASUREMENTS),
        metavar="WORD",
        help=f"some of {', '.join(MEASUREMENTS)}",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all values there")
    given = parser.parse_args()
    if absent := missing():
        print(f"missing: {', '.join(absent)}", file=sys.stderr)
        return 1
    files_limit()
    os.sched_setaffinity(0, {LOAD_CPU})
    return uvloop.run(_measure(given))


if __name__ == "__main__":
    sys.exit(main())
