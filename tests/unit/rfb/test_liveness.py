"""When a quiet upstream is asked, and when it counts as dead."""

from __future__ import annotations

import pytest

from vncproxy.rfb.liveness import FIRST_QUIET_S, LATE_S, Liveness, LivenessAction

QUIET_S, TIMEOUT_S = 60.0, 15.0


def liveness(*, answers: bool = True) -> Liveness:
    """One whose link starts at 0."""
    made = Liveness(quiet_s=QUIET_S, answer_timeout_s=TIMEOUT_S)
    made.answers = answers
    made.link_started(0.0)
    return made


def asked(alive: Liveness, at_s: float = QUIET_S) -> None:
    """The question is due, and asked."""
    assert alive.check(at_s, 0.0) is LivenessAction.ASK


def test_a_quiet_upstream_is_asked_and_then_dead() -> None:
    """Not before their times, which are informed."""
    alive = liveness()
    assert alive.next_at(0.0) == QUIET_S
    assert alive.check(QUIET_S - 0.1, 0.0) is LivenessAction.WAIT
    asked(alive)
    assert alive.next_at(0.0) == QUIET_S + TIMEOUT_S
    assert alive.check(QUIET_S + TIMEOUT_S - 0.1, 0.0) is LivenessAction.WAIT
    assert alive.check(QUIET_S + TIMEOUT_S, 0.0) is LivenessAction.DEAD


@pytest.mark.parametrize("received_at", [1.0, 59.0, 61.0, 74.9])
def test_whatever_comes_is_an_answer(received_at: float) -> None:
    """And puts the next question off."""
    alive = liveness()
    if received_at > QUIET_S:
        asked(alive)
    assert alive.next_at(received_at) == received_at + QUIET_S
    assert alive.check(received_at + QUIET_S - 0.1, received_at) is LivenessAction.WAIT


def test_what_came_before_the_question_is_no_answer() -> None:
    """Nor what came at the very moment at which it was asked."""
    alive = liveness()
    asked(alive)
    for received_at in (0.0, QUIET_S):
        assert alive.next_at(received_at) == QUIET_S + TIMEOUT_S
    assert alive.check(QUIET_S + TIMEOUT_S, QUIET_S) is LivenessAction.DEAD


def test_who_looks_a_little_late_judges_all_the_same() -> None:
    """Up to the time by which a loop that isn't blocked may be late."""
    alive = liveness()
    asked(alive)
    assert alive.check(QUIET_S + TIMEOUT_S + LATE_S, 0.0) is LivenessAction.DEAD


def test_another_link_owes_no_answer() -> None:
    """It is asked itself when it has been quiet for long."""
    alive = liveness()
    asked(alive)
    alive.link_started(70.0)
    assert alive.next_at(QUIET_S) == 70.0 + QUIET_S


def test_without_a_question_a_pixel_shows_no_answer() -> None:
    """It is some change of the picture."""
    alive = liveness(answers=False)
    asked(alive, FIRST_QUIET_S)
    assert alive.is_learning
    alive.held(3.0)
    alive.rectangle(3.5, 0, 0, 1, 1)
    assert (alive.answers, alive.is_learning) == (False, False)


def test_who_stood_still_blames_nobody() -> None:
    """The answer may lie unread: after a long pause of the daemon there is a little time more."""
    alive = liveness()
    asked(alive)
    late = QUIET_S + TIMEOUT_S + 300.0
    assert alive.check(late, 0.0) is LivenessAction.WAIT
    assert alive.next_at(0.0) == late + LATE_S
    assert alive.check(late + LATE_S, 0.0) is LivenessAction.DEAD


def test_time_without_reading_does_not_count() -> None:
    """Neither for the quiet nor for the answer."""
    alive = liveness()
    asked(alive)
    alive.held(70.0)
    assert alive.next_at(0.0) == 70.0 + QUIET_S
    assert alive.check(100.0, 0.0) is LivenessAction.WAIT


def test_the_first_question_comes_early_once_for_each_link() -> None:
    """Until it is known that this upstream answers."""
    alive = liveness(answers=False)
    asked(alive, FIRST_QUIET_S)
    received_at = FIRST_QUIET_S + 0.5
    assert alive.next_at(received_at) == received_at + QUIET_S
    alive.link_started(500.0)
    assert alive.next_at(0.0) == 500.0 + FIRST_QUIET_S
    alive.answers = True
    assert alive.next_at(0.0) == 500.0 + QUIET_S


@pytest.mark.parametrize(
    ("at_s", "rect", "answers"),
    [
        (2.0, (0, 0, 1, 1), True),
        (2.0, (0, 0, 16, 16), True),
        (2.0, (0, 0, 257, 1), False),
        (FIRST_QUIET_S + TIMEOUT_S, (0, 0, 1, 1), True),
        (2.0, (0, 0, 800, 600), False),
        (2.0, (5, 0, 1, 1), False),
        (FIRST_QUIET_S + TIMEOUT_S + 0.1, (0, 0, 1, 1), False),
    ],
)
def test_only_the_pixel_shows_that_it_was_the_question(
    at_s: float, rect: tuple[int, int, int, int], answers: bool
) -> None:
    """What a busy screen sends all the time shows nothing."""
    alive = liveness(answers=False)
    asked(alive, FIRST_QUIET_S)
    assert alive.is_learning
    alive.rectangle(at_s, *rect)
    assert alive.answers is answers
    assert alive.is_learning is not answers


def test_one_that_knows_no_pixels_is_judged_by_the_whole_screen() -> None:
    """It has shown that once."""
    alive = liveness(answers=False)
    alive.rectangle(0.5, 0, 0, 800, 600)
    assert not alive.is_learning
    assert alive.check(FIRST_QUIET_S + 0.5, 0.5) is LivenessAction.ASK
    now = FIRST_QUIET_S + 0.5 + TIMEOUT_S
    assert alive.check(now - 0.1, 0.5) is LivenessAction.WAIT
    assert alive.check(now, 0.5) is LivenessAction.ASK_ALL
    assert alive.check(now + TIMEOUT_S - 0.1, 0.5) is LivenessAction.WAIT
    assert alive.check(now + TIMEOUT_S, 0.5) is LivenessAction.DEAD


def test_one_that_has_shown_nothing_is_judged_too() -> None:
    """A line that died amid the first picture of a console would be waited for without end."""
    alive = liveness(answers=False)
    asked(alive, FIRST_QUIET_S)
    now = FIRST_QUIET_S + TIMEOUT_S
    assert alive.check(now, 0.0) is LivenessAction.ASK_ALL
    assert alive.check(now + TIMEOUT_S, 0.0) is LivenessAction.DEAD


def test_one_that_shows_its_screen_again_is_alive() -> None:
    """And asked for a pixel the next time, too."""
    alive = liveness(answers=False)
    alive.rectangle(0.5, 0, 0, 800, 600)
    received_at = 0.5
    for _ in range(3):
        now = alive.next_at(received_at)
        assert alive.check(now, received_at) is LivenessAction.ASK
        now = alive.next_at(received_at)
        assert alive.check(now, received_at) is LivenessAction.ASK_ALL
        received_at = now + 0.1
    assert not alive.answers
