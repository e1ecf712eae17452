"""The JSON routes. Source: design.md, HTTP."""

from __future__ import annotations

import asyncio
import secrets
import time
from dataclasses import replace
from functools import cache, partial

import msgspec
import structlog
from aiohttp import web

from vncproxy.access.identity import Identity
from vncproxy.access.rules import Decision, Role
from vncproxy.access.tickets import LIFE_S, EntryTicket, ViewerTicket
from vncproxy.config.hours import zone_text
from vncproxy.console.console import Console
from vncproxy.console.page_messages import ending
from vncproxy.console.viewer import ViewerIdentity
from vncproxy.errors import AccessError, AuditError, CloseCode, CloseReason, Side
from vncproxy.instances.instance_list import ConsoleInstance
from vncproxy.languages.catalogue import Catalogue
from vncproxy.tasks import in_turns
from vncproxy.web import audit_entries
from vncproxy.web.answers import json_answer, json_body, json_text
from vncproxy.web.console_json import budget_of, details_of, failure_of, summary_of, viewers_of
from vncproxy.web.context import Services, door, permitted, services_of, visible
from vncproxy.web.door import account_behind
from vncproxy.web.instances import status_of
from vncproxy.web.page_language import for_call

_log = structlog.get_logger("vncproxy.web")

_ROWS_PER_TURN = 32
"""Of a list, made in one turn of the event loop."""

LIST_PATIENCE_S = 3.0
"""How long the list waits for a region; what it showed before, if anything, is in it then."""
_KICKED = CloseReason(CloseCode.KICKED, Side.DAEMON, "An administrator ended it.")
_ENDED = CloseReason(CloseCode.KICKED, Side.DAEMON, "You ended it from elsewhere.")
_ENDED_BY_SOMEBODY = CloseReason(CloseCode.KICKED, Side.DAEMON, "Somebody ended it from elsewhere.")


async def instances(request: web.Request) -> web.Response:
    """`GET /api/v1/instances`: what this user may open, now or later, its state, who is on."""
    identity = door(request).identify(request)
    services = services_of(request)
    inventory = services.inventory
    listed = await inventory.all(LIST_PATIENCE_S)
    await services.authority.learn(identity)
    administrator = services.authority.is_administrator(identity)
    texts = for_call(request)
    rows: list[msgspec.Raw] = []
    later = []
    now = services.authority.now()
    zone = zone_text(now)
    async for one in in_turns(listed, _ROWS_PER_TURN):
        decision = services.authority.decide(identity, one, now)
        if decision.role is not None:
            administrator = administrator or decision.role is Role.ADMIN
            rows.append(msgspec.Raw(msgspec.json.encode(_row(services, one, decision))))
        elif decision.only:
            row = {"alias": one.alias, "id": one.id, "name": one.name, "only": decision.only}
            later.append(row | {"zone": zone})
    return json_answer(
        {
            "user": identity.user,
            "session": identity.how == "cookie",
            "administrator": administrator,
            "instances": rows,
            "later": texts.answer(later),
            "thumbnails": services.settings().thumbnails,
            "problem": texts.answer(failure_of(inventory.problem)),
        }
    )


def _row(services: Services, instance: ConsoleInstance, decision: Decision) -> dict[str, object]:
    console = services.registry.get(instance.id)
    return {
        "alias": instance.alias,
        "id": instance.id,
        "name": instance.name,
        "region": instance.region,
        "windows": instance.windows,
        "os": instance.os_name,
        "tags": dict(instance.tags),
        "status": status_of(instance, services.power.of(instance.id)) or None,
        "power": decision.power,
        "missing": instance.missing,
        "role": decision.role and decision.role.name.lower(),
        "state": console.state.value if console is not None else None,
        "viewers": viewers_of(console) if console is not None else [],
    }


