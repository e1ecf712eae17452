"""Audit entries about requests: who, from where, through which door, by which proof."""

from __future__ import annotations

import time
from typing import Any

from aiohttp import web

from vncproxy.access.identity import Identity
from vncproxy.addresses import is_loopback
from vncproxy.audit.record import Entry, Event
from vncproxy.console.viewer import Viewer
from vncproxy.errors import AccessError
from vncproxy.instances.instance_list import ConsoleInstance
from vncproxy.web.context import INSTANCE, door, services_of

UNIX = "unix"
"""The address of clients that come through a Unix socket."""


def logged_in(request: web.Request, identity: Identity) -> None:
    """Somebody got a cookie for a token or a ticket."""
    _record(Entry(event=Event.LOGIN, **_who(request, identity)), request)


def logged_out(request: web.Request, identity: Identity) -> None:
    """Somebody gave a cookie back."""
    _record(Entry(event=Event.LOGOUT, **_who(request, identity)), request)


def kicked(
    request: web.Request, by: Identity, instance: ConsoleInstance, viewer: Viewer | None = None
) -> None:
    """An administrator ends a console, or one viewer."""
    entry = Entry(
        event=Event.KICK,
        **_who(request, by),
        **_instance(instance),
        other=viewer.identity.user if viewer is not None else None,
        other_viewer=viewer.id if viewer is not None else None,
    )
    _record(entry, request)


async def looked(
    request: web.Request,
    by: Identity,
    instance: ConsoleInstance,
    what: str,
    *,
    text: str | None = None,
    file: str | None = None,
) -> None:
    """Somebody looks at an instance without a session, or at the recording of one.

    Args:
        request: Theirs.
        by: Who.
        instance: At which.
        what: `screenshot`, `thumbnail`, `boot-log`, `recording` or `recording-download`.
        text: More about it.
        file: The recording's name.

    Raises:
        AuditError: Nothing may be shown.
    """
    entry = Entry(
        event=Event.LOOK,
        **_who(request, by),
        **_instance(instance),
        reason=what,
        text=text,
        file=file,
    )
    await services_of(request).audit.record(entry)


def look_ended(
    request: web.Request,
    by: Identity,
    instance: ConsoleInstance,
    what: str,
    *,
    seconds: float,
    text: str,
) -> None:
    """A look that went on for a while is over.

    Args:
        request: Theirs.
        by: Who.
        instance: At which.
        what: As of `looked`.
        seconds: How long it went on.
        text: Why it ended.
    """
    entry = Entry(
        event=Event.LOOK_END,
        **_who(request, by),
        **_instance(instance),
        seconds=round(seconds, 3),
        reason=what,
        text=text,
    )
    _record(entry, request)


async def thumbnail_shown(request: web.Request, by: Identity, instance: ConsoleInstance) -> None:
    """Somebody's list shows an instance's screen: recorded once in a while, as it goes on.

    Raises:
        AuditError: Nothing may be shown.
    """
    recorded = services_of(request).thumbnails_recorded
    thumbnail = (door(request).name, by.kind, by.user, instance.id)
    if not recorded.has_logged(thumbnail, time.monotonic()):
        await looked(request, by, instance, "thumbnail")
        # Only now: what can't be recorded isn't shown the next time either.
        recorded.seen(thumbnail, time.monotonic())


async def power_asked(
    request: web.Request,
    by: Identity,
    instance: ConsoleInstance,
    action: str,
    *,
    force: bool,
) -> None:
    """An instance is about to be started, stopped or restarted.

    Raises:
        AuditError: It may not be.
    """
    entry = _power(Event.POWER, request, by, instance, action, force=force)
    await services_of(request).audit.record(entry)


def power_answered(
    request: web.Request,
    by: Identity,
    instance: ConsoleInstance,
    action: str,
    *,
    force: bool,
    text: str,
) -> None:
    """What came of the call."""
    entry = _power(Event.POWER_ANSWER, request, by, instance, action, force=force, text=text)
    _record(entry, request)


def _power(
    event: Event,
    request: web.Request,
    by: Identity,
    instance: ConsoleInstance,
    action: str,
    *,
    force: bool,
    text: str | None = None,
) -> Entry:
    who = {**_who(request, by), **_instance(instance)}
    return Entry(event=event, **who, reason=action, force=force or None, text=text)


def refused(request: web.Request, error: AccessError) -> None:
    """A request is refused; the same again is recorded once a minute, with its count."""
    who = _who(request, _asking(request))
    instance = request.get(INSTANCE)
    if instance is not None:
        who |= _instance(instance)
    entry = Entry(
        event=Event.REFUSAL,
        **who,
        code=error.status,
        reason=error.word,
        text=error.public_text,
    )
    for one in services_of(request).refusals.note(entry, time.monotonic(), _source(request)):
        _record(one, request)


def _source(request: web.Request) -> str:
    """The client that refusals count for: an account may use all of 127/8, or all of a /64."""
    source = door(request).source(request)
    return "loopback" if is_loopback(source) else source


def address_of(request: web.Request) -> str:
    """Where a request comes from."""
    return request.remote or UNIX


def _record(entry: Entry, request: web.Request) -> None:
    services_of(request).audit.record_later(entry)


def _asking(request: web.Request) -> Identity | None:
    try:
        return door(request).find(request)
    except AccessError:
        return None


def _who(request: web.Request, identity: Identity | None) -> dict[str, Any]:
    who: dict[str, Any] = {"door": door(request).name, "address": address_of(request)}
    if identity is not None:
        who |= {"user": identity.user, "identity": identity.how}
    return who


def _instance(instance: ConsoleInstance) -> dict[str, Any]:
    return {"instance": instance.id, "alias": instance.alias, "region": instance.region}
