"""What the handlers of one daemon share, under typed keys of the application."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from aiohttp import web

from vncproxy.config.model import Limits
from vncproxy.console.instance import ConsoleInstance
from vncproxy.console.inventory import Inventory
from vncproxy.console.registry import Registry
from vncproxy.console.tasks import Tasks
from vncproxy.errors import AccessError
from vncproxy.observe.audit import Audit, NullAudit
from vncproxy.observe.metrics import Metrics
from vncproxy.observe.repeats import Repeats
from vncproxy.web.door import Door
from vncproxy.web.presence import Presence
from vncproxy.web.sessions import Sessions
from vncproxy.web.tickets import Tickets


@dataclass(frozen=True, slots=True)
class Services:
    """The daemon's parts, as the routes see them.

    Args: problems - why no console could be opened right now, in words; empty: ready; degraded -
    what doesn't work as it should all the same; hide - a secret, from the log.
    """

    limits: Limits
    inventory: Inventory
    registry: Registry
    tickets: Tickets
    sessions: Sessions
    metrics: Metrics
    tasks: Tasks
    presence: Presence
    problems: Callable[[], Awaitable[list[str]]]
    degraded: Callable[[], str | None]
    hide: Callable[[str], None]
    metrics_open: bool = False
    audit: Audit = field(default_factory=NullAudit)
    refusals: Repeats = field(default_factory=Repeats)


INSTANCE = web.RequestKey("instance", ConsoleInstance)
"""A request's instance, once it is known."""
SERVICES = web.AppKey("services", Services)
DOOR = web.AppKey("door", Door)


def services(request: web.Request) -> Services:
    """The daemon's parts."""
    return request.app[SERVICES]


def door(request: web.Request) -> Door:
    """The listener that this request came through."""
    return request.app[DOOR]


async def instance_named_in(request: web.Request) -> ConsoleInstance:
    """The instance that the path names. Raises: AccessError 404."""
    name = request.match_info["instance"]
    instance = await services(request).inventory.find(name)
    if instance is None:
        raise AccessError(
            404,
            "unknown-instance",
            "No instance of this name or id is configured here, or it isn't yours to open.",
        )
    request[INSTANCE] = instance
    return instance