async def consoles(request: web.Request) -> web.Response:
    """`GET /api/v1/consoles`: what is open, of what this user may see; more of it for admins."""
    identity = door(request).identify(request)
    services = services_of(request)
    await services.authority.learn(identity)
    texts = for_call(request)
    roles: dict[Console, Role | None] = {}
    now = services.authority.now()
    async for console in in_turns(services.registry.consoles, _ROWS_PER_TURN):
        roles[console] = services.authority.decide(identity, console.instance, now).role
    async with asyncio.TaskGroup() as group:
        # The ledger is read meanwhile.
        theirs = [console for console, role in roles.items() if role is Role.ADMIN]
        asked = group.create_task(services.registry.usages(theirs))
        rows: list[tuple[Console, Role, bytes]] = []
        async for console, role in in_turns(roles.items(), _ROWS_PER_TURN):
            # Some may have ended meanwhile.
            if role is not None and services.registry.get(console.instance.id) is console:
                # As text, since tens of thousands of small objects keep the collector busy.
                rows.append((console, role, _console_row(console, role, texts)))
    usages = asked.result()
    # Of a thousand, most are like others.
    budget_text = cache(lambda key, usage: msgspec.json.encode(texts.answer(budget_of(key, usage))))
    answers = []
    async for console, role, text in in_turns(rows, _ROWS_PER_TURN):
        if role is Role.ADMIN:
            budget = budget_text(console.supervisor.budget_key, usages[console.instance.id])
            # One object out of two.
            answers.append(text[:-1] + b"," + budget[1:])
        else:
            answers.append(text)
    return json_text(b'{"consoles":[' + b",".join(answers) + b"]}")


def _console_row(console: Console, role: Role, texts: Catalogue) -> bytes:
    row = summary_of(console, viewers=role is not Role.ADMIN)
    row["role"] = role.name.lower()
    if role is Role.ADMIN:
        row |= details_of(console, time.monotonic())
    return msgspec.json.encode(texts.answer(row))


async def close_console(request: web.Request) -> web.Response:
    """`DELETE /api/v1/consoles/{instance}`: end a console with all its viewers."""
    identity = door(request).identify(request)
    instance, _ = await permitted(request, identity, Role.ADMIN)
    console = services_of(request).registry.get(instance.id)
    if console is None:
        raise AccessError(404, "not-open", "This console isn't open.")
    _log.info("console.kicked", instance=console.instance.id, user=identity.user)
    audit_entries.kicked(request, identity, console.instance)
    console.pages.notify_all(ending(_KICKED.text, by_hand=True))
    await console.close(_KICKED)
    return web.Response(status=204)


async def forget(request: web.Request) -> web.Response:
    """`DELETE /api/v1/instances/{instance}/learned`: forget its keepalive, and that it is opaque.

    An opaque console that is open stays so, as `state` shows.
    """
    identity = door(request).identify(request)
    instance, _ = await permitted(request, identity, Role.ADMIN)
    registry = services_of(request).registry
    known = await registry.forget(instance.id)
    _log.info("learned.forgotten", instance=instance.id, user=identity.user, known=known)
    console = registry.get(instance.id)
    state = console.state.value if console is not None else None
    return json_answer({"known": known, "state": state})


async def close_viewer(request: web.Request) -> web.Response:
    """`DELETE /api/v1/consoles/{instance}/viewers/{id}`: end one viewer; one's own without more."""
    identity = door(request).identify(request)
    instance, decision = await permitted(request, identity)
    console = services_of(request).registry.get(instance.id)
    viewer_id = request.match_info["id"]
    viewer = next((v for v in console.viewers if v.id == viewer_id), None) if console else None
    if console is None or viewer is None:
        raise AccessError(404, "no-viewer", "This viewer isn't on.")
    own = (viewer.identity.user, viewer.identity.kind) == (identity.user, identity.kind)
    if not own and not decision.allows(Role.ADMIN):
        raise AccessError(403, "not-allowed", "Only an administrator may end another's session.")
    _log.info("viewer.kicked", viewer=viewer.id, user=identity.user)
    audit_entries.kicked(request, identity, console.instance, viewer)
    reason = _KICKED
    if own:
        reason = _ENDED_BY_SOMEBODY if identity.is_shared else _ENDED
    console.pages.end_viewer(viewer, reason, by_hand=True)
    return web.Response(status=204)


async def admission(request: web.Request) -> web.Response:
    """`GET /api/v1/consoles/{instance}/admission`: may this page open the console?

    The WebSockets make the same checks, but a page can't read a WebSocket's refusal.
    """
    return json_answer(await admit(request))


