"""An installation for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.unit.commands.surroundings import SETTINGS, Installation
from vncproxy.simulator.simulator import Simulator


@pytest.fixture
async def installation(tmp_path: Path, port: int) -> AsyncIterator[Installation]:
    """A simulated cloud that runs, a folder, and a port for a daemon."""
    async with Simulator(SETTINGS) as cloud:
        yield Installation(cloud, tmp_path, port)
