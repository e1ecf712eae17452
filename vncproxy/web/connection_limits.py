"""How many connections one listener takes, and which one is closed when there are too many.

A connection is pending until its first request has come whole, then active. An attacker can open
pending connections at no cost, so only a few may exist at a time: one more, and the oldest pending
one is closed. So connections that send nothing never keep out a client that sends its request at
once.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from functools import lru_cache
from ipaddress import IPv6Address, ip_address, ip_network

from vncproxy.addresses import ASKED_MAX

CONNECTIONS_MAX = 4096
"""Active connections of one listener; each viewer's page has three."""
CONNECTIONS_PER_PEER_MAX = 512
PENDING_MAX = 256
"""Pending connections of one listener, those in their TLS handshake among them."""
PENDING_PER_PEER_MAX = 64
_IPV6_NETWORK_BITS = 64
"""What one subscriber has: its addresses are one peer."""


class Slot:
    """One connection's slot at a listener, from when it is accepted to its end."""

    def __init__(self, limits: ConnectionLimits, peer: str | None) -> None:
        self.peer = peer
        self.cut: Callable[[], object] = _nothing
        """Ends the connection at once; set by the acceptor."""
        self._limits = limits

    def activate(self) -> None:
        """Its first request has come whole."""
        self._limits.activate(self)

    def leave(self) -> None:
        """The connection has ended."""
        self._limits.leave(self)


class ConnectionLimits:
    """The slots of one listener."""

    def __init__(
        self,
        *,
        most: int = CONNECTIONS_MAX,
        most_of_one: int = CONNECTIONS_PER_PEER_MAX,
        most_pending: int = PENDING_MAX,
        most_pending_of_one: int = PENDING_PER_PEER_MAX,
    ) -> None:
        """No slot is taken.

        Args:
            most: Connections that have sent a request.
            most_of_one: Of these, of one peer.
            most_pending: Connections that haven't.
            most_pending_of_one: Of these, of one peer.
        """
        self._most = most
        self._most_of_one = most_of_one
        self._most_pending = most_pending
        self._most_pending_of_one = most_pending_of_one
        self._pending: dict[Slot, None] = {}
        self._active: set[Slot] = set()
        self._active_of: Counter[str] = Counter()
        self._pending_of: Counter[str] = Counter()
        self._none_pending = asyncio.Event()
        self._none_pending.set()

    @property
    def pending(self) -> int:
        """How many connections haven't sent a whole request yet."""
        return len(self._pending)

    @property
    def active(self) -> int:
        """How many have."""
        return len(self._active)

    async def none_pending(self) -> None:
        """Wait until no connection is pending; the caller sets the time limit."""
        await self._none_pending.wait()

    def is_pending(self, slot: Slot) -> bool:
        """Whether its first request hasn't come whole."""
        return slot in self._pending

    def enter(self, peer: str | None) -> Slot | None:
        """A slot for a new connection, which may close an older pending one; None: all are taken.

        Args:
            peer: The client that it counts for: an address, or an account of this machine.
        """
        if len(self._active) >= self._most:
            return None
        if peer is not None and self._active_of[peer] >= self._most_of_one:
            return None
        slot = Slot(self, peer)
        self._pending[slot] = None
        self._none_pending.clear()
        if peer is not None:
            self._pending_of[peer] += 1
            if self._pending_of[peer] > self._most_pending_of_one:
                self._close_oldest(one for one in self._pending if one.peer == peer)
        if len(self._pending) > self._most_pending:
            self._close_oldest(iter(self._pending))
        return slot

    def activate(self, slot: Slot) -> None:
        """See `Slot.activate`."""
        if slot in self._pending:
            self._forget_pending(slot)
            self._active.add(slot)
            if slot.peer is not None:
                self._active_of[slot.peer] += 1

    def leave(self, slot: Slot) -> None:
        """See `Slot.leave`."""
        if slot in self._pending:
            self._forget_pending(slot)
        elif slot in self._active:
            self._active.discard(slot)
            _less(self._active_of, slot.peer)

    def _close_oldest(self, candidates: Iterator[Slot]) -> None:
        oldest = next(candidates)
        self._forget_pending(oldest)
        oldest.cut()

    def _forget_pending(self, slot: Slot) -> None:
        del self._pending[slot]
        if not self._pending:
            self._none_pending.set()
        _less(self._pending_of, slot.peer)


def peer_of(address: object) -> str | None:
    """The client that connections from this socket address count for.

    None where many people share one: a Unix socket and loopback are tunnels' and proxies' ends.
    An IPv6 address counts for its /64.
    """
    return _peer_at(str(address[0])) if isinstance(address, tuple) else None


@lru_cache(ASKED_MAX)
def _peer_at(host: str) -> str | None:
    ip = ip_address(host.partition("%")[0])
    if isinstance(ip, IPv6Address):
        if ip.ipv4_mapped is not None:
            return _peer_at(str(ip.ipv4_mapped))
        if not ip.is_loopback:
            return str(ip_network((ip, _IPV6_NETWORK_BITS), strict=False))
    return None if ip.is_loopback else str(ip)


def _less(counter: Counter[str], peer: str | None) -> None:
    if peer is not None:
        counter[peer] -= 1
        if not counter[peer]:
            del counter[peer]


def _nothing() -> None:
    """Nothing to end yet."""
