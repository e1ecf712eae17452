"""What one daemon has to do with the others: the budget that they share, and who has what."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vncproxy.addresses import is_shared, parse_store_url
from vncproxy.cluster.ownership import LocalOwnership, Ownership
from vncproxy.config.model import Throttle
from vncproxy.throttle.ledger_interface import Ledger
from vncproxy.throttle.memory_ledger import MemoryLedger
from vncproxy.throttle.reconnect_budget import Budget
from vncproxy.throttle.sqlite_ledger import FILE_NAME as LEDGER_FILE
from vncproxy.throttle.sqlite_ledger import SqliteLedger

if TYPE_CHECKING:
    from vncproxy.throttle.fallback_ledger import FallbackLedger
    from vncproxy.throttle.valkey_connection import StoreAddress


@dataclass(frozen=True, slots=True)
class Cluster:
    """The ledger and the ownership that [throttle] names. Closing the ledger closes both.

    Attributes:
        shared: The ledger again, where other daemons share it.
    """

    ledger: Ledger
    ownership: Ownership
    shared: FallbackLedger | None = None

    @property
    def degraded(self) -> str | None:
        """What doesn't work as it should, though consoles can be opened; None: all is well."""
        return self.shared.degraded if self.shared is not None else None

    async def watch(self) -> None:
        """Keep in touch with the other daemons, until cancelled; returns where there are none."""
        if self.shared is not None:
            await self.shared.watch()


def cluster_of(
    throttle: Throttle,
    budget: Callable[[], Budget],
    state: Path,
    *,
    daemon_id: str = "",
    on_degraded: Callable[[bool], None] = lambda degraded: None,
) -> Cluster:
    """What [throttle] names, nothing asked yet.

    Args:
        throttle: The settings.
        budget: Gives the one in force, in any thread.
        state: The state directory.
        daemon_id: Stable over restarts; "": a command, which isn't counted as a daemon.
        on_degraded: As for `FallbackLedger`.

    Raises:
        ConfigError: The store's certificates can't be used.
        LedgerError: This machine has no clock that a ledger could use.
    """
    if throttle.store == "memory":
        return Cluster(MemoryLedger(budget, time.monotonic), LocalOwnership())
    if not is_shared(throttle.store):
        return Cluster(SqliteLedger(state / LEDGER_FILE, budget), LocalOwnership())
    return _shared(throttle, budget, state, daemon_id, on_degraded)


def _shared(
    throttle: Throttle,
    budget: Callable[[], Budget],
    state: Path,
    daemon_id: str,
    on_degraded: Callable[[bool], None],
) -> Cluster:
    # Needed for such a store only.
    from vncproxy.cluster.valkey_ownership import SharedOwnership  # noqa: PLC0415
    from vncproxy.throttle.daemon_count import FILE_NAME, DaemonCount  # noqa: PLC0415
    from vncproxy.throttle.fallback_ledger import FallbackLedger, share_of  # noqa: PLC0415
    from vncproxy.throttle.valkey_connection import ValkeyStore  # noqa: PLC0415
    from vncproxy.throttle.valkey_ledger import ValkeyLedger  # noqa: PLC0415

    store = ValkeyStore(_address(throttle))
    daemon_count = DaemonCount(state / FILE_NAME)
    ledger = FallbackLedger(
        ValkeyLedger(store, budget),
        SqliteLedger(state / LEDGER_FILE, lambda: share_of(budget(), daemon_count)),
        budget,
        daemon_count,
        daemon_id=daemon_id or None,
        on_degraded=on_degraded,
    )
    name = throttle.name or socket.gethostname()
    ownership = SharedOwnership(store, daemon_id, name, throttle.url, pass_on=throttle.pass_on)
    return Cluster(ledger, ownership, ledger)


def store_password(throttle: Throttle) -> str | None:
    """The password in the store's address, to be hidden from logs."""
    return parse_store_url(throttle.store).password if is_shared(throttle.store) else None


def _address(throttle: Throttle) -> StoreAddress:
    from vncproxy.throttle.valkey_connection import StoreAddress  # noqa: PLC0415

    url = parse_store_url(throttle.store)
    return StoreAddress(
        host=url.host,
        port=url.port,
        socket=url.socket,
        database=url.database,
        user=url.user,
        password=url.password,
        tls=url.tls,
        sentinels=url.sentinels,
        service=url.service,
        ca_file=throttle.ca_file,
    )
