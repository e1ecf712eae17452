"""Fuzzes targets, each in a process of its own that begins with all modules imported."""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import io
import json
import os
import resource
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import atheris

# Which modules it takes part in is of no interest.
with (
    contextlib.redirect_stderr(io.StringIO()),
    atheris.instrument_imports(include=["vncproxy"], enable_loader_override=False),
):
    from tests.fuzz.targets import TARGETS

from tests.fuzz.files import remove_folder
from tests.fuzz.target import Target, keep_logged_faults, try_input

CORPUS = Path(__file__).parent / "corpus"
MEMORY_BYTES = 1 << 30
"""Address space that a process may take beyond what it began with."""
HANG_S = 600
"""Of real time: an input that takes longer hangs. What takes long is found by processor time."""
_FOUND, _OVER = 77, 0
"""Exit statuses of libFuzzer."""


@dataclass(frozen=True)
class Outcome:
    """What became of a target.

    Args:
        seconds: Processor time that inputs took.
        slowest_s: Of one input.
        finding: What an input raised and the file that has it, "" if none did.
    """

    target: str
    executions: int
    seconds: float
    slowest_s: float
    finding: str


class _Run:
    """One target's inputs, until the time is over."""

    def __init__(self, target: Target, seconds: float, note: Path, findings: Path) -> None:
        """Nothing was tried yet; what happens is written to `note` and, an input, to `findings`."""
        self._target, self._seconds, self._note = target, seconds, note
        self._findings = findings
        self._began = time.process_time()
        self._executions = 0
        self._slowest_s = 0.0

    def try_input(self, data: bytes) -> None:
        """One input, whatever the fuzzer thought of; ends the process once the time is over."""
        self._executions += 1
        try:
            took_s = try_input(self._target, data)
        except BaseException:
            name = f"{self._target.name}-{hashlib.sha256(data).hexdigest()[:12]}"
            (self._findings / name).write_bytes(data)
            self._write(f"{traceback.format_exc()}with {self._findings / name}")
            os._exit(_FOUND)
        self._slowest_s = max(self._slowest_s, took_s)
        if time.process_time() - self._began >= self._seconds:
            self._write("")
            os._exit(_OVER)

    def _write(self, finding: str) -> None:
        remove_folder()
        seconds = time.process_time() - self._began
        self._note.write_text(
            json.dumps([self._executions, round(seconds, 1), round(self._slowest_s, 3), finding])
        )


def _limit_memory() -> None:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + MEMORY_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


class _Process:
    """A process of its own for one target, since libFuzzer ends the one that it runs in."""

    def __init__(self, target: Target, given: argparse.Namespace, folder: Path) -> None:
        """Start it; files about it go to `folder`."""
        self._name = target.name
        self._note, self._log = folder / f"{self._name}.json", folder / f"{self._name}.log"
        words, grown = folder / f"{self._name}.words", (given.grown or folder) / self._name
        grown.mkdir(parents=True, exist_ok=True)
        words.write_text("".join(f'"{_escaped(word)}"\n' for word in target.words))
        own = CORPUS / self._name
        arguments = [
            "fuzz",
            f"-max_len={target.max_bytes}",
            f"-seed={given.seed}",
            f"-timeout={HANG_S}",
            "-rss_limit_mb=0",
            *([f"-dict={words}"] if target.words else []),
            f"-artifact_prefix={given.findings}/{self._name}-",
            str(grown),
            *([str(own)] if own.is_dir() else []),
        ]
        self.id = os.fork()
        if not self.id:
            try:
                self._fuzz(_Run(target, given.seconds, self._note, given.findings), arguments)
            except BaseException:
                traceback.print_exc()
            os._exit(_FOUND)

    def _fuzz(self, run: _Run, arguments: list[str]) -> None:
        descriptor = os.open(self._log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(descriptor, 1)
        os.dup2(descriptor, 2)
        warnings.simplefilter("error")
        keep_logged_faults()
        _limit_memory()
        atheris.Setup(arguments, run.try_input, enable_python_coverage=True)
        atheris.Fuzz()

    def outcome(self, status: int) -> Outcome:
        """What became of it, once it has ended with this status."""
        executions, seconds, slowest_s, finding = 0, 0.0, 0.0, ""
        if self._note.exists():
            executions, seconds, slowest_s, finding = json.loads(self._note.read_text())
        if not finding and (status != _OVER or not executions):
            said = self._log.read_text(errors="replace")[-2000:]
            finding = f"It ended with status {status} after {executions} inputs.\n{said}"
        return Outcome(self._name, executions, seconds, slowest_s, finding)


def _escaped(word: bytes) -> str:
    return "".join(f"\\x{byte:02x}" for byte in word)


def _fuzzed(names: Sequence[str], given: argparse.Namespace, folder: Path) -> bool:
    """Fuzz all targets, as many at a time as asked for; whether there was no finding."""
    waiting, running = list(names), dict[int, _Process]()
    is_clean = True
    while waiting or running:
        while waiting and len(running) < given.jobs:
            process = _Process(TARGETS[waiting.pop(0)], given, folder)
            running[process.id] = process
        child, status = os.wait()
        outcome = running.pop(child).outcome(os.waitstatus_to_exitcode(status))
        _print(outcome)
        is_clean = is_clean and not outcome.finding
    return is_clean


def _print(outcome: Outcome) -> None:
    rate = outcome.executions / outcome.seconds if outcome.seconds else 0.0
    print(
        f"{outcome.target:20} {outcome.executions:>11,} inputs {outcome.seconds:>7.1f} s"
        f" {rate:>9,.0f}/s  slowest {outcome.slowest_s * 1000:,.0f} ms"
        + ("  FOUND" if outcome.finding else ""),
        flush=True,
    )
    if outcome.finding:
        print(outcome.finding, flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Fuzz, print what became of it, give the exit status."""
    parser = argparse.ArgumentParser(
        prog="tests/fuzz/run",
        description="Fuzz what takes others' bytes, guided by coverage.",
        epilog=f"Targets: {', '.join(TARGETS)}.",
    )
    parser.add_argument("targets", nargs="*", metavar="TARGET", help="which; default: all")
    parser.add_argument(
        "--seconds", type=float, default=600.0, help="processor time for each (default: 600)"
    )
    parser.add_argument("--jobs", type=int, default=1, help="so many at a time (default: 1)")
    parser.add_argument("--seed", type=int, default=0, help="0: another one each time (default)")
    parser.add_argument(
        "--findings",
        type=Path,
        default=Path(tempfile.gettempdir()) / "vncproxy-fuzz",
        help="the folder for inputs that raise something (default: %(default)s)",
    )
    parser.add_argument(
        "--grown",
        type=Path,
        help="the folder that keeps inputs that reach something new; a later run goes on with them",
    )
    parser.add_argument(
        "--input", type=Path, help="try this file alone, with one target, to see what it raises"
    )
    given = parser.parse_args(arguments)
    if unknown := [name for name in given.targets if name not in TARGETS]:
        parser.error(f"no such target: {', '.join(unknown)}")
    names = given.targets or list(TARGETS)
    if given.input is not None:
        if len(names) != 1:
            parser.error("--input is for one target")
        print(f"{try_input(TARGETS[names[0]], given.input.read_bytes()):.3f} s")
        return 0
    given.findings.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="fuzz") as folder:
        return 0 if _fuzzed(names, given, Path(folder)) else 1


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        sys.exit(main())
