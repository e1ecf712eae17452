"""Accounts of this machine: the name behind a user id, and an account's groups.

Names and groups may take long to look up: the daemon does so by `Directory`.
"""

from __future__ import annotations

import grp
import os
import pwd
from functools import cache
from pathlib import Path

from vncproxy.config.users_file import is_user_name

ROOT_UID = 0
"""Proxies and port forwarders often run as root, and a socket without an owner counts as its."""

DYNAMIC_UIDS = range(61184, 65520)
"""Accounts that systemd makes for a running service. Source: systemd, UIDS-GIDS."""
UID_MIN = 1000
"""Below it are the accounts of services, where /etc/login.defs says nothing else. Source:
login.defs(5)."""

_OVERFLOW = Path("/proc/sys/kernel/overflowuid")
_LOGIN_DEFS = Path("/etc/login.defs")


def overflow_uid() -> int:
    """The uid that stands for accounts outside of this user namespace. Source: proc(5)."""
    try:
        return int(_OVERFLOW.read_text())
    except (OSError, ValueError):
        return 65534


@cache
def least_uid(login_defs: Path = _LOGIN_DEFS) -> int:
    """The first user id of people. Source: login.defs(5), UID_MIN."""
    try:
        lines = login_defs.read_text(errors="replace").splitlines()
    except OSError:
        return UID_MIN
    for line in lines:
        match line.split():
            case ["UID_MIN", number, *_] if number.isdecimal():
                return int(number)
    return UID_MIN


def is_person(uid: int) -> bool:
    """Whether a user id is of the kind that people have."""
    services = uid < max(least_uid(), ROOT_UID + 1) or uid in DYNAMIC_UIDS
    return not services and uid != overflow_uid()


def account_name(uid: int) -> str | None:
    """The account of a user id; None for those that stand for nobody in particular.

    Behind root, and behind a service's account, anybody may be: most proxies don't say for whom
    they ask.
    """
    if not is_person(uid):
        return None
    try:
        name = pwd.getpwuid(uid).pw_name
    except (KeyError, OverflowError):
        return None
    return name if is_user_name(name) else None


def uid_of(name: str) -> int | None:
    """The user id of an account, None where there is none."""
    try:
        return pwd.getpwnam(name).pw_uid
    except (KeyError, ValueError):
        return None


def is_own(uid: int) -> bool:
    """Whether it is the daemon's own account, unless that is root's: others run as root, too.

    Nor if it is the one that the kernel names for all accounts outside of this user namespace.
    """
    return uid == os.geteuid() and uid not in (ROOT_UID, overflow_uid())


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
