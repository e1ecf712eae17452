"""The rules: which one decides, and what it gives."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import pytest

from vncproxy.access.identity import ANYONE, UNKNOWN, Identity, Kind
from vncproxy.access.rules import Role, Rules, covers
from vncproxy.config.hours import zone_text
from vncproxy.config.model import Rule
from vncproxy.instances.instance_list import ConsoleInstance

WEB = ConsoleInstance(
    id="i-bp1web", region="cn-hangzhou", alias="web-1", name="db-1", tags=(("team", "shop"),)
)
OWNER = Identity("owner", "bearer")
NOW = datetime(2026, 11, 24, 19, 12)
"""A Tuesday."""


def named(user: str, kind: Kind = "peer") -> Identity:
    """Somebody whom a door knows by name."""
    return Identity(user, "peer", kind)


def rules(*given: Rule, groups: frozenset[str] = frozenset()) -> Rules:
    """These rules, for somebody in these groups."""
    return Rules(given, lambda _: groups)


def rule(users: str = "ann", instances: str = "web-*", **more: object) -> Rule:
    """One rule for one user and one pattern."""
    return Rule(users=(users,), instances=(instances,), **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["users", "peer", "header"])
def test_without_a_rule_nobody_may_do_anything(kind: Kind) -> None:
    """Default deny; a name like the owner's is nothing."""
    for user in ("ann", "owner", "anyone"):
        decision = rules().decide(named(user, kind), WEB, NOW)
        assert decision.role is None
        assert not decision.allows(Role.WATCH)


@pytest.mark.parametrize("owner_power", [False, True])
def test_power_is_the_owners_by_the_configuration_and_others_by_rule(owner_power: bool) -> None:
    """Whoever may do everything at an open door counts as the owner."""
    made = Rules((rule(power=True), rule("bob")), lambda _: frozenset(), owner_power=owner_power)
    alone = Rules((), lambda _: frozenset(), owner_power=owner_power)
    assert made.decide(OWNER, WEB, NOW).power is owner_power
    assert alone.decide(ANYONE, WEB, NOW).power is owner_power
    assert alone.decide(UNKNOWN, WEB, NOW).power is False
    ann, bob = (made.decide(named(user), WEB, NOW) for user in ("ann", "bob"))
    assert (ann.power, ann.text) == (True, "rule 1 (control, power) decides")
    assert (bob.power, bob.text) == (False, "rule 2 (control) decides")
    assert made.decide(ANYONE, WEB, NOW).power is False


def test_owner_and_open_without_rules() -> None:
    """On a machine of one's own nothing has to be written."""
    for who in (OWNER, ANYONE):
        assert rules().decide(who, WEB, NOW).role is Role.ADMIN


def test_owner_and_open_with_rules() -> None:
    """The token still means everything; an open door's visitors need a rule."""
    assert rules(rule()).decide(OWNER, WEB, NOW).role is Role.ADMIN
    assert rules(rule()).decide(ANYONE, WEB, NOW).role is None
    assert rules(rule("anyone", role="watch")).decide(ANYONE, WEB, NOW).role is Role.WATCH


@pytest.mark.parametrize(
    ("role", "may"),
    [
        ("watch", {Role.WATCH}),
        ("control", {Role.WATCH, Role.CONTROL}),
        ("admin", {Role.WATCH, Role.CONTROL, Role.ADMIN}),
    ],
)
def test_roles_include_the_ones_before(role: str, may: set[Role]) -> None:
    """Who may control may watch, who administers may control."""
    decision = rules(rule(role=role)).decide(named("ann"), WEB, NOW)
    assert {one for one in Role if decision.allows(one)} == may


def test_the_first_rule_that_names_both_decides() -> None:
    """Whatever comes after it, more or less generous; rules about others are passed over."""
    given = rules(
        rule("ann", "db-*", role="admin"),
        rule("bob", role="admin"),
        rule("ann", role="watch", record=True),
        rule("ann", "*", role="admin"),
    )
    decision = given.decide(named("ann"), WEB, NOW)
    assert (decision.role, decision.rule, decision.record) == (Role.WATCH, "rule 3", True)
    assert "rule 3" in decision.text
    assert given.decide(named("bob"), WEB, NOW).rule == "rule 2"
    assert given.decide(named("cy"), WEB, NOW).rule == ""


