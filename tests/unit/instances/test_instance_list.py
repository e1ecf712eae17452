"""Instances, and which may be opened: the configured ones, and those that the cloud shows."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import replace

import pytest

from tests.clock import ProcessClock
from tests.unit.console.fakes import until
from vncproxy.aliyun.instances import EcsInstance
from vncproxy.errors import CloudError, CloudErrorKind
from vncproxy.instances.instance_list import FRESH_FOR_S, ConsoleInstance, InstanceList

WEB = ConsoleInstance(id="i-web", region="cn-a", alias="web-1", password="abc123")
DB = ConsoleInstance(id="i-db", region="cn-b", alias="db-1", windows=True)
DENIED = CloudError("may not list", CloudErrorKind.PERMANENT, code="Forbidden.RAM")


def seen(
    instance_id: str,
    region: str = "cn-a",
    name: str = "",
    status: str = "Running",
    tags: dict[str, str] | None = None,
) -> EcsInstance:
    return EcsInstance(instance_id, name, status, region, "windows", "Windows Server", tags or {})


class Lister:
    """The cloud: what it shows by region; an error is raised."""

    def __init__(self, **regions: list[EcsInstance] | CloudError) -> None:
        """Show these.

        Args:
            **regions: By name, with underscores for the dashes.
        """
        self.regions = {name.replace("_", "-"): shown for name, shown in regions.items()}
        self.asked: list[tuple[str, list[str] | None]] = []

    async def instances(self, region: str, ids: Iterable[str] | None = None) -> list[EcsInstance]:
        """Those of the region, or those of these ids."""
        wanted = None if ids is None else list(ids)
        self.asked.append((region, wanted))
        shown = self.regions.get(region, [])
        if isinstance(shown, CloudError):
            raise shown
        return [one for one in shown if wanted is None or one.id in wanted]


async def test_the_configured_ones_are_shown_with_what_the_cloud_knows() -> None:
    """Alias, region and password are ours; name, state, system and tags are the cloud's."""
    cloud = Lister(cn_a=[seen("i-web", name="Shop", tags={"team": "b", "a": "c"})])
    shown = await InstanceList([WEB, DB], cloud, []).all()
    assert cloud.asked == [("cn-a", ["i-web"]), ("cn-b", ["i-db"])]
    web, db = shown
    assert (web.alias, web.password, web.windows) == ("web-1", "abc123", True)
    assert (web.name, web.status, web.os_name) == ("Shop", "Running", "Windows Server")
    assert web.tags == (("a", "c"), ("team", "b"))
    assert db == replace(DB, missing=True)


async def test_a_configured_one_is_found_without_asking() -> None:
    """By alias and by id, even if the cloud can't be reached."""
    cloud = Lister()
    inventory = InstanceList([WEB, DB], cloud, ["cn-a"])
    assert await inventory.find("web-1") == WEB
    assert await inventory.find("i-db") == DB
    assert cloud.asked == []


async def test_what_is_known_is_put_together_once_for_each_answer() -> None:
    """Each viewer's instance is looked up in it: with thousands of them that must not take work."""
    inventory = InstanceList([WEB], Lister(cn_a=[seen("i-web", name="Shop")]), [])
    (web,) = await inventory.all()
    assert web.name == "Shop"
    assert await inventory.find("web-1") is web
    assert inventory.known[0] is web


async def test_a_name_of_the_cloud_finds_the_only_one_that_has_it() -> None:
    """The configured ones are asked for their names; an alias comes before a name."""
    cloud = Lister(cn_a=[seen("i-web", name="Shop")], cn_b=[seen("i-db", "cn-b", name="web-1")])
    inventory = InstanceList([WEB, DB], cloud, [])
    shop = await inventory.find("Shop")
    assert shop is not None
    assert (shop.id, shop.alias) == ("i-web", "web-1")
    by_alias = await inventory.find("web-1")
    assert by_alias is not None
    assert by_alias.id == "i-web"
    # What was asked a moment ago isn't asked again for a name that nobody has.
    asked = len(cloud.asked)
    assert await inventory.find("Nobody") is None
    assert len(cloud.asked) == asked


async def test_a_name_counts_among_those_that_may_be_seen() -> None:
    """A hidden one that has the same name or alias changes nothing."""
    cloud = Lister(cn_a=[seen(one, name="dup") for one in ("i-1", "i-2")])
    inventory = InstanceList([], cloud, ["cn-a"])
    assert await inventory.find("dup") is None
    found = await inventory.find("dup", may_see=lambda one: one.id == "i-2")
    assert found is not None
    assert found.id == "i-2"
    assert await inventory.find("dup", may_see=lambda one: one.id.startswith("i-")) is None
    cloud = Lister(cn_a=[seen("i-web"), seen("i-1", name="web-1")])
    inventory = InstanceList([WEB], cloud, ["cn-a"])
    await inventory.all()
    found = await inventory.find("web-1", may_see=lambda one: one.id == "i-1")
    assert found is not None
    assert found.id == "i-1"


