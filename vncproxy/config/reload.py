"""What a reload can't change."""

from __future__ import annotations

from vncproxy.config.model import Config

NEED_RESTART = {"listen": "[[listen]]", "state": "[state]", "throttle": "[throttle]"}
"""Parts that are built once, at the start: the sockets, the state folder and the ledger."""


def changes_needing_restart(old: Config, new: Config) -> list[str]:
    """The parts that differ and stay as they were until a restart, as the file writes them."""
    return [
        written
        for part, written in NEED_RESTART.items()
        if getattr(old, part) != getattr(new, part)
    ]
