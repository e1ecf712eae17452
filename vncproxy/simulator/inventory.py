"""The instances of the simulated cloud, whose status may change while it runs."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from vncproxy.simulator.settings import STATUSES, SimulatedInstance
from vncproxy.simulator.signature import Refused

MAX_RESULTS = 100
"""Source: ECS API reference, DescribeInstances: MaxResults and the ids of one call."""

_DEFAULT_RESULTS = 10


class InstanceList:
    """Instances by id.

    Args:
        clock: Monotonic seconds, for statuses that change by themselves.
    """

    def __init__(
        self,
        instances: Iterable[SimulatedInstance],
        regions: Iterable[str],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._coming: dict[str, list[tuple[float, str]]] = {}
        self._instances = {instance.instance_id: instance for instance in instances}
        self._regions = set(regions) | {i.region for i in self._instances.values()}

    def __getitem__(self, instance_id: str) -> SimulatedInstance:
        """The instance.

        Raises:
            KeyError: There is no such instance.
        """
        return self._now()[instance_id]

    def change(self, instance_id: str, statuses: Sequence[tuple[float, str]]) -> None:
        """Let a status change by itself.

        Args:
            instance_id: Whose.
            statuses: From when, in monotonic seconds, and which; in order of time.
        """
        self._coming[instance_id] = list(statuses)

    def _now(self) -> dict[str, SimulatedInstance]:
        """All, with the statuses of now."""
        now_s = self._clock()
        for instance_id, coming in list(self._coming.items()):
            while coming and coming[0][0] <= now_s:
                self._put(instance_id, coming.pop(0)[1])
            if not coming:
                del self._coming[instance_id]
        return self._instances

    def _put(self, instance_id: str, status: str) -> None:
        self._instances[instance_id] = replace(self._instances[instance_id], status=status)

    def set_status(self, instance_id: str, status: str) -> None:
        """Change an instance's status, which stays as it is then.

        Raises:
            KeyError: There is no such instance.
            ValueError: The value isn't allowed.
        """
        if status not in STATUSES:
            raise ValueError(f"status is one of {', '.join(STATUSES)}")
        self._put(instance_id, status)
        self._coming.pop(instance_id, None)

    def named(self, parameters: Mapping[str, str]) -> SimulatedInstance:
        """The instance that InstanceId and RegionId name.

        Raises:
            Refused: The API answers with this error.
        """
        region = self._region(parameters)
        instance = self.by_id(parameters)
        if instance.region != region:
            raise Refused("InvalidRegionInstance")
        return instance

    def by_id(self, parameters: Mapping[str, str]) -> SimulatedInstance:
        """The instance that InstanceId names.

        Raises:
            Refused: The API answers with this error.
        """
        instance = self._now().get(_required(parameters, "InstanceId"))
        if instance is None:
            raise Refused("InvalidInstanceId.NotFound")
        return instance

    def for_vnc(self, parameters: Mapping[str, str]) -> SimulatedInstance:
        """The instance whose VncUrl is asked for.

        Raises:
            Refused: The API answers with this error.
        """
        instance = self.named(parameters)
        if instance.status in {"Pending", "Starting"}:
            raise Refused("InstanceNotReady")
        if instance.status != "Running":
            raise Refused("IncorrectInstanceStatus")
        return instance

    def page(self, parameters: Mapping[str, str]) -> dict[str, object]:
        """One page of DescribeInstances: the answer without RequestId.

        Raises:
            Refused: The API answers with this error.
        """
        region = self._region(parameters)
        found = [i for i in self._now().values() if i.region == region]
        ids = parameters.get("InstanceIds")
        if ids is not None:
            wanted = _instance_ids(ids)
            found = [i for i in found if i.instance_id in wanted]
        size = _max_results(parameters.get("MaxResults", str(_DEFAULT_RESULTS)))
        start = _decode_token(parameters.get("NextToken", ""))
        end = start + size
        return {
            "TotalCount": len(found),
            "NextToken": _encode_token(end) if end < len(found) else "",
            "PageSize": size,
            "Instances": {"Instance": [_describe(i) for i in found[start:end]]},
        }

    def _region(self, parameters: Mapping[str, str]) -> str:
        region = _required(parameters, "RegionId")
        if region not in self._regions:
            raise Refused("InvalidRegionId.NotFound")
        return region


def _required(parameters: Mapping[str, str], name: str) -> str:
    value = parameters.get(name, "")
    if not value:
        raise Refused("MissingParameter", f"The parameter {name} is missing.")
    return value


def _instance_ids(text: str) -> set[str]:
    try:
        ids = json.loads(text)
    except ValueError as error:
        raise Refused("InvalidParameter", "InstanceIds is not a JSON array.") from error
    if not isinstance(ids, list) or not all(isinstance(i, str) for i in ids):
        raise Refused("InvalidParameter", "InstanceIds is not a JSON array of strings.")
    if len(ids) > MAX_RESULTS:
        raise Refused("InvalidParameter", f"InstanceIds names more than {MAX_RESULTS}.")
    return set(ids)


def _max_results(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= MAX_RESULTS:
        raise Refused("InvalidParameter", f"MaxResults is not between 1 and {MAX_RESULTS}.")
    return int(text)


def _encode_token(start: int) -> str:
    return base64.b64encode(f"from {start}".encode()).decode()


def _decode_token(token: str) -> int:
    if not token:
        return 0
    try:
        word, _, start = base64.b64decode(token, validate=True).decode().partition(" ")
        if word != "from":
            raise ValueError(token)
        return max(int(start), 0)
    except ValueError as error:
        raise Refused("InvalidParameter", "NextToken is not one that was given out.") from error


def _describe(instance: SimulatedInstance) -> dict[str, object]:
    return {
        "InstanceId": instance.instance_id,
        "InstanceName": instance.name,
        "HostName": instance.name,
        "Status": instance.status,
        "OSType": instance.os_type,
        "OSName": instance.os_name,
        "RegionId": instance.region,
        "ZoneId": f"{instance.region}-a",
        "Tags": {"Tag": [{"TagKey": key, "TagValue": value} for key, value in instance.tags]},
        "OperationLocks": {"LockReason": [{"LockReason": "security"}] if instance.locked else []},
    }
