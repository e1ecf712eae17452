"""`vncproxy consoles`: what is open, and who is on: a line for each, in a table."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from vncproxy.commands.command import DONE, Command, add_config, add_json
from vncproxy.commands.help_language import cut
from vncproxy.commands.output import (
    aligned,
    amount,
    duration,
    print_json,
    print_line,
    print_lines,
    print_text,
    require_output,
)
from vncproxy.commands.running import run_until_ctrl_c, run_with_config
from vncproxy.commands.terminal_language import shown
from vncproxy.languages.text import Text, counted
from vncproxy.observe.escaping import escaped
from vncproxy.observe.times import moment_of

if TYPE_CHECKING:
    from vncproxy.config.model import Config

WATCH_INTERVAL_S = 2.0

Rows = list[dict[str, Any]]


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    add_config(parser)
    add_json(parser)
    parser.add_argument("--watch", action="store_true", help="again every 2 s, until Ctrl+C")


def _run(options: argparse.Namespace) -> int:
    require_output()

    def show(rows: Rows) -> None:
        _show(rows, as_json=options.json, again=options.watch)

    if options.watch:
        return run_until_ctrl_c(options, lambda config: watch(config, os.environ, show))

    async def work(config: Config) -> int:
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
            print_text(frame(lines, *shutil.get_terminal_size()))
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


Row = dict[str, Any]

NOTHING = Text("No console is open.")
_UNKNOWN = "-"
_CONSOLE = (
    Text("CONSOLE"),
    Text("STATE"),
    Text("OPEN"),
    Text("LINK"),
    Text("KEEPALIVE"),
    Text("FROM CLOUD"),
    Text("TO CLOUD"),
    Text("BUDGET LEFT"),
    "",
)
_VIEWER = (
    Text("  VIEWER"),
    Text("USER"),
    Text("FROM"),
    Text("ROLE"),
    Text("ON", context="time"),
    Text("INPUT"),
    Text("RECEIVES"),
    Text("SENDS"),
    Text("LET IN BY"),
)


def table(rows: Sequence[Row], now: float) -> list[str]:
    """The rows of `GET /api/v1/consoles` for people.

    What only administrators see is there if the rows have it.

    Args:
        rows: One for each console, with its viewers.
        now: Seconds since 1970.
    """
    if not rows:
        return [NOTHING]
    consoles = [_CONSOLE, *(_console(row, now) for row in rows)]
    viewers = [_VIEWER, *(_viewer(one, now) for row in rows for one in row["viewers"])]
    console_lines, viewer_lines = iter(aligned(consoles)), iter(aligned(viewers))
    headings = [next(console_lines), next(viewer_lines)]
    lines = headings if len(viewers) > 1 else headings[:1]
    for row in rows:
        lines.append(next(console_lines))
        lines += (Text("  {sentence}", sentence=sentence) for sentence in _troubles(row))
        lines += (next(viewer_lines) for _ in row["viewers"])
    return lines


def frame(lines: Sequence[str], columns: int, height: int) -> str:
    """The lines drawn over the ones before, as a terminal of this size can hold them.

    Nothing is cleared before it is drawn again, so nothing flickers.
    """
    kept = list(lines)
    if len(kept) > height - 1:
        kept = kept[: height - 2]
        more = len(lines) - len(kept)
        kept.append(counted(more, "… and {count} more line", "… and {count} more lines"))
    # Not the last column: where it is filled, some terminals take what comes next for the line's.
    ends = "\x1b[K\n"
    return (
        "\x1b[H"
        + "".join(cut(escaped(shown(line)), columns - 1) + ends for line in kept)
        + "\x1b[J"
    )


def _console(row: Row, now: float) -> tuple[str, ...]:
    return (
        row["alias"],
        Text(row["state"], context="console"),
        _age(row, now),
        _optional(row["link_age_s"]),
        Text("none") if row["state"] == "opaque" else row["keepalive"],
        _rate(row, "from_cloud"),
        _rate(row, "to_cloud"),
        _budget(row),
        Text("recorded") if row.get("recorded") else "",
    )


def _viewer(one: Row, now: float) -> tuple[str, ...]:
    return (
        f"  {one['id']}",
        one["user"],
        one["from"],
        Text("{role}, asks", role=Text(one["role"])) if one["asks"] else Text(one["role"]),
        _age(one, now),
        _ago(one.get("input_age_s")),
        _rate(one, "to_viewer"),
        _rate(one, "from_viewer"),
        _let_in_by(one),
    )


def _let_in_by(one: Row) -> str:
    identity, rule = one.get("identity") or "", one.get("rule") or ""
    if identity and rule:
        return Text("{identity}, {rule}", identity=identity, rule=Text(rule))
    return identity or Text(rule or _UNKNOWN)


def _age(row: Row, now: float) -> str:
    since = moment_of(row["since"])
    return _UNKNOWN if since is None else duration(now - since.timestamp())


def _troubles(row: Row) -> Iterator[Text]:
    """What an administrator should know besides, in sentences."""
    if (wait_s := row.get("wait_s")) is not None:
        yield Text("{text} In {time}.", text=Text(row["text"]), time=duration(wait_s))
    if (error := row.get("error")) is not None:
        text = Text(error["text"])
        if error["code"]:
            text = Text("{problem} ({code})", problem=text, code=error["code"])
        yield Text("The last try failed: {problem}", problem=text)
    if (problem := row.get("budget_problem")) is not None:
        yield Text("The budget isn't known: {problem}", problem=Text(problem))
    for one in row["viewers"]:
        if one.get("record") and not one["recorded"]:
            yield Text("{id} should be recorded and isn't at the moment.", id=one["id"])


def _rate(row: Row, which: str) -> str:
    return f"{amount(row[which]['bytes_per_s'])}/s" if which in row else _UNKNOWN


def _budget(row: Row) -> str:
    budget = row.get("budget")
    if budget is None:
        return _UNKNOWN
    left = Text("{left} of {limit}", left=budget["left"], limit=budget["limit"])
    if not budget["next_free_s"] or row.get("wait_s") is not None:
        # The console's own wait is told below it: the permit that it holds is sooner than the next.
        return left
    return Text("{left}, next in {time}", left=left, time=duration(budget["next_free_s"]))


def _optional(seconds: float | None) -> str:
    return _UNKNOWN if seconds is None else duration(seconds)


def _ago(seconds: float | None) -> str:
    return _UNKNOWN if seconds is None else Text("{time} ago", time=duration(seconds))


COMMAND = Command(
    "consoles",
    "list what is open, and who is on",
    ("vncproxy consoles --watch",),
    _add_arguments,
    _run,
)
