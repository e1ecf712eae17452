"""`vncproxy url`: a link to a console of the daemon."""

from __future__ import annotations

from collections.abc import Mapping

from vncproxy.commands.daemon_client import DaemonClient, base_url, daemon_client
from vncproxy.config.model import Config
from vncproxy.errors import AccessError, ConfigError, ConfigProblem


async def console_url(
    config: Config, environ: Mapping[str, str], instance: str, base: str | None
) -> str:
    """A console's address with a single-use ticket, valid 60 s.

    Without one where no door takes it, since people prove there themselves who they are.

    Args:
        config: The daemon's.
        environ: The variables that lead to its state directory.
        instance: Alias or id.
        base: How the browser reaches the daemon; None: the first TCP door.

    Raises:
        ConfigError: There are Unix doors only, and no `base`.
        NoDaemonError: None answers.
        AccessError: It refused.
    """
    async with daemon_client(config, environ) as daemon:
        # A ticket is good at doors of the kind that gave it only, and where everybody may enter.
        takers = [one for one in config.listen if one.access in (daemon.access, "open")]
        doors = takers or config.listen
        start = base or next((url for one in doors if (url := base_url(one))), None)
        if start is None:
            raise ConfigError(
                [ConfigProblem("[[listen]]", "address", "Unix doors only", "--base-url with this")]
            )
        if takers:
            answer = await daemon.call("POST", "/api/v1/tickets", {"instance": instance})
            path = str(answer["path"])
        else:
            path = f"/console/{await _alias(daemon, instance)}"
    return start.rstrip("/") + path


async def _alias(daemon: DaemonClient, instance: str) -> str:
    rows = (await daemon.call("GET", "/api/v1/instances"))["instances"]
    for row in rows:
        if instance in (row["alias"], row["id"]):
            return str(row["alias"])
    raise AccessError(404, "unknown-instance", f"no instance {instance} is configured")
