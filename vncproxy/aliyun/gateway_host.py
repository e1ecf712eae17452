"""Where a VncUrl may lead: not to this machine, to its own network segment or to its metadata.

The API's answer names the host that is dialled. Without this check, a forged answer could make the
daemon connect to what listens on loopback only, or to the service that gives out the machine's
credentials. Names are resolved here, and the addresses that were checked are those that are
connected to: a second look-up could give others (DNS rebinding).
"""

from __future__ import annotations

import re
import socket
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Any, TypeAlias

from vncproxy.addresses import is_loopback
from vncproxy.aliyun.proxies import METADATA_HOST

AddressInfo: TypeAlias = tuple[int, int, int, str, tuple[Any, ...]]
"""As `socket.getaddrinfo` gives it."""

_THIS_MACHINE = "this machine itself"
_METADATA = ip_address(METADATA_HOST)
_NUMBERS = re.compile(r"[0-9a-fx.]+")
# Source: RFC 6052, section 2.1.
_NAT64 = IPv6Network("64:ff9b::/96")
# Source: RFC 4291, section 2.5.5.1. ::1 and :: are in it, too, and are refused as themselves.
_COMPATIBLE = IPv6Network("::/96")


def why_off_limits(host: str) -> str | None:
    """Why nothing is dialled by this name or address, in words; None: it may be looked up.

    Args:
        host: In any spelling that the system's resolver takes for an address.
    """
    bare = host.strip("[]").rstrip(".").lower()
    address = _address(bare)
    if address is not None:
        return why_no_gateway(address)
    return _THIS_MACHINE if is_loopback(bare) else None


def why_no_gateway(address: IPv4Address | IPv6Address) -> str | None:
    """Why no gateway can be at this address, in words; None: it may be one."""
    for one in _meant(address):
        if one.is_loopback or one.is_unspecified:
            return _THIS_MACHINE
        if one.is_link_local:
            return "a link-local address"
        if one == _METADATA:
            return "the metadata address"
        if one.is_multicast or str(one) == "255.255.255.255":
            return "an address of many machines"
    return None


def is_listed(host: str, suffixes: Iterable[str]) -> bool:
    """Whether a host is one of these, or below one of them; a first dot makes no difference."""
    name = host.rstrip(".").lower()
    for suffix in suffixes:
        listed = suffix.strip(".").lower()
        if name == listed or (name.endswith(f".{listed}") and _address(listed) is None):
            return True
    return False


def first_off_limits(found: Sequence[AddressInfo]) -> str | None:
    """Why nothing is dialled at these addresses, in words; one bad one is enough."""
    for *_, address in found:
        if (why := why_no_gateway(ip_address(str(address[0]).partition("%")[0]))) is not None:
            return why
    return None


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(text)
    except ValueError:
        pass
    if not _NUMBERS.fullmatch(text):
        return None
    try:
        # Decimal, octal, hexadecimal, fewer than four numbers: all that the resolver takes.
        return IPv4Address(socket.inet_aton(text))
    except OSError:
        return None


def _meant(address: IPv4Address | IPv6Address) -> list[IPv4Address | IPv6Address]:
    """An address and the IPv4 address that it carries, if any."""
    if isinstance(address, IPv4Address):
        return [address]
    carried = address.ipv4_mapped or address.sixtofour
    if address in _NAT64 or address in _COMPATIBLE:
        carried = IPv4Address(int(address) & 0xFFFFFFFF)
    return [address] if carried is None else [address, carried]
