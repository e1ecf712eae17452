"""A daemon behind a `token` door."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.owner_client import OwnerClient, owner_client
from tests.setup import running


@pytest.fixture
async def owner(tmp_path: Path) -> AsyncIterator[OwnerClient]:
    """The client of a daemon whose one door wants the token."""
    async with running(tmp_path, access="token") as setup:
        yield owner_client(setup)
