"""ECS instances as DescribeInstances lists them, and the ids that may be sent.

Source: ECS API reference, DescribeInstances.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from vncproxy.aliyun.errors import permanent

# Also those of the oldest instances, without `i-`.
_INSTANCE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{1,63}")
# It becomes a part of a host's name.
_REGION_ID = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


@dataclass(frozen=True, slots=True)
class EcsInstance:
    """One instance.

    Args:
        status: Pending, Running, Starting, Stopping or Stopped.
        os_type: Windows or linux.
        os_name: For people; fields that the cloud left out are empty.
    """

    id: str
    name: str
    status: str
    region: str
    os_type: str
    os_name: str
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def windows(self) -> bool:
        """Whether it runs Windows, which the cloud's own page wants to know."""
        return self.os_type.lower() == "windows"


def instance_of(row: object, region: str) -> EcsInstance | None:
    """The instance in one row of the answer, or None if the row has no proper id.

    Args:
        row: One element of the answer's Instances.Instance.
        region: Where it was asked for, if the row doesn't say.
    """
    if not isinstance(row, dict):
        return None
    instance_id = _text(row, "InstanceId")
    if not _INSTANCE_ID.fullmatch(instance_id):
        return None
    return EcsInstance(
        id=instance_id,
        name=_text(row, "InstanceName"),
        status=_text(row, "Status"),
        region=_text(row, "RegionId") or region,
        os_type=_text(row, "OSType"),
        os_name=_text(row, "OSName"),
        tags=_tags(row),
    )


def check_instance_id(instance_id: str) -> None:
    """Let only harmless ids reach a request.

    Raises:
        CloudError: Permanent; it isn't an instance id.
    """
    if not _INSTANCE_ID.fullmatch(instance_id):
        raise permanent(
            "This isn't an instance id, such as i-bp1xxxxxxxxxxxxxxxxx. "
            "Correct it in the configuration."
        )


def check_region(region: str) -> None:
    """Let only harmless regions reach a request and a host's name.

    Raises:
        CloudError: Permanent; it isn't a region id.
    """
    if not _REGION_ID.fullmatch(region):
        raise permanent(
            "This isn't a region id, such as cn-hangzhou. Correct it in the configuration."
        )


def _text(row: dict[Any, Any], key: str) -> str:
    value = row.get(key)
    # JSON may hold halves of surrogate pairs, which nothing can write out again.
    return value.encode(errors="replace").decode() if isinstance(value, str) else ""


def _tags(row: dict[Any, Any]) -> dict[str, str]:
    holder = row.get("Tags")
    listed = holder.get("Tag") if isinstance(holder, dict) else None
    tags = {}
    for tag in listed if isinstance(listed, list) else ():
        if isinstance(tag, dict) and _text(tag, "TagKey"):
            tags[_text(tag, "TagKey")] = _text(tag, "TagValue")
    return tags