def test_groups() -> None:
    """`@` names a group, and a user called like one isn't in it."""
    given = (rule("@ops"),)
    assert (
        rules(*given, groups=frozenset({"ops"})).decide(named("ann"), WEB, NOW).role is Role.CONTROL
    )
    assert rules(*given).decide(named("ops"), WEB, NOW).role is None
    assert rules(rule("ops"), groups=frozenset({"ops"})).decide(named("ann"), WEB, NOW).role is None


def test_groups_are_looked_up_only_where_they_count() -> None:
    """A directory that is slow or away disturbs nobody whose rule names them."""

    def away(who: Identity) -> frozenset[str]:
        raise AssertionError("looked up")

    given = Rules((rule("ann"), rule("@ops")), away)
    assert given.decide(named("ann"), WEB, NOW).rule == "rule 1"
    assert Rules((rule("@ops", "db-*"),), away).decide(named("ann"), WEB, NOW).role is None


def test_a_user_called_like_a_group_is_not_in_it() -> None:
    """A proxy passes on what people chose to be called."""
    decision = rules(rule("@ops", role="admin")).decide(named("@ops", "header"), WEB, NOW)
    assert decision.role is None


def test_names_are_exact() -> None:
    """Neither case nor patterns make one user another."""
    for user in ("*", "an?", "Ann", "ann "):
        assert rules(rule(user)).decide(named("ann"), WEB, NOW).role is None


@pytest.mark.parametrize(
    "pattern",
    ["web-1", "web-*", "*", "i-bp1web", "i-bp1*", "region:cn-*", "tag:team=shop", "tag:team=*"],
)
def test_patterns_that_cover(pattern: str) -> None:
    """Alias, id, region and tag, each also by a pattern."""
    assert covers(pattern, WEB)


@pytest.mark.parametrize(
    "pattern",
    [
        "web",
        "WEB-1",
        "db-1",
        "cn-hangzhou",
        "region:eu-*",
        "tag:team",
        "tag:team=sho",
        "tag:shop",
        "",
    ],
)
def test_patterns_that_do_not_cover(pattern: str) -> None:
    """In particular the name in the cloud, which others may choose."""
    assert not covers(pattern, WEB)


def test_an_instance_without_tags_has_none_to_match() -> None:
    """Until the cloud was asked, a rule about tags allows nothing."""
    bare = ConsoleInstance(id="i-1", region="r", alias="a")
    assert not covers("tag:*", bare)
    assert rules(rule(instances="tag:a=b")).need_tags
    assert not rules(rule()).need_tags


def test_what_the_owner_does_can_be_recorded() -> None:
    """A rule can't take rights from the token's owner, but names the recording."""
    decision = rules(rule("owner", "*", role="watch", record=True)).decide(OWNER, WEB, NOW)
    assert (decision.role, decision.record, decision.rule) == (Role.ADMIN, True, "rule 1")


WORK = ("mon-fri 08:00-18:00",)
SATURDAY = NOW.replace(day=28, hour=10)


def test_what_the_owner_does_is_recorded_only_where_the_rule_that_decides_says_so() -> None:
    """One that comes later doesn't."""
    plain, recorded = rule("owner"), rule("owner", record=True)
    decision = rules(plain, recorded).decide(OWNER, WEB, NOW)
    assert (decision.record, decision.rule) == (False, "")
    decision = rules(recorded, plain).decide(OWNER, WEB, NOW)
    assert (decision.record, decision.rule) == (True, "rule 1")


def test_hours_that_give_no_more_are_not_told() -> None:
    """Who may do as much all the same isn't asked to come back."""
    morning = rule(role="control", hours=("09:00-12:00",))
    assert rules(morning, rule(role="control")).decide(named("ann"), WEB, NOW).only == ""
    assert rules(morning, rule(role="watch")).decide(named("ann"), WEB, NOW).only != ""


