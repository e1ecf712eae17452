"""Inputs that found something once, or reach much, do no harm; and for a short time, others."""

from __future__ import annotations

import os
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.fuzz.files import remove_folder
from tests.fuzz.loop import close_loop
from tests.fuzz.target import keep_logged_faults, try_input
from tests.fuzz.targets import TARGETS

ROOT = Path(__file__).resolve().parents[2]
CORPUS = Path(__file__).parent / "corpus"
SECONDS = os.environ.get("TESTS_FUZZ_SECONDS", "0.3")
"""Processor time for each target, in which it gets some hundred to some thousand inputs."""
SEED = "1"
"""The same inputs each time, so that a change is what breaks a test, and no luck."""
MEMORY_BYTES = 32 << 20
MEMORY_PER_BYTE = 200
WAIT_S = 900.0


@pytest.fixture(autouse=True)
def faults_are_kept() -> Iterator[None]:
    """What is logged as an error is a finding; nothing is left open."""
    keep_logged_faults()
    yield
    close_loop()
    remove_folder()


@pytest.mark.parametrize("name", TARGETS)
def test_the_corpus(name: str) -> None:
    """Nothing raises, takes more than linear time, or more memory than a bound."""
    inputs = sorted((CORPUS / name).iterdir())
    assert inputs
    for path in inputs:
        data = path.read_bytes()
        assert len(data) <= TARGETS[name].max_bytes, path
        # Once without being measured: what is imported at first use isn't the input's.
        TARGETS[name].run(data)
        tracemalloc.start()
        try:
            try_input(TARGETS[name], data)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert peak < MEMORY_BYTES + MEMORY_PER_BYTE * len(data), path


def test_every_corpus_is_of_a_target() -> None:
    """And is small."""
    assert {path.name for path in CORPUS.iterdir()} == set(TARGETS)
    assert sum(path.stat().st_size for path in CORPUS.rglob("*")) < 300_000


@pytest.mark.skipif(find_spec("atheris") is None, reason="atheris isn't there: nothing is fuzzed")
@pytest.mark.timeout(WAIT_S)
def test_a_short_time(tmp_path: Path) -> None:
    """Of each target, for `TESTS_FUZZ_SECONDS`; `tests/fuzz/run` goes on for longer."""
    options = ["--seconds", SECONDS, "--seed", SEED, "--findings", str(tmp_path)]
    done = subprocess.run(
        [sys.executable, "-m", "tests.fuzz", *options],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": "0"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(done.stdout.splitlines()) == len(TARGETS)
