"""Dials a VncUrl: TCP, directly or by a proxy, TLS, and the WebSocket by the websockets library.

Whatever goes wrong is an error of the cloud's side, in words without a secret.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import ssl
from dataclasses import dataclass, field
from typing import Any, Protocol

import aiohappyeyeballs
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import (
    InvalidMessage,
    InvalidProxy,
    InvalidProxyStatus,
    InvalidStatus,
    InvalidURI,
    ProxyError,
    WebSocketException,
)
from websockets.typing import Subprotocol

from vncproxy.aliyun.errors import GATEWAY_REFUSED, PROXY_REFUSED, TLS_REFUSED, off_limits
from vncproxy.aliyun.gateway_host import first_off_limits
from vncproxy.aliyun.proxies import Proxy
from vncproxy.aliyun.resolver import Resolver
from vncproxy.aliyun.tls import refusal_by_alert, refused_in_words
from vncproxy.errors import (
    CertificateRefused,
    UpstreamError,
    UpstreamLost,
    UpstreamProtocolError,
    UpstreamRefused,
    UrlExpired,
    out_of_descriptors,
)
from vncproxy.websocket.gateway_reader import GatewayConnection
from vncproxy.websocket.gateway_transport import GatewayTransport
from vncproxy.websocket.transport import CLOSE_TIMEOUT_S

NEXT_ADDRESS_AFTER_S = 0.25
"""Without an answer for so long the next address is tried beside. Source: RFC 8305, section 8."""

# The library logs request lines, which hold the VncUrl.
_silent = logging.getLogger("vncproxy.websockets")
_silent.disabled = True


class DialledUrl(Protocol):
    """What of a VncUrl a dial needs."""

    @property
    def host(self) -> str:
        """The gateway's host name."""

    @property
    def port(self) -> int:
        """The gateway's port."""

    @property
    def secure(self) -> bool:
        """Whether it is wss."""

    def reveal(self) -> str:
        """The URL itself."""


@dataclass(frozen=True, slots=True)
class DialSettings:
    """How to reach the cloud's gateways.

    Args:
        tls: Verifies the gateway's certificate.
        connect_host: Dial this address instead of the URL's host, directly and never by a proxy;
            TLS still verifies the URL's host.
        proxy: The one to use for a host, if any.
        local: Gateways may be on this machine, as a simulator's is.
        resolver: Of the gateway's name.
    """

    tls: ssl.SSLContext
    connect_host: str | None
    proxy: ProxyChoice
    local: bool = False
    resolver: Resolver = field(default_factory=Resolver)


class ProxyChoice(Protocol):
    """Which proxy the environment names for a host."""

    def __call__(self, host: str, port: int, *, secure: bool) -> Proxy | None:
        """The proxy, or None for a direct connection.

        Args:
            host: The gateway's name or address.
            port: The gateway's TCP port.
            secure: Whether TLS is used.
        """


