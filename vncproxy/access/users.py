"""The users of `users_file` as a running daemon sees them: changed at once when the file is."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from pathlib import Path

import structlog

from vncproxy.config.users_file import User, digest_of, read_users
from vncproxy.errors import ConfigError

_log = structlog.get_logger("vncproxy.users")

_NOBODY = User(name="", id="", sha256="0" * 64)

_State = tuple[int, int, int] | None
"""Differs between two versions of a file; None: there is no file."""


class Users:
    """Finds users by their tokens."""

    def __init__(
        self,
        path: Path | None,
        changed: Callable[[tuple[User, ...], tuple[User, ...]], None] = lambda before, after: None,
    ) -> None:
        """Read the file.

        Args:
            path: None: there are no users.
            changed: Called with those before and those that count from now on, whenever the file
                changes them.

        Raises:
            ConfigError: The file can't be used.
        """
        self.path = path
        self._changed = changed
        self._by_id: dict[str, User] = {}
        self._by_name: dict[str, User] = {}
        self._seen: _State = self._state()
        self.had_file = self._seen is not None
        """Whether there has ever been one."""
        self._take(read_users(path) if path is not None else ())

    @property
    def all(self) -> tuple[User, ...]:
        """Those that count, as the file was read last."""
        return tuple(self._by_name.values())

    def by_token(self, token: str) -> User | None:
        """Whose token this is. An unknown one takes as long as a wrong one."""
        self.refresh()
        user = self._by_id.get(token.partition(".")[0], _NOBODY)
        matches = hmac.compare_digest(user.sha256, digest_of(token))
        return user if matches and user is not _NOBODY else None

    def named(self, name: str) -> User | None:
        """The user of this name."""
        self.refresh()
        return self._by_name.get(name)

    def refresh(self) -> None:
        """Read the file again if it has changed; one that can't be used lets nobody in."""
        state = self._state()
        if state == self._seen or self.path is None:
            return
        self._seen = state
        self.had_file = self.had_file or state is not None
        before = self.all
        try:
            self._take(read_users(self.path))
            _log.info("users.read", users=len(self._by_name))
        except ConfigError as error:
            self._take(())
            _log.error("users.unusable", text=error.public_text)
        if self.all != before:
            self._changed(before, self.all)

    def _take(self, users: tuple[User, ...]) -> None:
        self._by_id = {user.id: user for user in users}
        self._by_name = {user.name: user for user in users}

    def _state(self) -> _State:
        try:
            found = self.path.stat() if self.path is not None else None
        except OSError:
            return None
        return found and (found.st_ino, found.st_ctime_ns, found.st_size)