async def test_a_name_that_two_have_finds_none() -> None:
    """Not even while only one of the regions has answered."""
    cloud = SlowLister(["cn-b"], cn_a=[seen("i-1", name="web")], cn_b=[seen("i-2", name="web")])
    inventory = InstanceList([], cloud, ["cn-a", "cn-b"])
    finding = asyncio.create_task(inventory.find("web"))
    await until(lambda: bool(inventory.known))
    assert not finding.done()
    cloud.may_answer["cn-b"].set()
    assert await finding is None


async def test_an_id_that_the_cloud_does_not_show_is_missing(process_clock: ProcessClock) -> None:
    """Once it was asked and has answered; a failure shows nothing of the kind."""
    cloud = Lister(cn_a=[seen("i-web")], cn_b=[])
    inventory = InstanceList([WEB, DB], cloud, [])
    assert not any(one.missing for one in inventory.known)
    assert [(one.alias, one.missing) for one in await inventory.all()] == [
        ("web-1", False),
        ("db-1", True),
    ]
    await process_clock.forward(FRESH_FOR_S + 1.0)
    cloud.regions["cn-b"] = DENIED
    assert not any(one.missing for one in await inventory.all())


async def test_an_instance_of_another_region_is_not_missing() -> None:
    """Its configured region is wrong, and discovery finds it elsewhere."""
    cloud = Lister(cn_a=[], cn_c=[seen("i-web", "cn-c")])
    inventory = InstanceList([WEB], cloud, ["cn-c"])
    (web,) = await inventory.all()
    assert (web.status, web.missing) == ("Running", False)


async def test_nothing_else_is_found_without_discovery() -> None:
    """What isn't configured isn't asked for either."""
    cloud = Lister(cn_a=[seen("i-new")])
    inventory = InstanceList([WEB], cloud, [])
    assert await inventory.find("i-new") is None
    assert cloud.asked == []


async def test_discovery_lists_whole_regions() -> None:
    """The configured ones of other regions are asked for by id; a discovered alias is the id."""
    cloud = Lister(cn_a=[seen("i-web", name="Shop"), seen("i-new", name="web-1")], cn_b=[])
    inventory = InstanceList([WEB, DB], cloud, ["cn-a"])
    new = await inventory.find("i-new")
    assert cloud.asked == [("cn-a", None), ("cn-b", ["i-db"])]
    assert new is not None
    assert (new.alias, new.region, new.windows, new.name) == ("i-new", "cn-a", True, "web-1")
    assert [one.id for one in await inventory.all()] == ["i-web", "i-db", "i-new"]
    web = await inventory.find("web-1")
    assert web is not None
    assert web.id == "i-web"


async def test_what_was_seen_is_shown_again_for_a_while(process_clock: ProcessClock) -> None:
    """The list of instances may be asked for often; the cloud isn't, not even after a miss."""
    cloud = Lister(cn_a=[seen("i-new")])
    inventory = InstanceList([], cloud, ["cn-a"])
    await inventory.all()
    await inventory.all()
    assert await inventory.find("i-missing") is None
    assert len(cloud.asked) == 1
    await process_clock.forward(FRESH_FOR_S + 1.0)
    cloud.regions["cn-a"] = []
    assert await inventory.all() == []
    assert await inventory.find("i-new") is None


async def test_a_cloud_that_says_no_is_reported_and_hides_nothing(
    process_clock: ProcessClock,
) -> None:
    """The problem is kept for the page; what was seen before stays, without its state."""
    cloud = Lister(cn_a=[seen("i-web"), seen("i-new")], cn_b=[seen("i-db", "cn-b")])
    inventory = InstanceList([WEB, DB], cloud, ["cn-a"])
    await inventory.all()
    assert inventory.problem is None
    await process_clock.forward(FRESH_FOR_S + 1.0)
    cloud.regions["cn-a"] = DENIED
    shown = {one.id: one for one in await inventory.all()}
    assert inventory.problem is DENIED
    assert {name: one.status for name, one in shown.items()} == {
        "i-web": "",
        "i-new": "",
        "i-db": "Running",
    }
    # A failure is an answer, too: it isn't asked again at once.
    asked = len(cloud.asked)
    await inventory.all()
    assert len(cloud.asked) == asked
    await process_clock.forward(FRESH_FOR_S + 1.0)
    cloud.regions["cn-a"] = [seen("i-web")]
    await inventory.all()
    assert inventory.problem is None
    assert await inventory.find("i-new") is None