class _DirectConnect(connect):
    """Follows no redirect: it would carry the secret to another host."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc


async def dial(url: DialledUrl, timeout_s: float, settings: DialSettings) -> GatewayTransport:
    """Open the WebSocket of a VncUrl, at once.

    Args:
        url: The VncUrl.
        timeout_s: The rest of its life, in seconds.
        settings: How to reach the gateway.

    Raises:
        UpstreamLost: No connection; the text says at which step, and it is a UrlExpired when the
            time ran out, an UpstreamRefused when a hop refused for good.
        UpstreamProtocolError: The answer isn't a WebSocket's.
    """
    connection = await _opened(url, timeout_s, settings)
    assert isinstance(connection, GatewayConnection), "made by create_connection"
    return GatewayTransport(connection)


async def probe(url: DialledUrl, timeout_s: float, settings: DialSettings) -> None:
    """Open a connection to a VncUrl's gateway as `dial` does, and close it before anything is sent.

    So the VncUrl isn't used. Args, raises: as `dial`.
    """
    connection = await _opened(url, timeout_s, settings, shake_hands=False)
    connection.transport.abort()


async def _opened(
    url: DialledUrl, timeout_s: float, settings: DialSettings, *, shake_hands: bool = True
) -> ClientConnection:
    direct: dict[str, object] = {"ssl": settings.tls} if url.secure else {}
    proxy = None
    if settings.connect_host is None:
        proxy = settings.proxy(url.host, url.port, secure=url.secure)
    if proxy is not None and (why := proxy.standing_refusal) is not None:
        raise UpstreamRefused(why, PROXY_REFUSED)
    made: list[GatewayConnection] = []

    def make(*args: Any, **how: Any) -> GatewayConnection:
        made.append(GatewayConnection(*args, **how))
        return made[-1]

    sock: socket.socket | None = None
    try:
        async with asyncio.timeout(timeout_s):
            if proxy is None:
                sock = direct["sock"] = await _connected(url, settings)
            opening = _DirectConnect(
                url.reveal(),
                subprotocols=[Subprotocol("binary")],
                compression=None,
                user_agent_header=None,
                proxy=None if proxy is None else proxy.url_with_login,
                open_timeout=None,
                ping_interval=None,
                close_timeout=CLOSE_TIMEOUT_S,
                logger=_silent,
                create_connection=make,  # type: ignore[arg-type]
                **direct,  # type: ignore[arg-type]
            )
            if shake_hands:
                return await opening
            return await opening.open_tcp_connection()
    except (OSError, EOFError, UnicodeError, WebSocketException) as fault:
        if sock is not None and not made:
            sock.close()
        lost_by = made[-1].lost_by if made else None
        alert = refusal_by_alert(fault) or refusal_by_alert(lost_by)
        if isinstance(fault, TimeoutError) and proxy is not None and not made:
            # The gateway was never reached, so it isn't to blame.
            failure: UpstreamError = UpstreamLost(f"{proxy.named} didn't connect in time")
        else:
            failure = _failure(fault, alert, proxy, f"{url.host}:{url.port}")
        # It holds the frames of the dial, and so the connection, which holds it.
        fault.__traceback__ = None
        made.clear()
    # Raised out here, since the library's exceptions hold the URL and the proxy's password: they
    # are no part of this one, not even as its context.
    try:
        raise failure
    finally:
        # Its traceback holds this frame, which mustn't hold it.
        del failure


async def _connected(url: DialledUrl, settings: DialSettings) -> socket.socket:
    """A TCP connection to the gateway, or to connect_host.

    Its name is looked up once: what was looked at is what is connected to. Raises: OSError,
    UnicodeError, UpstreamRefused.
    """
    found = await settings.resolver.addresses(settings.connect_host or url.host, url.port)
    guarded = settings.connect_host is None and not settings.local
    if guarded and (why := first_off_limits(found)) is not None:
        raise UpstreamRefused(off_limits(why), GATEWAY_REFUSED)
    return await aiohappyeyeballs.start_connection(
        found, happy_eyeballs_delay=NEXT_ADDRESS_AFTER_S, interleave=1
    )


def _failure(
    fault: Exception, alert: str | None, proxy: Proxy | None, target: str
) -> UpstreamError:
    """What went wrong, in words without a secret.

    Args:
        fault: What the dial raised.
        alert: Name of the TLS alert that refuses for good; None: there was none.
        proxy: The first hop; None: the gateway was dialled directly.
        target: Host and port that a proxy was asked for.
    """
    if alert is not None:
        return UpstreamRefused(refused_in_words("the cloud's VNC gateway", alert), TLS_REFUSED)
    if (shortage := out_of_descriptors(fault)) is not None:
        return UpstreamLost(f"no connection to the cloud can be opened: {shortage}")
    # What fails before anything was sent is the first hop.
    first = "the cloud's VNC gateway" if proxy is None else proxy.named
    match fault:
        case TimeoutError():
            return UrlExpired("the cloud's VNC gateway didn't answer in time")
        case ssl.SSLCertVerificationError():
            return CertificateRefused(
                "the certificate of the cloud's VNC gateway isn't trusted; if a proxy here "
                "inspects TLS, name its authority in [aliyun] ca_file"
            )
        case ssl.SSLError():
            return UpstreamLost("the cloud's VNC gateway can't be reached: TLS failed")
        case InvalidProxyStatus() if proxy is not None:
            status = fault.response.status_code
            if (why := proxy.refused(status, target)) is not None:
                return UpstreamRefused(why, PROXY_REFUSED)
            return UpstreamLost(f"{proxy.named} didn't reach the gateway (HTTP status {status})")
        case ProxyError() | InvalidProxy() if proxy is not None:
            if (why := proxy.refused_by_socks(fault.__cause__, target)) is not None:
                return UpstreamRefused(why, PROXY_REFUSED)
            return UpstreamLost(f"{proxy.named} can't be used")
        case InvalidStatus():
            status = fault.response.status_code
            return UpstreamLost(
                f"the cloud's VNC gateway refused the connection (HTTP status {status})"
            )
        case EOFError() | InvalidMessage(__cause__=EOFError()):
            return UpstreamLost(
                "the cloud's VNC gateway closed the connection before the WebSocket was open"
            )
        case socket.gaierror() | UnicodeError() | InvalidURI():
            return UpstreamLost(f"the name of {first} can't be resolved")
        case OSError(errno=int(number)):
            # Not its own text: asyncio puts the address there.
            word = os.strerror(number)
            return UpstreamLost(f"{first} can't be reached: {word}")
        case OSError():
            return UpstreamLost(f"{first} can't be reached")
        case _:
            return UpstreamProtocolError(
                "the cloud's VNC gateway gave an answer that is no WebSocket's"
            )
