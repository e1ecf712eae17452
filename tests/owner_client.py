"""A client of a daemon behind a `token` door, with what its owner has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import aiohttp
import msgspec
import pytest

from tests.setup import Running, Viewer
from tests.unit.web.raw_http import Answer, ask

JSON = "Content-Type: application/json"


@dataclass
class OwnerClient:
    """A daemon, its owner's token, and requests to it."""

    setup: Running
    token: str

    @property
    def port(self) -> int:
        """Of the first door."""
        return self.setup.daemon.servers[0].port

    @property
    def bearer(self) -> str:
        """The header that proves the owner."""
        return f"Authorization: Bearer {self.token}"

    @property
    def cookie_name(self) -> str:
        """Named after the daemon's id."""
        return f"vncproxy-{(self.setup.daemon.state / 'daemon-id').read_text()}"

    @property
    def origin(self) -> str:
        """The header of a page of the daemon's own, opened as localhost."""
        return f"Origin: http://localhost:{self.port}"

    @property
    def host(self) -> str:
        """What a browser sends as Host for that page."""
        return f"localhost:{self.port}"

    async def ask(self, target: str, *headers: str, **how: Any) -> Answer:
        """One request, by default with the Host of a browser."""
        return await ask(self.port, target, *headers, **{"host": self.host, **how})

    async def post(self, target: str, body: object, *headers: str) -> Answer:
        """JSON to the daemon."""
        content = msgspec.json.encode(body)
        return await self.ask(target, JSON, *headers, method="POST", body=content)

    async def log_in(self) -> str:
        """Exchange the token for a cookie; gives the request header that sends it."""
        answer = await self.post("/api/v1/session", {"token": self.token}, self.origin)
        assert answer.status == 204
        return f"Cookie: {answer.cookies[0].partition(';')[0]}"

    async def admission(self, query: str = "", *headers: str) -> Any:
        """What a page is given."""
        answer = await self.ask(
            f"/api/v1/consoles/demo/admission{query}", *(headers or (self.bearer,))
        )
        assert answer.status == 200, answer
        return answer.json

    async def socket(
        self, path: str, *, origin: bool = False, bearer: bool = False, host: str | None = None
    ) -> aiohttp.ClientWebSocketResponse:
        """A WebSocket to /websockify or /control.

        Raises:
            WSServerHandshakeError: Refused.
        """
        headers = {"Host": host or self.host}
        if origin:
            headers["Origin"] = f"http://{self.host}"
        if bearer:
            headers["Authorization"] = f"Bearer {self.token}"
        protocols = ("binary",) if path.startswith("/websockify/") else ()
        return await self.setup.http.ws_connect(
            f"{self.setup.base}{path}", headers=headers, protocols=protocols
        )

    async def refused(self, path: str, **how: Any) -> int:
        """The status with which a WebSocket is refused."""
        with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
            await self.socket(path, **how)
        return refusal.value.status

    async def viewer(self, query: str = "") -> Viewer:
        """A program that shows the picture."""
        viewer = Viewer(await self.socket(f"/websockify/demo{query}", bearer=True))
        self.setup.viewers.append(viewer)
        await viewer.begin()
        return viewer


def owner_client(setup: Running) -> OwnerClient:
    """The client of a daemon that has made its token."""
    return OwnerClient(setup, (setup.daemon.state / "token").read_text().strip())
