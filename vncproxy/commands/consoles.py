"""`vncproxy consoles` and `vncproxy kick`: what is open, and its end."""

from __future__ import annotations

import asyncio
import time
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


def table(rows: Rows, now: float | None = None) -> list[str]:
    """The rows for people: one line for each viewer. Args: now - seconds since 1970."""
    now = time.time() if now is None else now
    cells: list[tuple[str, ...]] = [
        ("CONSOLE", "STATE", "LINK", "KEEPALIVE", "VIEWER", "USER", "FROM", "ROLE", "SINCE")
    ]
    for row in rows:
        age_s = row["link_age_s"]
        link = "-" if age_s is None else duration(age_s)
        console = (row["alias"], row["state"], link, row["keepalive"])
        viewers = [
            (one["id"], one["user"], one["from"], one["role"], duration(now - one["since"]))
            for one in row["viewers"]
        ]
        cells += [(*console, *viewer) for viewer in viewers or [("-",) * 5]]
    widths = [max(len(line[column]) for line in cells) for column in range(len(cells[0]))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in cells
    ]


def duration(seconds: float) -> str:
    """A time span in its two largest units."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02}s"
    return f"{whole // 3600}h{whole % 3600 // 60:02}m"
