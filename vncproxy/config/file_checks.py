"""The files that settings name: whether they are there, and safe from other accounts.

Those that decide who may do what are judged as sshd judges its files: they, and the folder they lie
in, belong to root or to whom the daemon runs as, and nobody else may write there. Source:
sshd_config(5), StrictModes.
"""

from __future__ import annotations

import grp
import os
import pwd
import stat
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from vncproxy.addresses import is_shared, parse_store_url
from vncproxy.config.model import Config
from vncproxy.config.paths import state_folder
from vncproxy.config.problems import KeyPath, Report
from vncproxy.config.secrets import (
    FORBIDDEN_MODE,
    read_header_secret,
    read_secret,
    read_vnc_password,
)
from vncproxy.config.users_file import read_users
from vncproxy.errors import ConfigError
from vncproxy.languages.text import Text, shortened

CREDENTIALS = Path("/run/credentials")
"""Where systemd shows each service's credentials, in a folder of the service's name, to that
service alone. Source: systemd.exec(5), LoadCredential=."""

EXPECTED = Text(
    "a file, and a folder around it, that only root or vncproxy's own user may write to"
)

_ROOT = 0
_NAMES_SHOWN = 3


def check_files(
    config: Config, report: Report, environ: Mapping[str, str], file: Path | None = None
) -> None:
    """Note every file that a setting names and that can't serve.

    Args:
        config: The settings; those that the report has as faulty are left out.
        report: Takes the mistakes.
        environ: Says which of systemd's credentials this process sees. Those of the service are
            left out in a command beside it, which can't see them and doesn't need them.
        file: The configuration's own, which is checked, too.
    """
    trusted = trusted_uids(environ, _state(config, environ))
    if file is not None:
        _check_own(report, file, trusted)
    check = partial(_check, report, environ.get("CREDENTIALS_DIRECTORY"))
    secret = partial(_secret, read_secret, trusted)
    proxy = partial(_secret, read_header_secret, trusted)
    for index, door in enumerate(config.listen):
        check(("listen", index, "certificate"), door.certificate, _check_readable)
        check(("listen", index, "key"), door.key, read_secret)
        check(("listen", index, "header_secret_file"), door.header_secret_file, proxy)
    check(("access", "token_file"), config.access.token_file, partial(_check_token, secret))
    check(("access", "users_file"), config.access.users_file, partial(_check_users, trusted))
    check(("aliyun", "ca_file"), config.aliyun.ca_file, _check_readable)
    check(("throttle", "ca_file"), config.throttle.ca_file, _check_readable)
    _check_store(report, config.throttle.store)
    check(("state", "directory"), config.state.directory, _check_folder)
    password = partial(_secret, read_vnc_password, trusted)
    for index, instance in enumerate(config.instance):
        check(("instance", index, "password_file"), instance.password_file, password)


def _check_own(report: Report, file: Path, trusted: frozenset[int]) -> None:
    try:
        fault = foreign_hands(file, trusted)
    except OSError as error:
        fault = _reason(error)
    if fault is not None:
        report.add((), fault, EXPECTED)


def _check(
    report: Report,
    own_credentials: str | None,
    path: KeyPath,
    file: Path | None,
    test: Callable[[Path], object],
) -> None:
    if file is None or not report.usable(path):
        return
    if CREDENTIALS in file.parents and (
        own_credentials is None or Path(own_credentials) not in file.parents
    ):
        return

    def found(what: str) -> Text:
        return Text("{path}: {what}", path=report.written(path), what=what)

    try:
        test(file)
    except ConfigError as error:
        for problem in error.problems:
            report.add(path, found(problem.found), problem.expected)
    except OSError as error:
        report.add(path, found(_reason(error)), Text("a file that can be read"))
    except _WrongTypeError as error:
        report.add(path, found(Text("not {wanted}", wanted=str(error))), str(error))
    except _ForeignError as error:
        report.add(path, found(str(error)), EXPECTED)


def _check_store(report: Report, store: str) -> None:
    """A password in the store's address makes the configuration itself a secret file."""
    path = ("throttle", "store")
    file = report.file_of(path)
    if file is None or not report.usable(path) or not is_shared(store):
        return
    if parse_store_url(store).password is None:
        return
    mode = stat.S_IMODE(file.stat().st_mode)
    if mode & FORBIDDEN_MODE:
        report.add(
            path,
            Text("a password, in a file of mode {mode}", mode=f"{mode:04o}"),
            Text(
                "mode 0600, or 0640, for the file; or VNCPROXY_THROTTLE__STORE in the environment"
            ),
        )


