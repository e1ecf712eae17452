"""How full one instance's budget is."""

from __future__ import annotations

from vncproxy.throttle.ledger_interface import Ledger
from vncproxy.throttle.reconnect_budget import Usage
from vncproxy.throttle.sqlite_ledger import SqliteLedger
from vncproxy.throttle.sqlite_queries import LedgerFile
from vncproxy.throttle.valkey_ledger import ValkeyLedger


async def usage_of(ledger: Ledger | SqliteLedger | ValkeyLedger, instance_id: str) -> Usage:
    """As the ledger tells it."""
    return (await ledger.usages([instance_id]))[instance_id]


def usage_in(file: LedgerFile, instance_id: str) -> Usage:
    """As its file has it."""
    return file.usages([instance_id])[instance_id]
