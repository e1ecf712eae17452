"""Opens a link: permit, fresh VncUrl, dial; in this order, and nothing is kept for another time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Protocol

from vncproxy.aliyun.vncurl import VncUrl
from vncproxy.console.instances import ConsoleInstance
from vncproxy.console.lifecycle import Event
from vncproxy.errors import Throttled, UpstreamLost, UrlExpired
from vncproxy.throttle.ledger import Booking, Ledger, TooLong
from vncproxy.websocket.transport import Transport


class Cloud(Protocol):
    """What a console asks of the ECS API."""

    async def vnc_url(self, instance_id: str, region: str) -> VncUrl:
        """A fresh VncUrl. Raises: CloudError."""

    async def status(self, instance_id: str, region: str) -> str:
        """The instance's Status, "" if the cloud doesn't show it. Raises: CloudError."""


class Dialler(Protocol):
    """Opens the WebSocket of a VncUrl."""

    async def __call__(self, url: VncUrl, timeout_s: float) -> Transport:
        """Raises: UpstreamLost, UpstreamProtocolError."""


class Progress(Protocol):
    """Whoever wants to know how far an opening has come."""

    def advance(self, event: Event) -> None:
        """A step is done."""

    def waiting(self, wait_s: float) -> None:
        """The permit's time is `wait_s` away."""

    def dialled(self) -> None:
        """A permit was spent."""


class LinkOpener:
    """Opens the links of one instance."""

    def __init__(
        self,
        instance: ConsoleInstance,
        ledger: Ledger,
        cloud: Cloud,
        dial: Dialler,
        *,
        url_ttl_s: float,
        dial_timeout_s: float,
    ) -> None:
        """Keep the parts. Args: dial_timeout_s - for a dial, if the VncUrl's life is longer."""
        self._instance = instance
        self._ledger = ledger
        self._cloud = cloud
        self._dial = dial
        self._url_ttl_s = url_ttl_s
        self._dial_timeout_s = dial_timeout_s
        self.exposed = False
        """Whether what goes over the last link can be read on the way: it has no TLS."""

    @property
    def key(self) -> str:
        """The ledger's, of the permits; a reload may change it."""
        return self._ledger.key_of(self._instance.id)

    async def open(
        self,
        progress: Progress,
        patience: Callable[[], float],
        slot_free: Callable[[], Awaitable[None]],
    ) -> Transport:
        """One open WebSocket to the cloud.

        Args: patience - seconds that the most patient viewer will still wait; slot_free - waits
        until the link before has left the cloud's one slot.
        Raises: Throttled, CloudError, LedgerError, UpstreamLost, UpstreamProtocolError.
        """
        booking = await self._permit(progress, patience)
        spent = False
        try:
            progress.advance(Event.PERMIT_GRANTED)
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
            # A ledger that was slow has said so by itself: nothing but the cloud came in between.
            raise UpstreamLost(
                f"the cloud took {took_s:.0f} s until it gave the console's address, and the "
                "permit to connect lapsed meanwhile"
            )
        progress.dialled()
        progress.advance(Event.URL_OBTAINED)
        self.exposed = url.exposed
        return await self._dial(url, min(self._rest_s(url), self._dial_timeout_s))

    async def _permit(self, progress: Progress, patience: Callable[[], float]) -> Booking:
        answer = await self._ledger.book(self._instance.id, patience())
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
