"""How slow a store has been lately."""

from __future__ import annotations

from vncproxy.throttle.store_latency import KEPT, LONGEST_S, Delays


def test_the_longest_of_the_last_counts() -> None:
    """Until enough quick ones have come."""
    delays = Delays()
    assert delays.longest_s == 0.0
    delays.note(4.0)
    for _ in range(KEPT - 1):
        delays.note(0.1)
        assert delays.longest_s == 4.0
    delays.note(0.2)
    assert delays.longest_s == 0.2


def test_what_can_not_be_is_cut() -> None:
    """A machine that stood still, or a clock that did, makes nobody expect the absurd."""
    delays = Delays()
    delays.note(-1.0)
    assert delays.longest_s == 0.0
    delays.note(1e9)
    assert delays.longest_s == LONGEST_S
