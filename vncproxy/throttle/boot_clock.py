"""A clock that all processes of this machine share and that nobody can set.

CLOCK_BOOTTIME counts seconds since boot, suspend included, and never jumps; wall-clock changes
don't touch it. It starts again at each boot, so its instants mean something only beside the
boot's id (and the time namespace, in which a container may have a shifted clock). Source:
clock_gettime(2), random(4) on boot_id, time_namespaces(7).
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from vncproxy.errors import LedgerError

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_TIME_NAMESPACE = Path("/proc/self/ns/time")


class EpochClock(Protocol):
    """Seconds that may be compared between processes as long as `epoch` is the same."""

    @property
    def epoch(self) -> str:
        """Names the origin of the clock."""
        ...

    def now(self) -> float:
        """Seconds since the epoch's origin."""
        ...


@dataclass(frozen=True, slots=True)
class BootClock:
    """The machine's CLOCK_BOOTTIME in the boot named by `epoch`."""

    epoch: str

    def now(self) -> float:
        """Seconds since boot, suspend included."""
        return time.clock_gettime(time.CLOCK_BOOTTIME)


def this_boot() -> BootClock:
    """The clock of the running boot.

    Raises:
        LedgerError: The system has no such clock.
    """
    try:
        boot_id = _BOOT_ID.read_text("ascii").strip()
    except OSError as error:
        raise LedgerError(
            "this system doesn't tell its boot id, which the ledger needs to survive restarts; "
            'set store = "memory" in [throttle] to do without'
        ) from error
    try:
        namespace = str(_TIME_NAMESPACE.readlink())
    except OSError:  # Linux before 5.6 has no time namespaces
        namespace = "time:none"
    return BootClock(f"{boot_id} {namespace}")
