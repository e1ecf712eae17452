"""The users of `users_file`: who they are, their groups, and digests of their tokens.

A token is an id and 256 random bits; the file has only its SHA-256, which for a random text of that
length is as good as a slow hash. It is JSON: {"users": [{"name", "id", "sha256", "groups"}]}.

Whom a proxy, a rule or this machine names may have other names than those of the file:
`is_user_name`.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from vncproxy.config.secrets import read_secret
from vncproxy.durable_files import replace_file
from vncproxy.errors import ConfigError, ConfigProblem, LocalError
from vncproxy.languages.text import Text

NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._@+-]{0,62}")
"""What users and groups may be called; `@` alone in front would read as a group."""
RESERVED = frozenset({"anyone", "native", "owner", "unknown"})
"""What rules, the audit and recordings call those that have no name of their own: whom an open door
lets in, who comes through a native port, the token's owner, and who isn't known."""
_ID_BYTES, _TOKEN_BYTES = 6, 32
_DIGEST = re.compile(r"[0-9a-f]{64}")

_NAME_MAX_LENGTH = 255
"""Of names that the file needn't have; see `is_user_name`."""
_INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0"
    "\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
"""Those that `str.isprintable` counts as visible. Source: Unicode, Default_Ignorable_Code_Point;
and the empty Braille pattern."""


class User(msgspec.Struct, frozen=True, kw_only=True):
    """One user of the file."""

    name: str
    id: str
    """The token's first part, not secret."""
    sha256: str
    """Of the whole token, hexadecimal."""
    groups: tuple[str, ...] = ()


class _Content(msgspec.Struct, frozen=True):
    users: tuple[User, ...] = ()


def is_user_name(text: str) -> bool:
    """Whether it can be one user's name, also one that a proxy, a rule or this machine gives.

    No white space but single spaces within it, nothing that can't be seen; no comma, which would
    join two headers into one; and what begins with @ is a group in a rule. Names are compared as
    they are: one that looks like another, or like nothing, is refused rather than mended, since
    what was cut off it would make it somebody else's.
    """
    if not 0 < len(text) <= _NAME_MAX_LENGTH or text.startswith("@") or "," in text:
        return False
    return text.isprintable() and text == text.strip() and _INVISIBLE.search(text) is None


def new_user(name: str, groups: tuple[str, ...]) -> tuple[User, str]:
    """A user, and the token, which isn't kept anywhere.

    Raises:
        LocalError: No user or group can be called so.
    """
    for text in (name, *groups):
        if NAME.fullmatch(text) is None:
            raise LocalError(
                Text(
                    "{text} can't be a name: 1 to 63 letters, digits or . _ @ + -, of "
                    "which the first is a letter, a digit or _",
                    text=repr(text),
                )
            )
    token_id = secrets.token_hex(_ID_BYTES)
    token = f"{token_id}.{secrets.token_urlsafe(_TOKEN_BYTES)}"
    return User(name=name, id=token_id, sha256=digest_of(token), groups=groups), token


def digest_of(token: str) -> str:
    """What is kept of a token."""
    return hashlib.sha256(token.encode(errors="replace")).hexdigest()


def read_users(path: Path) -> tuple[User, ...]:
    """The users in a file, none where there is no file.

    Raises:
        ConfigError: It isn't such a file, or others may read or write it.
    """
    if not path.exists() and not path.is_symlink():
        return ()
    text = read_secret(path)
    try:
        users = msgspec.json.decode(text, type=_Content).users
    except (msgspec.MsgspecError, RecursionError):
        # Without the cause, which may hold what stands there.
        raise _error(path, Text("a text that isn't a list of users")) from None
    for user in users:
        if NAME.fullmatch(user.name) is None or _DIGEST.fullmatch(user.sha256) is None:
            raise _error(path, Text("a user without a possible name or digest"))
    if len({user.name for user in users}) != len(users) or len({u.id for u in users}) != len(users):
        raise _error(path, Text("a name or an id twice"))
    return users


def change_users(
    path: Path, change: Callable[[tuple[User, ...]], tuple[User, ...]]
) -> tuple[User, ...]:
    """Read, change and write the file, one process at a time.

    It appears with its whole content or not at all, keeps its owner and group, and has mode 0600,
    or 0640 if it had that. A new one that root makes is given to whom its folder belongs, so that
    the daemon's own user can read it.

    Args:
        path: The file; a link stays one.
        change: Gives those to be written for those in the file; may raise LocalError.

    Returns:
        The users that are in the file now.

    Raises:
        ConfigError: As `read_users`.
        LocalError: It can't be written, or `change` refuses.
    """
    try:
        with _locked(path):
            users = change(read_users(path))
            _write(path, msgspec.json.format(msgspec.json.encode(_Content(users))) + b"\n")
    except OSError as fault:
        raise LocalError(
            Text("{path} can't be written: {reason}", path=path, reason=fault.strerror or fault)
        ) from fault
    return users


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """A lock on the folder, since the file itself is replaced."""
    descriptor = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _write(path: Path, content: bytes) -> None:
    # What is replaced is the file that a link leads to.
    path = path.resolve()
    before = path.stat() if path.exists() else None
    owner = before or (path.parent.stat() if os.getuid() == 0 else None)
    if owner is None:
        replace_file(path, content)
        return
    mode = before.st_mode & 0o640 if before else _new_mode(owner)
    replace_file(path, content, mode=mode, owner=(owner.st_uid, owner.st_gid))


def _new_mode(folder: os.stat_result) -> int:
    """For the group of a folder such as root:vncproxy, too."""
    return 0o640 if folder.st_uid == 0 and folder.st_gid != 0 else 0o600


def _error(path: Path, found: str) -> ConfigError:
    expected = Text("what `vncproxy user add` writes")
    return ConfigError([ConfigProblem(str(path), "users_file", found, expected)])
