"""Who may do what with which instances. Pure.

The first rule that names both the user and the instance decides. Nobody else may do anything, but
for the token's owner, who may do everything, and for an open door where there is no rule at all.
Source: design.md, [[rule]].
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from fnmatch import fnmatchcase

from vncproxy.config.model import Rule
from vncproxy.console.instance import ConsoleInstance
from vncproxy.web.identity import Identity

_TAG, _REGION = "tag:", "region:"


class Role(IntEnum):
    """What somebody may do; each includes the ones before."""

    WATCH = 1
    CONTROL = 2
    ADMIN = 3


@dataclass(frozen=True, slots=True)
class Decision:
    """What somebody may do with an instance, and why.

    Args: role - None: nothing; rule - the one that decides, as people call it, or ""; record -
    what the screen shows them has to be recorded; text - the reason in words.
    """

    role: Role | None
    rule: str
    record: bool
    text: str

    def allows(self, role: Role) -> bool:
        """Whether it is enough for this."""
        return self.role is not None and self.role >= role


class Rules:
    """The [[rule]] blocks in their order.

    Args: groups_of - somebody's groups; asked only where a rule names one.
    """

    def __init__(
        self, rules: Sequence[Rule], groups_of: Callable[[Identity], frozenset[str]]
    ) -> None:
        """Keep them."""
        self._rules = tuple(rules)
        self._groups_of = groups_of

    @property
    def need_tags(self) -> bool:
        """Whether any rule is about tags, which only the cloud knows."""
        return any(one.startswith(_TAG) for rule in self._rules for one in rule.instances)

    def decide(self, who: Identity, instance: ConsoleInstance) -> Decision:
        """What this user may do with this instance."""
        decisive = self._decisive(who, instance)
        if who.kind == "token":
            record = decisive is not None and self._rules[decisive].record
            name = _name(decisive) if record else ""
            return Decision(Role.ADMIN, name, record, "the token's owner may do everything")
        if who.kind == "open" and not self._rules:
            text = "the door is open and there is no rule, so everybody may do everything"
            return Decision(Role.ADMIN, "", False, text)
        if decisive is None:
            return Decision(None, "", False, "no rule names both the user and the instance")
        rule, name = self._rules[decisive], _name(decisive)
        role = Role[rule.role.upper()]
        text = f"{name} ({rule.role}{', recorded' if rule.record else ''}) decides"
        return Decision(role, name, rule.record, text)

    def _decisive(self, who: Identity, instance: ConsoleInstance) -> int | None:
        groups: frozenset[str] | None = None
        for index, rule in enumerate(self._rules):
            if not any(covers(pattern, instance) for pattern in rule.instances):
                continue
            # Somebody may be called what a rule calls a group.
            if who.user in rule.users and not who.user.startswith("@"):
                return index
            wanted = {name[1:] for name in rule.users if name.startswith("@")}
            if wanted and groups is None:
                groups = self._groups_of(who)
            if wanted and groups and not wanted.isdisjoint(groups):
                return index
        return None


def _name(index: int | None) -> str:
    """What people call a rule: its place among the blocks, from 1."""
    return "" if index is None else f"rule {index + 1}"


def covers(pattern: str, instance: ConsoleInstance) -> bool:
    """Whether a pattern is about this instance.

    `*`, `?` and `[…]` as in file names, upper and lower case told apart: of the alias or id, after
    `region:` of the region, after `tag:` of KEY=VALUE. The name in the cloud doesn't count:
    whoever may rename an instance there would choose who may open it.
    """
    if pattern.startswith(_TAG):
        wanted = pattern.removeprefix(_TAG)
        return any(fnmatchcase(f"{key}={value}", wanted) for key, value in instance.tags)
    if pattern.startswith(_REGION):
        return fnmatchcase(instance.region, pattern.removeprefix(_REGION))
    return fnmatchcase(instance.alias, pattern) or fnmatchcase(instance.id, pattern)
