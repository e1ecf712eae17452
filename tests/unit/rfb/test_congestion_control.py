"""Measures a viewer's line by its answers to fences, on lines that are made up here."""

from __future__ import annotations

from collections import deque

import pytest

from vncproxy.rfb.congestion_control import (
    FIRST_WINDOW_BYTES,
    FLOOR_BYTES,
    ROUND_TRIP_AGE_S,
    SLACK_S,
    CongestionControl,
)

MAX_BYTES = 8 << 20
MESSAGE_BYTES = 20_000
STEP_S = 0.002


class Line:
    """Delivers so many bytes a second, after a delay; answers come back after the same delay."""

    def __init__(self, pace: CongestionControl, bytes_per_s: float, one_way_s: float) -> None:
        """Nothing is under way."""
        self.pace = pace
        self.bytes_per_s = bytes_per_s
        self.one_way_s = one_way_s
        self.now = 100.0
        self.delivered_bytes = 0
        self.longest_wait_s = 0.0
        self._free_at = 0.0
        self._answers: deque[tuple[float, float, bytes, int]] = deque()

    def send(self, size: int) -> None:
        """An update with its fences."""
        if (payload := self.pace.probe(self.now)) is not None:
            self._carry(payload, 0)
        self._carry(self.pace.mark(size, self.now), size)

    def _carry(self, payload: bytes, size: int) -> None:
        self._free_at = max(self._free_at, self.now) + size / self.bytes_per_s
        answer_at = self._free_at + 2 * self.one_way_s
        self._answers.append((answer_at, self.now, payload, size))

    def run(
        self, duration_s: float, update_bytes: int = MESSAGE_BYTES, every_s: float = 0.0
    ) -> None:
        """Send whenever the window lets it, and a new picture is there."""
        end = self.now + duration_s
        next_at = self.now
        self.delivered_bytes, self.longest_wait_s = 0, 0.0
        while self.now < end:
            self.now += STEP_S
            while self._answers and self._answers[0][0] <= self.now:
                _, sent_at, payload, size = self._answers.popleft()
                self.delivered_bytes += size
                self.longest_wait_s = max(self.longest_wait_s, self.now - sent_at)
                assert self.pace.answered(payload, self.now)
            while self.pace.open and next_at <= self.now:
                self.send(update_bytes)
                next_at = self.now + every_s


@pytest.mark.parametrize("one_way_s", [0.0005, 0.1])
@pytest.mark.parametrize("bytes_per_s", [100e3, 1e6, 5e6])
def test_a_line_is_kept_full_and_never_far_behind(bytes_per_s: float, one_way_s: float) -> None:
    """Almost all of its rate is used, and for minutes no update waits longer than at first."""
    line = Line(CongestionControl(64 << 20), bytes_per_s, one_way_s)
    line.run(12.0)
    round_trip_s = 2 * one_way_s
    window_s = max(FLOOR_BYTES / bytes_per_s, 1.25 * (round_trip_s + SLACK_S))
    for _ in range(3):
        line.run(12.0)
        assert line.delivered_bytes > 0.85 * 12.0 * bytes_per_s
        # A window that begins anew, after the line ran dry, is sent at once.
        assert line.longest_wait_s < round_trip_s + window_s + MESSAGE_BYTES / bytes_per_s + 0.01


def test_updates_larger_than_the_window_go_one_by_one() -> None:
    """On a slow line the next begins when almost all of the last has arrived."""
    line = Line(CongestionControl(MAX_BYTES), 100e3, 0.01)
    line.run(60.0, update_bytes=300_000)
    assert line.delivered_bytes > 0.9 * 60.0 * 100e3
    assert line.longest_wait_s < 3.5


def test_a_line_that_becomes_slow_is_noticed() -> None:
    """What was let through before is delivered, then no backlog is left."""
    line = Line(CongestionControl(MAX_BYTES), 40e6, 0.001)
    line.run(10.0, every_s=1 / 30)
    line.bytes_per_s = 100e3
    line.run(30.0, every_s=1 / 30)
    line.run(20.0, every_s=1 / 30)
    assert line.longest_wait_s < 1.0


def test_without_answers_the_first_window_is_all_that_is_sent() -> None:
    """A viewer that reads nothing is owed no more."""
    pace = CongestionControl(MAX_BYTES)
    sent = 0
    while pace.open:
        pace.mark(MESSAGE_BYTES, 0.0)
        sent += MESSAGE_BYTES
    assert FIRST_WINDOW_BYTES <= sent < FIRST_WINDOW_BYTES + MESSAGE_BYTES


def test_the_window_stays_within_its_bounds() -> None:
    """However fast the line, and however slow."""
    fast = Line(CongestionControl(500_000), 1e9, 0.0)
    fast.run(0.2)
    assert fast.pace.window_bytes == 500_000
    slow = Line(CongestionControl(MAX_BYTES), 1e3, 0.0)
    slow.run(60.0, update_bytes=1000)
    assert slow.pace.window_bytes == FLOOR_BYTES


def test_a_round_trip_is_measured_only_while_nothing_is_under_way() -> None:
    """And not again at once."""
    pace = CongestionControl(MAX_BYTES)
    bare = pace.probe(1.0)
    assert bare is not None
    assert pace.probe(1.0) is None
    assert pace.answered(bare, 1.1)
    assert pace.probe(1.2) is None
    assert pace.probe(2.2) is not None


