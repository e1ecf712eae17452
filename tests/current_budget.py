"""A budget that a test changes, as a reload does."""

from __future__ import annotations

from dataclasses import dataclass

from vncproxy.throttle.reconnect_budget import Budget


@dataclass
class CurrentBudget:
    """What a ledger asks for the budget in force."""

    now: Budget

    def __call__(self) -> Budget:
        """The one in force."""
        return self.now
