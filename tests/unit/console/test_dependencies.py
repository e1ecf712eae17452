"""What every console of a daemon shares."""

from __future__ import annotations

from pathlib import Path

from tests.unit.console.surroundings import surroundings
from vncproxy.console.dependencies import FIRST_PAUSE_S, HANDSHAKE_TIMEOUT_S, ConsoleDependencies


async def test_what_is_not_said_is_usual(tmp_path: Path) -> None:
    """Pauses are scattered, handshakes limited, and nothing is recorded."""
    async with surroundings(tmp_path) as around:
        given = around.parts
        parts = ConsoleDependencies(
            given.limits, given.ledger, given.cloud, given.dial, given.learned, given.metrics
        )
    assert parts.recordings is None
    assert (parts.first_pause_s, parts.handshake_timeout_s) == (FIRST_PAUSE_S, HANDSHAKE_TIMEOUT_S)
    assert len({parts.scatter() for _ in range(10)}) > 1
