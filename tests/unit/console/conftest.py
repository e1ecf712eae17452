"""What the console's tests share."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.unit.console.surroundings import Clock, Surroundings, surroundings


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """`time.monotonic`, to be set forward."""
    clock = Clock()
    monkeypatch.setattr(time, "monotonic", clock)
    return clock


@pytest.fixture
async def around(tmp_path: Path) -> AsyncIterator[Surroundings]:
    """Surroundings with the usual limits."""
    async with surroundings(tmp_path) as usual:
        yield usual
