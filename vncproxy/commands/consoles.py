"""`vncproxy consoles`: what is open, and who is on. See `console_table`."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from vncproxy.commands.arguments import add_config, add_json
from vncproxy.commands.command import DONE, Command
from vncproxy.commands.console_table import frame, table
from vncproxy.commands.output import draw, print_json, print_line, print_lines
from vncproxy.commands.running import run_with_config

if TYPE_CHECKING:
    from vncproxy.config.model import Config

WATCH_INTERVAL_S = 2.0

Rows = list[dict[str, Any]]


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    add_config(parser)
    add_json(parser)
    parser.add_argument("--watch", action="store_true", help="again every 2 s, until Ctrl+C")


def _run(options: argparse.Namespace) -> int:
    def show(rows: Rows) -> None:
        _show(rows, as_json=options.json, again=options.watch)

    async def work(config: Config) -> int:
        if options.watch:
            await watch(config, os.environ, show)
        else:
            show(await consoles(config, os.environ))
        return DONE

    return run_with_config(options, work)


def _show(rows: Rows, *, as_json: bool, again: bool) -> None:
    """Print the rows, as JSON or as a table.

    If they are shown again and again, JSON is on one line, and a table is drawn over the last one.
    """
    if as_json and again:
        import json

        print_line(json.dumps(rows, ensure_ascii=False))
    elif as_json:
        print_json(rows)
    else:
        lines = table(rows, time.time())
        if again and sys.stdout.isatty():
            draw(frame(lines, *shutil.get_terminal_size()))
        else:
            print_lines(lines)


async def consoles(config: Config, environ: Mapping[str, str]) -> Rows:
    """The rows of `GET /api/v1/consoles`.

    Raises:
        NoDaemonError: As of `daemon_client`.
        AccessError: The daemon refused.
        ConfigError: As of `daemon_client`.
    """
    from vncproxy.commands.daemon_client import daemon_client

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
    """Show what is open again and again, until cancelled; raises as `consoles` does."""
    import asyncio

    from vncproxy.commands.daemon_client import daemon_client

    async with daemon_client(config, environ) as daemon:
        while True:
            show((await daemon.call("GET", "/api/v1/consoles"))["consoles"])
            await asyncio.sleep(interval_s)


COMMAND = Command(
    "consoles",
    "list what is open, and who is on",
    ("vncproxy consoles --watch",),
    _add_arguments,
    _run,
)
