"""Routes of one instance that need no session: look at it, start, stop and restart it."""

from __future__ import annotations

import time

import structlog
from aiohttp import web

from vncproxy.access.identity import Identity
from vncproxy.aliyun.power import PowerAction, that_fit
from vncproxy.errors import AccessError, CloudError, CloudErrorKind
from vncproxy.instances.instance_list import ConsoleInstance
from vncproxy.instances.power import Act
from vncproxy.instances.screenshot_cache import PAUSE_S, THUMBNAIL_PAUSE_S
from vncproxy.web import audit_entries
from vncproxy.web.answers import json_answer, json_body
from vncproxy.web.context import Services, door, permitted, services_of
from vncproxy.web.page_language import for_call

_POWER_KEYS = frozenset({"action", "force"})
_NAMED_KEY_CHARACTERS = 40

_log = structlog.get_logger("vncproxy.web")


async def screenshot(request: web.Request) -> web.StreamResponse:
    """`GET /api/v1/instances/{instance}/screenshot`: the picture of its screen, PNG or JPEG.

    `?wake=1` wakes a screen that sleeps; `?thumbnail=1` is for lists: an older picture does.
    """
    identity = door(request).identify(request)
    instance, _ = await permitted(request, identity)
    services = services_of(request)
    if request.query.get("thumbnail") == "1":
        if not services.settings().thumbnails:
            raise AccessError(403, "no-thumbnails", "The list has no pictures here.")
        await audit_entries.thumbnail_shown(request, identity, instance)
        what = services.screenshots.screenshot(instance, max_age_s=THUMBNAIL_PAUSE_S)
    else:
        wake = request.query.get("wake") == "1"
        await audit_entries.looked(
            request, identity, instance, "screenshot", text="woken first" if wake else None
        )
        what = services.screenshots.screenshot(instance, wake=wake)
    try:
        picture = await what
    except CloudError as error:
        raise cloud_refusal(error) from error
    return web.Response(body=picture.content, content_type=picture.content_type)


async def power(request: web.Request) -> web.StreamResponse:
    """`POST /api/v1/instances/{instance}/power`: start, stop or restart it.

    Body: {"action": "start" | "stop" | "restart", "force": false}. It is answered once the cloud
    has taken the call; `power_state` tells when it is done.
    """
    identity, instance = await _may_power(request)
    body = await json_body(request)
    action, force = _asked(body)
    services = services_of(request)

    async def before_sending() -> None:
        await audit_entries.power_asked(request, identity, instance, action, force=force)

    def after(text: str) -> None:
        audit_entries.power_answered(request, identity, instance, action, force=force, text=text)
        _log.info("power.sent", instance=instance.id, user=identity.user, action=action, text=text)

    try:
        await services.power.do(
            instance, action, force=force, before_sending=before_sending, after=after
        )
    except CloudError as error:
        raise cloud_refusal(error) from error
    return json_answer(for_call(request).answer(_state(services, instance)), 202)


async def power_state(request: web.Request) -> web.StreamResponse:
    """`GET /api/v1/instances/{instance}/power`: its status, what is under way, what fits."""
    _, instance = await _may_power(request)
    services = services_of(request)
    act = services.power.of(instance.id)
    if act is None or not act.status:
        # Else its status was seen while something was done.
        instance = await services.inventory.find(instance.id, with_tags=True) or instance
    return json_answer(for_call(request).answer(_state(services, instance)))


async def _may_power(request: web.Request) -> tuple[Identity, ConsoleInstance]:
    """Who asks, and for which instance.

    Raises:
        AccessError: As `permitted`; 403: this user may not.
    """
    identity = door(request).identify(request)
    instance, decision = await permitted(request, identity)
    if not decision.power:
        raise AccessError(403, "no-power", "You may not start, stop or restart this instance.")
    return identity, instance


def _asked(body: dict[str, object]) -> tuple[PowerAction, bool]:
    if unknown := sorted(body.keys() - _POWER_KEYS):
        # A misspelt one would ask for something else than is meant.
        name = unknown[0][:_NAMED_KEY_CHARACTERS]
        raise AccessError(
            400,
            "unknown-key",
            f'Send "action" and "force"; "{name}" is nothing that is known here.',
        )
    try:
        action = PowerAction(str(body.get("action")))
    except ValueError:
        names = " | ".join(f'"{one}"' for one in PowerAction)
        raise AccessError(400, "bad-action", f'Send {{"action": {names}}}.') from None
    force = body.get("force", False)
    if not isinstance(force, bool) or (force and action is PowerAction.START):
        raise AccessError(400, "bad-force", '"force" is true or false, and not for a start.')
    return action, force


def _state(services: Services, instance: ConsoleInstance) -> dict[str, object]:
    act = services.power.of(instance.id)
    status = status_of(instance, act)
    under_way = act if act is not None and act.ended_s is None else None
    ended = act if act is not None and act.ended_s is not None else None
    return {
        "instance": {"alias": instance.alias, "id": instance.id, "name": instance.name},
        "status": status or None,
        "fits": [] if under_way is not None else that_fit(status),
        "under_way": under_way
        and {
            "action": under_way.action,
            "force": under_way.force,
            "seconds": round(time.monotonic() - under_way.began_s, 1),
        },
        "ended": ended
        and {
            "action": ended.action,
            "force": ended.force,
            "done": ended.done,
            "text": ended.text,
        },
    }


def status_of(instance: ConsoleInstance, act: Act | None) -> str:
    """The instance's status: as it was seen while something was done, if that was lately."""
    return act.status if act is not None and act.status else instance.status


def cloud_refusal(error: CloudError) -> AccessError:
    """What the cloud refused, as the answer of a request."""
    if error.throttled:
        retry_after_s = error.retry_after_s or PAUSE_S
        return AccessError(429, "throttled", error.final_text, retry_after_s)
    if error.kind is CloudErrorKind.WAITS:
        return AccessError(409, "wrong-status", error.final_text)
    return AccessError(502, "cloud-refused" if error.code else "cloud-away", error.final_text)
