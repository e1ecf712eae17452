"""`vncproxy power`: start, stop or restart an instance, and wait until that is done."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from vncproxy.aliyun.power import PowerAction
from vncproxy.commands.command import DONE, FAILED, USAGE, Command, add_config, add_instance
from vncproxy.commands.output import print_line, print_note, print_problem
from vncproxy.commands.questions import Ask, agreed, ask
from vncproxy.commands.running import load_config, log_errors_only, run_async
from vncproxy.languages.text import Text

if TYPE_CHECKING:
    from vncproxy.config.model import Config

ACTIONS = tuple(one.value for one in PowerAction)
_NOUNS = {"start": Text("start"), "stop": Text("stop"), "restart": Text("restart")}
_QUESTIONS = {"start": Text("Start"), "stop": Text("Stop"), "restart": Text("Restart")}
POLL_INTERVAL_S = 2.0
SENDING_TIMEOUT_S = 120.0
"""The daemon answers once the cloud has taken it, or it is known that nobody knows."""
FOLLOWED_MAX_S = 1200.0
"""Longer than the daemon follows it."""
NOTHING_DONE = Text("nothing was done")
_UNKNOWN = Text("it isn't known whether it was done; see: vncproxy instances")

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
        print_problem(Text("--force is for stop and restart"))
        return USAGE
    if not options.yes and not sys.stdin.isatty():
        print_problem(Text("there is nobody to ask here; add --yes if it is meant"))
        return USAGE
    config = load_config(options).config
    log_errors_only()
    wish = Wish(options.instance, options.action, force=options.force)
    if not options.yes:
        # Between two runs of the event loop: inside of one, asyncio takes Ctrl+C for itself, and
        # the question would go on.
        try:
            found = run_async(options, look(config, os.environ, wish))
            meant = is_meant(wish, found.alias, ask)
        except KeyboardInterrupt:
            print_note("")
            print_note(NOTHING_DONE)
            return FAILED
        if not meant:
            print_note(NOTHING_DONE)
            return FAILED
        # The one that was confirmed, whatever the name means by now.
        wish = replace(wish, instance=found.id)
    return run_async(options, power(config, os.environ, wish, say=print_line))


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


@dataclass(frozen=True, slots=True)
class Found:
    """The instance that a wish is about: the cloud's id, and its name here."""

    id: str
    alias: str


async def look(config: Config, environ: Mapping[str, str], wish: Wish) -> Found:
    """The instance, if it may be started, stopped and restarted; raises as `power`."""
    from vncproxy.commands.daemon_client import daemon_client

    async with daemon_client(config, environ) as daemon:
        instance = (await daemon.call("GET", _path(wish)))["instance"]
    return Found(str(instance["id"]), str(instance["alias"]))


def _path(wish: Wish) -> str:
    return f"/api/v1/instances/{quote(wish.instance, safe='')}/power"


async def power(
    config: Config,
    environ: Mapping[str, str],
    wish: Wish,
    *,
    say: Say,
    pause: Callable[[float], Awaitable[None]] | None = None,
) -> int:
    """Do it, and wait until it is done.

    Where it ends in the midst of it, by Ctrl+C, an output that can't be written or a daemon that is
    gone, standard error has what became of it.

    Args:
        config: The settings.
        environ: The environment's variables.
        wish: What to do.
        say: Called with each line about how it goes.
        pause: Lets so many seconds pass; default: they do.

    Returns:
        The exit status.

    Raises:
        NoDaemonError: As of `daemon_client`.
        AccessError: The daemon or the cloud refused, or the cloud's answer was lost.
        ConfigError: As of `daemon_client`.
        OutputError, BrokenPipeError: As `say`.
    """
    import asyncio

    from vncproxy.commands.daemon_client import NoDaemonError, daemon_client

    pause = pause or asyncio.sleep
    path = _path(wish)
    left = NOTHING_DONE
    # Before it is sent, and where it is refused, the error says enough.
    telling: tuple[type[BaseException], ...] = (asyncio.CancelledError,)
    try:
        async with daemon_client(config, environ) as daemon:
            state = await daemon.call("GET", path)
            alias = str(state["instance"]["alias"])
            body = {"action": wish.action, "force": wish.force}
            left = Text("{alias}: {text}", alias=alias, text=_UNKNOWN)
            telling = (asyncio.CancelledError, NoDaemonError)
            state = await daemon.call("POST", path, body, timeout_s=SENDING_TIMEOUT_S)
            noun = _NOUNS[wish.action]
            left = Text(
                "{alias}: the {action} was sent and goes on; see: vncproxy instances",
                alias=alias,
                action=noun,
            )
            telling = (BaseException,)
            say(Text("{alias}: the cloud has taken the {action}.", alias=alias, action=noun))
            status = None
            for _ in range(int(FOLLOWED_MAX_S / POLL_INTERVAL_S)):
                if state["status"] != status:
                    status = state["status"]
                    text = Text(status) if status else Text("its status is unknown")
                    say(Text("{alias}: {text}", alias=alias, text=text))
                if not state["under_way"]:
                    break
                await pause(POLL_INTERVAL_S)
                state = await daemon.call("GET", path)
        done, left = _end(wish, alias, state)
        if done:
            say(left)
        else:
            print_problem(left)
    except BaseException as fault:
        if isinstance(fault, telling):
            print_problem(left)
        raise
    return DONE if done else FAILED


def is_meant(wish: Wish, alias: str, ask: Ask) -> bool:
    """Whether somebody says that it is: a power cut wants the name.

    Args:
        wish: What to do.
        alias: The instance's.
        ask: Given a question, gives the answer; EOFError is a no.
    """
    try:
        if wish.force:
            answer = ask(
                Text(
                    "This cuts the power of {alias}: what its system hasn't written to its "
                    "disk is lost.\nType {alias} to {action} it all the same: ",
                    alias=alias,
                    action=_NOUNS[wish.action],
                )
            )
            return answer.strip() == alias
        question = Text("{action} {alias}", action=_QUESTIONS[wish.action], alias=alias)
        return agreed(ask, question, default=False)
    except EOFError:
        return False


def _end(wish: Wish, alias: str, state: dict[str, Any]) -> tuple[bool, Text]:
    """Whether it is done, and what there is to say."""
    ended = state["ended"]
    noun = _NOUNS[wish.action]
    if ended:
        if ended["done"]:
            return True, Text("{alias}: the {action} is done.", alias=alias, action=noun)
        return False, Text(ended["text"])
    if state["status"] == PowerAction(wish.action).leads_to:
        # The daemon was started anew meanwhile.
        told = Text("{alias}: the {action} is done, as it seems.", alias=alias, action=noun)
        return True, told
    return False, Text("{alias}: {text}", alias=alias, text=_UNKNOWN)


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
