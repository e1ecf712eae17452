"""Somebody who may do everything on a daemon, and does it."""

from __future__ import annotations

import asyncio
import re
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import msgspec

from tests.fault.outputs import Outputs
from tests.setup import WAIT_S, Closed, Running, until

OTHER_PASSWORD, WRONG_PASSWORD = "kJ4vB8", "hN2mC5"
"""VNC passwords that the page gives: the right one and a wrong one."""


ADMISSION = re.compile(r'<meta name="admission" content="[^"]*">')
"""In a console's page, for the one whom the console would be opened for."""


@dataclass
class Owner:
    """Somebody who may do everything, does it, and writes down what is answered."""

    setup: Running
    outputs: Outputs
    bearer: str

    @property
    def pass_(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.bearer}"} if self.bearer else {}

    async def visit(self, alias: str) -> None:
        """Open a console, look for a moment at what comes, and leave."""
        self.setup.alias = alias
        viewer = await self.setup.connect(headers=self.pass_)
        with suppress(Closed, AssertionError, TimeoutError):
            async with asyncio.timeout(0.8):
                await viewer.shake_hands()
                await viewer.send(viewer.request(0))
                await viewer.socket.receive()
        await viewer.close()
        self.setup.viewers.remove(viewer)

    async def ask(self, method: str, path: str, **how: Any) -> Any:
        """One request; its answer is written down without what it exists to give."""
        async with self.setup.http.request(method, self.setup.base + path, **how) as answer:
            body = await answer.text()
            headers = "\n".join(f"{k}: {v}" for k, v in answer.headers.items())
            given = {"ticket", "path"} if answer.content_type == "application/json" else set()
            document = msgspec.json.decode(body) if given else None
            if isinstance(document, dict):
                body = repr({k: v for k, v in document.items() if k not in given})
            if how.get("headers") == self.pass_:
                body, count = ADMISSION.subn("", body)
                assert not count or answer.headers["Cache-Control"] == "no-store"
            if "Set-Cookie" in answer.headers:
                headers = headers.replace(answer.headers["Set-Cookie"], "(a cookie)")
            self.outputs.note(f"{method} {path.partition('?')[0]}", headers, body)
            return document

    async def ask_everything(self) -> None:
        """Every route, with and without the right to."""
        paths = ["/", "/enter", "/console/guarded-0", "/healthz", "/readyz", "/metrics"]
        paths += [f"/api/v1/{name}" for name in ("instances", "consoles")]
        wrong = {"Authorization": f"Bearer {self.bearer}x"}
        for path in [*paths, "/api/v1/consoles/guarded-0/admission", "/no/such/page"]:
            for headers in (self.pass_, wrong, {}):
                await self.ask("GET", path, headers=headers)
        entry = await self.ask("POST", "/api/v1/tickets", headers=self.pass_, json={})
        for credentials in ({"ticket": entry["ticket"]}, {"token": self.bearer}):
            for _ in range(2):
                await self.ask("POST", "/api/v1/session", json=credentials)
        await self.ask("POST", "/api/v1/session", json={"token": self.bearer + "x"})
        await self.ask("POST", "/api/v1/session", data=f"token={self.bearer}")
        await self.ask("GET", f"/enter?ticket={entry['ticket']}&token={self.bearer}")
        await self.ask("GET", f"/no/such/{self.bearer}")
        await self.ask("GET", "/", headers={"Host": f"{self.bearer}.example"})
        await self.ask("GET", "/api/v1/instances", headers={"Origin": f"https://{self.bearer}.x"})

    async def give_passwords(self) -> None:
        """By a page: one that isn't any, a wrong one, the right one."""
        self.setup.alias = "asking"
        admission = await self.ask("GET", "/api/v1/consoles/asking/admission", headers=self.pass_)
        page = {"Origin": self.setup.base}
        query = f"?ticket={admission['ticket']}"
        viewer = await self.setup.connect(query, headers=page)
        control = await self.setup.http.ws_connect(
            f"{self.setup.base}/control/asking{query}", headers=page
        )
        states: list[str] = []

        async def listen() -> None:
            async for message in control:
                self.outputs.note("control WebSocket", message.data)
                states.append(msgspec.json.decode(message.data).get("state", ""))

        listening = asyncio.create_task(listen())
        try:
            for password in ("no password " + WRONG_PASSWORD, WRONG_PASSWORD, OTHER_PASSWORD):
                await until(lambda: "password" in states, "the question for a password")
                states.clear()
                await control.send_json({"type": "password", "password": password})
                if password.startswith("no"):
                    states.append("password")
            async with asyncio.timeout(WAIT_S):
                await viewer.shake_hands()
            redactor = self.setup.daemon.redactor
            assert OTHER_PASSWORD not in redactor.clean(f"the guest said: {OTHER_PASSWORD}")
        finally:
            listening.cancel()
            await control.close()
            await viewer.close()

    async def say_it_wrongly(self) -> None:
        """What isn't HTTP, with a secret in it."""
        for head in (
            f"GET /websockify/guarded-0?ticket={self.bearer} HTTP/9.9",
            f"GET /{self.bearer} HTTP/1.1\r\nAuthorization Bearer {self.bearer}",
            f"{self.bearer} / HTTP/1.1",
            f"GET / HTTP/1.1\r\nHost: localhost\r\nCookie: a\x01={self.bearer}",
        ):
            reader, writer = await asyncio.open_connection(
                "127.0.0.1", self.setup.daemon.servers[0].port
            )
            writer.write(head.encode() + b"\r\n\r\n")
            with suppress(ConnectionError):
                self.outputs.note("answer to no HTTP", await reader.read(65536))
            writer.close()
