"""What the console's tests share."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.clock import ProcessClock
from tests.unit.console.one_viewer import Make, Setup
from tests.unit.console.surroundings import Surroundings, surroundings


@pytest.fixture
def clock(process_clock: ProcessClock) -> ProcessClock:
    """Time that a test sets forward."""
    return process_clock


@pytest.fixture
async def around(tmp_path: Path, clock: ProcessClock) -> AsyncIterator[Surroundings]:
    """Surroundings with the usual limits, none of which is over because this process is busy."""
    async with surroundings(tmp_path) as usual:
        yield usual


@pytest.fixture
async def make(clock: ProcessClock) -> AsyncIterator[Make]:
    """Viewers that leave nothing behind."""
    setups: list[Setup] = []

    def one(*how: Any, **who: Any) -> Setup:
        setups.append(Setup(*how, **who))
        return setups[-1]

    yield one
    for setup in setups:
        await setup.viewer.abandon()
        assert setup.transport.is_shut
