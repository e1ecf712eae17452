"""The files that settings name: whether they are there, their secrets are safe, and they belong to
who may say what counts.
"""

from __future__ import annotations

import stat
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from vncproxy.config.lines import Path as KeyPath
from vncproxy.config.model import Config
from vncproxy.config.ownership import EXPECTED, foreign_hands, foreign_owner, trusted_uids
from vncproxy.config.problems import Report
from vncproxy.config.search import state_folder
from vncproxy.config.secrets import (
    FORBIDDEN_MODE,
    read_header_secret,
    read_secret,
    read_vnc_password,
)
from vncproxy.config.store_url import is_shared, parse_store_url
from vncproxy.config.users_file import read_users
from vncproxy.errors import ConfigError

CREDENTIALS = Path("/run/credentials")
"""Where systemd shows each service's credentials, in a folder of the service's name, to that
service alone. Source: systemd.exec(5), LoadCredential=."""


def check_files(
    config: Config, report: Report, environ: Mapping[str, str], file: Path | None = None
) -> None:
    """Note every file that a setting names and that can't serve.

    Args: environ - says which of systemd's credentials this process sees; those of the service are
    left out in a command beside it, which can't see them and doesn't need them; file - the
    configuration's own, which is looked at, too.
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
        fault = (error.strerror or "an error").lower()
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
    try:
        test(file)
    except ConfigError as error:
        for problem in error.problems:
            report.add(path, f"{report.written(path)}: {problem.found}", problem.expected)
    except OSError as error:
        reason = (error.strerror or "an error").lower()
        report.add(path, f"{report.written(path)}: {reason}", "a file that can be read")
    except _WrongTypeError as error:
        report.add(path, f"{report.written(path)}: not {error}", str(error))
    except _ForeignError as error:
        report.add(path, f"{report.written(path)}: {error}", EXPECTED)


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
            f"a password, in a file of mode {mode:04o}",
            "mode 0600, or 0640, for the file; or VNCPROXY_THROTTLE__STORE in the environment",
        )


class _ForeignError(Exception):
    """Others than those who may could change it; the text says how."""


class _WrongTypeError(Exception):
    """There is something, but not what is wanted; the text says what that is."""


def _check_readable(file: Path) -> None:
    if not stat.S_ISREG(file.stat().st_mode):
        raise _WrongTypeError("a regular file")
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
        # Told where it is needed.
        return None


def _check_token(secret: Callable[[Path], object], file: Path) -> None:
    """A token is made when it is missing; a link that leads nowhere isn't a missing token."""
    if file.exists() or file.is_symlink():
        secret(file)


def _check_folder(folder: Path) -> None:
    """The state folder is made when it is missing."""
    if folder.exists() and not folder.is_dir():
        raise _WrongTypeError("a folder")
