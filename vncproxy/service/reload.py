"""A reload: the new configuration is taken whole, or the old one stays and the reason is logged."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

import structlog

from vncproxy.audit.log import Audit
from vncproxy.audit.record import Entry, Event
from vncproxy.config.model import Config, changes_needing_restart
from vncproxy.errors import AuditError, ConfigError, ConfigProblem, VncproxyError
from vncproxy.observe.sd_notify import Notifier
from vncproxy.service.loaded_config import LoadedConfig

_log = structlog.get_logger("vncproxy.service")


@dataclass(frozen=True, slots=True)
class Source:
    """Where the configuration is read again, and what takes it.

    Args:
        read: In a thread; raises ConfigError.
        apply: Takes a new configuration or raises VncproxyError with nothing changed; gives
            sentences about what couldn't be had at once.
    """

    read: Callable[[], Config]
    apply: Callable[[Config], Awaitable[list[str]]]


class RotatingAudit(Audit, Protocol):
    """An audit whose file may be moved away."""

    async def reopen(self) -> None:
        """See `AuditLog.reopen`."""


class Reloads:
    """Carries out what SIGHUP asks for, one after the other."""

    def __init__(self, source: Source | None, notifier: Notifier, audit: RotatingAudit) -> None:
        """Prepare; `run` waits for what is asked for.

        Args:
            source: None: there is no file to read again.
            notifier: To the service manager.
            audit: Whose file may have been rotated.
        """
        self.notes: list[str] = []
        """Sentences about the last reload, for the status."""
        self._source = source
        self._notifier = notifier
        self._audit = audit
        self._asked = asyncio.Event()

    def ask(self) -> None:
        """Reload soon; asked again meanwhile, once more."""
        self._asked.set()

    async def watch(self, current: Callable[[], Config], status: Callable[[], str]) -> None:
        """Reload whenever it is asked for, until cancelled.

        Args:
            current: The configuration as it was read last.
            status: One line for the manager.
        """
        while True:
            await self._asked.wait()
            self._asked.clear()
            self._notifier.reloading()
            try:
                await self._reload(current())
            finally:
                # Whatever came of it: the manager waits for this.
                self._notifier.ready(status())

    async def _reload(self, old: Config) -> None:
        rotation_notes = await self._follow_rotation()
        if self._source is None:
            self.notes = rotation_notes
            _log.warning("reload.unavailable", text="this daemon has no configuration file")
        else:
            await self._read_anew(self._source, old, rotation_notes)

    async def _follow_rotation(self) -> list[str]:
        """Go on in a new audit file if the old one was moved; gives why not, in words."""
        try:
            await self._audit.reopen()
        except AuditError as error:
            text = " ".join(error.public_text.split()).removesuffix(".")
            _log.error("audit.not_reopened", text=text)
            return [f"the audit goes on in the file that was moved away: {text}"]
        return []

    async def _read_anew(self, source: Source, old: Config, rotation_notes: list[str]) -> None:
        try:
            new = await asyncio.to_thread(source.read)
            notes = [*rotation_notes, *await source.apply(new)]
        except VncproxyError as error:
            text = " ".join(error.public_text.split())
            self.notes = [f"the reload was refused, all is as before: {text}", *rotation_notes]
            _log.error("reload.refused", text=error.public_text)
            self._audit.record_later(Entry(event=Event.RELOAD, reason="refused", text=text))
            return
        except Exception:
            # The next one must still be carried out.
            _log.exception("reload.fault")
            self.notes = [
                "the reload failed by a fault of the daemon; its log says more",
                *rotation_notes,
            ]
            self._audit.record_later(Entry(event=Event.RELOAD, reason="fault"))
            return
        restart = changes_needing_restart(old, new)
        self.notes = [
            *notes,
            *([f"a restart is needed for {', '.join(restart)}"] if restart else []),
        ]
        _log.info("reload.done", restart=restart, notes=notes)
        self._audit.record_later(
            Entry(event=Event.RELOAD, reason="done", text="; ".join(self.notes) or None)
        )


# Changes that look like an accident: an editor on a full disk leaves an empty file; a users_file
# is moved away for a moment. A daemon that starts may find such a thing; one that runs has
# something to lose.


def refuse_accidents(old: LoadedConfig, new: LoadedConfig) -> None:
    """Refuse a configuration that looks like a file that was lost.

    Raises:
        ConfigError: All instances, or all users that rules are about, would be gone.
    """
    problems = []
    if _has_instances(old) and not _has_instances(new):
        found = "none, and `discover` is off"
        expected = "at least one, as before; to open none any more, stop the daemon"
        problems.append(ConfigProblem("configuration", "[[instance]]", found, expected))
    path = new.config.access.users_file
    if path is not None and path == old.users.path and old.users.had_file and not path.exists():
        expected = "the file with the users, as before"
        problems.append(ConfigProblem("[access]", "users_file", f"{path} (it is gone)", expected))
    if problems:
        raise ConfigError(problems)


def worth_a_warning(old: LoadedConfig, new: LoadedConfig) -> list[str]:
    """Changes that are valid but may not be meant, in sentences without a full stop."""
    doors = [one.name for one in new.config.listen if one.access == "open"]
    if old.config.rule and not new.config.rule and doors:
        names = ", ".join(doors)
        return [
            f"no rule is left, so everybody who comes by an open door ({names}) may do everything"
        ]
    return []


def _has_instances(given: LoadedConfig) -> bool:
    return bool(given.instances or given.config.aliyun.discover_in)
