"""HTTP through a SOCKS proxy; for vncproxy[socks], whose packages are imported at the first use."""

from __future__ import annotations

import asyncio
from functools import cache

import aiohttp

from vncproxy.aliyun.proxies import Proxy


def socks_session(proxy: Proxy) -> aiohttp.ClientSession:
    """A session all of whose connections go through this proxy, which looks up the names."""
    from aiohttp_socks import ProxyConnector, ProxyType  # noqa: PLC0415 - an extra

    user, password = proxy.login
    connector = ProxyConnector(
        proxy.host, proxy.port, ProxyType.SOCKS5, user or None, password or None, rdns=True
    )
    return aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())


@cache
def socks_faults() -> tuple[type[Exception], ...]:
    """What such a session raises besides aiohttp's own; empty without the packages."""
    try:
        import aiohttp_socks  # noqa: PLC0415 - an extra
    except ImportError:
        return ()
    return (
        # The proxy hung up before it had answered.
        asyncio.IncompleteReadError,
        aiohttp_socks.ProxyError,
        aiohttp_socks.ProxyConnectionError,
        aiohttp_socks.ProxyTimeoutError,
    )
