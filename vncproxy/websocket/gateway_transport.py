"""The WebSocket to the cloud, by the websockets library, behind the transport interface.

The library's pings stay off: the cloud doesn't count them as interaction, and a gateway that
answered none would lose a good link. A dead line is noticed by TCP itself (`DEAD_LINE_S`).
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import ssl
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Protocol

import aiohappyeyeballs
import structlog
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
from websockets.protocol import State
from websockets.typing import Subprotocol

from vncproxy.aliyun.errors import GATEWAY_REFUSED, PROXY_REFUSED, TLS_REFUSED, off_limits
from vncproxy.aliyun.gateway_host import first_off_limits
from vncproxy.aliyun.proxies import Proxy
from vncproxy.aliyun.resolver import Resolver
from vncproxy.aliyun.tls import refusal_by_alert, refused_in_words
from vncproxy.errors import (
    CertificateRefused,
    CloseReason,
    Side,
    UpstreamError,
    UpstreamLost,
    UpstreamProtocolError,
    UpstreamRefused,
    UrlExpired,
    out_of_descriptors,
)
from vncproxy.rfb.server_events import plain_slices
from vncproxy.websocket.frame_intake import FrameIntake
from vncproxy.websocket.frames import Slice, masked_frame
from vncproxy.websocket.gateway_connection import GatewayConnection
from vncproxy.websocket.intake import TakesIn
from vncproxy.websocket.transport import (
    ABNORMAL,
    CLOSE_TIMEOUT_S,
    BodyReceiver,
    TransportEnd,
    TransportReceiver,
)

NEXT_ADDRESS_AFTER_S = 0.25
"""Without an answer for so long the next address is tried beside. Source: RFC 8305, section 8."""
DEAD_LINE_S = 30
"""Unacknowledged data for this long ends the connection (TCP_USER_TIMEOUT)."""
_NORMAL_CLOSE = 1000

_log = structlog.get_logger("vncproxy.upstream")

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
    # Raised out here, since the library's exceptions hold the URL and the proxy's password: they
    # are no part of this one, not even as its context.
    raise failure


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


class GatewayTransport(TakesIn):
    """One open WebSocket to the cloud."""

    intake: FrameIntake

    def __init__(self, connection: GatewayConnection) -> None:
        """Own an open connection."""
        self._connection = connection
        self.intake = connection.intake
        self._receiver: TransportReceiver | None = None
        self._closing = False
        self._drained: asyncio.Future[None] | None = None
        self._end: TransportEnd | None = None
        self._handed_bytes = 0
        _watch_line(connection.transport.get_extra_info("socket"))

    @property
    def backlog_bytes(self) -> int:
        """Bytes not yet taken by the operating system."""
        return self._connection.transport.get_write_buffer_size()

    @property
    def sent_bytes(self) -> int:
        """Bytes taken by the operating system, frames and all."""
        return self._handed_bytes - self.backlog_bytes

    def attach(self, receiver: TransportReceiver, body: BodyReceiver | None = None) -> None:
        """Start delivering."""
        self._receiver = receiver
        if self._end is not None:
            receiver.transport_ended(self._end)
            return
        self._connection.listen(self)
        self.intake.attach(receiver, body)
        self.intake.resume()

    def send(self, slices: Sequence[Slice]) -> None:
        """Send whole messages, in one frame."""
        if self._closing or not slices:
            return
        connection = self._connection
        if connection.protocol.state is not State.OPEN or connection.transport.is_closing():
            # Of a connection that is closing the intake reports the end, after what came before it.
            return
        # Not by the library, which takes several times as long.
        data = b"".join(plain_slices(slices))
        self._handed_bytes += len(data)
        connection.transport.write(masked_frame(data))

    async def close(self, reason: CloseReason | None = None) -> None:
        """Close properly, so that the cloud's one slot is free again.

        A gateway that takes nothing any more is dropped without a close frame.
        """
        self._closing = True
        self.intake.discard()
        self.resume()
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(CLOSE_TIMEOUT_S):
                    await self._all_taken()
                # The library limits the wait for the answer, but not that for room to send.
                async with asyncio.timeout(2 * CLOSE_TIMEOUT_S):
                    await self._connection.close(_NORMAL_CLOSE)
        finally:
            self._connection.transport.abort()
        self._report(TransportEnd(Side.DAEMON, _NORMAL_CLOSE))

    async def _all_taken(self) -> None:
        if self.backlog_bytes and self._end is None:
            self._drained = asyncio.get_running_loop().create_future()
            await self._drained

    def _no_longer_draining(self) -> None:
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)

    async def shut(self) -> None:
        """Drop the connection."""
        self._connection.transport.abort()

    def gateway_drained(self) -> None:
        """The operating system has taken all that was sent."""
        self._no_longer_draining()
        if self._receiver is not None and self._end is None:
            self._receiver.transport_drained()

    def gateway_flooded(self) -> None:
        """It doesn't stop sending what means nothing."""
        self._report(TransportEnd(Side.CLOUD, flooded=True))

    def gateway_failed(self) -> None:
        """An exception of the receiver: the link can't go on."""
        _log.exception("upstream.fault")
        self._report(TransportEnd(Side.DAEMON))
        self._connection.transport.abort()

    def gateway_ended(self) -> None:
        """The connection is closed or closing."""
        closed = self._connection.protocol.close_rcvd
        code = closed.code if closed is not None else ABNORMAL
        if self._closing:
            self._report(TransportEnd(Side.DAEMON, code))
        else:
            self._report(TransportEnd(Side.CLOUD, code, broke_rules=self._broke_rules()))

    def _broke_rules(self) -> bool:
        """A close frame of ours that answers none is the library's word on bad frames."""
        protocol = self._connection.protocol
        return protocol.close_sent is not None and protocol.close_rcvd is None

    def _report(self, end: TransportEnd) -> None:
        if self._end is not None:
            return
        self._end = end
        self._closing = True
        self.intake.discard()
        self._no_longer_draining()
        if self._receiver is not None:
            self._receiver.transport_ended(end)


def _watch_line(sock: socket.socket | None) -> None:
    if sock is None:
        return
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, DEAD_LINE_S)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, DEAD_LINE_S // 3)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, DEAD_LINE_S * 1000)
