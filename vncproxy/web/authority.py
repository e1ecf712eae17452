"""Who may do what right now: the rules in force, and the users and groups they are about."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast, get_args

from vncproxy.config.model import Rule
from vncproxy.console.instance import ConsoleInstance
from vncproxy.console.viewer import ViewerIdentity
from vncproxy.web.accounts import UnixGroups
from vncproxy.web.identity import How, Identity, Kind
from vncproxy.web.rules import Decision, Role, Rules
from vncproxy.web.users import Users

_EVERYTHING = "*"


class Authority:
    """Asked at every request; a reload gives it other rules."""

    def __init__(
        self, rules: Sequence[Rule], users: Users, unix_groups: UnixGroups | None = None
    ) -> None:
        """Begin with these rules."""
        self.users = users
        self._unix_groups = unix_groups or UnixGroups()
        self._given: tuple[Rule, ...]
        self._rules: Rules
        self.apply(rules)

    def apply(self, rules: Sequence[Rule]) -> None:
        """From now on these rules count; groups are looked up anew."""
        self._unix_groups.forget()
        self.users.refresh()
        self._given = tuple(rules)
        self._rules = Rules(rules, self.groups_of)

    @property
    def need_tags(self) -> bool:
        """Whether instances' tags have to be known for a decision."""
        return self._rules.need_tags

    def groups_of(self, who: Identity) -> frozenset[str]:
        """The groups that count: those of users_file for its users, else Unix groups."""
        if who.kind == "users":
            user = self.users.named(who.user)
            return frozenset(user.groups) if user is not None else frozenset()
        return self._unix_groups.of(who.user)

    def decide(self, who: Identity, instance: ConsoleInstance) -> Decision:
        """What somebody may do with an instance."""
        if who.kind == "users" and self.users.named(who.user) is None:
            return Decision(None, "", False, "there is no such user in users_file")
        return self._rules.decide(who, instance)

    def is_administrator(self, who: Identity) -> bool:
        """Whether somebody is an admin of all instances, whatever they are: by a rule of `*`."""
        everywhere = tuple(one for one in self._given if _EVERYTHING in one.instances)
        rules = Rules(everywhere or self._given[:1], self.groups_of)
        return rules.decide(who, _ANY).allows(Role.ADMIN)

    def may_stay(self, who: ViewerIdentity, instance: ConsoleInstance) -> bool:
        """Whether what a viewer was let in for is still allowed.

        A native viewer proved itself by the port's own password, which no rule is about.
        """
        if who.native:
            return True
        identity = Identity(who.user, _how(who.how), _kind(who.kind))
        decision = self.decide(identity, instance)
        wanted = Role.CONTROL if who.may_control else Role.WATCH
        return decision.allows(wanted) and (who.record or not decision.record)


_ANY = ConsoleInstance(id="", region="", alias="")
"""Matched by `*` alone, and by patterns that mean the same."""


def _kind(text: str) -> Kind:
    assert text in get_args(Kind), text
    return cast(Kind, text)


def _how(text: str) -> How:
    assert text in get_args(How), text
    return cast(How, text)
