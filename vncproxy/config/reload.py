"""What a reload can't change."""

from __future__ import annotations

from msgspec.structs import replace

from vncproxy.config.model import Config

NEED_RESTART = {
    "listen": "[[listen]]",
    "state": "[state]",
    "throttle": "[throttle]",
    "audit": "[audit]",
}
"""Parts that are built once, at the start: sockets, state folder, ledger, the audit's file."""

SETTINGS_NEED_RESTART = {
    ("limits", "reconnects_per_minute"): "[limits] reconnects_per_minute",
    ("aliyun", "call_timeout"): "[aliyun] call_timeout",
}
"""Settings that the ledger was built with."""


def changes_needing_restart(old: Config, new: Config) -> list[str]:
    """The parts that differ and stay as they were until a restart, as the file writes them."""
    parts = [
        written
        for part, written in NEED_RESTART.items()
        if getattr(old, part) != getattr(new, part)
    ]
    settings = [
        written
        for (section, key), written in SETTINGS_NEED_RESTART.items()
        if getattr(getattr(old, section), key) != getattr(getattr(new, section), key)
    ]
    return parts + settings


def without_restart(old: Config, new: Config) -> Config:
    """The new configuration, but for what stays as it was until a restart."""
    kept = {part: getattr(old, part) for part in NEED_RESTART}
    for section, key in SETTINGS_NEED_RESTART:
        value = getattr(getattr(old, section), key)
        kept[section] = replace(getattr(new, section), **{key: value})
    return replace(new, **kept)
