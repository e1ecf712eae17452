"""`vncproxy key`: keys that are pressed together, sent to an instance."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING

from vncproxy.commands.command import DONE, USAGE, Command, add_config, add_instance, add_json
from vncproxy.commands.output import print_note, print_problem
from vncproxy.commands.running import run_with_config
from vncproxy.languages.text import Text, counted

if TYPE_CHECKING:
    from vncproxy.config.model import Config

PER_SECOND = 12.0
"""Combinations."""


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    add_config(parser)
    add_json(parser, "what was done, for programs")
    add_instance(parser)
    parser.add_argument(
        "combinations",
        metavar="COMBINATION",
        nargs="+",
        help="keys with - or + between them, such as ctrl-alt-del, ctrl-alt-f2, win-r, enter, "
        "sysrq-s; several are pressed one after the other",
    )


def _run(options: argparse.Namespace) -> int:
    from vncproxy.commands.keystrokes import combination_stroke
    from vncproxy.errors import LocalError

    try:
        strokes = [combination_stroke(text) for text in options.combinations]
    except LocalError as error:
        print_problem(error.text)
        return USAGE

    async def work(config: Config) -> int:
        from vncproxy.commands.key_sender import print_what_is_sent, send_keys

        sending = send_keys(
            config,
            os.environ,
            options.instance,
            lambda _client: strokes,
            how_many=_combinations,
            per_second=PER_SECOND,
            note=print_note,
        )
        await print_what_is_sent(sending, _pressed, as_json=options.json)
        return DONE

    return run_with_config(options, work)


def _combinations(count: int) -> Text:
    return counted(count, "{count} combination", "{count} combinations")


def _pressed(count: int, alias: str) -> Text:
    return counted(
        count,
        "{alias}: {count} combination pressed.",
        "{alias}: {count} combinations pressed.",
        alias=alias,
    )


COMMAND = Command(
    "key",
    "press keys on an instance's keyboard",
    (
        "vncproxy key web-1 ctrl-alt-del",
        "vncproxy key web-1 down down enter",
        "vncproxy key web-1 sysrq-s sysrq-u sysrq-b",
    ),
    _add_arguments,
    _run,
)
