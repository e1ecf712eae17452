"""`vncproxy screenshot`: an instance's screen as a picture, without a session."""

from __future__ import annotations

import argparse
import os
import re
import stat
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from vncproxy.commands.command import DONE, USAGE, Command, add_config, add_instance, add_json
from vncproxy.commands.output import (
    print_bytes,
    print_json_outcome,
    print_outcome,
    print_problem,
    require_output,
)
from vncproxy.commands.running import run_with_config
from vncproxy.errors import LocalError
from vncproxy.languages.text import Text

if TYPE_CHECKING:
    from vncproxy.commands.daemon_client import Download
    from vncproxy.config.model import Config

_STANDARD_OUTPUT = "-"
_ENDINGS = {"image/png": ".png", "image/jpeg": ".jpg"}


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    add_config(parser)
    add_json(parser, "where the picture is, for programs")
    add_instance(parser)
    parser.add_argument(
        "-o",
        dest="output",
        metavar="FILE",
        help="written whole or not at all; -: standard output; default: INSTANCE.png or .jpg",
    )
    parser.add_argument(
        "--wake", action="store_true", help="wake a screen that sleeps, by a key stroke"
    )
    parser.add_argument(
        "--live",
        action="store_true",
        help="the screen of a console that is open, in its own size: the cloud isn't asked",
    )


def _run(options: argparse.Namespace) -> int:
    if options.live and options.wake:
        print_problem(
            Text("--wake doesn't go with --live; a key wakes it: vncproxy key INSTANCE shift")
        )
        return USAGE
    if options.output == "":
        print_problem(Text("-o is empty: name a file, or - for standard output"))
        return USAGE
    if options.output == _STANDARD_OUTPUT and options.json:
        print_problem(Text("--json says where the picture is: name a file, not -"))
        return USAGE
    if options.output == _STANDARD_OUTPUT:
        require_output()
    if options.output == _STANDARD_OUTPUT and sys.stdout.isatty():
        print_problem(Text("a terminal shows no pictures: name a file, or pass it on by a pipe"))
        return USAGE

    async def work(config: Config) -> int:
        if options.live:
            from vncproxy.commands.live_screenshot import live_screenshot

            picture = await live_screenshot(config, os.environ, options.instance)
        else:
            picture = await screenshot(config, os.environ, options.instance, wake=options.wake)
        if options.output == _STANDARD_OUTPUT:
            print_bytes(picture.content)
            return DONE
        path = str(save(picture, options.instance, options.output))
        if options.json:
            print_json_outcome(as_json(picture, path), path)
        else:
            print_outcome(path)
        return DONE

    return run_with_config(options, work)


async def screenshot(
    config: Config, environ: Mapping[str, str], instance: str, *, wake: bool = False
) -> Download:
    """The picture, as the cloud gives it.

    Raises:
        NoDaemonError: As of `daemon_client`.
        AccessError: The daemon or the cloud refused.
        ConfigError: As of `daemon_client`.
    """
    from vncproxy.commands.daemon_client import daemon_client

    path = f"/api/v1/instances/{quote(instance, safe='')}/screenshot{'?wake=1' if wake else ''}"
    async with daemon_client(config, environ) as daemon:
        return await daemon.download(path)


def as_json(picture: Download, path: str) -> dict[str, Any]:
    """The picture that was saved, for programs."""
    return {
        "file": path,
        "content_type": picture.content_type,
        "size_bytes": len(picture.content),
    }


def save(picture: Download, instance: str, output: str | None) -> Path:
    """Write the picture to a file, whole or not at all.

    Args:
        picture: What to write.
        instance: Its alias or id, from which the file has its name by default.
        output: The file; None: in the current folder.

    Returns:
        The file.

    Raises:
        LocalError: It can't be written.
    """
    from vncproxy.durable_files import replace_file

    # Letters of any script are kept, so that two instances don't share a file.
    default = re.sub(r"^[-.]|[^\w.-]", "_", instance) + _ENDINGS.get(picture.content_type, "")
    path = Path(output if output is not None else default)
    try:
        # What a link leads to is replaced, and not the link; and no device is.
        target = path.resolve()
        if target.exists() and not target.is_file():
            raise LocalError(Text("{path} can't be written: it is no file", path=path))
        replace_file(target, picture.content, mode=_mode_of(target))
    except OSError as fault:
        raise LocalError(
            Text("{path} can't be written: {reason}", path=path, reason=fault.strerror or fault)
        ) from fault
    return path


def _mode_of(target: Path) -> int:
    """That of the file which is there; of a new one what the umask leaves, as of any program's."""
    try:
        return stat.S_IMODE(target.stat().st_mode)
    except FileNotFoundError:
        umask = os.umask(0)
        os.umask(umask)
        return 0o666 & ~umask


COMMAND = Command(
    "screenshot",
    "save an instance's screen as a picture, without a session",
    (
        "vncproxy screenshot web-1",
        "vncproxy screenshot web-1 -o /tmp/web-1.png --wake",
        "vncproxy screenshot web-1 -o -",
        "vncproxy screenshot web-1 --live",
    ),
    _add_arguments,
    _run,
)
