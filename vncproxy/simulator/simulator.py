"""The simulator: one HTTP server with the cloud's API, its gateway and a state page."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable
from types import TracebackType

from aiohttp import web

from vncproxy.simulator.cloud import Cloud
from vncproxy.simulator.settings import SimulatorSettings
from vncproxy.simulator.state import StatePage

_TICK_INTERVAL_S = 1.0
_MAX_BODY_BYTES = 1 << 20
_SHUTDOWN_TIMEOUT_S = 5.0


class Simulator(Cloud):
    """A cloud to connect to: `async with Simulator(settings) as cloud: ... cloud.endpoint`."""

    def __init__(
        self,
        settings: SimulatorSettings | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(settings, clock=clock)
        self._runner: web.AppRunner | None = None
        self._timer: asyncio.TimerHandle | None = None

    async def __aenter__(self) -> Simulator:
        """Listen.

        Raises:
            OSError: Where the port is taken, ssl.SSLError for a bad certificate.
        """
        app = web.Application(client_max_size=_MAX_BODY_BYTES)
        app.router.add_route("GET", "/websockify/", self._gateway.handle)
        StatePage(self).add_to(app)
        app.router.add_route("GET", "/", self._api.handle)
        app.router.add_route("POST", "/", self._api.handle)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=_SHUTDOWN_TIMEOUT_S)
        await runner.setup()
        self._runner = runner
        try:
            site = web.TCPSite(
                runner, self.settings.host, self.settings.port, ssl_context=self._tls()
            )
            await site.start()
        except BaseException:
            await self.close()
            raise
        self.port = runner.addresses[0][1]
        if self.settings.animated:
            self._timer = asyncio.get_running_loop().call_later(_TICK_INTERVAL_S, self._tick)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close."""
        await self.close()

    async def close(self) -> None:
        """End every session and call, stop listening. May be called again."""
        self._api.close()
        if self._timer is not None:
            self._timer.cancel()
        for outage in self._outages:
            outage.cancel()
        # A machine that couldn't be switched must not pass in silence.
        await asyncio.gather(*self._switching)
        runner, self._runner = self._runner, None
        try:
            await self._gateway.close()
        finally:
            if runner is not None:
                await runner.cleanup()

    def _tick(self) -> None:
        for desktop in self._desktops.values():
            desktop.tick()
        self._timer = asyncio.get_running_loop().call_later(_TICK_INTERVAL_S, self._tick)

    def _tls(self) -> ssl.SSLContext | None:
        if self.settings.certificate is None:
            return None
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self.settings.certificate, self.settings.key)
        return context
