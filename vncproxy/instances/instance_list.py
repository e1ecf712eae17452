"""ECS instances as consoles know them, and which may be opened: the configured, and the cloud's."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import structlog

from vncproxy.aliyun.errors import transient
from vncproxy.aliyun.instances import EcsInstance
from vncproxy.errors import CloudError
from vncproxy.tasks import Tasks

_log = structlog.get_logger("vncproxy.inventory")

_LIKE_AN_ID = re.compile(r"i-[a-z0-9]")
FRESH_FOR_S = 10.0
"""What the cloud showed is shown again for this long before it is asked once more."""


@dataclass(frozen=True, slots=True)
class ConsoleInstance:
    """One instance that may be opened.

    Attributes:
        id, region: The cloud's.
        alias: Its name here, else its id.
        windows: Whether it runs Windows.
        password: The VNC password from its file.
        name, status, os_name, tags: As DescribeInstances showed them; empty if it wasn't asked.
        missing: DescribeInstances was asked for it, and doesn't show it.
    """

    id: str
    region: str
    alias: str
    windows: bool = False
    password: str | None = field(default=None, repr=False)
    name: str = ""
    status: str = ""
    os_name: str = ""
    tags: tuple[tuple[str, str], ...] = ()
    missing: bool = False


class Lister(Protocol):
    """What a list of instances asks of the ECS API."""

    async def instances(self, region: str, ids: Iterable[str] | None = None) -> list[EcsInstance]:
        """Those of a region.

        Args:
            region: Its id.
            ids: Of the instances to list; None: all.

        Raises:
            CloudError: The cloud refused it, or didn't answer.
        """


class StatusSource(Protocol):
    """What tells an instance's state: the ECS API."""

    async def status(self, instance_id: str, region: str) -> str:
        """The instance's Status, "" if the cloud doesn't show it.

        Raises:
            CloudError: The cloud refused it, or didn't answer.
        """


@dataclass(slots=True)
class _Region:
    """What the cloud showed of one region.

    Attributes:
        ids: Asked for; None: all.
        seen: What it showed, by id.
        asked_at: When it answered or failed the last time, in monotonic seconds.
        problem: Why it showed nothing the last time.
        asking: The question that is under way.
    """

    name: str
    ids: list[str] | None
    seen: dict[str, ConsoleInstance] = field(default_factory=dict)
    asked_at: float = float("-inf")
    problem: CloudError | None = None
    asking: asyncio.Task[None] | None = None

    @property
    def was_asked(self) -> bool:
        """Whether it has answered, or failed, at all."""
        return self.asked_at > float("-inf")


