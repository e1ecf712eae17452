"""Whether consoles could be opened, checked at the start and now and then.

Anybody may ask `/readyz`, as often as he likes. So that is answered from memory: asking touches no
disk, no lock, no server.
"""

from __future__ import annotations

import asyncio

import structlog

from vncproxy.aliyun.credentials import CredentialsSource
from vncproxy.audit.log import Audit
from vncproxy.config.model import Config
from vncproxy.console.registry import Registry
from vncproxy.errors import CloudError, LedgerError, LedgerSlow
from vncproxy.service.cloud_client import CurrentCloud
from vncproxy.throttle.ledger_interface import Ledger

_log = structlog.get_logger("vncproxy.service")

CHECK_INTERVAL_S = 15.0
"""Between two checks of what works."""

RETRY_INTERVAL_S = 5.0
"""Between two checks of what doesn't."""

NO_INSTANCES = (
    "none is configured: add an [[instance]] block, or set discover = true under [aliyun]"
)

START_TIMEOUT_S = 5.0
"""For the ledger's disk while the daemon starts: a slower one delays consoles, not the start."""


async def check_ledger_at_start(ledger: Ledger, timeout_s: float = START_TIMEOUT_S) -> None:
    """Find out whether the ledger can be written, unless that takes long.

    Raises:
        LedgerError: It can't.
    """
    try:
        async with asyncio.timeout(timeout_s):
            await ledger.check_writable()
    except (TimeoutError, LedgerSlow):
        _log.warning(
            "ledger.slow",
            text=f"the reconnect ledger hasn't answered for {timeout_s:g} s: see whether the disk "
            "of the state directory is overloaded. The daemon starts all the same, and consoles "
            "open as soon as it answers",
        )


class Readiness:
    """What stands in the way of opening consoles. The owner runs `watch`."""

    def __init__(
        self, registry: Registry, ledger: Ledger, cloud: CurrentCloud, audit: Audit
    ) -> None:
        self._registry = registry
        self._ledger = ledger
        self._cloud = cloud
        self._audit = audit
        self._found: list[str] = []
        self._again = asyncio.Event()

    def problems(self) -> list[str]:
        """Why no console could be opened right now, as far as is known; empty: ready."""
        now = ["The daemon is stopping."] if self._registry.draining else []
        if self._audit.problem is not None:
            now.append(self._audit.problem)
        return now + self._found

    def check_soon(self) -> None:
        """Something is different: check again soon."""
        self._again.set()

    async def watch(self) -> None:
        """Check the ledger and the credentials again and again, until cancelled."""
        while True:
            self._again.clear()
            found = await asyncio.gather(self._ledger_problem(), self._credentials_problem())
            self._found = [one for one in found if one is not None]
            pause_s = RETRY_INTERVAL_S if self._found else CHECK_INTERVAL_S
            try:
                async with asyncio.timeout(pause_s):
                    await self._again.wait()
            except TimeoutError:
                pass

    async def _ledger_problem(self) -> str | None:
        try:
            await self._ledger.check_writable()
        except LedgerError as error:
            return error.public_text
        return None

    async def _credentials_problem(self) -> str | None:
        try:
            await self._cloud.now.credentials.get()
        except CloudError as error:
            return error.public_text
        return None


async def warn_of_missing(config: Config, credentials: CredentialsSource) -> None:
    """Warn, in the log, of a configuration without instances and of missing credentials."""
    if not config.instance and not config.aliyun.discover:
        _log.warning("instances.missing", text=NO_INSTANCES)
    try:
        await credentials.get()
    except CloudError as error:
        _log.warning("credentials.missing", text=error.public_text)