def test_an_old_round_trip_is_measured_anew_though_the_line_never_runs_dry() -> None:
    """The window shuts until all has arrived; then it opens, for a fence with nothing before it."""
    pace = CongestionControl(MAX_BYTES)
    bare = pace.probe(1.0)
    assert bare is not None
    assert pace.answered(bare, 1.0)
    under_way = pace.mark(10, 1.0)
    for now in (2.0, 5.0, 1.0 + ROUND_TRIP_AGE_S):
        assert pace.open
        before, under_way = under_way, pace.mark(10, now)
        assert pace.answered(before, now)
    before, under_way = under_way, pace.mark(10, 12.0)
    assert pace.open
    assert pace.answered(before, 12.0)
    assert not pace.open
    assert pace.answered(under_way, 12.5)
    assert pace.open
    assert pace.probe(12.5) is not None


def test_the_window_is_shut_when_it_is_full() -> None:
    """Not only when more than it holds is under way; and when too many fences are."""
    pace = CongestionControl(MAX_BYTES)
    pace.mark(FIRST_WINDOW_BYTES - 1, 0.0)
    assert pace.open
    pace.mark(1, 0.0)
    assert not pace.open
    many, fences = CongestionControl(MAX_BYTES), 0
    while many.open:
        many.mark(1, 0.0)
        fences += 1
    assert fences == 256


def measured(*, round_trip_s: float = 0.1) -> CongestionControl:
    """A line whose round trip is known."""
    pace = CongestionControl(MAX_BYTES)
    bare = pace.probe(0.0)
    assert bare is not None
    assert pace.answered(bare, round_trip_s)
    return pace


def carry(pace: CongestionControl, size: int, sent_at: float, for_s: float) -> int:
    """An update that arrives; gives the window then."""
    assert pace.answered(pace.mark(size, sent_at), sent_at + for_s)
    return pace.window_bytes


def test_the_window_is_what_the_line_delivers_in_a_round_trip() -> None:
    """And in the slack, and a quarter more, by the best rate of late."""
    pace = measured()
    assert carry(pace, 1_000_000, 1.0, 1.0) == 250_000
    assert carry(pace, 2_000_000, 2.5, 1.0) == 500_000
    assert carry(pace, 1_000_000, 4.0, 1.0) == 500_000


def test_a_rate_is_forgotten_when_the_line_has_become_slow() -> None:
    """Two seconds after it, by an update that says something about the line."""
    pace = measured()
    assert carry(pace, 1_000_000, 1.0, 1.0) == 250_000
    assert carry(pace, 10, 30.0, 0.01) == 250_000, "a key's echo is no measure of the line"
    assert carry(pace, 500_000, 40.0, 1.0) == 125_000
    assert carry(pace, 100_000, 50.0, 0.5) == 50_000, "it was late, though no window was full"


def test_any_number_of_echoes_leaves_the_best_rate() -> None:
    """Little that is sent, and that arrives in time, is no measure of a faster line."""
    pace = measured()
    assert carry(pace, 2_000_000, 1.0, 1.0) == 500_000
    assert carry(pace, 1_000_000, 2.5, 1.0) == 500_000
    for second in range(4, 304):
        assert carry(pace, 150_000, float(second), 0.1) == 500_000


def test_the_shortest_round_trip_is_the_lines_own() -> None:
    """A longer one had something of others before it."""
    pace = measured(round_trip_s=0.1)
    bare = pace.probe(2.0)
    assert bare is not None
    assert pace.answered(bare, 2.5)
    assert carry(pace, 1_000_000, 3.0, 1.0) == 250_000


def test_idle_time_says_nothing_about_the_line() -> None:
    """The rate is counted from when the update was begun, which may be before its fence."""
    pace = measured()
    payload = pace.mark(1_000_000, 11.5, since=11.0)
    assert pace.answered(payload, 12.0)
    assert pace.window_bytes == 250_000


def test_nothing_is_measured_in_no_time() -> None:
    """An answer at the same instant, on a clock that is coarse."""
    pace = measured()
    assert carry(pace, 1_000_000, 1.0, 0.0) == FIRST_WINDOW_BYTES


def test_strange_answers_are_reported() -> None:
    """A payload of another's making, one that was answered already, one of another length."""
    pace = CongestionControl(MAX_BYTES)
    first, second = pace.mark(10, 0.0), pace.mark(10, 0.0)
    assert not pace.answered(b"\0" * 8, 1.0)
    assert not pace.answered(b"mark", 1.0)
    assert not pace.answered(b"\0" + second, 1.0)
    assert pace.answered(second, 1.0)
    assert not pace.answered(first, 1.0)
    assert pace.in_flight_bytes == 0


def test_how_long_an_answer_is_due() -> None:
    """From the oldest fence, or from the last answer if that is later."""
    pace = CongestionControl(MAX_BYTES)
    assert pace.unanswered_since is None
    first, second = pace.mark(10, 3.0), pace.mark(10, 4.0)
    assert pace.unanswered_since == 3.0
    assert pace.answered(first, 9.0)
    assert pace.unanswered_since == 9.0
    assert pace.answered(second, 10.0)
    assert pace.unanswered_since is None
