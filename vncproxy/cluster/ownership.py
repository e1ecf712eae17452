"""Which daemon has which console: the cloud allows one VNC session for each instance."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol

from vncproxy.errors import ConsoleElsewhere

LEASE_S = 15.0
"""A claim that isn't renewed ends by itself, so that a daemon that died blocks nobody for long."""

RENEW_INTERVAL_S = LEASE_S / 3
"""Two renewals may fail without a loss."""


@dataclass(frozen=True, slots=True)
class Owner:
    """The daemon that has a console, as its users know it.

    Args:
        name: For people.
        url: Where its pages are, "" if that isn't known.
        pass_on: Whether ours go on there by themselves.
    """

    name: str
    url: str = ""
    pass_on: bool = False

    def refusal(self) -> ConsoleElsewhere:
        """The error for a viewer that came to the wrong daemon."""
        return ConsoleElsewhere(self.name, self.url, pass_on=self.pass_on)


class Ownership(Protocol):
    """Claims on consoles. Where nobody can be asked they are granted: the cloud's rule remains."""

    async def claim(self, instance_id: str) -> Owner | None:
        """Take a console for this daemon.

        Returns:
            None if this daemon has it now, else the daemon that has it.
        """

    async def owner(self, instance_id: str) -> Owner | None:
        """Which other daemon has a console; None: none, or none that is known."""

    async def renew(self, instance_ids: Collection[str]) -> dict[str, Owner]:
        """Go on holding these, to be repeated every `RENEW_INTERVAL_S`.

        Returns:
            Those that another daemon has taken meanwhile, and which daemon.
        """

    async def release(self, instance_id: str) -> None:
        """The console is closed, its link has left the cloud's slot."""

    async def close(self) -> None:
        """Release what is still held."""


class LocalOwnership:
    """A single daemon: every console is its own."""

    async def claim(self, instance_id: str) -> Owner | None:
        """See `Ownership.claim`."""
        return None

    async def owner(self, instance_id: str) -> Owner | None:
        """See `Ownership.owner`."""
        return None

    async def renew(self, instance_ids: Collection[str]) -> dict[str, Owner]:
        """See `Ownership.renew`."""
        return {}

    async def release(self, instance_id: str) -> None:
        """See `Ownership.release`."""

    async def close(self) -> None:
        """See `Ownership.close`."""
