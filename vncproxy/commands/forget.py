"""`vncproxy forget`: what was learned of an instance's VNC server is learned anew."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote

from vncproxy.commands.daemon_client import daemon_client
from vncproxy.config.model import Config


async def forget(config: Config, environ: Mapping[str, str], instance: str) -> str:
    """Forget it, and say what that means. Raises: NoDaemonError, AccessError, ConfigError."""
    path = f"/api/v1/instances/{quote(instance, safe='')}/learned"
    async with daemon_client(config, environ) as daemon:
        answer = await daemon.call("DELETE", path)
    text = (
        f"{instance}: forgotten; it is opened as if for the first time."
        if answer["known"]
        else f"{instance}: nothing was known."
    )
    if answer["state"] == "opaque":
        text += f" Its open console stays opaque; to end it: vncproxy kick {instance}"
    return text
