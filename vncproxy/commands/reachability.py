"""Whether the cloud can be reached, and by which way: host, address, and who names a proxy.

For `vncproxy check`: people see at once which hop is to blame. Nothing is dialled for a console.
"""

from __future__ import annotations

import asyncio
import socket

from vncproxy.aliyun.proxies import Proxy
from vncproxy.aliyun.regions import nearest_region
from vncproxy.aliyun.vncurl import VncUrl
from vncproxy.errors import CloudError, UpstreamError, UrlExpired
from vncproxy.languages.text import Text
from vncproxy.service.cloud_client import Cloud
from vncproxy.websocket.gateway_dial import probe

CONNECT_TIMEOUT_S = 10.0
CLOCK_TOLERANCE_S = 600.0
"""The API refuses calls that are 15 minutes off; warn before that."""
_ADDRESSES_SHOWN = 3


async def endpoint_reached(cloud: Cloud, region: str) -> tuple[bool, str]:
    """Whether the API of a region answers, and what to know or do."""
    endpoint, proxy = cloud.client.way(region)
    target = f"{endpoint.host}:{endpoint.port}"
    way = await _way(target, endpoint.host if proxy is None else proxy.host, proxy)
    try:
        offset_s = await cloud.client.server_time_offset(region)
    except CloudError as error:
        meant = nearest_region(region) if endpoint.by_region else None
        text = error.final_text
        if meant is not None:
            text = Text("{problem} Is the region {meant} meant?", problem=text, meant=meant)
        return False, Text("{problem} ({way})", problem=text, way=way)
    off = Text("the clocks differ by {offset_s} s", offset_s=f"{abs(offset_s):.0f}")
    if abs(offset_s) > CLOCK_TOLERANCE_S:
        # Calls that fail in spite of the correction say so themselves.
        off = Text(
            "{off}, more than calls may; they are corrected for it, but set this clock", off=off
        )
    return True, Text("{way} reached; {off}", way=way, off=off)


async def gateway_reached(cloud: Cloud, url: VncUrl) -> tuple[bool, str]:
    """Whether the gateway of a VncUrl lets a connection in; the VncUrl itself isn't used."""
    settings = cloud.dial_settings
    proxy = None
    if settings.connect_host is None:
        proxy = settings.proxy(url.host, url.port, secure=url.secure)
    first = settings.connect_host or (url.host if proxy is None else proxy.host)
    way = await _way(f"{url.host}:{url.port}", first, proxy)
    try:
        await probe(url, CONNECT_TIMEOUT_S, settings)
    except UrlExpired:
        return False, Text("{way} doesn't answer; is it let through here?", way=way)
    except UpstreamError as error:
        return False, Text("{problem} ({way})", problem=error.text, way=way)
    if url.exposed:
        return True, Text(
            "{way} can be reached; ws:// isn't encrypted: others can read on the way", way=way
        )
    return True, Text("{way} can be reached", way=way)


async def _way(target: str, first: str, proxy: Proxy | None) -> str:
    """The way to `target`, a "host:port", in words; `first` is the host that is connected to."""
    by: str = target
    if proxy is not None:
        by = Text("{target} by {proxy}", target=target, proxy=Text(proxy.named))
    elif first != target.rpartition(":")[0]:
        by = Text("{target} by connect_host {first}", target=target, first=first)
    known = await _addresses(first)
    if known == [first]:
        return by
    if not known:
        return Text("{way} at an address that the name service doesn't know", way=by)
    at = ", ".join(known[:_ADDRESSES_SHOWN])
    if (more := len(known) - _ADDRESSES_SHOWN) > 0:
        return Text("{way} at {addresses} and {more} more", way=by, addresses=at, more=more)
    return Text("{way} at {addresses}", way=by, addresses=at)


async def _addresses(host: str) -> list[str]:
    """What the name service says, [] if nothing."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            found = await loop.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError, TimeoutError):
        return []
    return list(dict.fromkeys(str(address[0]) for *_, address in found))
