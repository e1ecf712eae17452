"""A daemon behind a `token` door, and consoles without one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.clock import IdleClock
from tests.owner_client import OwnerClient, owner_client
from tests.setup import running
from tests.unit.console.surroundings import Surroundings, surroundings


@pytest.fixture
async def owner(tmp_path: Path) -> AsyncIterator[OwnerClient]:
    """The client of a daemon whose one door wants the token."""
    async with running(tmp_path, access="token") as setup:
        yield owner_client(setup)


@pytest.fixture
async def around(tmp_path: Path, idle_clock: IdleClock) -> AsyncIterator[Surroundings]:
    """Surroundings of consoles, with the usual limits, none of which is over because of a stall."""
    async with surroundings(tmp_path) as usual:
        yield usual
