"""How somebody at a terminal opens a console of a daemon: what `init` and `serve` print."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Mapping
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING

from vncproxy.languages.text import Text

if TYPE_CHECKING:
    from vncproxy.config.model import Config

_PROGRAM = "vncproxy"


def command_line(*words: str, config: Path | None = None) -> str:
    """A command of this program as a shell here takes it, by the path that it was started by.

    Args:
        *words: The command and its arguments.
        config: For --config; None: it finds its file by itself.
    """
    option = () if config is None else ("--config", str(config))
    return shlex.join([*_started_by(Path(sys.argv[0])), *words, *option])


def _started_by(program: Path) -> list[str]:
    if program.name == "__main__.py":
        return [sys.executable, "-m", _PROGRAM]
    found = shutil.which(_PROGRAM)
    if program.name != _PROGRAM or (found is not None and Path(found).samefile(program)):
        return [_PROGRAM]
    whole = program.absolute()
    return [str(whole.relative_to(Path.cwd()) if whole.is_relative_to(Path.cwd()) else whole)]


def has_browser(environ: Mapping[str, str]) -> bool:
    """Whether a browser that can show pages could be started: one in a terminal can't."""
    named = any(environ.get(name) for name in ("BROWSER", "DISPLAY", "WAYLAND_DISPLAY"))
    return named or sys.platform == "darwin"


def opening(config: Config, environ: Mapping[str, str], file: Path | None) -> list[str]:
    """Lines: where the pages are, and what opens the first console.

    Args:
        config: The daemon's.
        environ: Says whether there is a browser, and whether this is a session of SSH.
        file: For --config; None: the commands find it by themselves.
    """
    from vncproxy.addresses import UnixAddress
    from vncproxy.commands.daemon_client import base_url

    instance = config.instance[0].name if config.instance else "INSTANCE"
    pages = [f"{url}{one.base_path}/" for one in config.listen if (url := base_url(one))]
    if not pages:
        address = config.listen[0].parsed_address
        assert isinstance(address, UnixAddress), "it has no URL"
        tunnel = f"ssh -N -L 6080:{address.path} HOST"
        return [
            Text("The consoles are at the socket {path}.", path=address.path),
            Text("From your machine: {tunnel}", tunnel=tunnel),
            Text(
                "Then open http://localhost:6080{base_path}/ there.",
                base_path=config.listen[0].base_path,
            ),
        ]
    together = reduce(
        lambda one, other: Text("{one} and {other}", one=one, other=other), map(Text, pages)
    )
    lines = [Text("The consoles are at {pages}", pages=together)]
    if has_browser(environ):
        return [
            *lines,
            Text(
                "In another terminal, to open one: {command}",
                command=command_line("open", instance, config=file),
            ),
        ]
    if environ.get("SSH_CONNECTION"):
        local = pages[0].split("/")[2]
        port = local.rpartition(":")[2]
        lines.append(
            Text("From your machine: ssh -N -L {port}:{local} HOST", port=port, local=local)
        )
    link = command_line("url", instance, config=file)
    return [*lines, Text("In another terminal, for the link to one: {link}", link=link)]


def is_at_terminal(environ: Mapping[str, str]) -> bool:
    """Whether somebody reads the standard output, and no service manager started this."""
    return sys.stdout.isatty() and "NOTIFY_SOCKET" not in environ


def is_found_by_itself(file: Path) -> bool:
    """Whether commands without --config read this file."""
    from vncproxy.config.paths import find_file

    found = find_file(None, os.environ)
    return found is not None and found.absolute() == file.absolute()
