"""Instances, by page and by status."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.clock import FakeClock
from vncproxy.simulator import SimulatedInstance
from vncproxy.simulator.inventory import InstanceList
from vncproxy.simulator.signature import Refused

MANY = [SimulatedInstance(f"i-{n:03d}", f"name-{n}") for n in range(23)]


def inventory() -> InstanceList:
    """23 in Hangzhou, one in Beijing."""
    return InstanceList(
        [*MANY, SimulatedInstance("i-north", region="cn-beijing", tags=(("team", "shop"),))],
        ["eu-central-1"],
    )


def listed(**parameters: str) -> tuple[list[str], str]:
    """Ids and the next token."""
    page: Any = inventory().page({"RegionId": "cn-hangzhou"} | parameters)
    return [i["InstanceId"] for i in page["Instances"]["Instance"]], page["NextToken"]


def test_pages_follow_each_other_to_the_end() -> None:
    """Nothing twice, nothing left out, no token on the last."""
    found, token = listed(MaxResults="10")
    while token:
        more, token = listed(MaxResults="10", NextToken=token)
        found += more
    assert found == [i.instance_id for i in MANY]


def test_ids_filter() -> None:
    """Those of another region are not found."""
    assert listed(InstanceIds=json.dumps(["i-002", "i-north", "i-none"]))[0] == ["i-002"]


def test_an_instance_is_described_as_the_api_does() -> None:
    """Names, status, system and tags."""
    page: Any = inventory().page({"RegionId": "cn-beijing"})
    (item,) = page["Instances"]["Instance"]
    assert item["Status"] == "Running"
    assert item["RegionId"] == "cn-beijing"
    assert item["Tags"] == {"Tag": [{"TagKey": "team", "TagValue": "shop"}]}


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({"RegionId": ""}, "MissingParameter"),
        ({"RegionId": "mars"}, "InvalidRegionId.NotFound"),
        ({"MaxResults": "101"}, "InvalidParameter"),
        ({"MaxResults": "0"}, "InvalidParameter"),
        ({"NextToken": "!"}, "InvalidParameter"),
        ({"NextToken": "eA=="}, "InvalidParameter"),
        ({"InstanceIds": "i-1"}, "InvalidParameter"),
        ({"InstanceIds": "[1]"}, "InvalidParameter"),
        ({"InstanceIds": json.dumps(["i"] * 101)}, "InvalidParameter"),
    ],
)
def test_wrong_parameters_have_their_codes(parameters: dict[str, str], code: str) -> None:
    """As in the API's reference."""
    with pytest.raises(Refused) as refused:
        listed(**parameters)
    assert refused.value.code == code


@pytest.mark.parametrize(
    ("region", "instance_id", "status", "code"),
    [
        ("", "i-001", "Running", "MissingParameter"),
        ("cn-hangzhou", "", "Running", "MissingParameter"),
        ("mars", "i-001", "Running", "InvalidRegionId.NotFound"),
        ("cn-hangzhou", "i-none", "Running", "InvalidInstanceId.NotFound"),
        ("cn-beijing", "i-001", "Running", "InvalidRegionInstance"),
        ("cn-hangzhou", "i-001", "Stopped", "IncorrectInstanceStatus"),
        ("cn-hangzhou", "i-001", "Stopping", "IncorrectInstanceStatus"),
        ("cn-hangzhou", "i-001", "Starting", "InstanceNotReady"),
    ],
)
def test_a_vnc_url_is_refused_with_its_code(
    region: str, instance_id: str, status: str, code: str
) -> None:
    """Parameters first, then the instance's state."""
    instances = inventory()
    instances.set_status("i-001", status)
    with pytest.raises(Refused) as refused:
        instances.for_vnc({"RegionId": region, "InstanceId": instance_id})
    assert refused.value.code == code


def test_a_running_instance_has_a_vnc_url() -> None:
    """The instance is answered."""
    parameters = {"RegionId": "cn-hangzhou", "InstanceId": "i-001"}
    assert inventory().for_vnc(parameters).name == "name-1"


def test_a_status_must_exist() -> None:
    """And so must the instance."""
    with pytest.raises(ValueError, match="Pending"):
        inventory().set_status("i-001", "Broken")
    with pytest.raises(KeyError):
        inventory().set_status("i-none", "Running")


def test_a_status_changes_by_itself_when_its_time_has_come() -> None:
    """In order; a status that is set stays."""
    clock = FakeClock(0.0)
    instances = InstanceList(MANY, [], clock)
    instances.change("i-001", [(1.0, "Stopping"), (2.0, "Stopped")])
    seen = []
    for clock.seconds in (0.5, 1.0, 5.0):
        seen.append(instances["i-001"].status)
    assert seen == ["Running", "Stopping", "Stopped"]
    instances.change("i-001", [(6.0, "Starting")])
    instances.set_status("i-001", "Running")
    clock.seconds = 7.0
    assert instances["i-001"].status == "Running"


def test_a_locked_instance_says_so() -> None:
    """As the API does."""
    instances = InstanceList([SimulatedInstance("i-locked", locked=True)], [])
    page: Any = instances.page({"RegionId": "cn-hangzhou"})
    (item,) = page["Instances"]["Instance"]
    assert item["OperationLocks"] == {"LockReason": [{"LockReason": "security"}]}
