"""What holding links saved since the daemon started; it outlives the consoles themselves."""

from __future__ import annotations

from dataclasses import dataclass

MAX_INSTANCES = 4096
"""The one not looked up for longest goes first."""


@dataclass(slots=True)
class Saved:
    """Of one instance.

    Args: dials_avoided - viewers that found a link in place; losses_survived - lost links that were
    replaced under their viewers.
    """

    dials_avoided: int = 0
    losses_survived: int = 0


class Savings:
    """Of all instances."""

    def __init__(self) -> None:
        """Nothing was saved yet."""
        self._saved: dict[str, Saved] = {}

    def of(self, instance_id: str) -> Saved:
        """The counts of an instance, to be added to."""
        saved = self._saved.pop(instance_id, None) or Saved()
        self._saved[instance_id] = saved
        if len(self._saved) > MAX_INSTANCES:
            del self._saved[next(iter(self._saved))]
        return saved
