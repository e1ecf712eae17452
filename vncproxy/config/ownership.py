"""Whether files that decide who may do what are safe from other accounts' hands.

As sshd asks it of its files: they, and the folder they lie in, belong to root or to whom the
daemon runs as, and nobody else may write there. Source: sshd_config(5), StrictModes.
"""

from __future__ import annotations

import grp
import os
import pwd
import stat
from collections.abc import Mapping
from pathlib import Path

EXPECTED = "a file, and a folder around it, that only root or vncproxy's own user may write to"

_ROOT = 0
_NAMES_SHOWN = 3


def trusted_uids(environ: Mapping[str, str], state: Path | None) -> frozenset[int]:
    """Whose files count: root's, and those of whom this process runs as.

    For root also those of whoever became root by sudo, and of the daemon whose state directory
    this is: root runs commands beside it.
    """
    own = os.geteuid()
    uids = {_ROOT, own}
    if own == _ROOT:
        caller = environ.get("SUDO_UID", "")
        if caller.isascii() and caller.isdecimal():
            uids.add(int(caller))
        try:
            if state is not None:
                uids.add(state.stat().st_uid)
        except OSError:
            pass
    return frozenset(uids)


def foreign_hands(path: Path, trusted: frozenset[int]) -> str | None:
    """How others could change a file, or put another in its place, in words; None: they can't.

    A link counts as well as the file it leads to, each with its folder: Kubernetes hands out files
    that way. What is no file, such as a pipe of the shell's, lies in none. Raises: OSError.
    """
    if not path.is_file():
        return foreign_owner(path, trusted)
    for one in dict.fromkeys((path, path.resolve())):
        fault = _of_file(one, trusted) or _of_folder(one, trusted)
        if fault is not None:
            return fault
    return None


def foreign_owner(path: Path, trusted: frozenset[int]) -> str | None:
    """To whom else a file belongs, in words; None: to one of these. Raises: OSError."""
    owner = path.stat().st_uid
    return f"a file of {_account(owner)}" if owner not in trusted else None


def _of_file(path: Path, trusted: frozenset[int]) -> str | None:
    status = path.lstat()
    if status.st_uid not in trusted:
        return f"a file of {_account(status.st_uid)}"
    # The mode of a link says nothing.
    if not stat.S_ISLNK(status.st_mode) and (who := _other_writers(status, trusted)) is not None:
        return f"mode {stat.S_IMODE(status.st_mode):04o}{who}"
    return None


def _of_folder(path: Path, trusted: frozenset[int]) -> str | None:
    status = path.parent.stat()
    if status.st_uid not in trusted:
        return f"a file in {path.parent}, which belongs to {_account(status.st_uid)}"
    # In a folder such as /tmp only its owner may take a file away, who was looked at.
    sticky = status.st_mode & stat.S_ISVTX
    if not sticky and (who := _other_writers(status, trusted)) is not None:
        return f"a file in {path.parent}, which has mode {stat.S_IMODE(status.st_mode):04o}{who}"
    return None


def _other_writers(status: os.stat_result, trusted: frozenset[int]) -> str | None:
    """Who else may write, as the end of a sentence that names the mode, perhaps ""; None: nobody.

    A group may, if it is its owner's alone, as where each account has a group of its own and files
    are made with mode 0664, and nobody else is in it.
    """
    if status.st_mode & stat.S_IWOTH:
        return ""
    if not status.st_mode & stat.S_IWGRP:
        return None
    try:
        group = grp.getgrgid(status.st_gid)
        owner = pwd.getpwuid(status.st_uid)
    except KeyError:
        return ""
    if (owner.pw_gid, owner.pw_name) != (group.gr_gid, group.gr_name):
        return ""
    others = sorted(_accounts_in(group, trusted | {status.st_uid}))
    if not others:
        return None
    more = f" and {len(others) - _NAMES_SHOWN} more" if len(others) > _NAMES_SHOWN else ""
    return f", with {', '.join(others[:_NAMES_SHOWN])}{more} in the group {group.gr_name}"


def _accounts_in(group: grp.struct_group, but: frozenset[int]) -> set[str]:
    """The names of others in a group: its members, and those whose first group it is.

    Directories such as SSSD may not list all accounts; then only their members are seen.
    """
    first = {one.pw_name: one.pw_uid for one in pwd.getpwall() if one.pw_gid == group.gr_gid}
    uids = first | {name: _uid(name) for name in group.gr_mem}
    return {name for name, uid in uids.items() if uid not in but}


def _uid(name: str) -> int | None:
    try:
        return pwd.getpwnam(name).pw_uid
    except KeyError:
        return None


def _account(uid: int) -> str:
    try:
        return f"{pwd.getpwuid(uid).pw_name} (uid {uid})"
    except KeyError:
        return f"uid {uid}"
