"""The two WebSockets of a viewer: RFB, and the console's state for the page."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import msgspec
import structlog
from aiohttp import ClientConnectionResetError, WSMsgType, web

from vncproxy.access.account_directory import DirectoryAway
from vncproxy.access.identity import Identity
from vncproxy.access.rules import Decision, Role
from vncproxy.config.secrets import VNC_PASSWORD, is_vnc_password
from vncproxy.console.console import Console, withdrawn
from vncproxy.console.lifecycle import State
from vncproxy.console.page_messages import Subscriber, input_count, notice
from vncproxy.console.viewer import Viewer, ViewerIdentity
from vncproxy.console.viewer_limits import ViewerLimits
from vncproxy.errors import AccessError, CloseCode, CloseReason, ConsoleElsewhere, Side
from vncproxy.instances.instance_list import ConsoleInstance
from vncproxy.languages.catalogue import Catalogue
from vncproxy.web.api import new_viewer_id
from vncproxy.web.audit_entries import address_of, refused
from vncproxy.web.console_json import state_of, viewers_of
from vncproxy.web.context import BEHIND, door, permitted, services_of
from vncproxy.web.middleware import SECURITY_LINES
from vncproxy.web.page_language import for_socket
from vncproxy.web.viewer_session import announce, serve
from vncproxy.websocket.browser_transport import BrowserTransport, Upgraded, upgrade
from vncproxy.websocket.transport import CLOSE_TIMEOUT_S

_log = structlog.get_logger("vncproxy.viewer")

CONTROL_MESSAGE_MAX_BYTES = 16 * 1024
STATE_INTERVAL_S = 0.1
"""Changes are sent to a page at most this often."""

_INTERNAL = CloseReason(CloseCode.INTERNAL, Side.DAEMON, "a fault of the daemon")
_LEFT = CloseReason(CloseCode.VIEWER_LEFT, Side.VIEWER, "it left before the upgrade")


_BROKEN_RULES = frozenset({1002, 1003, 1007, 1009})
"""Codes with which aiohttp itself closes: broken frames, text that isn't UTF-8, too long."""


class _ControlSocket(web.WebSocketResponse):
    """A WebSocket that says in the contract's words that the other side broke the rules."""

    async def close(self, *, code: int = 1000, message: bytes = b"", drain: bool = True) -> bool:
        """As the library's, but for the codes that it chooses itself."""
        if code in _BROKEN_RULES:
            code, message = CloseCode.VIEWER_PROTOCOL, CloseCode.VIEWER_PROTOCOL.word.encode()
        return await super().close(code=code, message=message, drain=drain)


@dataclass(frozen=True, slots=True)
class _Pass:
    """What a WebSocket request proved."""

    identity: Identity
    viewer_id: str
    view: bool
    take: bool
    has_page: bool
    ahead: bool
    decision: Decision


async def _admitted(request: web.Request, purpose: str) -> tuple[ConsoleInstance, _Pass]:
    """Who asks, then for which instance: an unknown client doesn't learn which there are.

    Raises:
        AccessError: 400: the request has a body, which would be read as frames; 401: neither a good
            ticket nor the token; 404: no such instance.
    """
    if request.can_read_body:
        raise AccessError(400, "unwanted-body", "A WebSocket's request has no body.")
    services = services_of(request)
    view = request.query.get("view") == "1"
    take = request.query.get("take") == "1" and not view
    text = request.query.get("ticket")
    if text is not None and (door(request).open or "Origin" in request.headers):
        holder = services.tickets.holder(text)
        if holder is None or not door(request).knows(holder, request):
            raise _used()
        instance, decision = await permitted(request, holder)
        ticket = services.tickets.use(text, purpose, instance.id)
        if ticket is None:
            raise _used()
        view = view or ticket.view or not decision.allows(Role.CONTROL)
        return instance, _Pass(
            holder,
            ticket.viewer_id,
            view=view,
            take=ticket.take and take and not view,
            has_page=True,
            ahead=request.query.get("ahead") == "1",
            decision=decision,
        )
    # Cookies don't count here: the admission that a page asks for first gives it a ticket.
    identity = door(request).program(request)
    if identity is None:
        raise AccessError(
            401, "log-in", "A WebSocket needs a ticket of its page, or the token as a Bearer."
        )
    instance, decision = await permitted(request, identity)
    view = view or not decision.allows(Role.CONTROL)
    return instance, _Pass(
        identity,
        new_viewer_id(),
        view=view,
        take=take and not view,
        has_page=False,
        ahead=False,
        decision=decision,
    )


