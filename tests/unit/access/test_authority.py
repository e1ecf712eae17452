"""Who may do what right now."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest
from msgspec.structs import replace as replace_rule

from tests.clock import time_zone
from tests.unit.access.reloadable import ReloadableAuthority
from tests.unit.access.test_users import add
from vncproxy.access.account_directory import Directory, DirectoryAway
from vncproxy.access.identity import ANYONE, Identity
from vncproxy.access.rules import Role
from vncproxy.access.users import Users
from vncproxy.config.model import Rule
from vncproxy.config.users_file import change_users
from vncproxy.console.viewer import ViewerIdentity
from vncproxy.instances.instance_list import ConsoleInstance

WEB = ConsoleInstance(id="i-1", region="cn-hangzhou", alias="web-1")
OWNER = Identity("owner", "bearer")
ANN = Identity("ann", "peer", "peer")
CONTROL = Rule(users=("ann",), instances=("web-*",))
VIEWER = ViewerIdentity("v-1", "ann", "unix", "bastion", how="peer", kind="peer")


def authority(*rules: Rule, users: Users | None = None) -> ReloadableAuthority:
    """Rules on a machine where everybody is in `ops`."""
    groups = Directory(lambda _: frozenset({"ops"}))
    return ReloadableAuthority(rules, users or Users(None), groups)


def test_other_rules_count_at_once() -> None:
    """What a reload brings."""
    ours = authority(CONTROL)
    assert ours.decide(ANN, WEB).role is Role.CONTROL
    ours.apply(())
    assert ours.decide(ANN, WEB).role is None
    assert not ours.need_tags
    ours.apply((Rule(users=("ann",), instances=("tag:a=*",)),))
    assert ours.need_tags


async def test_groups_are_those_of_the_door(tmp_path: Path) -> None:
    """Unix groups for accounts and proxies' users, groups of users_file for its users."""
    path = tmp_path / "users.json"
    add(path, "ann", "team")
    ours = authority(
        Rule(users=("@ops",), instances=("*",), role="watch"),
        Rule(users=("@team",), instances=("*",), role="admin"),
        users=Users(path),
    )
    await ours.learn(ANN)
    assert ours.decide(ANN, WEB).role is Role.WATCH
    assert ours.decide(Identity("ann", "header", "header"), WEB).role is Role.WATCH
    assert ours.decide(Identity("ann", "bearer", "users"), WEB).role is Role.ADMIN


def test_a_removed_user_may_do_nothing(tmp_path: Path) -> None:
    """Whatever the rules say of the name."""
    path = tmp_path / "users.json"
    add(path, "ann")
    ours = authority(CONTROL, users=Users(path))
    ann = Identity("ann", "cookie", "users")
    assert ours.decide(ann, WEB).role is Role.CONTROL
    change_users(path, lambda _: ())
    assert ours.decide(ann, WEB).role is None
    assert ours.decide(ANN, WEB).role is Role.CONTROL


def test_administrators_of_everything() -> None:
    """The owner, an open door without rules, and whom a rule of `*` makes one."""
    assert authority().is_administrator(OWNER)
    assert authority(CONTROL).is_administrator(OWNER)
    assert authority().is_administrator(ANYONE)
    assert not authority(CONTROL).is_administrator(ANYONE)
    assert not authority().is_administrator(ANN)
    some = Rule(users=("ann",), instances=("web-*",), role="admin")
    everything = Rule(users=("ann",), instances=("*",), role="admin")
    assert not authority(some).is_administrator(ANN)
    assert authority(some, everything).is_administrator(ANN)
    assert not authority(Rule(users=("ann",), instances=("*",))).is_administrator(ANN)


@pytest.mark.parametrize(
    ("rule", "stays"),
    [
        (CONTROL, True),
        (Rule(users=("ann",), instances=("*",), role="admin"), True),
        (Rule(users=("ann",), instances=("web-*",), role="watch"), False),
        (Rule(users=("ann",), instances=("db-*",)), False),
        (Rule(users=("bob",), instances=("web-*",)), False),
        (Rule(users=("ann",), instances=("web-*",), record=True), False),
    ],
)
def test_who_may_stay(rule: Rule, stays: bool) -> None:
    """As long as the rules still give what the session has, and ask for no more."""
    assert (authority(rule).objection(VIEWER, WEB) is None) is stays


