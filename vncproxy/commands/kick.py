"""`vncproxy kick`: the end of a console, or of one of its viewers."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import quote

from vncproxy.commands.command import DONE, Command, add_config, add_instance, viewer_id
from vncproxy.commands.running import run_with_config

if TYPE_CHECKING:
    from vncproxy.config.model import Config


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    add_config(parser)
    add_instance(parser)
    parser.add_argument(
        "viewer",
        nargs="?",
        metavar="VIEWER",
        type=viewer_id,
        help="id; default: the whole console",
    )


def _run(options: argparse.Namespace) -> int:
    async def work(config: Config) -> int:
        await kick(config, os.environ, options.instance, options.viewer)
        return DONE

    return run_with_config(options, work)


async def kick(
    config: Config, environ: Mapping[str, str], instance: str, viewer: str | None
) -> None:
    """End a console, or one of its viewers.

    Raises:
        NoDaemonError: As of `daemon_client`.
        AccessError: The daemon refused.
        ConfigError: As of `daemon_client`.
    """
    from vncproxy.commands.daemon_client import daemon_client

    path = f"/api/v1/consoles/{quote(instance, safe='')}"
    if viewer is not None:
        path += f"/viewers/{quote(viewer, safe='')}"
    async with daemon_client(config, environ) as daemon:
        await daemon.call("DELETE", path)


COMMAND = Command(
    "kick",
    "end a console, or one of its viewers",
    ("vncproxy kick web-1", "vncproxy kick web-1 v-0123456789"),
    _add_arguments,
    _run,
)
