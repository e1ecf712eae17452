"""`vncproxy screenshot --live`: the picture of an open console's screen."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING

from vncproxy.commands.console_client import admission_to, console_client
from vncproxy.commands.console_screen import ConsoleScreen, LivePicture
from vncproxy.commands.daemon_client import Download, daemon_client
from vncproxy.errors import LocalError
from vncproxy.languages.text import Text

if TYPE_CHECKING:
    from vncproxy.config.model import Config

PICTURE_TIMEOUT_S = 60.0


async def live_screenshot(config: Config, environ: Mapping[str, str], instance: str) -> Download:
    """The picture as a PNG in its own size, from a viewer that watches for as long as it takes.

    The cloud isn't asked, and no console is opened for it.

    Args:
        config: The settings.
        environ: The environment's variables.
        instance: Alias, id or the cloud's name.

    Raises:
        LocalError: No console is open, or its picture didn't come.
        NoDaemonError: As of `daemon_client`.
        AccessError: The daemon refused.
        ConfigError: As of `daemon_client`.
    """
    if find_spec("PIL") is None:
        raise LocalError(Text("this needs Pillow: pip install 'vncproxy[export]'"))
    async with daemon_client(config, environ) as daemon:
        admission = await admission_to(daemon, instance, view=True)
        alias, name = admission["instance"]["alias"], admission["instance"]["id"]
        rows = (await daemon.call("GET", "/api/v1/consoles"))["consoles"]
        states = [row["state"] for row in rows if row["instance"] == name]
        if states != ["running"]:
            raise LocalError(
                Text(
                    "no console of {alias} is open: open it first, or leave out --live for "
                    "the cloud's picture",
                    alias=alias,
                )
            )
        picture = LivePicture()
        async with console_client(daemon, admission, ConsoleScreen(picture)) as client:
            await client.get_ready(lambda _: None, PICTURE_TIMEOUT_S)
            await client.get_picture(picture, PICTURE_TIMEOUT_S)
    content = await asyncio.to_thread(picture.png)
    return Download(content, "image/png", "")
