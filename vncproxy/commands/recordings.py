"""`vncproxy recordings`: which there are, and whether all that was shown is in them."""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vncproxy.commands.command import DONE, FAILED, Command, add_config, add_json
from vncproxy.commands.output import (
    aligned,
    amount,
    length,
    print_json,
    print_lines,
    print_note,
    require_output,
)
from vncproxy.commands.running import run_with_config
from vncproxy.errors import LocalError, RecordingError
from vncproxy.languages.text import Text
from vncproxy.observe.times import local_or

if TYPE_CHECKING:
    from vncproxy.config.model import Config

_HEADINGS = (
    Text("STARTED"),
    Text("LENGTH"),
    Text("SIZE"),
    Text("USER"),
    Text("INSTANCE"),
    Text("IS"),
    Text("FILE"),
)
_STATES = {
    "unreadable": Text("UNREADABLE"),
    "running": Text("running", context="recording"),
    "empty": Text("EMPTY"),
    "damaged": Text("DAMAGED"),
    "cut": Text("CUT"),
    "incomplete": Text("INCOMPLETE"),
    "complete": Text("complete"),
}
"""In capitals where that isn't good."""


@dataclass(frozen=True, slots=True)
class Found:
    """The recordings.

    Args:
        rows: As of the API, the newest first, with `file`.
        folder: Where they are; "" if the daemon doesn't tell this user.
        problems: Sentences about the list.
        from_daemon: A daemon has told them; else the folder was read.
    """

    rows: list[dict[str, Any]]
    folder: str
    problems: list[str] = field(default_factory=list)
    from_daemon: bool = False


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    add_config(parser)
    add_json(parser)


def _run(options: argparse.Namespace) -> int:
    require_output()

    async def work(config: Config) -> int:
        found = await recordings(config, os.environ)
        if options.json:
            print_json(found.rows)
        else:
            print_lines(table(found))
        for note in notes(found):
            print_note(note)
        # JSON has the rows alone: without this, a program would take a part for the whole.
        return FAILED if found.problems else DONE

    return run_with_config(options, work)


async def recordings(config: Config, environ: Mapping[str, str]) -> Found:
    """What the daemon tells; where none answers, what is in the configuration's folder.

    It is judged by what the heads of a recording's parts say: `replay --info` also holds all data
    against their checksums.

    Raises:
        AccessError: The daemon refused.
        ConfigError: No state directory can be found, or as of `daemon_client`.
        LocalError: The folder can't be read.
    """
    from vncproxy.commands.daemon_client import NoDaemonError, daemon_client

    try:
        async with daemon_client(config, environ) as daemon:
            answer = await daemon.pages("/api/v1/recordings", {}, "recordings")
    except NoDaemonError:
        return _in_folder(config, environ)
    folder = answer.get("folder") or ""
    problems = answer["problems"]
    if answer["read"] < 1:
        part = int(100 * answer["read"])
        text = Text("The folder is still being read ({part} %): some may be missing.", part=part)
        problems = [*problems, text]
    return Found(
        [_with_file(row, folder) for row in answer["recordings"]],
        folder,
        problems,
        from_daemon=True,
    )


def _in_folder(config: Config, environ: Mapping[str, str]) -> Found:
    from vncproxy.config.paths import recordings_path, state_folder
    from vncproxy.recording.folder import RecordingFolder
    from vncproxy.recording.recording_index import described
    from vncproxy.web.recordings import recording_row

    path = recordings_path(config, state_folder(config, environ))
    try:
        keeper = path.stat().st_uid
        folder = RecordingFolder(path, max_bytes=0, max_age_s=0.0, keeper=keeper)
        listed = folder.listed()
    except FileNotFoundError:
        return Found([], str(path))
    except OSError as fault:
        raise LocalError(
            Text("{folder} can't be read: {reason}", folder=path, reason=fault.strerror)
        ) from fault
    except RecordingError as error:
        raise LocalError(Text("{folder}: {problem}", folder=path, problem=error.text)) from error
    read = (described(folder, one, time.time()) for one in reversed(listed))
    found = sorted(filter(None, read), key=lambda one: (one.started_ms, one.name), reverse=True)
    # The cloud's names are known to the daemon only.
    rows = [_with_file(recording_row(one, str, None), str(path)) for one in found]
    return Found(rows, str(path))


def _with_file(row: dict[str, Any], folder: str) -> dict[str, Any]:
    return {"file": str(Path(folder) / row["name"]), **row}


def table(found: Found) -> list[str]:
    """The rows for people."""
    if found.rows:
        return aligned([_HEADINGS, *map(_cells, found.rows)])
    if found.folder:
        return [Text("There are no recordings in {folder}.", folder=found.folder)]
    return [Text("There are no recordings.")]


def notes(found: Found) -> Iterator[Text]:
    """What isn't in the table, a line each."""
    yield from map(Text, found.problems)
    if found.folder and found.rows:
        yield Text("They are in {folder}.", folder=found.folder)
    if not found.from_daemon:
        yield Text("No daemon answers: the folder of this configuration was read.")


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    return (
        local_or(row["started_at"], "-"),
        length(row["duration_s"]),
        amount(row["size_bytes"]),
        row["user"] or "-",
        row["alias"] or row["instance"] or "-",
        _state(row),
        row["name"],
    )


def _state(row: dict[str, Any]) -> str:
    """What it is, and whether it may be somebody else's work."""
    state = _STATES.get(row["state"]) or Text(row["state"])
    if not row["caution"]:
        return state
    return Text("{state}. {caution}", state=state, caution=Text(row["caution"]))


COMMAND = Command(
    "recordings",
    "list the recordings",
    ("vncproxy recordings --json",),
    _add_arguments,
    _run,
)
