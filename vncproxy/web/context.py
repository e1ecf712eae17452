"""What the handlers of one daemon share, under typed keys of the application."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from aiohttp import web

from vncproxy.access.authority import Authority
from vncproxy.access.identity import Identity
from vncproxy.access.login_sessions import Sessions
from vncproxy.access.rules import Decision, Role
from vncproxy.access.tickets import Tickets
from vncproxy.audit.log import Audit
from vncproxy.audit.refusals import RefusalLog
from vncproxy.config.model import Limits
from vncproxy.config.value_types import PageLanguage
from vncproxy.console.awaited_pages import AwaitedPages
from vncproxy.console.registry import Registry
from vncproxy.errors import AccessError
from vncproxy.instances.instance_list import ConsoleInstance, InstanceList
from vncproxy.instances.power import Power
from vncproxy.instances.screenshot_cache import ScreenshotCache
from vncproxy.instances.search import advice
from vncproxy.observe.log_throttle import LogThrottle
from vncproxy.observe.metrics import Metrics
from vncproxy.tasks import Tasks, in_turns
from vncproxy.web.door import Door
from vncproxy.web.open_sockets import OpenSockets
from vncproxy.web.past_lists import PastLists
from vncproxy.web.request_turns import RequestTurns

THUMBNAILS_RECORDED_S = 3600.0
"""A list that stays open is in the audit once in this time, for each instance that it shows."""
THUMBNAILS_RECORDED_MAX = 16384
"""What is forgotten is recorded once more."""
VIEWINGS_RECORDED_S = 3600.0
"""A program that asks for blocks of a recording is in the audit once in this time; a page that
plays it each time it is opened."""
VIEWINGS_RECORDED_MAX = 1024
"""As of thumbnails."""


class Settings(Protocol):
    """What the routes read of the configuration in force."""

    @property
    def limits(self) -> Limits:
        """The daemon's."""

    @property
    def inventory(self) -> InstanceList:
        """The instances that may be opened."""

    @property
    def thumbnails(self) -> bool:
        """Whether the list shows the instances' screens."""

    @property
    def language(self) -> PageLanguage:
        """[pages] language."""

    @property
    def metrics_open(self) -> bool:
        """Whether everybody who reaches a listener may read the metrics."""


@dataclass(frozen=True, slots=True)
class Services:
    """What the routes use of the services."""

    settings: Callable[[], Settings]
    """Gives those in force."""
    registry: Registry
    tickets: Tickets
    sessions: Sessions
    metrics: Metrics
    tasks: Tasks
    open_sockets: OpenSockets
    problems: Callable[[], list[str]]
    """Why no console could be opened right now, in words; empty: ready."""
    degraded: Callable[[], str | None]
    """What doesn't work as it should all the same."""
    audit: Audit
    refusals: RefusalLog
    authority: Authority
    screenshots: ScreenshotCache
    power: Power
    past: PastLists
    thumbnails_recorded: LogThrottle = field(
        default_factory=lambda: LogThrottle(THUMBNAILS_RECORDED_S, THUMBNAILS_RECORDED_MAX)
    )
    """Which pictures in lists the audit has: they come anew each minute, for each instance."""
    viewings_recorded: LogThrottle = field(
        default_factory=lambda: LogThrottle(VIEWINGS_RECORDED_S, VIEWINGS_RECORDED_MAX)
    )
    """Who plays which recording, that the audit has: it comes in blocks."""
    awaited_pages: AwaitedPages = field(default_factory=AwaitedPages)
    turns: RequestTurns = field(default_factory=RequestTurns)

    @property
    def limits(self) -> Limits:
        """Those in force."""
        return self.settings().limits

    @property
    def inventory(self) -> InstanceList:
        """The instances that may be opened now."""
        return self.settings().inventory


INSTANCE = web.RequestKey("instance", ConsoleInstance)
"""A request's instance, once it is known."""


@dataclass(frozen=True, slots=True)
class Behind:
    """What requests find behind one listener."""

    door: Door
    services: Services
    sessions: Tasks = field(default_factory=Tasks)
    """Those of the listener's viewers, whose requests have ended with the upgrade."""


BEHIND = web.AppKey("behind", Behind)


def services_of(request: web.Request) -> Services:
    """What the routes use of the services."""
    return request.app[BEHIND].services


def door(request: web.Request) -> Door:
    """The listener that this request came through."""
    return request.app[BEHIND].door


async def permitted(
    request: web.Request, who: Identity, role: Role = Role.WATCH
) -> tuple[ConsoleInstance, Decision]:
    """The instance that the path names, and what this user may do with it.

    Raises:
        AccessError: 404: there is none, or the user may not even see it; 403: `role` is more than
            the user may do, or may do now.
    """
    instance, decision = await visible(request, who, request.match_info["instance"])
    if not decision.allows(role):
        raise AccessError(
            403, "not-allowed", f"You may {_MAY[decision.role]} this console, and no more."
        )
    return instance, decision


async def find(
    services: Services, name: str, may_see: Callable[[ConsoleInstance], bool] | None = None
) -> ConsoleInstance | None:
    """The instance of this alias, id or name, with its tags where a rule is about some.

    Args:
        services: What the routes use.
        name: As it was given.
        may_see: As of `InstanceList.find`.
    """
    # Tags are known once the cloud was asked, and change there.
    return await services.inventory.find(
        name, with_tags=services.authority.need_tags, may_see=may_see
    )


def outside_hours(decision: Decision) -> AccessError:
    """The refusal for users who may do nothing now, but at other times.

    They know already that there is such an instance.

    Args:
        decision: One with `only`.
    """
    return AccessError(403, "outside-hours", f"Opening this console is {decision.text}.")


_PER_TURN = 64
"""Instances that are decided about in one turn of the event loop."""
_MAY = {None: "not see", Role.WATCH: "watch", Role.CONTROL: "control", Role.ADMIN: "administer"}


async def _seen_by(services: Services, who: Identity) -> list[ConsoleInstance]:
    """The instances that this user, who is known, may open now or later: no other is spoken of."""
    seen = []
    async for one in in_turns(services.inventory.known, _PER_TURN):
        if _is_shown(services.authority.decide(who, one)):
            seen.append(one)
    return seen


def _is_shown(decision: Decision) -> bool:
    return decision.role is not None or bool(decision.only)


async def visible(
    request: web.Request, who: Identity, name: str
) -> tuple[ConsoleInstance, Decision]:
    """The instance of this alias, id or name, if this user may see it.

    Raises:
        AccessError: 404: there is none, or the user may not see it; 403: not at this time; 503: it
            isn't known which groups the user is in.
    """
    services = services_of(request)
    await services.authority.learn(who)
    # Others that the cloud calls the same aren't to be noticed.
    instance = await find(
        services, name, lambda one: _is_shown(services.authority.decide(who, one))
    )
    decision = services.authority.decide(who, instance) if instance is not None else None
    if instance is None or decision is None or not _is_shown(decision):
        text = "No instance of this name or id is configured here, or it isn't yours to open."
        more = await advice(name, await _seen_by(services, who))
        raise AccessError(404, "unknown-instance", f"{text} {more}".rstrip())
    request[INSTANCE] = instance
    if decision.role is None:
        raise outside_hours(decision)
    return instance, decision
