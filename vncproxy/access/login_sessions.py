"""Log-ins by cookie: they outlive the daemon, and a log-out is for good.

The cookie's text is random; only its digest is kept, in `sessions.json` of the state directory.
The digest is keyed with the owner's token: another token ends all log-ins.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import msgspec
import structlog

from vncproxy.access.identity import Identity, Kind
from vncproxy.durable_files import replace_file
from vncproxy.errors import LocalError
from vncproxy.observe.redaction import Redactor

FILE_NAME = "sessions.json"
ID_FILE_NAME = "daemon-id"
MAX_SESSIONS = 1024
"""The oldest goes when there are more."""
MAX_SESSIONS_OF_ONE = 32
"""A user's own oldest goes when that user has more: nobody's is pushed out by somebody else."""

_log = structlog.get_logger("vncproxy.sessions")


class _Session(msgspec.Struct, frozen=True):
    user: str
    until: float
    kind: Kind = "token"
    token_id: str = ""
    account: int | None = None


class Sessions:
    """Who is logged in."""

    def __init__(
        self,
        folder: Path,
        life_s: Callable[[], float],
        key: Callable[[], bytes],
        redactor: Redactor,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Read what there is; a file that isn't ours counts as none: everybody logs in again.

        Args:
            folder: The state directory.
            life_s: Gives how long a log-in that begins now lasts, in s.
            key: Gives the key of the digests in force; another one makes all log-ins void.
            redactor: Hides the cookies' texts.
            clock: Seconds since 1970.
        """
        self._life_s = life_s
        self._path = folder / FILE_NAME
        self._key = key
        self._redactor = redactor
        self._clock = clock
        self._saving = asyncio.Lock()
        self._sessions: dict[str, _Session] = {}
        self._over: deque[str] = deque(maxlen=MAX_SESSIONS)
        try:
            self._sessions = msgspec.json.decode(self._path.read_bytes(), type=dict[str, _Session])
        except FileNotFoundError:
            pass
        except (OSError, msgspec.MsgspecError):
            _log.warning("sessions.started_fresh")
        # Cookies ignore ports: daemons on one host must not share a name.
        self.daemon_id = daemon_id(folder)
        self.cookie_name = f"vncproxy-{self.daemon_id}"

    @property
    def life_s(self) -> float:
        """How long a log-in that begins now lasts, in s."""
        return self._life_s()

    async def begin(self, identity: Identity, account: int | None = None) -> str:
        """Log in; gives the cookie's value.

        Args:
            identity: Who logs in.
            account: The user id of the account of this machine that does, None for others.
        """
        text = secrets.token_urlsafe(32)
        self._redactor.register(text, short_lived=True)
        until = self._clock() + self.life_s
        session = _Session(identity.user, until, identity.kind, identity.token_id, account)
        self._make_room(session)
        self._sessions[self._digest(text)] = session
        await self._save()
        return text

    def find(self, text: str, account: int | None = None) -> Identity | None:
        """Who has this cookie.

        Args:
            text: The cookie's value.
            account: As for `begin`. A browser sends a cookie to every port of a host, so other
                accounts' programs that listen there get it: from those accounts it is void.
        """
        digest = self._digest(text)
        session = self._sessions.get(digest)
        if session is None or session.until <= self._clock():
            return None
        if session.account is not None and session.account != account:
            _log.warning("session.of_another_account", user=session.user, account=account)
            return None
        return Identity(session.user, "cookie", session.kind, session.token_id, digest)

    def is_over(self, login: str) -> bool:
        """Whether somebody has logged out of this log-in, as `find` names it."""
        return login in self._over

    async def end(self, text: str) -> None:
        """Log out, for good.

        Raises:
            LocalError: A restart would bring the log-in back.
        """
        digest = self._digest(text)
        ended = self._sessions.pop(digest, None) is not None
        if ended:
            self._over.append(digest)
        if ended and not await self._save():
            raise LocalError(
                "You are logged out, but that can't be written to the state directory: a restart "
                "of the daemon would log you in again."
            )

    def _make_room(self, coming: _Session) -> None:
        who = (coming.kind, coming.user)
        own = [(s.until, k) for k, s in self._sessions.items() if (s.kind, s.user) == who]
        for _, digest in sorted(own)[: max(0, len(own) - MAX_SESSIONS_OF_ONE + 1)]:
            del self._sessions[digest]

    def _digest(self, text: str) -> str:
        return hmac.new(self._key(), text.encode(errors="replace"), hashlib.sha256).hexdigest()

    async def _save(self) -> bool:
        """Whether it could be written."""
        now = self._clock()
        live = [(k, s) for k, s in self._sessions.items() if s.until > now]
        self._sessions = dict(sorted(live, key=lambda item: item[1].until)[-MAX_SESSIONS:])
        async with self._saving:
            content = msgspec.json.encode(self._sessions)
            return await asyncio.to_thread(_replace, self._path, content)


def daemon_id(folder: Path) -> str:
    """An id that no other daemon has, made when it is missing.

    Args:
        folder: The state directory.
    """
    with suppress(OSError):
        if (known := known_daemon_id(folder)) is not None:
            return known
    made = secrets.token_hex(6)
    _replace(folder / ID_FILE_NAME, made.encode())
    return made


def known_daemon_id(folder: Path) -> str | None:
    """The id of the daemon whose state this folder has; None: none has run with it.

    Raises:
        OSError: It can't be read.
    """
    try:
        found = (folder / ID_FILE_NAME).read_text().strip()
    except (FileNotFoundError, UnicodeDecodeError):
        return None
    return found if found.isalnum() else None


def _replace(path: Path, content: bytes) -> bool:
    """Whether the file has this content now."""
    try:
        replace_file(path, content)
    except OSError as fault:
        # A log-in that isn't kept ends with the daemon; that is no reason to refuse it now.
        _log.warning("state.not_saved", file=path.name, reason=fault.strerror)
        return False
    return True