def test_groups_are_looked_up_once() -> None:
    """However many rules name one."""
    asked: list[Identity] = []

    def groups_of(who: Identity) -> frozenset[str]:
        asked.append(who)
        return frozenset()

    many = Rules([rule("@a"), rule("@b"), rule("@c")], groups_of)
    assert many.decide(named("ann"), WEB, NOW).role is None
    assert len(asked) == 1


def test_outside_its_hours_a_rule_is_as_if_it_were_not_there() -> None:
    """The next one that names both decides, and what there would be at other times is reported."""
    given = rules(rule(role="admin", hours=WORK), rule(role="watch", hours=("tue 19:00-20:00",)))
    evening = given.decide(named("ann"), WEB, NOW)
    assert (evening.role, evening.rule) == (Role.WATCH, "rule 2")
    assert evening.only == "mon-fri 08:00-18:00 (rule 1)"
    assert evening.text == (
        "rule 2 (watch, tue 19:00-20:00) decides; more only mon-fri 08:00-18:00 (rule 1)"
    )
    morning = given.decide(named("ann"), WEB, NOW.replace(hour=8, minute=0))
    assert (morning.role, morning.only) == (Role.ADMIN, "")


def test_who_may_do_nothing_now_is_reported_when() -> None:
    """All rules that would allow something, and what time it is."""
    given = rules(rule(hours=WORK), rule("bob"), rule(role="watch", hours=("sun 22:00-06:00",)))
    decision = given.decide(named("ann"), WEB, NOW)
    assert decision.role is None
    assert decision.text == (
        "allowed only mon-fri 08:00-18:00 (rule 1) and sun 22:00-06:00 (rule 3), "
        f"and it is Tue 19:12 ({zone_text(NOW)})"
    )
    assert given.decide(named("cy"), WEB, NOW).only == ""


def test_more_generous_rules_that_come_later_do_not_count() -> None:
    """Neither now nor as what would be at other times: the first one decides then, too."""
    given = rules(rule(hours=WORK, role="watch"), rule(), rule(role="admin", hours=WORK))
    decision = given.decide(named("ann"), WEB, NOW)
    assert (decision.role, decision.only) == (Role.CONTROL, "")


def test_recording_has_hours_too() -> None:
    """Also the owner's, whom a rule can't take rights from."""
    given = rules(rule("owner", "*", record=True, hours=("sat 09:00-12:00",)))
    assert not given.decide(OWNER, WEB, NOW).record
    assert given.decide(OWNER, WEB, SATURDAY).record


def test_an_open_door_needs_a_rule_also_while_none_counts() -> None:
    """Hours that are over don't make a machine one of somebody's own."""
    given = rules(rule("anyone", hours=WORK))
    assert given.decide(ANYONE, WEB, NOW).role is None
    assert given.have_hours
    assert (given.in_force(NOW), given.in_force(SATURDAY)) == ((False,), (False,))


def test_native_ports_without_a_rule() -> None:
    """Who has the port's password may control, known or not."""
    for who in (UNKNOWN, Identity("ann", "peer+vnc-password", "peer")):
        assert rules().decide(who, WEB, NOW).role is Role.CONTROL
    assert rules().decide(named("ann"), WEB, NOW).role is None


def test_native_ports_with_rules() -> None:
    """An account needs one of its own; what isn't known to be one can't be named."""
    given = rules(rule(role="watch"), rule("native", "*"), rule("anyone", "*"), rule("@ops", "*"))
    ann = Identity("ann", "peer+vnc-password", "peer")
    assert given.decide(ann, WEB, NOW).role is Role.WATCH
    assert given.decide(replace(ann, user="bob"), WEB, NOW).role is None
    assert given.decide(UNKNOWN, WEB, NOW).role is None
    assert given.decide(Identity("owner", "peer+vnc-password"), WEB, NOW).role is Role.ADMIN
