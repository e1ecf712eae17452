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
    if not stat.S_ISLNK(status.st_mode) and _others_may_write(status):
        return f"mode {stat.S_IMODE(status.st_mode):04o}"
    return None


def _of_folder(path: Path, trusted: frozenset[int]) -> str | None:
    status = path.parent.stat()
    if status.st_uid not in trusted:
        return f"a file in {path.parent}, which belongs to {_account(status.st_uid)}"
    # In a folder such as /tmp only its owner may take a file away, who was looked at.
    if _others_may_write(status) and not status.st_mode & stat.S_ISVTX:
        return f"a file in {path.parent}, which has mode {stat.S_IMODE(status.st_mode):04o}"
    return None


def _others_may_write(status: os.stat_result) -> bool:
    if status.st_mode & stat.S_IWOTH:
        return True
    return bool(status.st_mode & stat.S_IWGRP) and not _is_own_group(status)


def _is_own_group(status: os.stat_result) -> bool:
    """Whether a file's group is its owner alone, as where each account has a group of its own.

    There files are made with mode 0664.
    """
    if status.st_uid == _ROOT:
        return status.st_gid == _ROOT
    try:
        account, group = pwd.getpwuid(status.st_uid), grp.getgrgid(status.st_gid)
    except KeyError:
        return False
    own = (account.pw_gid, account.pw_name) == (group.gr_gid, group.gr_name)
    return own and set(group.gr_mem) <= {account.pw_name}


def _account(uid: int) -> str:
    try:
        return f"{pwd.getpwuid(uid).pw_name} (uid {uid})"
    except KeyError:
        return f"uid {uid}"
