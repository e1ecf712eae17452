"""`vncproxy consoles` and `vncproxy kick`: what is open, and its end. See `console_table`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

from vncproxy.commands.daemon_client import daemon_client
from vncproxy.config.model import Config

WATCH_INTERVAL_S = 2.0

Rows = list[dict[str, Any]]


async def consoles(config: Config, environ: Mapping[str, str]) -> Rows:
    """The rows of `GET /api/v1/consoles`. Raises: NoDaemonError, AccessError, ConfigError."""
    async with daemon_client(config, environ) as daemon:
        answer = await daemon.call("GET", "/api/v1/consoles")
    rows: Rows = answer["consoles"]
    return rows


async def watch(
    config: Config,
    environ: Mapping[str, str],
    show: Callable[[Rows], None],
    interval_s: float = WATCH_INTERVAL_S,
) -> None:
    """Show what is open again and again, until cancelled. Raises: as `consoles`."""
    async with daemon_client(config, environ) as daemon:
        while True:
            show((await daemon.call("GET", "/api/v1/consoles"))["consoles"])
            await asyncio.sleep(interval_s)


async def kick(
    config: Config, environ: Mapping[str, str], instance: str, viewer: str | None
) -> None:
    """End a console, or one of its viewers. Raises: NoDaemonError, AccessError, ConfigError."""
    path = f"/api/v1/consoles/{quote(instance, safe='')}"
    if viewer is not None:
        path += f"/viewers/{quote(viewer, safe='')}"
    async with daemon_client(config, environ) as daemon:
        await daemon.call("DELETE", path)
