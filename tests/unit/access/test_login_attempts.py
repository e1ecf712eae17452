"""Wrong tokens: who has to wait, and for how long."""

from __future__ import annotations

from vncproxy.access.login_attempts import (
    FIRST_WAIT_S,
    FREE,
    LONGEST_WAIT_S,
    MAX_SOURCES,
    WINDOW_S,
    LoginAttempts,
)


def test_a_few_wrong_ones_cost_nothing() -> None:
    """A person may mistype."""
    ours = LoginAttempts()
    assert not ours
    for wrong in range(1, FREE):
        assert ours.failed("a", 0.0) == wrong
    assert ours
    assert ours.wait_s("a", 0.0) == 0


def test_more_of_them_cost_time_and_the_time_grows() -> None:
    """Each wrong one after a wait doubles the next, up to a bound."""
    ours, now, waits = LoginAttempts(), 0.0, []
    for _ in range(40):
        ours.failed("a", now)
        if wait_s := ours.wait_s("a", now):
            waits.append(wait_s)
            now += wait_s
            assert ours.wait_s("a", now) == 0
    assert waits[:3] == [FIRST_WAIT_S, FIRST_WAIT_S * 2, FIRST_WAIT_S * 4]
    assert waits[-1] == LONGEST_WAIT_S
    assert len(waits) == 40 - FREE + 1


def test_sources_are_apart() -> None:
    """One that guesses doesn't hold up the others."""
    ours = LoginAttempts()
    for _ in range(FREE):
        ours.failed("a", 0.0)
    assert ours.wait_s("a", 0.0) > 0
    assert ours.wait_s("b", 0.0) == 0


def test_a_quiet_minute_begins_anew() -> None:
    """After the wait and a minute more the wrong ones of before are forgotten."""
    ours = LoginAttempts()
    for _ in range(FREE):
        ours.failed("a", 0.0)
    assert ours.failed("a", FIRST_WAIT_S + WINDOW_S) == FREE + 1
    assert ours.failed("a", 1000.0) == 1


def test_a_slow_guesser_is_no_new_one_each_time() -> None:
    """The quiet minute is counted from the last wrong one, not from the first."""
    ours = LoginAttempts()
    assert [ours.failed("a", at) for at in (0.0, 50.0, 100.0, 160.0, 220.1)] == [1, 2, 3, 4, 1]


def test_the_right_one_begins_anew() -> None:
    """What went before was a slip."""
    ours = LoginAttempts()
    ours.failed("a", 0.0)
    ours.succeeded("a")
    ours.succeeded("b")
    assert not ours


def test_sources_are_bounded() -> None:
    """A guesser with many addresses fills no memory."""
    ours = LoginAttempts()
    for number in range(MAX_SOURCES + 10):
        ours.failed(f"{number}", 0.0)
    assert len(ours._sources) == MAX_SOURCES
    assert ours.failed("0", 0.0) == 1
