"""What every console of a daemon shares."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from vncproxy.aliyun.vncurl import VncUrl
from vncproxy.audit.log import Audit, NullAudit
from vncproxy.config.model import Limits
from vncproxy.instances.instance_list import StatusSource
from vncproxy.instances.keepalive_memory import LearnedStore
from vncproxy.observe.metrics import Metrics
from vncproxy.observe.traffic import Sampling
from vncproxy.recording.recordings import Recordings
from vncproxy.throttle.ledger_interface import Ledger
from vncproxy.websocket.transport import Transport

HANDSHAKE_TIMEOUT_S = 10.0
"""From the open WebSocket to ServerInit."""
FIRST_PAUSE_S = 0.5
"""Before the second try to get a link; the next ones are longer."""


class Cloud(StatusSource, Protocol):
    """What a console asks of the ECS API."""

    async def vnc_url(self, instance_id: str, region: str) -> VncUrl:
        """A fresh VncUrl.

        Raises:
            CloudError: The cloud refused it, or didn't answer.
        """


class Dialler(Protocol):
    """Opens the WebSocket of a VncUrl."""

    async def __call__(self, url: VncUrl, timeout_s: float) -> Transport:
        """The open connection.

        Raises:
            UpstreamLost: It couldn't be opened in `timeout_s`.
            UpstreamProtocolError: The gateway doesn't speak WebSocket.
        """


def _hide_nothing(_secret: str) -> Callable[[], None]:
    return lambda: None


@dataclass(frozen=True, slots=True)
class ConsoleDependencies:
    """What it takes to open consoles.

    Attributes:
        limits: Of the configuration, as it was when the console was opened.
        ledger: Gives the permits to dial.
        cloud: The ECS API.
        dial: Opens the WebSocket of a VncUrl.
        learned: What is known of each instance from before.
        metrics: Of the daemon.
        audit: Records sessions and who has control.
        recordings: Of what screens show; None: there is no place for any.
        handshake_timeout_s: From the open WebSocket to ServerInit.
        first_pause_s: Before the second try to get a link.
        hide: Keeps a secret out of the log until what it returns is called.
        scatter: Draws from [0, 1), for the pauses.
        sampling: Of their counters.
    """

    limits: Limits
    ledger: Ledger
    cloud: Cloud
    dial: Dialler
    learned: LearnedStore
    metrics: Metrics
    audit: Audit = field(default_factory=NullAudit)
    recordings: Recordings | None = None
    handshake_timeout_s: float = HANDSHAKE_TIMEOUT_S
    first_pause_s: float = FIRST_PAUSE_S
    hide: Callable[[str], Callable[[], None]] = _hide_nothing
    scatter: Callable[[], float] = random.random
    sampling: Sampling = field(default_factory=Sampling)
