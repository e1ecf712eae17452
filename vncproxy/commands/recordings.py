"""`vncproxy recordings`: which there are, and whether all that was shown is in them."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vncproxy.commands.command import DONE, Command, add_config, add_json
from vncproxy.commands.output import (
    aligned,
    length,
    print_json,
    print_lines,
    require_output,
)
from vncproxy.commands.running import load_config
from vncproxy.errors import LocalError, RecordingError
from vncproxy.languages.text import Text

if TYPE_CHECKING:
    from vncproxy.config.model import Config

NOTHING = Text("There are no recordings.")
_HEADINGS = (
    Text("STARTED"),
    Text("LENGTH"),
    Text("SIZE"),
    Text("USER"),
    Text("INSTANCE"),
    Text("IS"),
    Text("FILE"),
)


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    add_config(parser)
    add_json(parser)


def _run(options: argparse.Namespace) -> int:
    require_output()
    rows = recordings(load_config(options).config, os.environ)
    if options.json:
        print_json(rows)
    else:
        print_lines(table(rows))
    return DONE


def recordings(config: Config, environ: Mapping[str, str]) -> list[dict[str, Any]]:
    """The files of the folder, the oldest first, by what their parts' heads say.

    `replay --info` also holds all data against their checksums.

    Raises:
        ConfigError: No state directory can be found.
        LocalError: The folder can't be read.
    """
    from vncproxy.config.paths import recordings_path, state_folder
    from vncproxy.recording.file_format import SUFFIX

    folder = recordings_path(config, state_folder(config, environ))
    try:
        paths = sorted(path for path in folder.iterdir() if path.suffix == SUFFIX)
    except FileNotFoundError:
        return []
    except OSError as fault:
        raise LocalError(
            Text("{folder} can't be read: {reason}", folder=folder, reason=fault.strerror)
        ) from fault
    return [_row(path) for path in paths]


def _row(path: Path) -> dict[str, Any]:
    from vncproxy.recording.reader import Recording

    row: dict[str, Any] = {"file": str(path), "problem": None}
    try:
        recording = Recording(path, check=False)
    except RecordingError as error:
        return row | {"problem": error.public_text}
    try:
        header = recording.header
        return row | {
            "instance": header.instance,
            "alias": header.alias,
            "user": header.user,
            "viewer": header.viewer,
            "started_at": header.started_at,
            "duration_s": recording.duration_ms / 1000,
            "size_bytes": recording.size_bytes,
            "running": not recording.whole and recording.is_written(),
            "ended": recording.whole,
            "gaps": recording.gaps,
            "damaged": bool(recording.damage),
        }
    finally:
        recording.close()


def table(rows: list[dict[str, Any]]) -> list[str]:
    """The rows for people."""
    if not rows:
        return [NOTHING]
    return aligned([_HEADINGS, *map(_cells, rows)])


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    name = Path(row["file"]).name
    if row["problem"] is not None:
        return ("-", "-", "-", "-", "-", Text("unreadable"), name)
    return (
        row["started_at"] or "-",
        length(row["duration_s"]),
        f"{row['size_bytes'] / 1e6:.1f} MB",
        row["user"],
        row["alias"] or row["instance"],
        _state(row),
        name,
    )


def _state(row: dict[str, Any]) -> str:
    if row["damaged"]:
        return Text("DAMAGED")
    if row["running"]:
        return Text("running", context="recording")
    if not row["ended"]:
        return Text("CUT")
    return Text("incomplete") if row["gaps"] else Text("complete")


COMMAND = Command(
    "recordings",
    "list the recordings",
    ("vncproxy recordings --json",),
    _add_arguments,
    _run,
)