async def test_without_a_cloud_the_configured_ones_remain() -> None:
    """A daemon that can't list can still open."""
    inventory = InstanceList([WEB], Lister(cn_a=DENIED), [])
    assert await inventory.all() == [WEB]
    assert inventory.problem is DENIED


@pytest.mark.parametrize("name", ["", "web", "WEB-1", "i-we"])
async def test_names_are_exact(name: str) -> None:
    """No prefix and no other case finds an instance."""
    assert await InstanceList([WEB], Lister(), []).find(name) is None


async def test_a_password_is_never_printed() -> None:
    """Not even in an instance's repr."""
    assert "abc123" not in repr(await InstanceList([WEB], Lister(), []).find("web-1"))


async def test_what_is_known_without_asking() -> None:
    """The configured ones, and what was seen before."""
    cloud = Lister(cn_a=[seen("i-new", tags={"team": "shop"})])
    inventory = InstanceList([WEB], cloud, ["cn-a"])
    assert [one.id for one in inventory.known] == ["i-web"]
    assert not cloud.asked
    await inventory.all()
    assert {one.id for one in inventory.known} == {"i-web", "i-new"}


class SlowLister(Lister):
    """A cloud in which some regions answer only once they may."""

    def __init__(self, slow: Sequence[str], **regions: list[EcsInstance] | CloudError) -> None:
        """Show these.

        Args:
            slow: Names of regions.
            **regions: As of `Lister`.
        """
        super().__init__(**regions)
        self.may_answer = {name: asyncio.Event() for name in slow}
        self.under_way = self.most_at_once = 0

    async def instances(self, region: str, ids: Iterable[str] | None = None) -> list[EcsInstance]:
        """See `Lister`."""
        self.under_way += 1
        self.most_at_once = max(self.most_at_once, self.under_way)
        try:
            found = await super().instances(region, ids)
            if (gate := self.may_answer.get(region)) is not None:
                await gate.wait()
            return found
        finally:
            self.under_way -= 1


async def test_regions_are_asked_side_by_side_and_each_once() -> None:
    """Ten regions take as long as one; all who ask meanwhile wait for the same questions."""
    names = [f"cn-{number}" for number in range(10)]
    cloud = SlowLister(names)
    inventory = InstanceList([], cloud, names)
    asking = [asyncio.create_task(inventory.all()) for _ in range(5)]
    await until(lambda: cloud.under_way == 10)
    asking.pop().cancel()
    for gate in cloud.may_answer.values():
        gate.set()
    await asyncio.gather(*asking)
    assert (cloud.most_at_once, len(cloud.asked)) == (10, 10)


@pytest.mark.usefixtures("idle_clock")
async def test_a_silent_region_holds_up_nobody_who_wants_another() -> None:
    """What is elsewhere is found at once; the list has what is known, and says what isn't."""
    cloud = SlowLister(["cn-silent"], cn_a=[seen("i-new"), seen("i-web", tags={"team": "shop"})])
    inventory = InstanceList([WEB], cloud, ["cn-silent", "cn-a"])
    assert (await inventory.find("i-new")) is not None
    tagged = await inventory.find("web-1", with_tags=True)
    assert tagged is not None
    assert tagged.tags == (("team", "shop"),)
    assert [one.id for one in await inventory.all(0.01)] == ["i-web", "i-new"]
    assert inventory.problem is not None
    assert "instances of cn-silent" in inventory.problem.public_text
    missing = asyncio.create_task(inventory.find("i-missing"))
    await asyncio.sleep(0)
    assert not missing.done()
    cloud.may_answer["cn-silent"].set()
    assert await missing is None
    assert len(cloud.asked) == 2
    await inventory.all()
    assert inventory.problem is None


def test_its_password_never_shows() -> None:
    """Logs may print an instance."""
    instance = ConsoleInstance("i-1", "cn-test", "one", password="s3cret", name="shop")
    assert "s3cret" not in repr(instance)
    assert "s3cret" not in str(instance)
    assert "shop" in repr(instance)


def test_only_the_three_names_are_needed() -> None:
    """An instance of the configuration may be known by no more than that."""
    instance = ConsoleInstance("i-1", "cn-test", "one")
    assert (instance.windows, instance.password, instance.status, instance.tags) == (
        False,
        None,
        "",
        (),
    )
