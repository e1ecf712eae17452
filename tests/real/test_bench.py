"""The benchmark works: each of its measurements gives numbers for each relay."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from tests.bench.bench_past import long_figures, recordings_figures, sessions_figures
from tests.bench.figures import FIGURES
from tests.bench.relays import ALL, BYTE_PUMPS, VNCPROXY, can_speak_tls, missing
from tests.fault.serving import ROOT
from tests.real.peers.presence import miss
from tests.real.peers.process import running

OF_THE_DAEMON = {"late-1", "late-2", "late-3", "turn", "start", "start-memory"}
"""Figures without any to compare with."""


@pytest.mark.timeout(400)
async def test_every_measurement_gives_numbers(tmp_path: Path) -> None:
    """No aim is asserted: this machine may be busy."""
    if absent := missing():
        miss(f"not installed: {', '.join(absent)} (Debian packages of these names)")
    file, log = tmp_path / "found.json", tmp_path / "log"
    command = (sys.executable, "-m", "tests.bench", "--quick", "--json", str(file))
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    async with running(*command, log=log, env=environ) as process:
        status = await process.wait()
    said = log.read_text()
    assert status == 0, said[-3000:]
    found = json.loads(file.read_text())
    assert {figure["key"] for figure in found["figures"]} == set(FIGURES)
    for figure in found["figures"]:
        relays = {VNCPROXY} if figure["key"] in OF_THE_DAEMON else set(ALL)
        if figure["key"] == "idle-cpu":
            relays -= {BYTE_PUMPS[-1]}
        if "wss" in figure["key"]:
            relays = {name for name in relays if can_speak_tls(name)}
        assert relays <= set(figure["medians"]), figure["key"]
        assert figure["reached"] is not None, figure["key"]
        assert all(len(values) == 1 for values in figure["values"].values()), figure["key"]
        assert figure["medians"][VNCPROXY] > 0 or figure["key"].startswith("slow-"), figure["key"]
        assert f"| {figure['says']}" in said
    assert set(found["load_shares"]) == {"pixels by ws", "pixels by wss", "text", "keys"}


def test_the_lists_of_the_past_are_measured(tmp_path: Path) -> None:
    """In a small form: each search finds what it should, and no time is asserted."""
    figures = [
        *sessions_figures(tmp_path, 600),
        *recordings_figures(tmp_path, 5),
        *long_figures(tmp_path, 1 << 20),
    ]
    found = {figure.what: figure.found for figure in figures}
    assert found["sessions: the newest"] == 100
    assert found["sessions: of a user who isn't there"] == 0
    assert 0 < found["sessions: of an hour long ago"] < 100
    assert found["recordings: the newest"] == 5
    assert found["it is opened to be played"] > 0
    assert all(figure.seconds > 0 for figure in figures)
