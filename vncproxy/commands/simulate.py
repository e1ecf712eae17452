"""`vncproxy simulate`: the simulated cloud alone, for testing other tools against it."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from vncproxy.commands.command import BAD_CONFIG, DONE, FAILED, Command, add_screen, port
from vncproxy.commands.output import print_line, print_problem
from vncproxy.commands.running import run_async
from vncproxy.languages.text import Text

if TYPE_CHECKING:
    from vncproxy.simulator.settings import SimulatorSettings


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", metavar="FILE", type=Path, help="the simulator's settings")
    parser.add_argument("--port", type=port, help="default: the settings', else a free one")
    add_screen(parser)


def _run(options: argparse.Namespace) -> int:
    from vncproxy.simulator.settings_file import SettingsError

    try:
        settings = _settings(options)
    except SettingsError as error:
        print_problem(str(error))
        return BAD_CONFIG
    return run_async(options, _simulate(settings))


def _settings(options: argparse.Namespace) -> SimulatorSettings:
    """The file's, or the defaults, with what the options say instead. Raises: SettingsError."""
    from dataclasses import replace

    from vncproxy.simulator.settings import SimulatorSettings
    from vncproxy.simulator.settings_file import load

    settings = load(options.config) if options.config else SimulatorSettings()
    if options.port is not None:
        settings = replace(settings, port=options.port)
    if options.screen is not None:
        instances = tuple(replace(one, screen=options.screen) for one in settings.instances)
        settings = replace(settings, instances=instances)
    return settings


async def _simulate(settings: SimulatorSettings) -> int:
    import asyncio
    import signal

    from vncproxy.simulator.command import run

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    try:
        await run(settings, print_line, stop)
    except OSError as fault:
        print_problem(
            Text(
                "can't listen on {host}:{port}: {reason}",
                host=settings.host,
                port=settings.port,
                reason=fault.strerror,
            )
        )
        return FAILED
    return DONE


COMMAND = Command(
    "simulate",
    "run the simulated cloud alone",
    ("vncproxy simulate --port 8000",),
    _add_arguments,
    _run,
)
