"""`vncproxy forget`: what was learned of an instance's VNC server is learned anew."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import quote

from vncproxy.commands.command import DONE, Command, add_config, add_instance
from vncproxy.commands.output import print_outcome
from vncproxy.commands.running import run_with_config
from vncproxy.languages.text import Text

if TYPE_CHECKING:
    from vncproxy.config.model import Config


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    add_config(parser)
    add_instance(parser)


def _run(options: argparse.Namespace) -> int:
    async def work(config: Config) -> int:
        print_outcome(await forget(config, os.environ, options.instance))
        return DONE

    return run_with_config(options, work)


async def forget(config: Config, environ: Mapping[str, str], instance: str) -> str:
    """Forget it; what that means, in words.

    Raises:
        NoDaemonError: As of `daemon_client`.
        AccessError: The daemon refused.
        ConfigError: As of `daemon_client`.
    """
    from vncproxy.commands.daemon_client import daemon_client

    path = f"/api/v1/instances/{quote(instance, safe='')}/learned"
    async with daemon_client(config, environ) as daemon:
        answer = await daemon.call("DELETE", path)
    text = (
        Text("{instance}: forgotten; it is opened as if for the first time.", instance=instance)
        if answer["known"]
        else Text("{instance}: nothing was known.", instance=instance)
    )
    if answer["state"] == "opaque":
        return Text(
            "{text} Its open console stays opaque; to end it: vncproxy kick {instance}",
            text=text,
            instance=instance,
        )
    return text


COMMAND = Command(
    "forget",
    "forget what was learned of an instance's VNC server",
    ("vncproxy forget web-1",),
    _add_arguments,
    _run,
)
