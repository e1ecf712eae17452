"""Whose past somebody may see: that of instances which the rules make them the administrator of."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from aiohttp import web

from vncproxy.access.identity import Identity
from vncproxy.access.rules import Role
from vncproxy.errors import AccessError
from vncproxy.instances.instance_list import ConsoleInstance
from vncproxy.tasks import in_turns
from vncproxy.web.context import services_of

TAGS_PATIENCE_S = 3.0
"""How long is waited for the instances' tags, where a rule is about some."""
_PER_TURN = 64


class Recorded(Protocol):
    """An instance as something recorded names it."""

    @property
    def id(self) -> str:
        """The cloud's."""

    @property
    def region(self) -> str:
        """The cloud's."""


class PastRights:
    """What one user may see of what was recorded.

    Attributes:
        everything: An administrator of all instances.
    """

    def __init__(
        self, request: web.Request, who: Identity, known: dict[str, ConsoleInstance]
    ) -> None:
        """For `past_rights` only."""
        self._authority = services_of(request).authority
        self._who = who
        self._known = known
        self._now = self._authority.now()
        self.everything = self._authority.is_administrator(who)

    def instance(self, recorded: Recorded) -> ConsoleInstance:
        """The instance as it is now.

        Of one that isn't known any more only its id and region count: its alias may be another's.
        """
        known = self._known.get(recorded.id)
        return known or ConsoleInstance(recorded.id, recorded.region, recorded.id)

    def name_of(self, instance_id: str) -> str | None:
        """What the cloud calls an instance now, as far as it was asked; None: that isn't known."""
        known = self._known.get(instance_id)
        return known.name or None if known is not None else None

    def may_see(self, recorded: Recorded) -> bool:
        """Whether the rules make the user its administrator now."""
        if not recorded.id:
            return self.everything
        instance = self.instance(recorded)
        return self._authority.decide(self._who, instance, self._now).allows(Role.ADMIN)

    async def require_administrator(self, recorded: Iterable[Recorded]) -> None:
        """Refuse a user who administers nothing.

        Raises:
            AccessError: 403.
        """
        if self.everything or any(True for _ in recorded):
            return
        async for one in in_turns(self._known.values(), _PER_TURN):
            if self.may_see(one):
                return
        raise AccessError(
            403, "not-allowed", "This is for administrators: no rule makes you one of any instance."
        )


async def past_rights(request: web.Request, who: Identity) -> PastRights:
    """What this user may see.

    Raises:
        AccessError: 503: it isn't known which groups the user is in.
    """
    services = services_of(request)
    await services.authority.learn(who)
    inventory = services.inventory
    if services.authority.need_tags:
        await inventory.all(TAGS_PATIENCE_S)
    return PastRights(request, who, {one.id: one for one in inventory.known})
