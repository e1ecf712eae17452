"""Settings of the contract whose function this version doesn't have: refused, not ignored.

Whoever builds such a function deletes its line here.
"""

from __future__ import annotations

BLOCKS = frozenset({"rule"})
"""Blocks that may not be written at all."""

KEYS = frozenset(
    {
        ("listen", "trusted_proxies"),
        ("listen", "user_header"),
        ("listen", "header_secret_file"),
        ("access", "users_file"),
    }
)
"""Keys that may only have their default."""

BEGINNINGS = {
    ("listen", "access"): ("users", "peer", "header"),
}
"""Keys of which some values may not be written; what those start with."""

NOT_AVAILABLE = "not available in this version"


def refusal(section: str, key: str, value: object, default: object) -> str | None:
    """What is expected instead of a setting that isn't available; None if it is."""
    if (section, key) in KEYS and value != default:
        return f"no such key: {NOT_AVAILABLE}"
    if str(value).startswith(BEGINNINGS.get((section, key), ("\0",))):
        return f"another value: this one is {NOT_AVAILABLE}"
    return None
