"""What comes out of a daemon in this process, by whatever way, for a search for secrets."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest
from aiohttp import web

from tests.fault.secret_search import Planted, texts_of
from vncproxy.access.login_sessions import Sessions
from vncproxy.access.tickets import EntryTicket, Tickets, ViewerTicket
from vncproxy.console.dependencies import ConsoleDependencies
from vncproxy.errors import CloseReason, VncproxyError
from vncproxy.simulator.gateway import Gateway
from vncproxy.simulator.tickets import Tickets as GatewayTickets
from vncproxy.websocket.browser_transport import BrowserTransport

REFLECTIONS = ("redirect", "body", "header", "no upgrade", "garbage")
"""Kinds of answers to a dial that have the VncUrl in them."""


@dataclass
class Outputs:
    """All that came out of the daemon, by where it came out."""

    planted: Planted = field(default_factory=Planted)
    texts: dict[str, list[str | bytes]] = field(default_factory=dict)
    errors: list[VncproxyError] = field(default_factory=list)
    reflections: deque[str] = field(default_factory=deque)
    url_token: str = ""
    """Of the newest VncUrl."""

    def note(self, where: str, *what: str | bytes) -> None:
        self.texts.setdefault(where, []).extend(what)

    def leaks(self) -> set[tuple[str, str]]:
        """(where, which secret); each text alone, so that no secret is made up of two."""
        found = {
            (where, name)
            for where, texts in self.texts.items()
            for text in texts
            for name in self.planted.found_in(text)
        }
        error_texts = (text for error in self.errors for text in texts_of(error))
        return found | {
            ("error", name) for text in error_texts for name in self.planted.found_in(text)
        }


def watched_outputs(monkeypatch: pytest.MonkeyPatch) -> Outputs:
    """Note all that comes out from now on; secrets that are made meanwhile are planted."""
    outputs = Outputs()
    plant = outputs.planted.plant

    make = GatewayTickets.make

    def made(*args: Any) -> str:
        outputs.url_token = plant("the VncUrl's token", make(*args))
        return outputs.url_token

    monkeypatch.setattr(GatewayTickets, "make", made)
    issue = Tickets.issue

    def issued(self: Tickets, ticket: EntryTicket | ViewerTicket) -> str:
        return plant("a ticket", issue(self, ticket))

    monkeypatch.setattr(Tickets, "issue", issued)
    begin = Sessions.begin

    async def begun(self: Sessions, *args: Any) -> str:
        return plant("a cookie", await begin(self, *args))

    monkeypatch.setattr(Sessions, "begin", begun)
    init = VncproxyError.__init__

    def raised(self: VncproxyError, text: str) -> None:
        init(self, text)
        outputs.errors.append(self)

    monkeypatch.setattr(VncproxyError, "__init__", raised)
    send, close = BrowserTransport.send, BrowserTransport.close

    def sent(self: BrowserTransport, slices: Sequence[bytes]) -> None:
        outputs.note("RFB to a viewer", b"".join(slices))
        send(self, slices)

    async def closed(self: BrowserTransport, reason: CloseReason | None = None) -> None:
        if reason is not None:
            outputs.note("close reason", reason.reason, repr(reason))
        await close(self, reason)

    monkeypatch.setattr(BrowserTransport, "send", sent)
    monkeypatch.setattr(BrowserTransport, "close", closed)
    handle = Gateway.handle

    async def handled(self: Gateway, request: web.Request) -> web.StreamResponse:
        if outputs.reflections:
            return _reflection(outputs.reflections.popleft(), request)
        return await handle(self, request)

    monkeypatch.setattr(Gateway, "handle", handled)
    monkeypatch.setattr(
        "vncproxy.app.ConsoleDependencies", partial(ConsoleDependencies, first_pause_s=0.02)
    )
    return outputs


def _reflection(kind: str, request: web.Request) -> web.Response:
    """An answer that has the VncUrl in it."""
    match kind:
        case "redirect":
            return web.Response(status=302, headers={"Location": str(request.url)})
        case "body":
            return web.Response(status=403, text=f"{request.url} {request.raw_path}")
        case "header":
            return web.Response(status=500, headers={"X-Url": request.raw_path})
        case "no upgrade":
            return web.Response(status=200, text=request.raw_path)
        case _:
            return web.Response(status=101, reason=request.raw_path)
