"""What a reload can't change."""

from __future__ import annotations

from msgspec.structs import replace

from vncproxy.config.model import Config

NEED_RESTART = {
    "listen": "[[listen]]",
    "state": "[state]",
    "throttle": "[throttle]",
}
"""Parts that are built once, at the start: sockets, state folder, the ledger's store."""


def changes_needing_restart(old: Config, new: Config) -> list[str]:
    """The parts that differ and stay as they were until a restart, as the file writes them."""
    return [
        written
        for part, written in NEED_RESTART.items()
        if getattr(old, part) != getattr(new, part)
    ]


def without_restart(old: Config, new: Config) -> Config:
    """The new configuration, but for what stays as it was until a restart."""
    return replace(new, **{part: getattr(old, part) for part in NEED_RESTART})
