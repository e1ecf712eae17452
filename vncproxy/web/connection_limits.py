"""Who is at one door: how many connections it takes, and which goes when there are too many.

A connection is a stranger until its first request has come whole. Strangers cost nothing to be and
so are few at a time: one too many, and the oldest has to go, whatever it is about to say. So a
crowd that says nothing never keeps out whoever asks at once.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from ipaddress import IPv6Address, ip_address, ip_network

CONNECTIONS_MAX = 4096
"""Connections of one door that have asked something; each viewer's page has three."""
CONNECTIONS_PER_PEER_MAX = 512
STRANGERS_MAX = 256
"""Connections of one door that haven't asked anything yet, TLS handshakes among them."""
STRANGERS_PER_PEER_MAX = 64
_IPV6_NETWORK_BITS = 64
"""What one subscriber has: its addresses are one peer."""


class Place:
    """One connection's place at a door, from when it is accepted to its end."""

    def __init__(self, crowd: ConnectionLimits, peer: str | None) -> None:
        """Made by `ConnectionLimits.enter`."""
        self.peer = peer
        self.cut: Callable[[], object] = _nothing
        """Ends the connection at once; whoever opened it says how."""
        self._crowd = crowd

    def settle(self) -> None:
        """It has asked something: it is no stranger any more."""
        self._crowd.settle(self)

    def leave(self) -> None:
        """It is over."""
        self._crowd.leave(self)


class ConnectionLimits:
    """The places of one door."""

    def __init__(
        self,
        *,
        most: int = CONNECTIONS_MAX,
        most_of_one: int = CONNECTIONS_PER_PEER_MAX,
        most_strangers: int = STRANGERS_MAX,
        most_strangers_of_one: int = STRANGERS_PER_PEER_MAX,
    ) -> None:
        """Nobody is here.

        Args:
            most: Connections that have sent a request.
            most_of_one: Of these, of one peer.
            most_strangers: Connections that haven't.
            most_strangers_of_one: Of these, of one peer.
        """
        self._most = most
        self._most_of_one = most_of_one
        self._most_strangers = most_strangers
        self._most_strangers_of_one = most_strangers_of_one
        self._strangers: dict[Place, None] = {}
        self._settled: set[Place] = set()
        self._settled_of: Counter[str] = Counter()
        self._strangers_of: Counter[str] = Counter()
        self._quiet = asyncio.Event()
        self._quiet.set()

    @property
    def strangers(self) -> int:
        """Connections that haven't asked anything yet."""
        return len(self._strangers)

    @property
    def settled(self) -> int:
        """Connections that have."""
        return len(self._settled)

    async def quiet(self) -> None:
        """Wait until there is no stranger; the caller sets the time limit."""
        await self._quiet.wait()

    def is_stranger(self, place: Place) -> bool:
        """Whether it still hasn't asked anything."""
        return place in self._strangers

    def enter(self, peer: str | None) -> Place | None:
        """A place for one more stranger, for which an older one may have to go; None: it is full.

        Args:
            peer: Whom it counts for: an address, or an account of this machine.
        """
        if len(self._settled) >= self._most:
            return None
        if peer is not None and self._settled_of[peer] >= self._most_of_one:
            return None
        place = Place(self, peer)
        self._strangers[place] = None
        self._quiet.clear()
        if peer is not None:
            self._strangers_of[peer] += 1
            if self._strangers_of[peer] > self._most_strangers_of_one:
                self._send_away(one for one in self._strangers if one.peer == peer)
        if len(self._strangers) > self._most_strangers:
            self._send_away(iter(self._strangers))
        return place

    def settle(self, place: Place) -> None:
        """See `Place.settle`."""
        if place in self._strangers:
            self._forget_stranger(place)
            self._settled.add(place)
            if place.peer is not None:
                self._settled_of[place.peer] += 1

    def leave(self, place: Place) -> None:
        """See `Place.leave`."""
        if place in self._strangers:
            self._forget_stranger(place)
        elif place in self._settled:
            self._settled.discard(place)
            _less(self._settled_of, place.peer)

    def _send_away(self, candidates: Iterator[Place]) -> None:
        oldest = next(candidates)
        self._forget_stranger(oldest)
        oldest.cut()

    def _forget_stranger(self, place: Place) -> None:
        del self._strangers[place]
        if not self._strangers:
            self._quiet.set()
        _less(self._strangers_of, place.peer)


def peer_of(address: object) -> str | None:
    """Whom connections from this socket address count for.

    None where many people share one: a Unix socket and loopback are tunnels' and proxies' ends.
    An IPv6 address counts for its /64.
    """
    if not isinstance(address, tuple):
        return None
    ip = ip_address(str(address[0]).partition("%")[0])
    if isinstance(ip, IPv6Address):
        if ip.ipv4_mapped is not None:
            return peer_of((str(ip.ipv4_mapped),))
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
