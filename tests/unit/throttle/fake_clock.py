"""A clock for tests, moved by hand."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class FakeClock:
    """Seconds since the origin named by `epoch`; shared by the ledgers of a test."""

    seconds: float = 1000.0
    epoch: str = "boot-1"

    def now(self) -> float:
        return self.seconds

    def __call__(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds
