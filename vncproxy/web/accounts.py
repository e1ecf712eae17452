"""Accounts of this machine: the name behind a user id, and an account's groups."""

from __future__ import annotations

import grp
import os
import pwd
import time
from collections.abc import Callable
from pathlib import Path

ROOT_UID = 0
"""Proxies and port forwarders often run as root, and a socket without an owner looks like it."""
FRESH_FOR_S = 30.0
"""An account's groups are looked up again after this long: the directory may be far away."""
MAX_KEPT = 1024

_OVERFLOW = Path("/proc/sys/kernel/overflowuid")


def overflow_uid() -> int:
    """Whom the kernel names for accounts outside of this user namespace. Source: proc(5)."""
    try:
        return int(_OVERFLOW.read_text())
    except (OSError, ValueError):
        return 65534


def account_name(uid: int) -> str | None:
    """The account of a user id; None for those that stand for nobody in particular."""
    if uid in (ROOT_UID, overflow_uid()):
        return None
    try:
        return pwd.getpwuid(uid).pw_name
    except (KeyError, OverflowError):
        return None


def look_up_groups(user: str) -> frozenset[str]:
    """The names of an account's groups; those that list a name without an account, too."""
    try:
        ids = os.getgrouplist(user, pwd.getpwnam(user).pw_gid)
    except (KeyError, ValueError):
        return frozenset(one.gr_name for one in grp.getgrall() if user in one.gr_mem)
    names = set()
    for gid in ids:
        try:
            names.add(grp.getgrgid(gid).gr_name)
        except KeyError:
            # A group without a name can't be in a rule.
            continue
    return frozenset(names)


class UnixGroups:
    """The groups of accounts, each looked up at most every `FRESH_FOR_S`."""

    def __init__(
        self,
        look_up: Callable[[str], frozenset[str]] = look_up_groups,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Nothing is known yet. Args: clock - monotonic seconds."""
        self._look_up = look_up
        self._clock = clock
        self._kept: dict[str, tuple[float, frozenset[str]]] = {}

    def of(self, user: str) -> frozenset[str]:
        """The groups of an account."""
        now = self._clock()
        kept = self._kept.get(user)
        if kept is not None and kept[0] > now:
            return kept[1]
        if len(self._kept) >= MAX_KEPT:
            self._kept.clear()
        found = self._look_up(user)
        self._kept[user] = (now + FRESH_FOR_S, found)
        return found

    def forget(self) -> None:
        """Look everybody up anew."""
        self._kept.clear()
