"""Opens a link: permit, fresh VncUrl, dial; in this order, and nothing is kept for another time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Protocol

from vncproxy.aliyun.vncurl import VncUrl
from vncproxy.console.dependencies import ConsoleDependencies
from vncproxy.console.lifecycle import Trigger
from vncproxy.errors import Throttled, UpstreamLost, UrlExpired
from vncproxy.instances.instance_list import ConsoleInstance
from vncproxy.throttle.ledger_interface import Booking, TooLong
from vncproxy.websocket.transport import Transport


class Progress(Protocol):
    """Is called with how far an opening has come."""

    def advance(self, trigger: Trigger) -> None:
        """A step is done."""

    def waiting(self, wait_s: float) -> None:
        """The permit's time is `wait_s` away."""


class LinkOpener:
    """Opens the links of one instance."""

    def __init__(self, instance: ConsoleInstance, dependencies: ConsoleDependencies) -> None:
        """Nothing is opened yet.

        Args:
            instance: Whose VNC server the links lead to.
            dependencies: Of these the ledger, the cloud, the dialler, the limits and the metrics.
        """
        self._instance = instance
        self._ledger = dependencies.ledger
        self._cloud = dependencies.cloud
        self._dial = dependencies.dial
        self._metrics = dependencies.metrics
        self._url_ttl_s = dependencies.limits.url_ttl
        self._dial_timeout_s = dependencies.limits.upstream_timeout
        self.exposed = False
        """Whether what goes over the last link can be read on the way: it has no TLS."""

    @property
    def key(self) -> str:
        """The ledger's, of the permits; a reload may change it."""
        return self._ledger.key_of(self._instance.id)

    async def open(
        self,
        progress: Progress,
        patience_s: Callable[[], float],
        slot_free: Callable[[], Awaitable[None]],
    ) -> Transport:
        """One open WebSocket to the cloud.

        Args:
            progress: Called with each step.
            patience_s: Gives how long the most patient viewer will still wait.
            slot_free: Waits until the link before has left the cloud's one slot.

        Raises:
            Throttled: The permit would come after that time.
            CloudError, LedgerError, UpstreamLost, UpstreamProtocolError: The step failed.
        """
        booking = await self._permit(progress, patience_s)
        spent = False
        try:
            progress.advance(Trigger.PERMIT_GRANTED)
            asked_at = time.monotonic()
            await slot_free()
            url = await self._cloud.vnc_url(self._instance.id, self._instance.region)
            took_s = time.monotonic() - asked_at
            # From here on the VncUrl ages: neither a disk nor a server stands before the dial.
            self._rest_s(url)
            spent = await self._ledger.spend(booking)
        finally:
            if not spent:
                await self._ledger.cancel(booking)
        if not spent:
            # A slow ledger has an error of its own: nothing but the cloud came in between.
            raise UpstreamLost(
                f"the cloud took {took_s:.0f} s until it gave the console's address, and the "
                "permit to connect lapsed meanwhile"
            )
        self._metrics.dialled()
        progress.advance(Trigger.URL_OBTAINED)
        self.exposed = url.exposed
        return await self._dial(url, min(self._rest_s(url), self._dial_timeout_s))

    async def _permit(self, progress: Progress, patience_s: Callable[[], float]) -> Booking:
        answer = await self._ledger.book(self._instance.id, patience_s())
        if isinstance(answer, TooLong):
            raise Throttled(answer.wait_s)
        if answer.wait_s > 0:
            progress.waiting(answer.wait_s)
            try:
                await asyncio.sleep(answer.wait_s)
            except asyncio.CancelledError:
                await self._ledger.cancel(answer)
                raise
        return answer

    def _rest_s(self, url: VncUrl) -> float:
        """What is left of the VncUrl's life, in seconds. Raises: UrlExpired."""
        rest_s = url.expires_at(self._url_ttl_s) - time.monotonic()
        if rest_s <= 0:
            raise UrlExpired("the VncUrl expired before it could be used")
        return rest_s
