"""What a browser's page opens: an admission, the screen's WebSocket and the control channel."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import msgspec

from tests.setup import USUAL, Running, Viewer


@dataclass
class Page:
    """Both WebSockets of one page; `state` and `on` are the last messages of these kinds.

    `messages` holds everything else that the control channel sent, in order.
    """

    id: str
    viewer: Viewer
    channel: aiohttp.ClientWebSocketResponse
    state: dict[str, Any] = field(default_factory=dict)
    on: dict[str, Any] = field(default_factory=dict)
    messages: list[dict[str, Any]] = field(default_factory=list)
    _listening: asyncio.Task[None] | None = None

    @property
    def controls(self) -> bool:
        """Whether the page was informed that it has control."""
        return self.on.get("controller") == self.id

    @property
    def controller(self) -> str | None:
        """Who has control, as this page got it."""
        who: str | None = self.on.get("controller")
        return who

    @property
    def roles(self) -> dict[str, str]:
        """Who is on, and in which role."""
        return {viewer["id"]: viewer["role"] for viewer in self.on.get("viewers", [])}

    def listen(self) -> None:
        """Keep what the channel says."""
        self._listening = asyncio.create_task(self._listen())

    async def _listen(self) -> None:
        async for message in self.channel:
            content = msgspec.json.decode(message.data)
            if content["type"] == "state":
                self.state = content
            elif content["type"] == "viewers":
                self.on = content
            else:
                self.messages.append(content)

    async def wish(self, kind: str, **more: str) -> None:
        """Tell the daemon something."""
        await self.channel.send_str(msgspec.json.encode({"type": kind, **more}).decode())

    async def leave(self) -> None:
        """Close both."""
        await self.viewer.close()
        await self.channel.close()
        if self._listening is not None:
            self._listening.cancel()
            await asyncio.wait([self._listening])


async def page(
    setup: Running,
    *,
    view: bool = False,
    take: bool = False,
    encodings: Sequence[int] = USUAL,
    base: str = "",
) -> Page:
    """Open the console as its page does.

    Args:
        setup: The daemon.
        view: Watch only.
        take: Take control at once.
        encodings: Of its viewer.
        base: Another way to the daemon than the direct.
    """
    base = base or setup.base
    wishes = "&view=1" * view + "&take=1" * take
    path = f"/api/v1/consoles/{setup.alias}/admission?{wishes.lstrip('&')}"
    async with setup.http.get(base + path) as answer:
        assert answer.status == 200, await answer.text()
        admission = await answer.json()
    query = f"?ticket={admission['ticket']}{wishes}"
    channel = await setup.http.ws_connect(f"{base}/control/{setup.alias}{query}")
    viewer = await setup.viewer(query, encodings, base=base)
    made = Page(admission["viewer"], viewer, channel)
    made.listen()
    setup.pages.append(made)
    return made
