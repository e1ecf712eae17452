"""Pauses between tries."""

from __future__ import annotations

import pytest

from vncproxy.throttle.backoff import Backoff


def test_the_ceiling_grows_by_the_factor_up_to_the_maximum() -> None:
    """With the highest draw, the pauses show the ceilings."""
    backoff = Backoff(first_s=1.0, factor=3.0, max_s=10.0)
    assert [backoff.next(lambda: 1.0) for _ in range(5)] == [1.0, 3.0, 9.0, 10.0, 10.0]


def test_a_pause_that_does_not_grow_is_possible() -> None:
    """By its factor, or since it begins where it stops."""
    for backoff in (Backoff(1.0, 1.0, 10.0), Backoff(1.0, 2.0, 1.0)):
        assert [backoff.next(lambda: 1.0) for _ in range(3)] == [1.0] * 3


def test_the_jitter_is_full() -> None:
    """A pause is anything from zero up to the ceiling, in proportion to the draw."""
    draws = iter([0.0, 0.5, 0.25])
    backoff = Backoff(first_s=1.0, factor=2.0, max_s=60.0)
    assert [backoff.next(lambda: next(draws)) for _ in range(3)] == [0.0, 1.0, 1.0]


def test_reset_begins_again() -> None:
    """After a success the ceiling is the first one again."""
    backoff = Backoff(first_s=1.0, factor=2.0, max_s=60.0)
    backoff.next(lambda: 1.0)
    backoff.next(lambda: 1.0)
    backoff.reset()
    assert backoff.next(lambda: 1.0) == 1.0


def test_what_the_peer_asked_is_the_least() -> None:
    """The pause never ends before the time that the peer named, and is scattered after it."""
    backoff = Backoff(first_s=1.0, factor=2.0, max_s=60.0)
    assert backoff.next(lambda: 0.0, retry_after_s=7.0) == 7.0
    assert backoff.next(lambda: 0.5, retry_after_s=7.0) == 8.0


@pytest.mark.parametrize("nonsense", [-5.0, 0.0, float("nan")])
def test_a_senseless_wish_of_the_peer_is_ignored(nonsense: float) -> None:
    """A time that isn't in the future changes nothing."""
    assert Backoff(1.0, 2.0, 60.0).next(lambda: 0.5, retry_after_s=nonsense) == 0.5


def test_thousands_of_failures_stay_at_the_maximum() -> None:
    """The ceiling doesn't overflow, however long an instance stays dead."""
    backoff = Backoff(first_s=1.0, factor=10.0, max_s=30.0)
    for _ in range(5000):
        pause_s = backoff.next(lambda: 1.0)
    assert pause_s == 30.0


@pytest.mark.parametrize("values", [(0.0, 2.0, 5.0), (6.0, 2.0, 5.0), (1.0, 0.5, 5.0)])
def test_impossible_values_are_refused(values: tuple[float, float, float]) -> None:
    """A back-off that would not pause or not grow is a mistake of the caller."""
    with pytest.raises(ValueError, match="impossible back-off"):
        Backoff(*values)


def test_a_pause_may_have_a_least_part_of_its_ceiling() -> None:
    """Where none may be very short."""
    backoff = Backoff(2.0, 2.0, 4.0, least=0.75)
    assert backoff.next(lambda: 0.0) == 1.5
    assert backoff.next(lambda: 0.5) == 3.5
    assert backoff.next(lambda: 0.999) < 4.0
    with pytest.raises(ValueError, match="impossible"):
        Backoff(2.0, 2.0, 4.0, least=1.5)
