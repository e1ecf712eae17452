"""The one reference through which everybody reads the configuration in force."""

from __future__ import annotations

from typing import Generic, TypeVar

T = TypeVar("T")


class Current(Generic[T]):
    """Holds what was loaded last. It is read at each use; a reload exchanges it whole.

    Code that needs the same settings over an `await` keeps what `now` gave, and none keeps it for
    longer than one piece of work.
    """

    def __init__(self, first: T) -> None:
        """Begin with what was loaded at the start."""
        self._now = first

    @property
    def now(self) -> T:
        """What is in force; never changed, only exchanged."""
        return self._now

    def swap(self, new: T) -> T:
        """From now on this is in force.

        Returns:
            What was until now.
        """
        old, self._now = self._now, new
        return old
