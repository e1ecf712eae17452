"""How full one instance's budget is."""

from __future__ import annotations

from vncproxy.throttle.budget import Usage
from vncproxy.throttle.ledger import Ledger
from vncproxy.throttle.ledger_file import LedgerFile
from vncproxy.throttle.sqlite import SqliteLedger
from vncproxy.throttle.valkey import ValkeyLedger


async def usage_of(ledger: Ledger | SqliteLedger | ValkeyLedger, instance_id: str) -> Usage:
    """As the ledger tells it."""
    return (await ledger.usages([instance_id]))[instance_id]


def usage_in(file: LedgerFile, instance_id: str) -> Usage:
    """As its file has it."""
    return file.usages([instance_id])[instance_id]
