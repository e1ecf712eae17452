"""The way to the cloud, built from the configuration."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import quote, urlsplit, urlunsplit

import aiohttp

from vncproxy.aliyun.client import EcsClient
from vncproxy.aliyun.credentials import (
    Credentials,
    CredentialsSource,
    WatchedCredentials,
    credentials_source,
)
from vncproxy.aliyun.proxies import EnvironmentProxies
from vncproxy.aliyun.tls import client_context
from vncproxy.config.model import Config
from vncproxy.console.upstream_leg import DialSettings
from vncproxy.observe.metrics import Metrics
from vncproxy.observe.redaction import Redactor
from vncproxy.throttle.budget import Budget


@dataclass(frozen=True, slots=True)
class Cloud:
    """The way to the cloud, which the daemon and the commands share."""

    client: EcsClient
    credentials: CredentialsSource
    dial_settings: DialSettings


def budget_of(config: Config) -> Budget:
    """The law of the reconnect ledger, by the configuration."""
    return Budget(limit=config.limits.reconnects_per_minute, hold_s=config.aliyun.call_timeout)


@asynccontextmanager
async def cloud_of(
    config: Config,
    environ: Mapping[str, str],
    metrics: Metrics | None = None,
    redactor: Redactor | None = None,
) -> AsyncIterator[Cloud]:
    """The way to the cloud, as long as the block lasts.

    Args: redactor - hides all that it takes to get there, whoever may repeat it.
    Raises: ConfigError, CloudError.
    """
    hidden = redactor or Redactor()
    tls = client_context(config.aliyun.ca_file)
    proxies = EnvironmentProxies(environ)

    def hide(found: Credentials) -> None:
        hidden.register(found.access_key_secret)
        if found.security_token is not None:
            hidden.register(found.security_token)

    credentials = WatchedCredentials(
        credentials_source(environ, fetch_timeout_s=config.aliyun.call_timeout), hide
    )

    def on_call(action: str, code: str, seconds: float) -> None:
        if metrics is not None:
            metrics.api_called(action, "ok" if code == "OK" else code)

    def proxy(host: str, *, secure: bool) -> str | None:
        found = proxies.proxy_for(host, 443 if secure else 80, secure=secure)
        return None if found is None else _with_login(found.url, found.authorization)

    for password in proxies.passwords:
        hidden.register(password)
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
        yield Cloud(
            EcsClient(
                session,
                credentials,
                endpoint=config.aliyun.endpoint,
                call_timeout_s=config.aliyun.call_timeout,
                ssl_context=tls,
                proxies=proxies,
                on_call=on_call,
            ),
            credentials,
            DialSettings(tls, config.aliyun.connect_host, proxy),
        )


def _with_login(url: str, authorization: str | None) -> str:
    """A proxy's address with its user and password, as the websockets library wants it."""
    if authorization is None:
        return url
    user, _, password = (
        base64.b64decode(authorization.removeprefix("Basic ")).decode().partition(":")
    )
    parts = urlsplit(url)
    login = f"{quote(user, safe='')}:{quote(password, safe='')}"
    return urlunsplit(parts._replace(netloc=f"{login}@{parts.netloc}"))
