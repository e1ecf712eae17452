"""What every console of a daemon shares."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from vncproxy.audit.log import Audit, NullAudit
from vncproxy.config.model import Limits
from vncproxy.console.keepalive_memory import LearnedStore
from vncproxy.console.link_opener import Cloud, Dialler
from vncproxy.console.traffic import Savings
from vncproxy.observe.metrics import Metrics
from vncproxy.recording.recordings import Recordings
from vncproxy.throttle.ledger import Ledger

HANDSHAKE_TIMEOUT_S = 10.0
"""From the open WebSocket to ServerInit."""
FIRST_PAUSE_S = 0.5
"""Before the second try to get a link; the next ones are longer."""


def _hide_nothing(_secret: str) -> Callable[[], None]:
    return lambda: None


@dataclass(frozen=True, slots=True)
class ConsoleDependencies:
    """What it takes to open consoles."""

    limits: Limits
    ledger: Ledger
    cloud: Cloud
    dial: Dialler
    learned: LearnedStore
    metrics: Metrics
    savings: Savings = field(default_factory=Savings)
    audit: Audit = field(default_factory=NullAudit)
    recordings: Recordings | None = None
    handshake_timeout_s: float = HANDSHAKE_TIMEOUT_S
    first_pause_s: float = FIRST_PAUSE_S
    hide: Callable[[str], Callable[[], None]] = _hide_nothing
    """Keeps a secret out of the log until what it returns is called."""
    scatter: Callable[[], float] = random.random
    """Draws from [0, 1), for the pauses."""
