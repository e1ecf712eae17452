"""What happens when the hours of a rule pass."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from tests.unit.access.reloadable import ReloadableAuthority
from tests.unit.console.fakes import until
from tests.unit.console.surroundings import INSTANCE, Surroundings, surroundings
from vncproxy.access.account_directory import Directory
from vncproxy.access.users import Users
from vncproxy.config.hours import zone_text
from vncproxy.config.model import Rule
from vncproxy.console.console import Console
from vncproxy.console.registry import Registry
from vncproxy.console.viewer import Viewer
from vncproxy.errors import CloseCode, CloseReason, Side
from vncproxy.service import hours_watch as hours_module
from vncproxy.service.hours_watch import PassingHours

CONTROL = Rule(users=("ann",), instances=("*",), hours=("mon-fri 08:00-18:00",))
WATCH = Rule(users=("ann", "bob"), instances=("*",), role="watch")
END = CloseReason(CloseCode.RESTARTING, Side.DAEMON, "the test is over")


class Cluster:
    """A console, rules, and a clock on the wall."""

    def __init__(self, around: Surroundings, console: Console, registry: Registry) -> None:
        """It is a Tuesday, ten minutes before the end of working hours."""
        self.seconds = datetime(2026, 11, 24, 17, 50).timestamp()
        self.console, self.registry = console, registry
        self.authority = ReloadableAuthority(
            (CONTROL,), Users(None), Directory(lambda _: frozenset()), lambda: self.seconds
        )
        self.passing = PassingHours(self.authority, registry)
        self._around = around

    def join(self, user: str, *, may_control: bool = True) -> Viewer:
        """An account of this machine joins."""
        viewer, _ = self._around.viewer(user=user, may_control=may_control)
        viewer.identify(replace(viewer.identity, how="peer", kind="peer"))
        self.console.join(viewer)
        return viewer

    async def look_at(self, hour: int, minute: int) -> None:
        """It is so late."""
        now = self.authority.now()
        self.seconds += 60 * (hour * 60 + minute - now.hour * 60 - now.minute)
        await self.passing.check()


@asynccontextmanager
async def bastion_of(folder: Path) -> AsyncIterator[Cluster]:
    """All of it."""
    async with surroundings(folder) as around:
        registry = Registry(around.parts)
        async with registry.hold(INSTANCE) as hold:
            yield Cluster(around, hold.console, registry)
        await registry.drain(END, 5.0)


@pytest.fixture
async def bastion(tmp_path: Path) -> AsyncIterator[Cluster]:
    """All of it."""
    async with bastion_of(tmp_path) as found:
        yield found


async def test_a_session_ends_with_its_hours(bastion: Cluster) -> None:
    """Not a minute before; and the page learns by which rule."""
    ann = bastion.join("ann")
    await bastion.look_at(17, 59)
    assert ann.end is None
    page = bastion.console.subscribe(ann.id)
    await bastion.look_at(18, 0)
    assert ann.end is not None
    reason = "You may open this console only mon-fri 08:00-18:00 (rule 1)."
    assert (ann.end.code, ann.end.text) == (CloseCode.KICKED, reason)
    assert {"type": "ending", "text": reason, "by_hand": False} in await page.news()
    bastion.console.unsubscribe(page)


async def test_whom_another_rule_allows_as_much_stays(bastion: Cluster) -> None:
    """Who only watches may go on, by the rule that decides then; who controls may not."""
    bastion.authority.apply((CONTROL, WATCH))
    ann, watching, bob = (
        bastion.join("ann"),
        bastion.join("ann", may_control=False),
        bastion.join("bob", may_control=False),
    )
    await bastion.look_at(18, 0)
    assert ann.end is not None
    assert ann.end.text == "You may control this console only mon-fri 08:00-18:00 (rule 1)."
    assert watching.end is None
    assert bob.end is None


async def test_a_rule_whose_hours_begin_may_take_something_away(bastion: Cluster) -> None:
    """If it comes first, as after a reload."""
    evening = Rule(users=("ann",), instances=("*",), role="watch", hours=("18:00-20:00",))
    bastion.authority.apply((evening, replace_hours(CONTROL)))
    ann = bastion.join("ann")
    await bastion.look_at(17, 59)
    assert ann.end is None
    await bastion.look_at(18, 0)
    assert ann.end is not None
    assert "rule 1 (watch, 18:00-20:00) decides" in ann.end.text


def replace_hours(rule: Rule) -> Rule:
    """The same, always."""
    return Rule(users=rule.users, instances=rule.instances, role=rule.role)


async def test_people_are_reported_some_minutes_before(bastion: Cluster) -> None:
    """Once each, also who comes in the last minutes; and nobody who may stay."""
    bastion.authority.apply((CONTROL, WATCH))
    ann, bob = bastion.join("ann"), bastion.join("bob", may_control=False)
    pages = [bastion.console.subscribe(one.id) for one in (ann, bob)]
    await bastion.look_at(17, 54)
    assert [await page.news() for page in pages] == [[], []]
    for minute in (55, 56, 57):
        await bastion.look_at(17, minute)
    (message,) = await pages[0].news()
    zone = zone_text(datetime(2026, 11, 24))
    assert message == {
        "type": "notice",
        "level": "warning",
        "text": f"Your session ends at 18:00 (time of the bastion, {zone}). "
        "You may control this console only mon-fri 08:00-18:00 (rule 1).",
    }
    late = bastion.join("ann")
    pages.append(bastion.console.subscribe(late.id))
    await bastion.look_at(17, 58)
    (message,) = await pages[2].news()
    assert "18:00" in message["text"]
    await bastion.look_at(17, 59)
    for page in pages:
        bastion.console.pages.changed()
        assert await page.news() == []
        bastion.console.unsubscribe(page)
    assert ann.end is bob.end is late.end is None


async def test_without_hours_nobody_is_asked_about(
    bastion: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The time passes, and nothing is done."""
    bastion.authority.apply((replace_hours(CONTROL),))
    bastion.join("ann")

    def asked(*_: object) -> None:
        raise AssertionError("asked")

    for name in ("objection", "turned", "turns_within"):
        monkeypatch.setattr(ReloadableAuthority, name, asked)
    await bastion.look_at(18, 0)


async def test_it_looks_again_and_again(bastion: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """Until it is cancelled."""
    monkeypatch.setattr(hours_module, "CHECK_INTERVAL_S", 0.001)
    ann = bastion.join("ann")
    watching = asyncio.create_task(bastion.passing.watch())
    bastion.seconds += 600
    await until(lambda: ann.end is not None)
    watching.cancel()
    await asyncio.wait([watching])
    assert watching.cancelled()


async def test_who_was_not_looked_up_is_looked_at_again(tmp_path: Path) -> None:
    """Not at every look, but soon after the directory answers; then a session may have to end."""
    away, groups, now_s = True, frozenset({"ops"}), 0.0

    def groups_of(user: str) -> frozenset[str]:
        if away:
            raise OSError("no answer")
        return groups

    async with bastion_of(tmp_path) as bastion:
        ops = ReloadableAuthority(
            (Rule(users=("@ops",), instances=("*",)),), Users(None), Directory(groups_of)
        )
        passing = PassingHours(ops, bastion.registry, lambda: now_s)
        ann = bastion.join("ann")
        assert bastion.registry.recheck(ops.objection) == 0
        await passing.check()
        assert ops.unsure
        away, groups = False, frozenset()
        await passing.check()
        assert ann.end is None
        now_s = hours_module.UNSURE_INTERVAL_S
        await passing.check()
        assert not ops.unsure
        assert ann.end is not None
