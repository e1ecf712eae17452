"""`vncproxy instances`: what may be opened."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vncproxy.commands.daemon_client import NoDaemonError, daemon_client
from vncproxy.config.model import Config
from vncproxy.errors import ConfigError
from vncproxy.observe.escaping import escaped
from vncproxy.service.cloud import cloud_of
from vncproxy.service.instances import inventory_of


async def instances(config: Config, environ: Mapping[str, str]) -> dict[str, Any]:
    """The rows of `GET /api/v1/instances`, from the daemon, or without one from the cloud itself.

    Raises: ConfigError, AccessError, CloudError.
    """
    try:
        async with daemon_client(config, environ) as daemon:
            answer: dict[str, Any] = await daemon.call("GET", "/api/v1/instances")
            return {"instances": answer["instances"], "problem": answer["problem"]}
    except (NoDaemonError, ConfigError):
        # Also for a user who may not read the daemon's token.
        pass
    async with cloud_of(config, environ) as cloud:
        inventory = inventory_of(config, cloud.client)
        rows: list[dict[str, Any]] = [
            {
                "alias": one.alias,
                "id": one.id,
                "name": one.name,
                "region": one.region,
                "windows": one.windows,
                "os": one.os_name,
                "status": one.status or None,
                "role": None,
                "state": None,
                "viewers": [],
            }
            for one in await inventory.all()
        ]
        problem = inventory.problem
    return {
        "instances": rows,
        "problem": problem and {"code": problem.code, "text": problem.public_text},
    }


def table(rows: list[dict[str, Any]]) -> list[str]:
    """The rows for people."""
    cells: list[tuple[str, ...]] = [("ALIAS", "ID", "REGION", "STATUS", "ON")]
    for row in rows:
        on = ", ".join(f"{v['user']}" for v in row["viewers"]) or "-"
        texts = (row["alias"], row["id"], row["region"], row["status"] or "unknown", on)
        cells.append(tuple(escaped(text) for text in texts))
    widths = [max(len(row[column]) for row in cells) for column in range(5)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in cells
    ]