def test_watchers_and_the_recorded_stay_with_less() -> None:
    """Who only watches needs no more than that; who is recorded may be."""
    watch = Rule(users=("ann",), instances=("*",), role="watch", record=True)
    watcher = replace(VIEWER, may_control=False, record=True)
    assert authority(watch).objection(watcher, WEB) is None
    assert authority().objection(watcher, WEB) == "Your access to this console was withdrawn."


def test_who_loses_only_a_part_is_reported_which() -> None:
    """The rule that decides from then on is named."""
    rule = Rule(users=("ann",), instances=("*",), role="watch")
    reason = authority(rule).objection(VIEWER, WEB)
    assert reason == "You may watch this console, and no more: rule 1 (watch) decides."
    recorded = Rule(users=("ann",), instances=("*",), record=True)
    assert "has to be recorded" in str(authority(recorded).objection(VIEWER, WEB))


def test_the_owner_stays() -> None:
    """No rule is about who has the token, or could read it."""
    for how in ("bearer", "peer+vnc-password"):
        owner = replace(VIEWER, user="owner", how=how, kind="token")
        assert authority(CONTROL).objection(owner, WEB) is None


def test_native_viewers_stay_by_rules_as_soon_as_there_are_any() -> None:
    """Those whose account isn't known have none; without rules the port's password is enough."""
    ann = replace(VIEWER, how="peer+vnc-password", native=True)
    unknown = replace(VIEWER, user="native", how="vnc-password", native=True, kind="open")
    for viewer in (ann, unknown):
        assert authority().objection(viewer, WEB) is None
    assert authority(CONTROL).objection(ann, WEB) is None
    named_native = Rule(users=("native", "@ops"), instances=("*",))
    assert authority(named_native).objection(unknown, WEB) is not None
    # By the Unix group.
    assert authority(named_native).objection(ann, WEB) is None
    bobs = Rule(users=("bob",), instances=("*",))
    assert authority(bobs).objection(ann, WEB) is not None


class WallClock:
    """A wall clock that a test sets."""

    def __init__(self, text: str) -> None:
        """Begin at a local time, as ISO 8601 writes it."""
        self.seconds = datetime.fromisoformat(text).timestamp()

    def __call__(self) -> float:
        """Seconds since 1970."""
        return self.seconds


WORK = replace_rule(CONTROL, hours=("mon-fri 08:00-18:00",))


def at_work(text: str, *rules: Rule) -> tuple[ReloadableAuthority, WallClock]:
    """Rules, by default of working hours, at a time."""
    wall = WallClock(text)
    return ReloadableAuthority(
        rules or (WORK,), Users(None), Directory(lambda _: frozenset()), wall
    ), wall


def test_hours_count_at_the_time_of_the_question() -> None:
    """Now, or at another time that is asked about."""
    ours, wall = at_work("2026-11-24 17:59:59")
    assert ours.has_hours
    assert ours.decide(ANN, WEB).role is Role.CONTROL
    assert ours.objection(VIEWER, WEB) is None
    wall.seconds += 1
    assert ours.decide(ANN, WEB).role is None
    reason = "You may open this console only mon-fri 08:00-18:00 (rule 1)."
    assert ours.objection(VIEWER, WEB) == reason
    assert ours.decide(ANN, WEB, datetime(2026, 11, 25, 8)).role is Role.CONTROL
    assert ours.objection(VIEWER, WEB, datetime(2026, 11, 28, 12)) == reason


def test_who_may_only_watch_from_then_on() -> None:
    """Control ends with its hours, as by a reload."""
    ours, _ = at_work("2026-11-24 18:00", WORK, replace_rule(CONTROL, role="watch"))
    reason = "You may control this console only mon-fri 08:00-18:00 (rule 1)."
    assert ours.objection(VIEWER, WEB) == reason
    assert ours.objection(replace(VIEWER, may_control=False), WEB) is None


