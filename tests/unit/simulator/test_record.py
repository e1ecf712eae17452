"""The journals."""

from __future__ import annotations

import pytest

from vncproxy.simulator import Dial
from vncproxy.simulator.record import Record


@pytest.mark.parametrize(
    ("times", "most"),
    [([], 0), ([0], 1), ([0, 1, 2, 60], 3), ([0, 1, 2, 59.9], 4), ([0, 59, 61, 62, 118], 4)],
)
def test_the_fullest_window_is_found(times: list[float], most: int) -> None:
    """A dial exactly a window later belongs to the next one."""
    record = Record()
    record.dials.extend(Dial(at, "i-1", "accepted") for at in times)
    assert record.most_dials(60.0) == most


def test_one_instances_dials_can_be_counted_alone() -> None:
    """Others are left out."""
    record = Record()
    record.dials.extend([Dial(0, "i-1", "accepted"), Dial(0, "i-2", "accepted")])
    assert record.most_dials(60.0, "i-1") == 1
    assert record.most_dials(60.0) == 2
