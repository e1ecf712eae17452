"""A desk for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.unit.commands.surroundings import SETTINGS, Desk
from vncproxy.simulator.simulator import Simulator


@pytest.fixture
async def desk(tmp_path: Path, port: int) -> AsyncIterator[Desk]:
    """A simulated cloud that runs, a folder, and a port for a daemon."""
    async with Simulator(SETTINGS) as cloud:
        yield Desk(cloud, tmp_path, port)