def _used() -> AccessError:
    return AccessError(401, "used-ticket", "This ticket was used, or is older than 60 s.")


async def websockify(request: web.Request) -> web.StreamResponse:
    """`GET /websockify/{instance}`: the RFB stream."""
    services = services_of(request)
    instance, admitted = await _admitted(request, "websockify")
    # All refusals but one come before the upgrade: afterwards there are only close codes.
    try:
        hold = await services.registry.take_hold(
            instance, admitted.viewer_id, watches=admitted.view
        )
    except ConsoleElsewhere as error:
        _send_elsewhere(request, error)
        return Upgraded()
    viewer: Viewer | None = None
    try:
        viewer = await _upgraded(request, hold.console, _who(request, admitted))
    finally:
        if viewer is None:
            hold.release()
    if viewer is not None:
        # Not here: aiohttp's request would take 8 KB for as long.
        session = serve(hold, viewer, services)
        request.app[BEHIND].sessions.start(session, f"viewer-{viewer.id}")
    return Upgraded()


async def _upgraded(request: web.Request, console: Console, who: ViewerIdentity) -> Viewer | None:
    """The viewer whose request this is; None: it has left meanwhile."""
    await announce(console, who)
    transport: BrowserTransport | None = None
    try:
        transport = _upgrade(request)
    finally:
        if transport is None:
            console.never_began(who, _LEFT)
    if transport is None:
        return None
    return Viewer(who, transport, ViewerLimits.of(services_of(request).limits))


def _upgrade(request: web.Request) -> BrowserTransport | None:
    limits = services_of(request).limits
    return upgrade(
        request,
        SECURITY_LINES,
        ping_interval_s=limits.ping_interval,
        ping_timeout_s=limits.ping_timeout,
    )


def _send_elsewhere(request: web.Request, error: ConsoleElsewhere) -> None:
    """Say by close code that another daemon has the console."""
    services = services_of(request)
    services.metrics.refused(error.word)
    refused(request, error)
    reason = error.close_reason()
    services.metrics.viewer_closed(reason.code)
    if (transport := _upgrade(request)) is not None:
        request.app[BEHIND].sessions.start(transport.close(reason), "close-elsewhere")


def _who(request: web.Request, admitted: _Pass) -> ViewerIdentity:
    return ViewerIdentity(
        id=admitted.viewer_id,
        user=admitted.identity.user,
        address=address_of(request),
        door=door(request).name,
        has_page=admitted.has_page,
        may_control=not admitted.view,
        take=admitted.take,
        ahead=admitted.ahead,
        how=admitted.identity.how,
        rule=admitted.decision.rule,
        record=admitted.decision.record,
        kind=admitted.identity.kind,
        login=admitted.identity.login,
    )


async def control(request: web.Request) -> web.StreamResponse:
    """`GET /control/{instance}`: the console's state for its page, and the page's requests."""
    services = services_of(request)
    instance, admitted = await _admitted(request, "control")
    socket = _ControlSocket(
        compress=False,
        heartbeat=services.limits.ping_interval,
        timeout=CLOSE_TIMEOUT_S,
        max_msg_size=CONTROL_MESSAGE_MAX_BYTES,
    )
    if (console := services.awaited_pages.take(admitted.viewer_id)) is not None:
        subscriber = console.subscribe(admitted.viewer_id)
    else:
        async with services.registry.hold(
            instance, admitted.viewer_id, watches=admitted.view
        ) as hold:
            # The page's viewer keeps the console open, not this WebSocket.
            console = hold.console
            subscriber = console.subscribe(admitted.viewer_id)
    try:
        await socket.prepare(request)
        may_watch = partial(_may_watch, request, admitted.identity, instance)
        sending = services.tasks.start(
            _send_state(socket, console, subscriber, may_watch, for_socket(request)),
            f"control-state-{instance.id}",
        )
        reading = services.tasks.start(
            _listen(socket, console, admitted), f"control-requests-{instance.id}"
        )
        with services.open_sockets.one():
            try:
                await asyncio.wait([sending, reading], return_when=asyncio.FIRST_COMPLETED)
            finally:
                sending.cancel()
                reading.cancel()
                await asyncio.wait([sending, reading])
            # By nobody who reads: the library would cut the connection before the page's own close.
            await _close(socket, sending, reading)
    finally:
        console.unsubscribe(subscriber)
        if (lost := socket.exception()) is not None:
            # Its traceback holds the socket, which holds it.
            lost.__traceback__ = lost.__context__ = None
    return socket