async def admit(request: web.Request) -> dict[str, object]:
    """What a page needs to open the console that the request's path and query name, as JSON.

    Raises:
        AccessError: 401, 403, 404, 409, 429, 503: it may not.
        AuditError: Nothing may be opened.
        RecordingError: The session has to be recorded, and can't be.
    """
    identity = door(request).identify(request)
    services = services_of(request)
    instance, decision = await permitted(request, identity)
    view = request.query.get("view") == "1" or not decision.allows(Role.CONTROL)
    await services.registry.approach(instance.id, watches=view)
    if services.audit.problem is not None:
        # Its WebSocket would be refused, which a page can't tell from a lost connection.
        raise AuditError(services.audit.problem)
    if decision.record:
        await services.registry.check_recording(instance.id)
    ticket = ViewerTicket(
        identity=identity,
        viewer_id=new_viewer_id(),
        instance_id=instance.id,
        view=view,
        take=request.query.get("take") == "1" and not view,
    )
    return {
        "instance": {
            "alias": instance.alias,
            "id": instance.id,
            "name": instance.name,
            "region": instance.region,
            "windows": instance.windows,
        },
        "viewer": ticket.viewer_id,
        "ticket": services.tickets.issue(ticket),
        "may_control": not view,
        "may_power": decision.power,
    }


def new_viewer_id() -> str:
    """An id that is unique in the daemon's life."""
    return f"v-{secrets.token_hex(5)}"


async def issue_ticket(request: web.Request) -> web.Response:
    """`POST /api/v1/tickets`: a single-use link, for `vncproxy url`. Body: {"instance": NAME}."""
    identity = door(request).identify(request)
    services = services_of(request)
    name = (await json_body(request)).get("instance")
    page = "/"
    if name is not None:
        instance, _ = await visible(request, identity, name if isinstance(name, str) else "")
        page = f"/console/{instance.alias}"
    ticket = services.tickets.issue(EntryTicket(replace(identity, how="ticket"), page))
    return json_answer({"ticket": ticket, "path": f"/enter#{ticket}", "valid_s": LIFE_S})


async def log_in(request: web.Request) -> web.Response:
    """`POST /api/v1/session`: a token or a ticket for a cookie.

    A ticket of somebody else than the cookie's user, and without a cookie any at a door that knows
    several users, is refused (409) unless {"replace": true} says that this is meant: who makes
    a link could have others act in the maker's name.
    """
    services = services_of(request)
    body = await json_body(request)
    page = None
    if isinstance(token := body.get("token"), str):
        identity = door(request).by_token(request, token)
    elif isinstance(text := body.get("ticket"), str):
        ticket = services.tickets.entry(text)
        if ticket is None or not door(request).knows(ticket.identity, request):
            raise AccessError(401, "used-ticket", "This link was used, or is older than 60 s.")
        if body.get("replace") is not True:
            _check_same_user(request, ticket.identity)
        services.tickets.enter(text)
        identity, page = ticket.identity, ticket.next
    else:
        raise AccessError(400, "bad-json", 'Send {"token": …} or {"ticket": …}.')
    answer = json_answer({"next": page}) if page else web.Response(status=204)
    if door(request).by_connection:
        # Who asks shows at every request.
        return answer
    answer.set_cookie(
        door(request).cookie_name,
        await services.sessions.begin(identity, account_behind(request)),
        max_age=int(services.sessions.life_s),
        httponly=True,
        samesite="Strict",
        secure=door(request).secure,
        path=door(request).cookie_path,
    )
    _log.info("session.opened", user=identity.user, door=door(request).name)
    audit_entries.logged_in(request, identity)
    return answer


def _check_same_user(request: web.Request, coming: Identity) -> None:
    present = door(request).session(request)
    if present is None and door(request).kind == "users":
        raise AccessError(409, "whose-link", f"This link logs you in as {coming.user}.")
    if present is not None and (present.kind, present.user) != (coming.kind, coming.user):
        raise AccessError(
            409,
            "other-user",
            f"This link logs you in as {coming.user}, and you are logged in as {present.user}.",
        )


def _logged_out(login: str, who: ViewerIdentity, _instance: ConsoleInstance) -> str | None:
    return "You logged out." if who.login == login else None


async def log_out(request: web.Request) -> web.Response:
    """`DELETE /api/v1/session`: forget the cookie, here and in the browser; end what it opened."""
    services = services_of(request)
    if (text := door(request).cookie(request)) is not None:
        identity = door(request).session(request)
        if identity is not None:
            audit_entries.logged_out(request, identity)
            # A log-out at a shared workplace must leave no console open. In the same turn as the
            # log-in's end, and before it: so a page gets the reason, too.
            services.registry.recheck(partial(_logged_out, identity.login))
        await services.sessions.end(text)
    answer = web.Response(status=204)
    answer.del_cookie(
        door(request).cookie_name,
        path=door(request).cookie_path,
        httponly=True,
        samesite="Strict",
        secure=door(request).secure,
    )
    return answer
