"""Two accounts of this machine, and a group; only root can make them."""

from __future__ import annotations

import contextlib
import grp
import os
import pwd
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.real.peers.presence import miss

NEEDED = ("useradd", "userdel", "setpriv")
_TIMEOUT_S = 60.0


@dataclass(frozen=True)
class Accounts:
    """Two accounts, the second of which is in a group."""

    one: str
    other: str
    group: str


def cannot() -> str | None:
    """Why accounts can't be made here."""
    if os.getuid() != 0:
        return "accounts can be made by root only"
    missing = [name for name in NEEDED if shutil.which(name) is None]
    return f"{', '.join(missing)} missing" if missing else None


@contextmanager
def made_accounts() -> Iterator[Accounts]:
    """New ones, gone afterwards; without a password, so that nobody but root becomes them.

    Where they can't be made the test ends.
    """
    if (reason := cannot()) is not None:
        miss(f"accounts aren't tested: {reason}")
    tag = secrets.token_hex(3)
    made = Accounts(f"vpa{tag}", f"vpb{tag}", f"vpg{tag}")
    # "*" is no password, but not a lock, which would keep sshd's keys out, too.
    usual = ("useradd", "--no-create-home", "--shell", "/bin/sh", "--password", "*")
    try:
        _run("groupadd", made.group)
        _run(*usual, made.one)
        _run(*usual, "-G", made.group, made.other)
        yield made
    finally:
        for account in (made.one, made.other):
            with contextlib.suppress(KeyError):
                pwd.getpwnam(account)
                _run("userdel", account)
        with contextlib.suppress(KeyError):
            grp.getgrnam(made.group)
            _run("groupdel", made.group)


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, timeout=_TIMEOUT_S)


def as_account(account: str, command: list[str]) -> list[str]:
    """A command, to be run by root with the ids of an account."""
    entry = pwd.getpwnam(account)
    return [
        *("setpriv", f"--reuid={entry.pw_uid}", f"--regid={entry.pw_gid}"),
        *("--clear-groups", *command),
    ]


def python() -> str:
    """An interpreter that every account may run: the tests' own may be in somebody's home."""
    system = Path("/usr/bin/python3")
    return str(system) if system.exists() else sys.executable
