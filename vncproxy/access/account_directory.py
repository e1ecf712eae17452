"""The machine's directory of accounts, as the daemon may ask it: never while others wait.

It may be on another machine (LDAP, Active Directory by SSSD), and take a minute to say that it
isn't there. What is asked at once is what is known already; who needs more learns it first.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

import structlog

from vncproxy.access.accounts import account_name, is_person, look_up_groups
from vncproxy.access.lookup_cache import LookupCache
from vncproxy.errors import AccessError, Side
from vncproxy.observe.log_throttle import LogThrottle

_K = TypeVar("_K", int, str)
_V = TypeVar("_V")

_log = structlog.get_logger("vncproxy.accounts")

ANSWER_TIMEOUT_S = 5.0
"""How long a request waits for the directory, if nothing is known of the account yet."""
PATIENCE_S = 1.0
"""How long it waits if there is an older answer."""
KEPT_FOR_S = 600.0
"""How long an older answer counts, while the directory gives no new one."""


class DirectoryAway(AccessError):  # noqa: N818 - a state, as ConsoleElsewhere is
    """Whether somebody may do something isn't known: this is no denial."""

    side = Side.DAEMON

    def __init__(self) -> None:
        super().__init__(
            503,
            "directory-away",
            "This machine's directory of accounts doesn't answer, so it isn't known who you are or "
            "which groups you are in. Try again in a moment.",
            ANSWER_TIMEOUT_S,
        )


class Directory:
    """Names of user ids, and groups of accounts.

    Args:
        name_of: Asks the machine for an account's name; may take long.
        groups_of: Asks the machine for an account's groups; may take long.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        groups_of: Callable[[str], frozenset[str]] = look_up_groups,
        name_of: Callable[[int], str | None] = account_name,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._names = LookupCache(name_of, clock)
        self._groups = LookupCache(groups_of, clock)
        self._clock = clock
        self._slow = LogThrottle()

    def name(self, uid: int) -> str | None:
        """The account of a user id, as `account_name`.

        Raises:
            DirectoryAway: It isn't known.
        """
        # Most daemons and proxies: there is nothing to be asked.
        return _known(self._names, uid) if is_person(uid) else None

    def groups(self, user: str) -> frozenset[str]:
        """An account's groups, as they were known last.

        Raises:
            DirectoryAway: They aren't known.
        """
        return _known(self._groups, user)

    async def learn_name(self, uid: int) -> None:
        """Let `name` know this one.

        Raises:
            DirectoryAway: The directory doesn't answer.
        """
        if is_person(uid):
            await self._learn(self._names, uid)

    async def learn_groups(self, user: str) -> None:
        """Let `groups` know this one's.

        Raises:
            DirectoryAway: The directory doesn't answer.
        """
        await self._learn(self._groups, user)

    async def refresh_groups(self, user: str) -> bool:
        """Let `groups` know them as they are now; False: the directory doesn't answer in time."""
        return await self._groups.learn(user, ANSWER_TIMEOUT_S)

    def expire(self) -> None:
        """What is known is to be asked for again."""
        self._names.expire()
        self._groups.expire()

    async def _learn(self, lookups: LookupCache[_K, _V], key: _K) -> None:
        old = _has(lookups, key)
        if await lookups.learn(key, PATIENCE_S if old else ANSWER_TIMEOUT_S):
            return
        if count := self._slow.seen("away", self._clock()):
            _log.warning(
                "directory.away", times=count, text="this machine's accounts take long to look up"
            )
        if not _has(lookups, key):
            raise DirectoryAway


def _has(lookups: LookupCache[_K, _V], key: _K) -> bool:
    try:
        lookups.known(key, KEPT_FOR_S)
    except LookupError:
        return False
    return True


def _known(lookups: LookupCache[_K, _V], key: _K) -> _V:
    try:
        return lookups.known(key)
    except LookupError:
        raise DirectoryAway from None
