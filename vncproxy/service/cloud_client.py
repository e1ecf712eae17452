"""The way to the cloud, built from the configuration."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import aiohttp
import structlog

from vncproxy.aliyun.client import EcsClient
from vncproxy.aliyun.credentials import (
    Credentials,
    CredentialsSource,
    WatchedCredentials,
)
from vncproxy.aliyun.credentials_source import credentials_source
from vncproxy.aliyun.instances import EcsInstance
from vncproxy.aliyun.power import PowerAction
from vncproxy.aliyun.proxies import EnvironmentProxies
from vncproxy.aliyun.resolver import Resolver
from vncproxy.aliyun.screenshots import BootLog, Picture
from vncproxy.aliyun.socks import socks_session
from vncproxy.aliyun.tls import client_context
from vncproxy.aliyun.vncurl import VncUrl
from vncproxy.config.model import Config
from vncproxy.errors import CloudError
from vncproxy.observe.metrics import Metrics
from vncproxy.observe.redaction import Redactor
from vncproxy.throttle.reconnect_budget import Budget
from vncproxy.websocket.gateway_dial import DialSettings

_log = structlog.get_logger("vncproxy.service")


@dataclass(frozen=True, slots=True)
class Cloud:
    """The way to the cloud, which the daemon and the commands share."""

    client: EcsClient
    credentials: CredentialsSource
    dial_settings: DialSettings
    session: aiohttp.ClientSession
    by_socks: aiohttp.ClientSession | None = None


class CurrentCloud:
    """The way to the cloud that is in force: consoles go on with a new one at their next call."""

    def __init__(self, cloud: Callable[[], Cloud]) -> None:
        """Wrap a getter.

        Args:
            cloud: Gives the one in force.
        """
        self._cloud = cloud

    @property
    def now(self) -> Cloud:
        """The one in force."""
        return self._cloud()

    async def vnc_url(self, instance_id: str, region: str) -> VncUrl:
        """See `EcsClient.vnc_url`."""
        return await self.now.client.vnc_url(instance_id, region)

    async def status(self, instance_id: str, region: str) -> str:
        """See `EcsClient.status`."""
        return await self.now.client.status(instance_id, region)

    async def screenshot(self, instance_id: str, region: str, *, wake: bool = False) -> Picture:
        """See `EcsClient.screenshot`."""
        return await self.now.client.screenshot(instance_id, region, wake=wake)

    async def boot_log(self, instance_id: str, region: str) -> BootLog:
        """See `EcsClient.boot_log`."""
        return await self.now.client.boot_log(instance_id, region)

    async def power(
        self, action: PowerAction, instance_id: str, region: str, *, force: bool = False
    ) -> None:
        """See `EcsClient.power`."""
        await self.now.client.power(action, instance_id, region, force=force)

    async def instances(self, region: str, ids: Iterable[str] | None = None) -> list[EcsInstance]:
        """See `EcsClient.instances`."""
        return await self.now.client.instances(region, ids)


def budget_of(config: Config) -> Budget:
    """The budget of reconnections that the configuration sets."""
    return Budget(
        limit=config.limits.reconnects_per_minute,
        hold_s=config.aliyun.call_timeout,
        by_account=config.limits.reconnects_key == "account",
    )


@asynccontextmanager
async def cloud_of(
    config: Config,
    environ: Mapping[str, str],
    metrics: Metrics | None = None,
    redactor: Redactor | None = None,
) -> AsyncIterator[Cloud]:
    """The way to the cloud, as long as the block lasts.

    Args:
        config: The settings.
        environ: The environment's variables.
        metrics: Counts the calls.
        redactor: Hides all secrets that it takes to get there.

    Raises:
        ConfigError: The certificates or a proxy can't be used.
        CloudError: Credentials are configured in a way that can't be used.
    """
    socks = EnvironmentProxies(environ).socks
    async with AsyncExitStack() as sessions:
        session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(resolver=Resolver()),
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        await sessions.enter_async_context(session)
        by_socks = None
        if socks is not None:
            by_socks = await sessions.enter_async_context(socks_session(socks))
        yield cloud_over(session, config, environ, metrics, redactor, by_socks=by_socks)


def cloud_over(
    session: aiohttp.ClientSession,
    config: Config,
    environ: Mapping[str, str],
    metrics: Metrics | None = None,
    redactor: Redactor | None = None,
    credentials: CredentialsSource | None = None,
    by_socks: aiohttp.ClientSession | None = None,
) -> Cloud:
    """A way to the cloud that uses these sessions.

    Args:
        session: For calls of the API, directly or through an HTTP proxy.
        config: The settings.
        environ: The environment's variables.
        metrics: Counts the calls.
        redactor: Hides all secrets that it takes to get there.
        credentials: To go on with; None: they are fetched anew.
        by_socks: For calls through a SOCKS proxy.

    Raises:
        ConfigError: The certificates or a proxy can't be used.
        CloudError: Credentials are configured in a way that can't be used.
    """
    hidden = redactor or Redactor()
    tls = client_context(config.aliyun.ca_file)
    proxies = EnvironmentProxies(environ)

    def hide(found: Credentials) -> None:
        hidden.register(found.access_key_secret)
        if found.security_token is not None:
            hidden.register(found.security_token)

    if credentials is None:
        credentials = WatchedCredentials(
            credentials_source(environ, fetch_timeout_s=config.aliyun.call_timeout), hide
        )

    def on_call(action: str, code: str, seconds: float) -> None:
        if metrics is not None:
            metrics.api_called(action, "ok" if code == "OK" else code)

    for password in proxies.passwords:
        hidden.register(password)
    client = EcsClient(
        session,
        credentials,
        endpoint=config.aliyun.endpoint,
        call_timeout_s=config.aliyun.call_timeout,
        ssl_context=tls,
        proxies=proxies,
        gateway_hosts=config.aliyun.gateway_hosts,
        socks_session=by_socks,
        on_call=on_call,
    )
    return Cloud(
        client,
        credentials,
        DialSettings(tls, config.aliyun.connect_host, proxies.proxy_for, local=client.is_local),
        session,
        by_socks,
    )


async def cloud_after(
    old: Cloud,
    config: Config,
    environ: Mapping[str, str],
    metrics: Metrics | None = None,
    redactor: Redactor | None = None,
) -> tuple[Cloud, list[str]]:
    """A new way to the cloud, with new credentials unless only the old ones can be had.

    Args:
        old: The one before, whose sessions it uses.
        config: The new settings.
        environ: The environment's variables.
        metrics: Count the calls.
        redactor: Hides all that it takes to get there.

    Returns:
        The new way, and notes about its credentials, in sentences without a full stop.

    Raises:
        ConfigError: The certificates or a proxy can't be used.
        CloudError: Credentials are configured in a way that can't be used.
    """

    def build(credentials: CredentialsSource | None = None) -> Cloud:
        return cloud_over(
            old.session, config, environ, metrics, redactor, credentials, by_socks=old.by_socks
        )

    new = build()
    try:
        await new.credentials.get()
    except CloudError as error:
        try:
            await old.credentials.get()
        except CloudError:
            return new, []
        _log.error("reload.credentials_kept", text=error.public_text)
        return build(old.credentials), [f"the old credentials stay: {error.public_text}"]
    return new, []
