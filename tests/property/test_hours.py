"""Hours of rules: whatever is written is a span or refused, and a span is what it says."""

from __future__ import annotations

from datetime import datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from vncproxy.config.hours import DAYS, Hours, parse_span

MONDAY = datetime(2026, 11, 23)
MINUTES = st.integers(0, 24 * 60 - 1)
WEEK_MINUTES = 7 * 24 * 60


def _clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


@settings(max_examples=150)
@given(day=st.sampled_from(DAYS), begin=MINUTES, end=st.integers(0, 24 * 60), when=st.data())
def test_a_span_is_one_stretch_of_the_week(
    day: str, begin: int, end: int, when: st.DataObject
) -> None:
    """It includes exactly the minutes from its beginning on, as many as lie before its end."""
    if begin == end:
        return
    hours = Hours.of([f"{day} {_clock(begin)}-{_clock(end)}"])
    length = (end - begin) % (24 * 60) or 24 * 60
    first = DAYS.index(day) * 24 * 60 + begin
    edge = when.draw(st.sampled_from([0, length]))
    minute = (first + edge + when.draw(st.integers(-2, 2) | st.integers(0, WEEK_MINUTES))) % (
        WEEK_MINUTES
    )
    inside = (minute - first) % WEEK_MINUTES < length
    assert hours.include(MONDAY + timedelta(minutes=minute)) is inside


@settings(max_examples=200)
@given(
    st.text(max_size=20)
    | st.lists(
        st.sampled_from([*DAYS, "-", ",", " ", "08:00", "24:00", "99:99", "00:00"]), max_size=8
    ).map("".join)
)
def test_anything_is_a_span_or_refused_with_words(text: str) -> None:
    """No text is any other error; one that is taken is as long as a minute at least."""
    try:
        span = parse_span(text)
    except ValueError as expected:
        assert str(expected)
        return
    assert span.days <= set(range(7))
    assert span.days
    day = MONDAY + timedelta(days=min(span.days), minutes=span.begin)
    assert span.includes(day)
