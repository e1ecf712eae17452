"""The reconnect ledger under SIGKILL, for real, with a shortened window."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.fault.ledger_caller import BUDGET
from vncproxy.throttle.reconnect_budget import EARLY_S

ROOT = Path(__file__).parents[2]
PATIENCE_S = 80.0


@dataclass(frozen=True, slots=True)
class Dial:
    """One dial: the instant of its record lies between `before` and `after`."""

    process: int
    before: float
    after: float


class LedgerProcesses:
    """Processes that share one ledger file."""

    def __init__(self, directory: Path) -> None:
        self.ledger = directory / "ledger.sqlite"
        self.log = directory / "dials"
        self.log.touch()
        self.processes: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        command = [sys.executable, "-m", "tests.fault.ledger_caller"]
        self.processes.append(
            subprocess.Popen([*command, str(self.ledger), str(self.log)], cwd=ROOT)
        )

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        """SIGKILL: nothing is tidied up."""
        self.processes.remove(process)
        process.kill()
        process.wait(10)

    def dials(self) -> list[Dial]:
        lines = [line.split() for line in self.log.read_text().splitlines()]
        return [Dial(int(pid), float(before), float(after)) for pid, before, after in lines]

    def wait_until(self, reached: Callable[[list[Dial]], bool]) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not reached(self.dials()):
            assert time.monotonic() < deadline, f"only {len(self.dials())} dials"
            assert all(process.poll() is None for process in self.processes)
            time.sleep(0.05)


@pytest.fixture
def callers(tmp_path: Path) -> Iterator[LedgerProcesses]:
    made = LedgerProcesses(tmp_path)
    yield made
    for process in list(made.processes):
        made.kill(process)


def test_killed_and_restarted_processes_never_overrun_the_budget(callers: LedgerProcesses) -> None:
    """Processes hammer one ledger, one is killed, then all; every window keeps to the limit."""
    for _ in range(3):
        callers.start()
    callers.wait_until(lambda dials: len(dials) >= 4)
    callers.kill(callers.processes[0])
    callers.start()
    callers.wait_until(lambda dials: len(dials) >= 11)
    for process in list(callers.processes):
        callers.kill(process)
    before = len(callers.dials())
    for _ in range(3):
        callers.start()
    callers.wait_until(lambda dials: len(dials) >= before + 8)

    dials = sorted(callers.dials(), key=lambda dial: dial.before)
    assert len({dial.process for dial in dials}) >= 4  # the restarted ones took part
    for first in range(len(dials) - BUDGET.limit):
        group = dials[first : first + BUDGET.limit + 1]
        stretch_s = max(dial.after for dial in group) - group[0].before
        assert stretch_s >= BUDGET.span_s - EARLY_S
