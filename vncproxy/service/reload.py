"""A reload: the new configuration is taken whole, or the old one stays and it is said why."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

from vncproxy.config.model import Config
from vncproxy.config.reload import changes_needing_restart
from vncproxy.errors import VncproxyError
from vncproxy.observe.audit import Audit
from vncproxy.observe.audit_record import Entry, Event
from vncproxy.observe.notify import Notifier

_log = structlog.get_logger("vncproxy.service")


@dataclass(frozen=True, slots=True)
class Source:
    """Where the configuration is read again, and what takes it.

    Args: read - in a thread; raises ConfigError; apply - takes a new configuration or raises
    VncproxyError with nothing changed; gives sentences about what couldn't be had at once.
    """

    read: Callable[[], Config]
    apply: Callable[[Config], Awaitable[list[str]]]


class Reloads:
    """Carries out what SIGHUP asks for, one after the other."""

    def __init__(self, source: Source | None, notifier: Notifier, audit: Audit) -> None:
        """Args: source - None: there is no file to read again."""
        self.notes: list[str] = []
        """What the last reload left to be said, for the status."""
        self._source = source
        self._notifier = notifier
        self._audit = audit
        self._asked = asyncio.Event()

    def ask(self) -> None:
        """Reload soon; asked again meanwhile, once more."""
        self._asked.set()

    async def watch(self, current: Callable[[], Config], status: Callable[[], str]) -> None:
        """Reload whenever it is asked for, until cancelled.

        Args: current - the configuration as it was read last; status - one line for the manager.
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
        if self._source is None:
            _log.warning("reload.unavailable", text="this daemon has no configuration file")
            return
        try:
            new = await asyncio.to_thread(self._source.read)
            notes = await self._source.apply(new)
        except VncproxyError as error:
            text = " ".join(error.public_text.split())
            self.notes = [f"the reload was refused, all is as before: {text}"]
            _log.error("reload.refused", text=error.public_text)
            self._audit.record_later(Entry(event=Event.RELOAD, reason="refused", text=text))
            return
        except Exception:
            # The next one must still be heard.
            _log.exception("reload.fault")
            self.notes = ["the reload failed by a fault of the daemon; its log says more"]
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