def _reason(error: OSError) -> str:
    return error.strerror.lower() if error.strerror else Text("an error")


class _ForeignError(Exception):
    """Others than those who may could change it; the text says how."""


class _WrongTypeError(Exception):
    """There is something, but not what is wanted; the text says what that is."""


def _check_readable(file: Path) -> None:
    if not stat.S_ISREG(file.stat().st_mode):
        raise _WrongTypeError(Text("a regular file"))
    with file.open("rb"):
        pass


def _secret(read: Callable[[Path], object], trusted: frozenset[int], file: Path) -> None:
    """What is known to whom it belongs proves nothing; a certificate's key proves nobody's rights,
    and often belongs to what renews it.
    """
    read(file)
    if (fault := foreign_owner(file, trusted)) is not None:
        raise _ForeignError(fault)


def _check_users(trusted: frozenset[int], file: Path) -> None:
    read_users(file)
    if file.exists() and (fault := foreign_hands(file, trusted)) is not None:
        raise _ForeignError(fault)


def _state(config: Config, environ: Mapping[str, str]) -> Path | None:
    try:
        return state_folder(config, environ)
    except ConfigError:
        # Reported where it is needed.
        return None


def _check_token(secret: Callable[[Path], object], file: Path) -> None:
    """A token is made when it is missing; a link that leads nowhere isn't a missing token."""
    if file.exists() or file.is_symlink():
        secret(file)


def _check_folder(folder: Path) -> None:
    """The state folder is made when it is missing."""
    if folder.exists() and not folder.is_dir():
        raise _WrongTypeError("a folder")


def trusted_uids(environ: Mapping[str, str], state: Path | None) -> frozenset[int]:
    """Whose files count: root's, and those of the account that this process runs as.

    For root also those of the account that became root by sudo, and of the daemon whose state
    directory this is: root runs commands beside it.

    Args:
        environ: Where sudo says who called it.
        state: The state directory, if it is known.
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
    that way. What is no file, such as a pipe of the shell's, lies in none.

    Args:
        path: The file.
        trusted: The user ids that may, as `trusted_uids` gives them.

    Raises:
        OSError: It can't be looked at.
    """
    if not path.is_file():
        return foreign_owner(path, trusted)
    for one in dict.fromkeys((path, path.resolve())):
        fault = _of_file(one, trusted) or _of_folder(one, trusted)
        if fault is not None:
            return fault
    return None


def foreign_owner(path: Path, trusted: frozenset[int]) -> str | None:
    """To whom else a file belongs, in words; None: to one of these user ids.

    Raises:
        OSError: It can't be looked at.
    """
    owner = path.stat().st_uid
    return Text("a file of {account}", account=_account(owner)) if owner not in trusted else None


def _of_file(path: Path, trusted: frozenset[int]) -> str | None:
    status = path.lstat()
    if status.st_uid not in trusted:
        return Text("a file of {account}", account=_account(status.st_uid))
    # The mode of a link says nothing.
    if not stat.S_ISLNK(status.st_mode) and (who := _other_writers(status, trusted)) is not None:
        return _with_writers(Text("mode {mode}", mode=_mode(status)), who)
    return None


def _of_folder(path: Path, trusted: frozenset[int]) -> str | None:
    status = path.parent.stat()
    if status.st_uid not in trusted:
        return Text(
            "a file in {folder}, which belongs to {account}",
            folder=path.parent,
            account=_account(status.st_uid),
        )
    # In a folder such as /tmp only a file's owner, checked before, may take it away.
    sticky = status.st_mode & stat.S_ISVTX
    if not sticky and (who := _other_writers(status, trusted)) is not None:
        text = Text(
            "a file in {folder}, which has mode {mode}", folder=path.parent, mode=_mode(status)
        )
        return _with_writers(text, who)
    return None


def _other_writers(status: os.stat_result, trusted: frozenset[int]) -> str | None:
    """Who else may write, in words, "" where the mode says it all; None: nobody.

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
    names = shortened(others, _NAMES_SHOWN)
    return Text("{names} in the group {group}", names=names, group=group.gr_name)


def _with_writers(text: Text, who: str) -> Text:
    return Text("{text}, with {who}", text=text, who=who) if who else text


def _mode(status: os.stat_result) -> str:
    return f"{stat.S_IMODE(status.st_mode):04o}"


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
        return Text("{name} (uid {uid})", name=pwd.getpwuid(uid).pw_name, uid=uid)
    except KeyError:
        return Text("uid {uid}", uid=uid)
