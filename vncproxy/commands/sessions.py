"""`vncproxy sessions`: past sessions, from the audit."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from vncproxy.commands.command import (
    DONE,
    FAILED,
    Command,
    add_config,
    add_json,
    part_of_name,
)
from vncproxy.commands.output import (
    aligned,
    duration,
    print_json,
    print_lines,
    print_note,
    require_output,
)
from vncproxy.commands.running import run_with_config
from vncproxy.languages.text import Text, counted
from vncproxy.observe.times import local_or, utc_text

if TYPE_CHECKING:
    from vncproxy.config.model import Config

NOTHING = Text("There are no such sessions.")
SHOWN_MAX = 200
"""Sessions without --all, the newest."""
_SPAN = re.compile(r"(\d{1,6})([mhdw])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_HEADINGS = (
    Text("STARTED"),
    Text("LENGTH"),
    Text("USER"),
    Text("INSTANCE"),
    Text("TO"),
    Text("FROM"),
    Text("ENDED BY"),
)
_WATCH_TEXT = {"watch": Text("watch"), "control": Text("control"), None: "-"}


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    add_config(parser)
    add_json(parser)
    parser.add_argument(
        "--user", metavar="U", type=part_of_name, default="", help="whose name has this in it"
    )
    parser.add_argument(
        "--instance",
        metavar="I",
        type=part_of_name,
        default="",
        help="whose alias, id or name has this in it",
    )
    text = Text(
        "open at some time since: 2026-11-30, 2026-11-30T08:15, or how long ago: 90m, 12h, 7d"
    )
    parser.add_argument("--since", metavar="T", type=moment, help=text)
    text = Text("all of them, not only the newest {shown_max}", shown_max=SHOWN_MAX)
    parser.add_argument("--all", action="store_true", help=text)


def moment(text: str, now: datetime | None = None) -> str:
    """A time of this machine's clock or so long ago, as the API takes it.

    Args:
        text: As it was given.
        now: With a zone; default: now.

    Raises:
        ArgumentTypeError: It is neither.
    """
    try:
        if (span := _SPAN.fullmatch(text)) is not None:
            length = timedelta(**{_UNITS[span[2]]: int(span[1])})
            at = (now or datetime.now(UTC)) - length
        else:
            at = datetime.fromisoformat(text)
        return utc_text(at.timestamp())
    except (ValueError, OverflowError, OSError):
        raise argparse.ArgumentTypeError(
            Text(
                "{text} is no time: 2026-11-30, 2026-11-30T08:15, or how long ago: 90m, 12h, 7d",
                text=repr(text),
            )
        ) from None


def _run(options: argparse.Namespace) -> int:
    require_output()

    async def work(config: Config) -> int:
        wanted = {"user": options.user, "instance": options.instance, "since": options.since or ""}
        most = None if options.all else SHOWN_MAX
        found = await sessions(config, os.environ, wanted, most)
        if options.json:
            print_json(found["sessions"])
        else:
            print_lines(table(found["sessions"]))
        for note in notes(found):
            print_note(note)
        # JSON has the rows alone: without this, a program would take a part for the whole.
        return FAILED if found["problems"] or found["read"] < 1 else DONE

    return run_with_config(options, work)


async def sessions(
    config: Config, environ: Mapping[str, str], wanted: Mapping[str, str], most: int | None
) -> dict[str, Any]:
    """The sessions, the newest first, with `total`, `read` and `problems` as the API gives them.

    Args:
        config: The settings.
        environ: The environment's variables.
        wanted: Of `user`, `instance`, `since`; "" counts as missing.
        most: At most so many; None: all.

    Raises:
        NoDaemonError: As of `daemon_client`.
        AccessError: The daemon refused.
        ConfigError: As of `daemon_client`.
    """
    from vncproxy.commands.daemon_client import daemon_client

    query = {name: value for name, value in wanted.items() if value}
    async with daemon_client(config, environ) as daemon:
        return await daemon.pages("/api/v1/sessions", query, "sessions", most)


def table(rows: list[dict[str, Any]]) -> list[str]:
    """The rows for people."""
    return aligned([_HEADINGS, *map(_cells, rows)]) if rows else [NOTHING]


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    return (
        local_or(row["started_at"], row["started_at"] or "-"),
        duration(row["seconds"]) if row["seconds"] is not None else "-",
        row["user"] or "-",
        row["alias"] or row["instance"],
        _WATCH_TEXT[row["opened_to"]],
        row["address"] or "-",
        _end(row),
    )


def _end(row: dict[str, Any]) -> str:
    if row["state"] == "open":
        return Text("(still open)")
    if row["state"] == "lost":
        return Text("not known: the daemon crashed")
    reason = str(row["reason"] or "-")
    if not row["text"]:
        return reason
    return Text("{reason}: {text}", reason=reason, text=Text(row["text"]))


def notes(found: dict[str, Any]) -> Iterator[str]:
    """What isn't in the table, a line each."""
    yield from map(Text, found["problems"])
    if found["read"] < 1:
        part = int(100 * found["read"])
        yield Text(
            "The audit is still being read ({part} %): the newest sessions may be missing.",
            part=part,
        )
    if (left := found["total"] - len(found["sessions"])) > 0:
        yield counted(
            left,
            "{count} older one isn't shown: --all shows it.",
            "{count} older ones aren't shown: --all shows them.",
        )


COMMAND = Command(
    "sessions",
    "list past sessions, from the audit",
    ("vncproxy sessions --user ann --since 7d", "vncproxy sessions --instance web-1 --json"),
    _add_arguments,
    _run,
)