def test_an_administrator_has_hours_as_well() -> None:
    """Of everything, only while the rule counts."""
    everything = Rule(users=("ann",), instances=("*",), role="admin", hours=("08:00-18:00",))
    ours, wall = at_work("2026-11-24 17:00", everything)
    assert ours.is_administrator(ANN)
    wall.seconds += 3600
    assert not ours.is_administrator(ANN)


def test_what_turns_and_when() -> None:
    """Each beginning and end once; other rules begin anew."""
    ours, wall = at_work("2026-11-24 17:54:30")
    assert (ours.turned(), ours.turns_within(5)) == (False, [])
    wall.seconds += 30
    assert ours.turns_within(5) == [datetime(2026, 11, 24, 18)] == ours.turns_within(60)
    wall.seconds += 300
    assert [ours.turned(), ours.turned()] == [True, False]
    assert ours.turns_within(5) == []
    wall.seconds += 14 * 3600
    assert ours.turned()
    wall.seconds += 12 * 3600
    ours.apply((CONTROL,))
    assert not ours.turned()
    assert not ours.has_hours


@pytest.mark.parametrize(
    ("day", "length_s"), [("2026-03-28", 23 * 3600), ("2026-10-24", 25 * 3600)]
)
def test_a_night_with_a_change_of_the_clocks(day: str, length_s: int) -> None:
    """Hours end by the clock on the wall, sooner or later than on other nights."""
    with time_zone("CET-1CEST,M3.5.0,M10.5.0/3"):
        night = replace_rule(CONTROL, hours=("sat 06:00-05:59",))
        ours, wall = at_work(f"{day} 06:00", night)
        assert ours.objection(VIEWER, WEB) is None
        wall.seconds += length_s - 61
        assert ours.objection(VIEWER, WEB) is None
        assert ours.turns_within(5) == [ours.now().replace(minute=59, second=0)]
        wall.seconds += 1
        assert ours.objection(VIEWER, WEB) is not None


async def test_who_is_no_account_is_in_no_group() -> None:
    """A rule for a group needs no directory to tell what the token's owner may, or anyone."""
    ours = authority(Rule(users=("@ops",), instances=("*",), record=True, role="control"))
    for who, role in ((OWNER, Role.ADMIN), (ANYONE, None)):
        await ours.learn(who)
        decision = ours.decide(who, WEB)
        assert (decision.role, decision.record) == (role, False)


async def test_groups_are_learned_where_a_rule_names_one(tmp_path: Path) -> None:
    """The directory isn't asked for users of users_file, nor without need."""
    asked: list[str] = []
    directory = Directory(lambda user: asked.append(user) or frozenset({"ops"}))  # type: ignore[func-returns-value]
    ours = ReloadableAuthority((CONTROL,), Users(None), directory)
    await ours.learn(ANN)
    await ours.learn_again([VIEWER])
    ours.apply((Rule(users=("@ops",), instances=("*",)),))
    await ours.learn(replace(ANN, kind="users"))
    assert asked == []
    with pytest.raises(DirectoryAway):
        ours.decide(ANN, WEB)
    await ours.learn(ANN)
    assert ours.decide(ANN, WEB).role is Role.CONTROL
    assert asked == ["ann"]


async def test_nobody_has_to_go_since_the_directory_is_away() -> None:
    """It stays to be looked at again; then who isn't in the group any more goes."""

    def groups_of(user: str) -> frozenset[str]:
        if away:
            raise OSError("no answer")
        return groups

    away, groups = True, frozenset({"ops"})
    ours = ReloadableAuthority(
        (Rule(users=("@ops",), instances=("*",)),), Users(None), Directory(groups_of)
    )
    assert ours.objection(VIEWER, WEB) is None
    assert ours.unsure
    away = False
    await ours.learn_again([VIEWER])
    assert not ours.unsure
    assert ours.objection(VIEWER, WEB) is None
    away, groups = True, frozenset()
    await ours.learn_again([VIEWER], [Rule(users=("@ops",), instances=("*",))])
    assert ours.unsure
    assert ours.objection(VIEWER, WEB) is None
    away = False
    await ours.learn_again([VIEWER])
    assert not ours.unsure
    assert ours.objection(VIEWER, WEB) is not None
