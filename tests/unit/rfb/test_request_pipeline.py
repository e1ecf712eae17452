"""How often the request under way is repeated, where the upstream is far away."""

from __future__ import annotations

import pytest

from vncproxy.rfb.request_pipeline import INTERVAL_S, LONG_S, MOST, RequestPipeline

AWAY_S = 0.2


def moving(away_s: float = AWAY_S, transfer_s: float = 0.0) -> tuple[RequestPipeline, float]:
    """A line whose first answer has come, after which the next one was asked for."""
    line = RequestPipeline()
    line.asked(0.0)
    line.update_began(away_s)
    now = away_s + transfer_s
    line.update_ended(now)
    line.asked(now)
    return line, now


def test_nothing_is_repeated_before_the_line_is_known() -> None:
    """The first answer tells how long it is."""
    line = RequestPipeline()
    assert line.repeat_at() is None
    line.asked(0.0)
    assert line.repeat_at() is None


@pytest.mark.parametrize("away_s", [0.0, 0.01, LONG_S])
def test_a_short_line_needs_no_repeats(away_s: float) -> None:
    """Each answer comes in time for the next request."""
    line, _ = moving(away_s)
    assert line.repeat_at() is None
    assert line.settled_at is None


def test_while_the_screen_moves_the_request_is_repeated() -> None:
    """A little more often than pictures are worth sending."""
    line, now = moving()
    assert line.repeat_at() == pytest.approx(now + INTERVAL_S)
    line.asked(now + INTERVAL_S, repeated=True)
    assert line.repeat_at() == pytest.approx(now + 2 * INTERVAL_S)


def test_a_screen_at_rest_is_asked_once_more_only() -> None:
    """What was repeated was merged there; nothing of it is left to be sent for ever."""
    line, now = moving()
    repeats = 0
    while (at := line.repeat_at()) is not None:
        assert at >= now
        now = at
        line.asked(now, repeated=True)
        repeats += 1
    assert 0 < repeats < MOST


def test_a_line_that_is_full_is_asked_less_often() -> None:
    """A key's echo needn't wait behind pictures: half of the time the line is free."""
    line, now = moving(transfer_s=0.1)
    assert line.repeat_at() == pytest.approx(now + 0.2)


def test_no_more_than_so_many_are_under_way() -> None:
    """On the longest line, too, whose screen moves all the time."""
    line, now = moving(5.0)
    for _ in range(2 * MOST):
        if (at := line.repeat_at()) is None:
            break
        now = at
        line.asked(now, repeated=True)
    else:
        pytest.fail("it is repeated without end")
    # An answer makes room for one.
    line.update_began(now)
    line.update_ended(now)
    assert line.repeat_at() is not None


def test_what_several_requests_have_brought_is_waited_for() -> None:
    """Longer than an answer takes."""
    line, now = moving()
    line.asked(now + INTERVAL_S, repeated=True)
    assert line.settled_at is not None
    assert line.settled_at > now + INTERVAL_S + AWAY_S
