"""Who may stay at a door."""

from __future__ import annotations

import pytest

from vncproxy.web.connection_limits import ConnectionLimits, Slot, peer_of


def entered(limits: ConnectionLimits, peer: str | None, cut: list[Slot]) -> Slot:
    """One more, who notes it when it has to go."""
    slot = limits.enter(peer)
    assert slot is not None
    slot.cut = lambda: cut.append(slot)
    return slot


def test_the_oldest_stranger_goes() -> None:
    """One too many: who has sent nothing for longest, not who came last."""
    limits, cut = ConnectionLimits(most_pending=3), list[Slot]()
    places = [entered(limits, None, cut) for _ in range(3)]
    places[0].activate()
    entered(limits, None, cut)
    assert cut == []
    entered(limits, None, cut)
    assert cut == [places[1]]
    assert (limits.pending, limits.active) == (3, 1)
    places[1].leave()
    assert limits.pending == 3


def test_strangers_of_one_address() -> None:
    """They limits out each other, nobody else."""
    limits, cut = ConnectionLimits(most_pending_of_one=2), list[Slot]()
    other = entered(limits, "192.0.2.9", cut)
    mine = [entered(limits, "192.0.2.1", cut) for _ in range(5)]
    assert cut == mine[:3]
    for _ in range(5):
        entered(limits, None, cut)
    assert cut == mine[:3]
    assert limits.is_pending(other)


def test_a_full_door() -> None:
    """Those who have asked something are never sent away for a newcomer."""
    limits, cut = ConnectionLimits(most=3, most_of_one=2), list[Slot]()
    first = entered(limits, "192.0.2.1", cut)
    first.activate()
    first.activate()
    entered(limits, "192.0.2.1", cut).activate()
    assert limits.enter("192.0.2.1") is None
    entered(limits, "192.0.2.2", cut).activate()
    assert limits.enter("192.0.2.3") is None
    assert limits.enter(None) is None
    first.leave()
    first.leave()
    assert limits.enter("192.0.2.1") is not None
    assert cut == []


def test_nothing_is_left_behind() -> None:
    """A limits that has gone takes no memory."""
    limits = ConnectionLimits()
    for number in range(100):
        slot = limits.enter(f"192.0.2.{number}")
        assert slot is not None
        if number % 2:
            slot.activate()
        slot.leave()
    assert (limits.pending, limits.active) == (0, 0)
    assert not limits._active_of and not limits._pending_of


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
