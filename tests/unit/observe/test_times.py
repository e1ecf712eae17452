"""Times as texts."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from tests.clock import time_zone
from vncproxy.observe.times import local_text, moment_of, moment_of_header, utc_text

AT_S = 1_796_060_751.9


@pytest.fixture
def in_shanghai() -> Iterator[None]:
    """The zone of this process."""
    with time_zone("Asia/Shanghai"):
        yield


@pytest.mark.usefixtures("in_shanghai")
def test_programs_get_utc_and_people_their_zone() -> None:
    """Both can be read back."""
    assert utc_text(AT_S) == "2026-11-30T17:45:51Z"
    moment = datetime.fromtimestamp(AT_S, UTC)
    assert local_text(moment) == "2026-12-01 01:45:51+08:00"
    assert datetime.fromisoformat(local_text(moment)) == moment.replace(microsecond=0)
    assert datetime.fromisoformat(utc_text(AT_S)) == moment.replace(microsecond=0)


@pytest.mark.parametrize("text", [None, "", "yesterday", "2026-13-01", "1.0", "2026-11-30\x1b"])
def test_a_text_that_names_no_moment(text: object) -> None:
    """As another daemon may send it."""
    assert moment_of(text) is None
    assert moment_of("2026-11-30T17:45:51") == moment_of("2026-11-30T18:45:51+01:00")


def test_the_time_of_a_header() -> None:
    moment = moment_of_header("Mon, 30 Nov 2026 17:45:51 GMT")
    assert moment == moment_of("2026-11-30T17:45:51Z")
    assert [moment_of_header(one) for one in ("", "yesterday", "Mon, 99 Nov 2026")] == [None] * 3
