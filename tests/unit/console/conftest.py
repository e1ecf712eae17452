"""What the console's tests share."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.clock import ProcessClock
from tests.unit.console.surroundings import Surroundings, surroundings


@pytest.fixture
def clock(process_clock: ProcessClock) -> ProcessClock:
    """Time that a test sets forward."""
    return process_clock


@pytest.fixture
async def around(tmp_path: Path) -> AsyncIterator[Surroundings]:
    """Surroundings with the usual limits."""
    async with surroundings(tmp_path) as usual:
        yield usual
