"""The regions that are known, and the one that is meant."""

from __future__ import annotations

import pytest

from vncproxy.aliyun.instances import check_region
from vncproxy.aliyun.regions import REGIONS, nearest_region


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("cn-hangzou", "cn-hangzhou"),
        ("hangzhou", "cn-hangzhou"),
        ("cn-hangzhou-b", "cn-hangzhou"),
        ("ap-southeast1", "ap-southeast-1"),
        ("eu-centrall-1", "eu-central-1"),
        ("cn-hangzhou", None),
        ("zzz", None),
    ],
)
def test_a_mistyped_region_has_a_nearest_one(typed: str, meant: str | None) -> None:
    """Where one is near; a known one needs none."""
    assert nearest_region(typed) == meant


def test_all_of_them_could_be_asked() -> None:
    """Each is a region id by form."""
    for region in REGIONS:
        check_region(region)
