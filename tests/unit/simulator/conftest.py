"""A simulated cloud with two still instances."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest

from vncproxy.simulator import SimulatedInstance, Simulator, SimulatorSettings

INSTANCES = (
    SimulatedInstance("i-one", "one"),
    SimulatedInstance("i-two", "two", vnc_password="abc123"),
)

StartCloud = Callable[..., Awaitable[Simulator]]


@pytest.fixture
async def start_cloud() -> AsyncIterator[StartCloud]:
    """Start a simulator: settings as keywords, `clock` for its clock."""
    async with AsyncExitStack() as stack:

        async def start(clock: Callable[[], float] | None = None, **wanted: Any) -> Simulator:
            defaults: dict[str, Any] = {"animated": False, "instances": INSTANCES, "seed": 1}
            settings = SimulatorSettings(**(defaults | wanted))
            cloud = Simulator(settings, clock=clock) if clock else Simulator(settings)
            return await stack.enter_async_context(cloud)

        yield start


@pytest.fixture
async def cloud(start_cloud: StartCloud) -> Simulator:
    """With the documented rules."""
    return await start_cloud()
