"""How fast a counter grows, over the last seconds."""

from __future__ import annotations

import pytest

from vncproxy.console.rate import LOOK_INTERVAL_S, WINDOW_S, Rate


def looked_at(rate: Rate, *, until_s: float, per_s: float, from_s: float = 0.0) -> int:
    """Let the counter grow evenly, looked at on time; gives it at the end."""
    at_s = from_s
    while (at_s := at_s + LOOK_INTERVAL_S) <= until_s:
        rate.note(at_s, round((at_s - from_s) * per_s))
    return round((until_s - from_s) * per_s)


def test_an_even_flow() -> None:
    """It is told right at once, and as long as it lasts."""
    rate = Rate(0.0)
    assert rate.per_s(4.0, 4000) == 1000
    total = looked_at(rate, until_s=60.0, per_s=1000)
    assert rate.per_s(60.0, total) == 1000
    assert rate.per_s(61.5, total + 1500) == 1000


def test_what_was_before_does_not_count() -> None:
    """Neither what was counted at the beginning nor what is longer ago than the window."""
    assert Rate(5.0, 10**9).per_s(7.0, 10**9) == 0
    rate = Rate(0.0)
    total = looked_at(rate, until_s=30.0, per_s=5000)
    for at_s in range(32, 43, 2):
        rate.note(float(at_s), total)
    assert rate.per_s(42.0, total) == 0


def test_a_flow_that_stops_fades_within_the_window() -> None:
    """Half of the window later it is half as much."""
    rate = Rate(0.0)
    total = looked_at(rate, until_s=30.0, per_s=1000)
    for at_s in (32.0, 34.0):
        rate.note(at_s, total)
    assert rate.per_s(35.0, total) == pytest.approx(1000 * 5 / 10, rel=0.2)


def test_a_burst_at_the_beginning() -> None:
    """The first picture isn't taken for a line of gigabytes in a second."""
    assert Rate(0.0).per_s(0.001, 3_000_000) == 3_000_000


def test_looks_that_are_late_or_missing() -> None:
    """A loop that stood still for a minute spoils nothing: the last look is what there is."""
    rate = Rate(0.0)
    rate.note(2.0, 2000)
    assert rate.per_s(62.0, 62_000) == 1000
    rate.note(62.0, 62_000)
    assert rate.per_s(64.0, 64_000) == 1000


def test_memory_stays_what_it_is() -> None:
    """However long a counter is looked at."""
    rate = Rate(0.0)
    looked_at(rate, until_s=4000.0, per_s=100)
    assert len(rate._looks) == WINDOW_S / LOOK_INTERVAL_S + 1


def test_a_counter_that_falls_is_no_rate() -> None:
    """It can't; but a page must not show less than nothing."""
    assert Rate(0.0, 100).per_s(1.0, 50) == 0
