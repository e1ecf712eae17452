"""Who may do what, by rules that a test exchanges."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from vncproxy.access.account_directory import Directory
from vncproxy.access.authority import Authority, Policy
from vncproxy.access.users import Users
from vncproxy.config.model import Rule
from vncproxy.service.loaded_config import Current


class ReloadableAuthority(Authority):
    """As the daemon's, whose rules a reload exchanges."""

    def __init__(
        self,
        rules: Sequence[Rule],
        users: Users,
        directory: Directory | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Begin with these rules."""
        directory = directory or Directory()
        self._users = users
        self._current = Current(Policy(rules, users, directory))
        super().__init__(lambda: self._current.now, directory, clock)

    def apply(self, rules: Sequence[Rule]) -> None:
        """From now on these rules count."""
        self._current.swap(Policy(rules, self._users, self.directory))
        self.settle()
