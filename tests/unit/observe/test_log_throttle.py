"""What is logged of what happens again and again."""

from __future__ import annotations

from vncproxy.observe.log_throttle import MAX_KEYS, LogThrottle


def test_the_first_time_is_reported_and_then_once_a_window() -> None:
    """With the count of those that weren't."""
    repeats = LogThrottle(window_s=60.0)
    assert repeats.seen("a", 0.0) == 1
    assert [repeats.seen("a", 1.0 + n) for n in range(5)] == [0] * 5
    assert repeats.seen("a", 60.0) == 6
    assert repeats.seen("a", 61.0) == 0
    assert repeats.seen("a", 500.0) == 2


def test_each_thing_is_counted_for_itself() -> None:
    """One peer's knocking hides nobody else's."""
    repeats = LogThrottle()
    assert repeats.seen("a", 0.0) == 1
    assert repeats.seen("b", 0.0) == 1
    assert repeats.seen("a", 0.0) == 0


def test_whether_it_was_logged_is_asked_without_counting() -> None:
    """Within the window only."""
    repeats = LogThrottle(window_s=60.0)
    assert not repeats.has_logged("a", 0.0)
    assert repeats.seen("a", 0.0) == 1
    assert [repeats.has_logged("a", now) for now in (0.0, 59.9, 60.0)] == [True, True, False]
    assert not repeats.has_logged("b", 0.0)
    assert repeats.seen("a", 60.0) == 1


def test_the_bound_is_the_callers() -> None:
    """The one logged longest ago is forgotten first."""
    repeats = LogThrottle(max_keys=2)
    assert [repeats.seen(one, 0.0) for one in ("a", "b", "c")] == [1, 1, 1]
    assert repeats.seen("a", 0.0) == 1
    assert repeats.has_logged("c", 0.0)


def test_it_is_bounded() -> None:
    """Who comes from ever new places is reported each time, and costs no memory."""
    repeats = LogThrottle()
    for number in range(MAX_KEYS + 1):
        assert repeats.seen(number, 0.0) == 1
    assert repeats.seen(0, 0.0) == 1
    assert repeats.seen(MAX_KEYS, 0.0) == 0
