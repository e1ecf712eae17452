"""The rules: which one decides, and what it gives."""

from __future__ import annotations

from datetime import datetime

import pytest

from vncproxy.config.model import Rule
from vncproxy.console.instance import ConsoleInstance
from vncproxy.web.identity import ANYONE, Identity, Kind
from vncproxy.web.rules import Role, Rules, covers

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
    assert rules(*given, groups=frozenset({"ops"})).decide(named("ann"), WEB, NOW).role is Role.CONTROL
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
