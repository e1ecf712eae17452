"""Who may stay at a door."""

from __future__ import annotations

import pytest

from vncproxy.web.connection_limits import ConnectionLimits, Place, peer_of


def entered(crowd: ConnectionLimits, peer: str | None, cut: list[Place]) -> Place:
    """One more, who notes it when it has to go."""
    place = crowd.enter(peer)
    assert place is not None
    place.cut = lambda: cut.append(place)
    return place


def test_the_oldest_stranger_goes() -> None:
    """One too many: whoever has said nothing for longest, not whoever came last."""
    crowd, cut = ConnectionLimits(most_strangers=3), list[Place]()
    places = [entered(crowd, None, cut) for _ in range(3)]
    places[0].settle()
    entered(crowd, None, cut)
    assert cut == []
    entered(crowd, None, cut)
    assert cut == [places[1]]
    assert (crowd.strangers, crowd.settled) == (3, 1)
    places[1].leave()
    assert crowd.strangers == 3


def test_strangers_of_one_address() -> None:
    """They crowd out each other, nobody else."""
    crowd, cut = ConnectionLimits(most_strangers_of_one=2), list[Place]()
    other = entered(crowd, "192.0.2.9", cut)
    mine = [entered(crowd, "192.0.2.1", cut) for _ in range(5)]
    assert cut == mine[:3]
    for _ in range(5):
        entered(crowd, None, cut)
    assert cut == mine[:3]
    assert crowd.is_stranger(other)


def test_a_full_door() -> None:
    """Those who have asked something are never sent away for a newcomer."""
    crowd, cut = ConnectionLimits(most=3, most_of_one=2), list[Place]()
    first = entered(crowd, "192.0.2.1", cut)
    first.settle()
    first.settle()
    entered(crowd, "192.0.2.1", cut).settle()
    assert crowd.enter("192.0.2.1") is None
    entered(crowd, "192.0.2.2", cut).settle()
    assert crowd.enter("192.0.2.3") is None
    assert crowd.enter(None) is None
    first.leave()
    first.leave()
    assert crowd.enter("192.0.2.1") is not None
    assert cut == []


def test_nothing_is_left_behind() -> None:
    """A crowd that has gone takes no memory."""
    crowd = ConnectionLimits()
    for number in range(100):
        place = crowd.enter(f"192.0.2.{number}")
        assert place is not None
        if number % 2:
            place.settle()
        place.leave()
    assert (crowd.strangers, crowd.settled) == (0, 0)
    assert not crowd._settled_of and not crowd._strangers_of


@pytest.mark.parametrize(
    ("address", "peer"),
    [
        ("", None),
        (b"", None),
        (("127.0.0.1", 1), None),
        (("127.9.9.9", 1), None),
        (("::1", 1, 0, 0), None),
        (("::ffff:127.0.0.1", 1, 0, 0), None),
        (("192.0.2.1", 1), "192.0.2.1"),
        (("::ffff:192.0.2.1", 1, 0, 0), "192.0.2.1"),
        (("2001:db8::1", 1, 0, 0), "2001:db8::/64"),
        (("2001:db8::ffff:1", 1, 0, 0), "2001:db8::/64"),
        (("fe80::1%eth0", 1, 0, 2), "fe80::/64"),
    ],
)
def test_whom_a_connection_counts_for(address: object, peer: str | None) -> None:
    """An address, or its IPv6 network; nobody where tunnels and proxies end."""
    assert peer_of(address) == peer