async def _close(
    socket: web.WebSocketResponse,
    sending: asyncio.Task[CloseReason | None],
    reading: asyncio.Task[None],
) -> None:
    for task in (sending, reading):
        # Its owner has logged it.
        if not task.cancelled() and task.exception() is not None:
            await socket.close(code=_INTERNAL.code, message=_INTERNAL.reason.encode())
            return
    if sending.cancelled() or (end := sending.result()) is None:
        await socket.close()
    else:
        await socket.close(code=end.code, message=end.reason.encode())


def _may_watch(request: web.Request, who: Identity, instance: ConsoleInstance) -> bool:
    services = services_of(request)
    if services.sessions.is_over(who.login):
        return False
    try:
        return services.authority.decide(who, instance).allows(Role.WATCH)
    except DirectoryAway:
        # Not known is not withdrawn.
        return True


async def _send_state(
    socket: web.WebSocketResponse,
    console: Console,
    subscriber: Subscriber,
    may_watch: Callable[[], bool],
    texts: Catalogue,
) -> CloseReason | None:
    """Send what changed until the console is closed, or the user's access is withdrawn: why."""
    shown: dict[str, Any] = {}
    try:
        while True:
            notices = await subscriber.news()
            if not may_watch():
                # The reason is among them.
                for message in notices:
                    await socket.send_str(_text(message, texts))
                return withdrawn("")
            viewers: dict[str, Any] = {
                "type": "viewers",
                "you": subscriber.viewer_id,
                "controller": console.control.controller,
                "viewers": viewers_of(console),
            }
            state = state_of(console) | {"recorded": console.recordings.is_recording}
            for message in (state, viewers):
                if shown.get(message["type"]) != message:
                    shown[message["type"]] = message
                    await socket.send_str(_text(message, texts))
            for message in notices:
                await socket.send_str(_text(message, texts))
            if console.state is State.CLOSED:
                return None
            await asyncio.sleep(STATE_INTERVAL_S)
    except ClientConnectionResetError:
        return None


def _text(message: dict[str, Any], texts: Catalogue) -> str:
    return msgspec.json.encode(texts.answer(message)).decode()


async def _listen(socket: web.WebSocketResponse, console: Console, admitted: _Pass) -> None:
    async for message in socket:
        if message.type is not WSMsgType.TEXT:
            break
        try:
            request = msgspec.json.decode(message.data)
        except (msgspec.MsgspecError, RecursionError):
            request = None
        if isinstance(request, dict):
            await _carry_out(console, admitted, request)


async def _carry_out(console: Console, admitted: _Pass, request: dict[str, Any]) -> None:
    """Carry out one request of a page; what isn't understood, or not allowed to it, is ignored."""
    viewer_id = admitted.viewer_id
    if viewer_id not in console.router.viewers:
        return
    other = request.get("viewer")
    match request.get("type"):
        case "retry":
            console.supervisor.hurry()
        case "password" if not admitted.view and console.supervisor.asks_password:
            password = request.get("password")
            if isinstance(password, str) and is_vnc_password(password):
                console.supervisor.give_password(password)
            else:
                console.pages.notify(
                    viewer_id, notice(f"A VNC password is {VNC_PASSWORD}.", "warning")
                )
        case "count-input":
            viewer = console.router.viewers[viewer_id]
            console.pages.notify(viewer_id, input_count(viewer, console.supervisor.next_link))
        case "request-control":
            await console.control_requests.request(viewer_id)
        case "grant" | "refuse" as kind if isinstance(other, str):
            await console.control_requests.answer(viewer_id, other, grant=kind == "grant")
        case "release":
            await console.control_requests.release(viewer_id)
        case "take" if not admitted.view:
            await console.control_requests.take(viewer_id)
        case _:
            pass
