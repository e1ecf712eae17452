"""Who may do what right now: the rules in force, and the users and groups they are about."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import cast, get_args

from vncproxy.access.account_directory import Directory, DirectoryAway
from vncproxy.access.identity import How, Identity, Kind
from vncproxy.access.rules import Decision, Role, Rules, any_group
from vncproxy.access.users import Users
from vncproxy.config.model import Rule
from vncproxy.console.viewer import ViewerIdentity
from vncproxy.instances.instance_list import ConsoleInstance

_EVERYTHING = "*"
_OF_THIS_MACHINE: frozenset[Kind] = frozenset({"peer", "header"})
"""The doors whose users are in the groups of this machine."""


class Policy:
    """The rules of one configuration, and the users and groups that they are about."""

    def __init__(
        self,
        blocks: Sequence[Rule],
        users: Users,
        directory: Directory,
        *,
        owner_power: bool = False,
    ) -> None:
        """Keep them.

        Args:
            blocks: The [[rule]] blocks, in their order.
            users: Those of users_file.
            directory: Knows the groups of this machine's accounts.
            owner_power: As for `Rules`.
        """
        self.blocks = tuple(blocks)
        self.users = users
        self.rules = Rules(blocks, self.groups_of, owner_power=owner_power)
        self._directory = directory

    def groups_of(self, who: Identity) -> frozenset[str]:
        """The groups that count: those of users_file for its users, Unix groups for accounts.

        The token's owner and users of an open door are no accounts and in no group.

        Raises:
            DirectoryAway: `Authority.learn` comes first.
        """
        if who.kind == "users":
            user = self.users.named(who.user)
            return frozenset(user.groups) if user is not None else frozenset()
        return self._directory.groups(who.user) if who.kind in _OF_THIS_MACHINE else frozenset()


class Authority:
    """Decides for every request, by the rules that are in force at that moment."""

    def __init__(
        self,
        policy: Callable[[], Policy],
        directory: Directory,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Decide nothing yet.

        Args:
            policy: Gives the one in force.
            directory: The one of the policies.
            clock: Seconds since 1970, for the rules' hours.
        """
        self.directory = directory
        self.unsure = False
        """Whether somebody's stay was decided by groups that may be others by now."""
        self._policy = policy
        self._clock = clock
        self._looked_at = self.now()

    @classmethod
    def of(
        cls,
        rules: Sequence[Rule],
        users: Users,
        directory: Directory | None = None,
        clock: Callable[[], float] = time.time,
    ) -> Authority:
        """One whose rules stay the same, as for a command."""
        directory = directory or Directory()
        policy = Policy(rules, users, directory)
        return cls(lambda: policy, directory, clock)

    @property
    def _rules(self) -> Rules:
        return self._policy().rules

    @property
    def has_rules(self) -> bool:
        """Whether there is any rule."""
        return bool(self._rules)

    @property
    def has_hours(self) -> bool:
        """Whether any rule counts at some times only."""
        return self._rules.have_hours

    @property
    def need_tags(self) -> bool:
        """Whether instances' tags have to be known for a decision."""
        return self._rules.need_tags

    async def learn(self, who: Identity) -> None:
        """Let what is asked next know this one's groups, if any rule names one.

        Raises:
            DirectoryAway: This machine's directory of accounts doesn't answer.
        """
        if self._rules.need_groups and who.kind in _OF_THIS_MACHINE:
            await self.directory.learn_groups(who.user)

    async def learn_again(
        self, viewers: Iterable[ViewerIdentity], rules: Sequence[Rule] | None = None
    ) -> None:
        """Let `objection` know the groups of all of these as they are now.

        It leaves `unsure` if the directory doesn't answer in time.

        Args:
            viewers: Whose groups to look up.
            rules: Those that are to count soon; default: those that do.
        """
        needed = any_group(rules) if rules is not None else self._rules.need_groups
        users = {one.user for one in viewers if needed and one.kind in _OF_THIS_MACHINE}
        self.directory.expire()
        answers = await asyncio.gather(*map(self.directory.refresh_groups, users))
        self.unsure = not all(answers)

    def now(self) -> datetime:
        """Local time, without a zone, as the rules' hours are meant."""
        return datetime.fromtimestamp(self._clock())

    def turned(self) -> bool:
        """Whether hours of a rule in force began or ended since this, or `settle`, was called."""
        before, rules = self._looked_at, self._rules
        self.settle()
        return rules.in_force(self._looked_at) != rules.in_force(before)

    def settle(self) -> None:
        """Everybody's stay is decided as of now: for a reload, which does so by other rules."""
        self._looked_at = self.now()

    def turns_within(self, minutes: int) -> list[datetime]:
        """When hours of a rule begin or end next, at most so many minutes from now."""
        minute_began = self._clock() // 60 * 60
        times = [datetime.fromtimestamp(minute_began + 60 * n) for n in range(minutes + 1)]
        in_force = list(map(self._rules.in_force, times))
        changes = zip(times[1:], in_force, in_force[1:], strict=False)
        return [at for at, before, after in changes if before != after]

    def decide(
        self, who: Identity, instance: ConsoleInstance, at: datetime | None = None
    ) -> Decision:
        """What somebody may do with an instance.

        Args:
            who: Who asks.
            instance: What they ask for.
            at: Local time; default: now.

        Raises:
            DirectoryAway: `learn` comes first.
        """
        policy = self._policy()
        if who.kind == "users" and policy.users.named(who.user) is None:
            return Decision(None, "", False, "there is no such user in users_file")
        return policy.rules.decide(who, instance, at or self.now())

    def is_administrator(self, who: Identity) -> bool:
        """Whether somebody is an admin of all instances, whatever they are: by a rule of `*`.

        Raises:
            DirectoryAway: `learn` comes first.
        """
        policy = self._policy()
        everywhere = tuple(one for one in policy.blocks if _EVERYTHING in one.instances)
        rules = Rules(everywhere or policy.blocks[:1], policy.groups_of)
        return rules.decide(who, _ANY, self.now()).allows(Role.ADMIN)

    def objection(
        self, who: ViewerIdentity, instance: ConsoleInstance, at: datetime | None = None
    ) -> str | None:
        """Why what a viewer was let in for isn't allowed any more, in a sentence; None: it is.

        A viewer may stay while the directory doesn't answer: that leaves `unsure`.

        Args:
            who: The viewer.
            instance: What it is on.
            at: Local time; default: now.
        """
        identity = Identity(who.user, _how(who.how), _kind(who.kind))
        try:
            decision = self.decide(identity, instance, at)
        except DirectoryAway:
            self.unsure = True
            return None
        if not decision.allows(Role.CONTROL if who.may_control else Role.WATCH):
            if decision.only:
                may = "open" if decision.role is None else "control"
                return f"You may {may} this console only {decision.only}."
            if decision.role is None:
                return "Your access to this console was withdrawn."
            return f"You may watch this console, and no more: {decision.text}."
        if decision.record and not who.record:
            return f"Your session has to be recorded, so it must begin anew: {decision.text}."
        return None


_ANY = ConsoleInstance(id="", region="", alias="")
"""Matched by `*` alone, and by patterns that mean the same."""


def _kind(text: str) -> Kind:
    assert text in get_args(Kind), text
    return cast(Kind, text)


def _how(text: str) -> How:
    assert text in get_args(How), text
    return cast(How, text)
