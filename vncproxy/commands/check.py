"""`vncproxy check`: what would stop it from working, one line each; or what a user may do.

See `check_steps` and `permission`.
"""

from __future__ import annotations

import argparse
import os
from contextlib import aclosing
from datetime import datetime
from typing import TYPE_CHECKING

from vncproxy.commands.command import DONE, FAILED, USAGE, Command, add_config, add_json
from vncproxy.commands.output import Finding, print_json, print_line, print_problem, require_output
from vncproxy.commands.running import load_config, log_errors_only, run_async
from vncproxy.errors import ConfigError
from vncproxy.languages.text import Text

if TYPE_CHECKING:
    from vncproxy.config.load import Loaded
    from vncproxy.config.model import Config


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    add_config(parser)
    parser.add_argument(
        "instance", nargs="?", metavar="INSTANCE", help="alias, id or name; default: all"
    )
    parser.add_argument(
        "--as",
        dest="user",
        metavar="USER",
        type=user_name,
        help="tell instead what this user may do, and the rule that decides",
    )
    parser.add_argument(
        "--at",
        metavar="TIME",
        type=local_time,
        help='with --as: at this local time, such as "2026-11-28 03:00"; default: now',
    )
    parser.add_argument(
        "--door",
        metavar="NAME",
        help='with --as: through this door only; its name, or "tcp_port 5901"',
    )
    add_json(parser)


def user_name(text: str) -> str:
    """The name of a user, as any door takes it.

    Raises:
        ArgumentTypeError: No user can have this name.
    """
    from vncproxy.config.users_file import is_user_name

    if is_user_name(text):
        return text
    raise argparse.ArgumentTypeError(Text("{text} can't be a user's name", text=repr(text)))


def local_time(text: str) -> datetime:
    """A date with its time.

    Raises:
        ArgumentTypeError: It isn't one.
    """
    try:
        return datetime.strptime(text, "%Y-%m-%d %H:%M")
    except ValueError:
        raise argparse.ArgumentTypeError(
            Text("{text} is no time such as '2026-11-28 03:00'", text=repr(text))
        ) from None


def _run(options: argparse.Namespace) -> int:
    for name in ("at", "door"):
        if getattr(options, name) is not None and options.user is None:
            print_problem(Text("--{name} goes with --as", name=name))
            return USAGE
    require_output()
    try:
        loaded = load_config(options)
    except ConfigError as error:
        if options.json:
            rows = [{"what": "configuration", "ok": False, "text": str(p)} for p in error.problems]
            print_json(rows)
        raise
    log_errors_only()
    if options.user is not None:
        return run_async(options, _print_permissions(loaded.config, options))
    return run_async(options, print_findings(loaded, options.instance, json=options.json))


async def print_findings(loaded: Loaded, name: str | None = None, *, json: bool = False) -> int:
    """Print each once it is known; as JSON all at the end. Gives DONE if all is well.

    Args:
        loaded: The configuration.
        name: An instance's alias, id or name; None: all.
        json: For programs.
    """
    from vncproxy.commands.check_steps import check

    findings = []
    # Closed here, or a reader that leaves early would leave it half-way.
    async with aclosing(check(loaded, os.environ, name)) as found:
        async for finding in found:
            findings.append(finding)
            if not json:
                print_line(finding.line)
    if json:
        print_json([finding.row for finding in findings])
    return DONE if all(finding.ok for finding in findings) else FAILED


async def _print_permissions(config: Config, options: argparse.Namespace) -> int:
    """DONE: some door lets the user do something. FAILED: none does, or it can't be found out."""
    from vncproxy.commands.permission import doors_of, permissions

    doors = doors_of(config)
    if options.door is not None and options.door not in doors:
        print_problem(
            Text(
                "there is no door {door}; there are: {doors}",
                door=repr(options.door),
                doors=", ".join(doors),
            )
        )
        return USAGE
    asked = (options.user, options.instance, options.at, options.door)
    found = await permissions(config, os.environ, *asked)
    if options.json:
        print_json([one.row for one in found])
    else:
        for one in found:
            print_line(one.line)
    if any(isinstance(one, Finding) for one in found):
        return FAILED
    return DONE if any(one.ok for one in found) else FAILED


COMMAND = Command(
    "check",
    "tell what would stop it from working",
    (
        "vncproxy check web-1",
        'vncproxy check web-1 --as ann --at "2026-11-28 03:00"',
    ),
    _add_arguments,
    _run,
)
