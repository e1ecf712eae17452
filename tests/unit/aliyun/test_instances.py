"""Rows of DescribeInstances."""

from __future__ import annotations

import pytest

from vncproxy.aliyun.instances import EcsInstance, check_instance_id, check_region, instance_of
from vncproxy.errors import CloudError, CloudErrorKind

ROW = {
    "InstanceId": "i-bp1",
    "InstanceName": "web",
    "Status": "Running",
    "RegionId": "cn-hangzhou",
    "ZoneId": "cn-hangzhou-b",
    "OSType": "windows",
    "OSName": "Windows Server",
    "Tags": {"Tag": [{"TagKey": "team", "TagValue": "shop"}, {"TagValue": "x"}, 7]},
}


def test_a_row_becomes_an_instance() -> None:
    """All fields arrive; tags without a key are left out."""
    assert instance_of(ROW, "cn-beijing") == EcsInstance(
        "i-bp1",
        "web",
        "Running",
        "cn-hangzhou",
        "windows",
        "Windows Server",
        {"team": "shop"},
    )


def test_windows_is_reported_by_the_type() -> None:
    """What isWindows of the cloud's page gets follows OSType."""
    windows, linux = instance_of(ROW, "r"), instance_of({**ROW, "OSType": "linux"}, "r")
    assert windows is not None
    assert windows.windows
    assert linux is not None
    assert not linux.windows


def test_missing_and_wrong_fields_are_empty() -> None:
    """Only the id is needed; the region is the one that was asked."""
    instance = instance_of({"InstanceId": "i-1", "Status": 7, "Tags": []}, "cn-beijing")
    assert instance == EcsInstance("i-1", "", "", "cn-beijing", "", "")


@pytest.mark.parametrize("row", [None, 7, {}, {"InstanceId": 7}, {"InstanceId": "i-1 x"}])
def test_a_row_without_a_proper_id_is_none(row: object) -> None:
    """What has no proper id can't be opened and isn't listed."""
    assert instance_of(row, "r") is None


@pytest.mark.parametrize("bad", ["", "i", "i-1&x=1", "i-1\n", "i/1", "ü-1", "i-" + "1" * 70])
def test_an_improper_instance_id_is_refused(bad: str) -> None:
    """It never reaches a request, and isn't repeated."""
    with pytest.raises(CloudError) as caught:
        check_instance_id(bad)
    assert caught.value.kind is CloudErrorKind.PERMANENT


@pytest.mark.parametrize("bad", ["", "-", "cn-", "a.b", "evil.com/", "cn hangzhou", "CN", "a\n"])
def test_an_improper_region_is_refused(bad: str) -> None:
    """It never becomes a part of a host's name."""
    with pytest.raises(CloudError):
        check_region(bad)


def test_proper_ids_pass() -> None:
    """New and old ids, and regions of all forms."""
    for instance_id in ("i-bp1hzoinajzkh91h", "AY121018033933eae8689"):
        check_instance_id(instance_id)
    for region in ("cn-hangzhou", "us-east-1", "cn-shenzhen-finance-1", "me-east-1"):
        check_region(region)