class InstanceList:
    """The instances, by alias, by id, and by the cloud's name where only one has it.

    Each region is asked by itself, once for all who want to know: one that is slow, or doesn't
    answer, holds up nobody who wants another's.

    """

    def __init__(
        self,
        configured: Sequence[ConsoleInstance],
        cloud: Lister,
        discover_in: Sequence[str],
        tasks: Tasks | None = None,
    ) -> None:
        """Nothing is asked yet.

        Args:
            configured: From [[instance]].
            cloud: The ECS API.
            discover_in: Regions whose instances are all listed.
            tasks: Owns the questions.
        """
        self._configured = {instance.id: instance for instance in configured}
        self._cloud = cloud
        self._discover_in = tuple(discover_in)
        self._tasks = tasks or Tasks()
        self._regions = {name: _Region(name, None) for name in discover_in}
        for instance in configured:
            region = self._regions.setdefault(instance.region, _Region(instance.region, []))
            if region.ids is not None:
                region.ids.append(instance.id)
        self._merged: dict[str, ConsoleInstance] | None = None
        self._by_alias: dict[str, ConsoleInstance] = {}

    @property
    def problem(self) -> CloudError | None:
        """Why a region's state isn't known, or its instances aren't."""
        return next((one.problem for one in self._regions.values() if one.problem), None)

    async def all(self, patience_s: float | None = None) -> list[ConsoleInstance]:
        """All instances, with the state that the cloud shows if it can be asked.

        Args:
            patience_s: For regions that are slow to answer; None: until they do, or fail.
        """
        questions = self._questions(self._regions.values())
        if questions:
            _, slow = await asyncio.wait(questions, timeout=patience_s)
            for region in self._regions.values():
                if region.asking in slow and region.problem is None:
                    region.problem = transient(
                        f"The ECS API hasn't told the instances of {region.name} yet. "
                        "It is tried again."
                    )
            self._merged = None
        return self.known

    @property
    def known(self) -> list[ConsoleInstance]:
        """Those known without asking anybody."""
        return [*self._by_id().values()]

    async def find(
        self,
        name: str,
        *,
        with_tags: bool = False,
        may_see: Callable[[ConsoleInstance], bool] | None = None,
    ) -> ConsoleInstance | None:
        """The instance with this alias, id or name; the cloud is asked only where that helps.

        Args:
            name: An alias, an id, or the cloud's name of one instance alone.
            with_tags: The tags matter: its region is asked if what it showed is old.
            may_see: Whether the asking user may know of one: the cloud's name counts as one
                instance's alone if it is so among these. None: all.
        """
        found = self._by_name(name, may_see)
        if found is not None and with_tags:
            if questions := self._questions([self._regions[self._region_of(found)]]):
                await asyncio.wait(questions)
            found = self._by_name(name, may_see)
        if found is None and (self._discover_in or not _LIKE_AN_ID.match(name)):
            questions = self._questions(self._regions.values())
            while questions and found is None:
                _, questions = await asyncio.wait(questions, return_when=asyncio.FIRST_COMPLETED)
                found = self._by_name(name, may_see)
        return found

    def _region_of(self, instance: ConsoleInstance) -> str:
        """The region that was asked for it; the instance's own may differ."""
        for name, region in self._regions.items():
            if instance.id in region.seen:
                return name
        return instance.region

    def _questions(self, regions: Iterable[_Region]) -> set[asyncio.Task[None]]:
        """The questions under way to those regions of which nothing fresh is known."""
        now = time.monotonic()
        for region in regions:
            if region.asking is None and now - region.asked_at > FRESH_FOR_S:
                region.asking = self._tasks.start(self._ask(region), f"list-{region.name}")
        return {region.asking for region in regions if region.asking is not None}

    def _by_name(
        self, name: str, may_see: Callable[[ConsoleInstance], bool] | None
    ) -> ConsoleInstance | None:
        known = self._by_id()
        if (instance := known.get(name)) is not None:
            return instance
        # A configured alias wins over a name that somebody gave an instance in the cloud.
        by_alias = self._by_alias.get(name)
        if by_alias is not None and (may_see is None or may_see(by_alias)):
            return by_alias
        if not name or not self._has_asked_all:
            return by_alias
        named = [i for i in known.values() if i.name == name and (may_see is None or may_see(i))]
        return named[0] if len(named) == 1 else by_alias

    @property
    def _has_asked_all(self) -> bool:
        """Whether each region has answered, or failed: before, a name may turn out to be two's."""
        return all(region.was_asked for region in self._regions.values())

    def _by_id(self) -> dict[str, ConsoleInstance]:
        """All of them; put together anew only after an answer, since each viewer is looked up."""
        if self._merged is None:
            self._merged = self._merge()
            self._by_alias = {one.alias: one for one in reversed(self._merged.values())}
        return self._merged

    def _merge(self) -> dict[str, ConsoleInstance]:
        merged = dict(self._configured)
        unseen = dict.fromkeys(self._configured)
        everywhere = (one for region in self._regions.values() for one in region.seen.items())
        for instance_id, seen in everywhere:
            ours = merged.get(instance_id)
            if ours is None:
                merged[instance_id] = seen
            else:
                merged[instance_id] = replace(
                    ours,
                    windows=ours.windows or seen.windows,
                    name=seen.name,
                    status=seen.status,
                    os_name=seen.os_name,
                    tags=seen.tags,
                )
                unseen.pop(instance_id, None)
        for instance_id in unseen:
            merged[instance_id] = self._unless_missing(merged[instance_id])
        return merged

    def _unless_missing(self, ours: ConsoleInstance) -> ConsoleInstance:
        region = self._regions[ours.region]
        has_answered = region.was_asked and region.problem is None
        return replace(ours, missing=True) if has_answered else ours

    async def _ask(self, region: _Region) -> None:
        try:
            found = await self._cloud.instances(region.name, region.ids)
        except CloudError as error:
            region.problem = error
            _log.info("inventory.unknown", region=region.name, code=error.code)
            # What was seen before is better than nothing, but for the state.
            region.seen = {one.id: replace(one, status="") for one in region.seen.values()}
        else:
            region.problem = None
            region.seen = {instance.id: _discovered(instance) for instance in found}
        finally:
            region.asked_at = time.monotonic()
            region.asking = None
            self._merged = None


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
