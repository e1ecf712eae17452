"""`vncproxy power`: start, stop or restart an instance, and wait until that is done."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from vncproxy.commands.command import DONE, FAILED, USAGE, Command, add_config, add_instance
from vncproxy.commands.output import print_line, print_note, print_problem
from vncproxy.commands.running import run_with_config

if TYPE_CHECKING:
    from vncproxy.config.model import Config

ACTIONS = ("start", "stop", "restart")
POLL_INTERVAL_S = 2.0
SENDING_TIMEOUT_S = 120.0
"""The daemon answers once the cloud has taken it, or it is known that nobody knows."""
FOLLOWED_MAX_S = 1200.0
"""Longer than the daemon follows it."""
_LEADS_TO = {"start": "Running", "stop": "Stopped", "restart": "Running"}

Say = Callable[[str], None]


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    add_config(parser)
    add_instance(parser)
    parser.add_argument("action", metavar="start|stop|restart", choices=ACTIONS, help="what to do")
    parser.add_argument(
        "--force",
        action="store_true",
        help="cut the power: what the system hasn't written to its disk is lost",
    )
    parser.add_argument("--yes", action="store_true", help="don't ask")


def _run(options: argparse.Namespace) -> int:
    if options.force and options.action == "start":
        print_problem("--force is for stop and restart")
        return USAGE
    if not options.yes and not sys.stdin.isatty():
        print_problem("there is nobody to ask here; add --yes if it is meant")
        return USAGE

    async def work(config: Config) -> int:
        wish = Wish(options.instance, options.action, force=options.force)
        ask = None if options.yes else input
        return await power(config, os.environ, wish, ask=ask, say=print_line)

    return run_with_config(options, work)


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody wants.

    Args:
        instance: Alias or id.
        action: One of `ACTIONS`.
        force: By cutting the power.
    """

    instance: str
    action: str
    force: bool = False


async def power(
    config: Config,
    environ: Mapping[str, str],
    wish: Wish,
    *,
    ask: Callable[[str], str] | None,
    say: Say,
    pause: Callable[[float], Awaitable[None]] | None = None,
) -> int:
    """Ask, do it, and wait until it is done.

    Args:
        config: The settings.
        environ: The environment's variables.
        wish: What to do.
        ask: Given a question, gives the answer; None: nobody is asked.
        say: Called with each line about how it goes.
        pause: Lets so many seconds pass; default: they do.

    Returns:
        The exit status.

    Raises:
        NoDaemonError: As of `daemon_client`.
        AccessError: The daemon or the cloud refused, or the cloud's answer was lost.
        ConfigError: As of `daemon_client`.
    """
    import asyncio

    from vncproxy.commands.daemon_client import daemon_client

    pause = pause or asyncio.sleep
    path = f"/api/v1/instances/{quote(wish.instance, safe='')}/power"
    async with daemon_client(config, environ) as daemon:
        state = await daemon.call("GET", path)
        alias = str(state["instance"]["alias"])
        if ask is not None and not _is_meant(wish, alias, ask):
            print_note("nothing was done")
            return FAILED
        body = {"action": wish.action, "force": wish.force}
        state = await daemon.call("POST", path, body, timeout_s=SENDING_TIMEOUT_S)
        say(f"{alias}: the cloud has taken the {wish.action}.")
        shown = None
        for _ in range(int(FOLLOWED_MAX_S / POLL_INTERVAL_S)):
            if state["status"] != shown:
                shown = state["status"]
                say(f"{alias}: {shown or 'its status is unknown'}")
            if not state["under_way"]:
                break
            await pause(POLL_INTERVAL_S)
            state = await daemon.call("GET", path)
    return _end(wish, alias, state, say)


def _is_meant(wish: Wish, alias: str, ask: Callable[[str], str]) -> bool:
    try:
        if wish.force:
            answer = ask(
                f"This cuts the power of {alias}: what its system hasn't written to its disk is "
                f"lost.\nType {alias} to {wish.action} it all the same: "
            )
            return answer.strip() == alias
        return ask(f"{wish.action.capitalize()} {alias}? [y/N] ").strip().lower() in ("y", "yes")
    except EOFError:
        return False


def _end(wish: Wish, alias: str, state: dict[str, Any], say: Say) -> int:
    ended = state["ended"]
    if ended and ended["done"]:
        say(f"{alias}: done.")
        return DONE
    if ended:
        print_problem(str(ended["text"]))
    elif state["status"] == _LEADS_TO[wish.action]:
        # The daemon was started anew meanwhile.
        say(f"{alias}: done, as it seems.")
        return DONE
    else:
        print_problem(f"{alias}: it isn't known whether it was done; see: vncproxy instances")
    return FAILED


COMMAND = Command(
    "power",
    "start, stop or restart an instance, and wait until it is done",
    (
        "vncproxy power web-1 restart",
        "vncproxy power web-1 start --yes",
        "vncproxy power web-1 stop --force",
    ),
    _add_arguments,
    _run,
)
