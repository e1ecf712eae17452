"""Which account is at the other end of a connection, as the kernel knows it.

A Unix socket says so itself (SO_PEERCRED: unix(7)). For TCP on this machine the other end is a
socket here too, whose owner the kernel's socket diagnostics tell (sock_diag(7)); where those are
forbidden, /proc/net/tcp does (proc(5)).
"""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path

from vncproxy.addresses import ASKED_MAX, is_loopback

SocketAddress = tuple[IPv4Address | IPv6Address, int]
"""Address and port; an IPv4-mapped IPv6 address is given as the IPv4 address."""

DIAG_TIMEOUT_S = 1.0
"""The kernel answers at once; this keeps a fault from holding the daemon up."""

_SOCK_DIAG_BY_FAMILY = 20
_NETLINK_SOCK_DIAG = 4
_NLM_F_REQUEST = 1
_ESTABLISHED = 1
_HEADER = struct.Struct("=IHHII")
_REQUEST = struct.Struct("=BBBxI")
_PORTS = struct.Struct(">HH")
_ANSWER_MIN_BYTES = _HEADER.size + 72
_UID_AT = _HEADER.size + 64


def uid_behind(transport: asyncio.BaseTransport | None) -> int | None:
    """The user id at the other end of a connection; None if it can't be found out."""
    if transport is None:
        return None
    theirs, ours = transport.get_extra_info("peername"), transport.get_extra_info("sockname")
    if isinstance(theirs, tuple) and isinstance(ours, tuple):
        return tcp_uid(theirs[:2], ours[:2])
    try:
        return unix_uid(transport.get_extra_info("socket").fileno()) if is_unix(transport) else None
    except OSError:
        return None


def uid_of(sock: socket.socket) -> int | None:
    """The user id at the other end of an accepted socket; None if it isn't known at once."""
    try:
        if sock.family == socket.AF_UNIX:
            return unix_uid(sock.fileno())
        theirs, ours = sock.getpeername()[:2], sock.getsockname()[:2]
        return (
            _diagnosed(socket_address(*theirs), socket_address(*ours))
            if is_loopback(theirs[0])
            else None
        )
    except OSError:
        return None


def is_unix(transport: asyncio.BaseTransport) -> bool:
    """Whether a connection came through a Unix socket; a lost TCP one has no address either."""
    sock = transport.get_extra_info("socket")
    return sock is not None and sock.family == socket.AF_UNIX


def unix_uid(descriptor: int) -> int:
    """The user id of the process that connected to a Unix socket.

    Raises:
        OSError: The kernel doesn't know it.
    """
    with socket.socket(fileno=os.dup(descriptor)) as sock:
        credentials = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    _pid, uid, _gid = struct.unpack("=iII", credentials)
    return int(uid)


def tcp_uid(theirs: tuple[str, int], ours: tuple[str, int]) -> int | None:
    """Who owns the other end of a TCP connection; None if it isn't on this machine, or is gone.

    Args:
        theirs: The other end's address and port, as this end sees them.
        ours: This end's address and port.
    """
    if not is_loopback(theirs[0]):
        return None
    far, near = socket_address(*theirs), socket_address(*ours)
    try:
        return _diagnosed(far, near)
    except OSError:
        return _listed(far, near)


def knows_owners() -> bool:
    """Whether the kernel says whose a TCP connection is: tried on one to this process itself."""
    try:
        with socket.create_server(("127.0.0.1", 0)) as listening:
            ours = listening.getsockname()
            with socket.create_connection(ours, DIAG_TIMEOUT_S) as client:
                return tcp_uid(client.getsockname(), ours) == os.geteuid()
    except OSError:
        return False


def socket_address(host: str, port: int) -> SocketAddress:
    """An end of a connection, in one spelling."""
    return _address(host), port


@lru_cache(ASKED_MAX)
def _address(host: str | bytes) -> IPv4Address | IPv6Address:
    ip = ip_address(host.partition("%")[0] if isinstance(host, str) else host)
    mapped = ip.ipv4_mapped if isinstance(ip, IPv6Address) else None
    return mapped or ip


def _diagnosed(far: SocketAddress, near: SocketAddress) -> int | None:
    """Ask the kernel for exactly one socket. Raises: OSError - it can't be asked."""
    family = socket.AF_INET if far[0].version == 4 else socket.AF_INET6
    body = _REQUEST.pack(family, socket.IPPROTO_TCP, 0, 0xFFFFFFFF)
    body += _PORTS.pack(far[1], near[1])
    body += far[0].packed.ljust(16, b"\0") + near[0].packed.ljust(16, b"\0")
    # Any interface; no cookie.
    body += struct.pack("=III", 0, 0xFFFFFFFF, 0xFFFFFFFF)
    header = _HEADER.pack(_HEADER.size + len(body), _SOCK_DIAG_BY_FAMILY, _NLM_F_REQUEST, 1, 0)
    kind = socket.SOCK_RAW | socket.SOCK_CLOEXEC
    with socket.socket(socket.AF_NETLINK, kind, _NETLINK_SOCK_DIAG) as diagnostics:
        diagnostics.settimeout(DIAG_TIMEOUT_S)
        diagnostics.sendto(header + body, (0, 0))
        answer, sender = diagnostics.recvfrom(8192)
    return owner_in(answer, far, near) if sender[0] == 0 else None


def owner_in(answer: bytes, far: SocketAddress, near: SocketAddress) -> int | None:
    """The owner of the socket in an answer of the diagnostics, if it is the one asked for.

    The kernel falls back to a listening socket where there is no connection. Source: the kernel's
    include/uapi/linux/inet_diag.h, struct inet_diag_msg.
    """
    if len(answer) < _ANSWER_MIN_BYTES:
        return None
    if _HEADER.unpack_from(answer)[1] != _SOCK_DIAG_BY_FAMILY:
        return None
    family, state = answer[_HEADER.size], answer[_HEADER.size + 1]
    ports = _PORTS.unpack_from(answer, _HEADER.size + 4)
    size = 4 if family == socket.AF_INET else 16
    at = _HEADER.size + 8
    source = _address(answer[at : at + size]), ports[0]
    target = _address(answer[at + 16 : at + 16 + size]), ports[1]
    if state != _ESTABLISHED or (source, target) != (far, near):
        return None
    uid: int = struct.unpack_from("=I", answer, _UID_AT)[0]
    return uid


def _listed(far: SocketAddress, near: SocketAddress) -> int | None:
    for name in ("tcp", "tcp6"):
        try:
            listing = Path(f"/proc/net/{name}").read_text()
        except OSError:
            continue
        if (uid := owner_listed(listing, far, near)) is not None:
            return uid
    return None


def owner_listed(listing: str, far: SocketAddress, near: SocketAddress) -> int | None:
    """The owner of a connection in the text of /proc/net/tcp or tcp6. Source: proc_net(5)."""
    for line in listing.splitlines()[1:]:
        parts = line.split()
        if len(parts) < 8 or int(parts[3], 16) != _ESTABLISHED:
            continue
        if (_listed_place(parts[1]), _listed_place(parts[2])) == (far, near):
            return int(parts[7])
    return None


def _listed_place(text: str) -> SocketAddress:
    host, _, port = text.partition(":")
    # Words of 32 bits, each in this machine's own order.
    words = [int(host[at : at + 8], 16) for at in range(0, len(host), 8)]
    packed = struct.pack(f"={len(words)}I", *words)
    return _address(packed), int(port, 16)
