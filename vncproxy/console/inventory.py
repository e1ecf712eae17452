"""Which instances may be opened: those of the configuration, and those that the cloud shows."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Protocol

import structlog

from vncproxy.aliyun.instances import EcsInstance
from vncproxy.console.instance import ConsoleInstance
from vncproxy.errors import CloudError

_log = structlog.get_logger("vncproxy.inventory")

FRESH_FOR_S = 10.0
"""What the cloud showed is shown again for this long before it is asked once more."""


class Lister(Protocol):
    """What an inventory asks of the ECS API."""

    async def instances(self, region: str, ids: Iterable[str] | None = None) -> list[EcsInstance]:
        """Raises: CloudError."""


class Inventory:
    """The instances, by alias and by id.

    Args: configured - from [[instance]]; discover_in - regions whose instances are all listed.
    """

    def __init__(
        self, configured: Sequence[ConsoleInstance], cloud: Lister, discover_in: Sequence[str]
    ) -> None:
        """Nothing is asked yet."""
        self._configured = {instance.id: instance for instance in configured}
        self._cloud = cloud
        self._discover_in = tuple(discover_in)
        self._seen: dict[str, ConsoleInstance] = {}
        self._seen_at = float("-inf")
        self._lock = asyncio.Lock()
        self.problem: CloudError | None = None

    async def all(self) -> list[ConsoleInstance]:
        """All instances, with the state that the cloud shows if it can be asked."""
        async with self._lock:
            if time.monotonic() - self._seen_at > FRESH_FOR_S:
                await self._look()
        return [*self._merged().values()]

    @property
    def known(self) -> list[ConsoleInstance]:
        """Those known without asking anybody."""
        return [*self._merged().values()]

    async def find(self, name: str) -> ConsoleInstance | None:
        """The instance with this alias or id; the cloud is asked only about one not configured."""
        found = self._by_name(name)
        if found is None and self._discover_in:
            await self.all()
            found = self._by_name(name)
        return found

    def _by_name(self, name: str) -> ConsoleInstance | None:
        merged = self._merged()
        if (instance := merged.get(name)) is not None:
            return instance
        # A configured alias wins over a name that somebody gave an instance in the cloud.
        return next((i for i in merged.values() if i.alias == name), None)

    def _merged(self) -> dict[str, ConsoleInstance]:
        merged = dict(self._configured)
        for instance_id, seen in self._seen.items():
            ours = merged.get(instance_id)
            if ours is None:
                merged[instance_id] = seen
            else:
                merged[instance_id] = replace(
                    ours, name=seen.name, status=seen.status, os_name=seen.os_name, tags=seen.tags
                )
        return merged

    async def _look(self) -> None:
        wanted: dict[str, list[str] | None] = dict.fromkeys(self._discover_in)
        for instance in self._configured.values():
            ids = wanted.setdefault(instance.region, [])
            if ids is not None:
                ids.append(instance.id)
        seen: dict[str, ConsoleInstance] = {}
        self.problem = None
        for region, ids in wanted.items():
            try:
                found = await self._cloud.instances(region, ids)
            except CloudError as error:
                self.problem = error
                _log.info("inventory.unknown", region=region, code=error.code)
                # What was seen before is better than nothing, but for the state.
                seen |= {
                    i.id: replace(i, status="") for i in self._seen.values() if i.region == region
                }
                continue
            seen |= {instance.id: _discovered(instance) for instance in found}
        self._seen = seen
        self._seen_at = time.monotonic()


def _discovered(instance: EcsInstance) -> ConsoleInstance:
    # The alias of a discovered instance is its id: ECS names are neither unique nor safe in a URL.
    return ConsoleInstance(
        id=instance.id,
        region=instance.region,
        alias=instance.id,
        windows=instance.windows,
        name=instance.name,
        status=instance.status,
        os_name=instance.os_name,
        tags=tuple(sorted(instance.tags.items())),
    )
