"""`vncproxy demo`: the daemon with a simulated cloud. See `demo_daemon`."""

from __future__ import annotations

import argparse

from vncproxy.commands.command import DONE, Command, add_page_port, add_screen
from vncproxy.commands.output import print_line
from vncproxy.commands.running import run_async

DEFAULT_PORT = 6080


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    add_page_port(parser, DEFAULT_PORT)
    add_screen(parser)


def _run(options: argparse.Namespace) -> int:
    async def work() -> int:
        from vncproxy.commands.demo_daemon import demo

        await demo(options.port, options.screen, print_line)
        return DONE

    return run_async(options, work())


COMMAND = Command(
    "demo",
    "run it with a simulated cloud; no account needed",
    ("vncproxy demo", "vncproxy demo --port 7000 --screen 127.0.0.1:5901"),
    _add_arguments,
    _run,
)
