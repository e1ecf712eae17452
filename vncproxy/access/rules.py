"""Who may do what with which instances. Pure.

The first rule that names both the user and the instance decides; outside its hours a rule is as if
it weren't there. Nobody else may do anything, but for the token's owner, who may do everything, and
where there is no rule at all for an open door and for who has a native port's password.
Source: design.md, [[rule]].
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from fnmatch import fnmatchcase

from vncproxy.access.identity import NATIVE, UNKNOWN, Identity
from vncproxy.config.hours import Hours, clock_text, zone_text
from vncproxy.config.model import Rule
from vncproxy.instances.instance_list import ConsoleInstance

_TAG, _REGION = "tag:", "region:"


class Role(IntEnum):
    """What somebody may do; each includes the ones before."""

    WATCH = 1
    CONTROL = 2
    ADMIN = 3


@dataclass(frozen=True, slots=True)
class Decision:
    """What somebody may do with an instance, and why.

    Args:
        role: What they may do; None: nothing.
        rule: The one that decides, as in `rule 2`, or "".
        record: Whether the session has to be recorded.
        text: The reason in words.
        only: The hours in which they may do more, by a rule that comes first then, as in `sat
            09:00-12:00 (rule 2)`.
        power: Whether they may start, stop and restart it, too.
    """

    role: Role | None
    rule: str
    record: bool
    text: str
    only: str = ""
    power: bool = False

    def allows(self, role: Role) -> bool:
        """Whether it is enough for this."""
        return self.role is not None and self.role >= role


class Rules:
    """The [[rule]] blocks in their order.

    Args:
        groups_of: Somebody's groups; asked only where a rule names one.
        owner_power: Whether who may do everything may start, stop and restart instances, too.
    """

    def __init__(
        self,
        rules: Sequence[Rule],
        groups_of: Callable[[Identity], frozenset[str]],
        *,
        owner_power: bool = False,
    ) -> None:
        """Keep them.

        Raises:
            ValueError: Hours that the configuration would refuse.
        """
        self._rules = tuple(rules)
        self._hours = tuple(Hours.of(rule.hours) for rule in rules)
        self._groups_of = groups_of
        self._owner_power = owner_power

    def __bool__(self) -> bool:
        """Whether there is any."""
        return bool(self._rules)

    @property
    def need_tags(self) -> bool:
        """Whether any rule is about tags, which only the cloud knows."""
        return any(one.startswith(_TAG) for rule in self._rules for one in rule.instances)

    @property
    def need_groups(self) -> bool:
        """Whether any rule names a group."""
        return any_group(self._rules)

    @property
    def have_hours(self) -> bool:
        """Whether any rule counts at some times only."""
        return any(hours.spans for hours in self._hours)

    def in_force(self, now: datetime) -> tuple[bool, ...]:
        """Which of them count now."""
        return tuple(hours.include(now) for hours in self._hours)

    def decide(self, who: Identity, instance: ConsoleInstance, now: datetime) -> Decision:
        """What this user may do with this instance.

        Args:
            who: Who asks.
            instance: What they ask for.
            now: Local time, without a zone.
        """
        if self._rules and who.how == UNKNOWN.how:
            return Decision(None, "", False, "it isn't known which account this is")
        decisive, passed = self._decisive(who, instance, now)
        if who.kind == "token":
            record = decisive is not None and self._rules[decisive].record
            name = _name(decisive) if record else ""
            text = "the token's owner may do everything"
            return Decision(Role.ADMIN, name, record, text, power=self._owner_power)
        if not self._rules and who.how in NATIVE:
            text = "there is no rule, so everybody who has the port's password may control"
            return Decision(Role.CONTROL, "", False, text)
        if not self._rules and who.kind == "open":
            text = "the door is open and there is no rule, so everybody may do everything"
            return Decision(Role.ADMIN, "", False, text, power=self._owner_power)
        if decisive is None:
            only = self._only(passed, 0)
            if not only:
                return Decision(None, "", False, _NO_RULE)
            zone = zone_text(now)
            text = f"allowed only {only}, and it is {clock_text(now)} ({zone})"
            return Decision(None, "", False, text, only)
        rule, name = self._rules[decisive], _name(decisive)
        role = Role[rule.role.upper()]
        marks = [*(["recorded"] if rule.record else []), *(["power"] if rule.power else [])]
        conditions = ", ".join([rule.role, *marks, *(rule.hours or ())])
        only = self._only(passed, role)
        text = f"{name} ({conditions}) decides"
        if only:
            text = f"{name} ({conditions}) decides; more only {only}"
        return Decision(role, name, rule.record, text, only, rule.power)

    def _decisive(
        self, who: Identity, instance: ConsoleInstance, now: datetime
    ) -> tuple[int | None, list[int]]:
        """The rule that decides, and those before it that would at another time."""
        groups: frozenset[str] | None = None
        passed: list[int] = []
        for index, rule in enumerate(self._rules):
            if not any(covers(pattern, instance) for pattern in rule.instances):
                continue
            # Somebody may be called what a rule calls a group.
            named = who.user in rule.users and not who.user.startswith("@")
            if not named:
                wanted = {name[1:] for name in rule.users if name.startswith("@")}
                if wanted and groups is None:
                    groups = self._groups_of(who)
                named = bool(groups) and not wanted.isdisjoint(groups or ())
            if named and self._hours[index].include(now):
                return index, passed
            if named:
                passed.append(index)
        return None, passed

    def _only(self, passed: list[int], role: int) -> str:
        """When there would be more than a role: the hours of these rules, if any gives it."""
        return " and ".join(
            f"{self._hours[index]} ({_name(index)})"
            for index in passed
            if Role[self._rules[index].role.upper()] > role
        )


def any_group(rules: Sequence[Rule]) -> bool:
    """Whether any rule names a group."""
    return any(name.startswith("@") for rule in rules for name in rule.users)


_NO_RULE = "no rule names both the user and the instance"


def _name(index: int | None) -> str:
    """What people call a rule: its place among the blocks, from 1."""
    return "" if index is None else f"rule {index + 1}"


def covers(pattern: str, instance: ConsoleInstance) -> bool:
    """Whether a pattern is about this instance.

    `*`, `?` and `[…]` as in file names, case-sensitive: of the alias or id, after
    `region:` of the region, after `tag:` of KEY=VALUE. The name in the cloud doesn't count:
    somebody who may rename an instance in the cloud would choose who may open it.
    """
    if pattern.startswith(_TAG):
        wanted = pattern.removeprefix(_TAG)
        return any(fnmatchcase(f"{key}={value}", wanted) for key, value in instance.tags)
    if pattern.startswith(_REGION):
        return fnmatchcase(instance.region, pattern.removeprefix(_REGION))
    return fnmatchcase(instance.alias, pattern) or fnmatchcase(instance.id, pattern)
