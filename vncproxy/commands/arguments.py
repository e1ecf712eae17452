"""Arguments that several commands have, and their types."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_config(parser: argparse.ArgumentParser) -> None:
    """--config, for `running.load_config`."""
    parser.add_argument(
        "--config",
        metavar="FILE",
        type=Path,
        help="default: $VNCPROXY_CONFIG, ~/.config/vncproxy/vncproxy.toml, "
        "/etc/vncproxy/vncproxy.toml",
    )


def add_json(parser: argparse.ArgumentParser, text: str = "for programs") -> None:
    """--json.

    Args:
        parser: The command's.
        text: The option's help.
    """
    parser.add_argument("--json", action="store_true", help=text)


def add_instance(parser: argparse.ArgumentParser) -> None:
    """The instance that the command is about."""
    parser.add_argument(
        "instance", metavar="INSTANCE", help="alias, id, or the cloud's name where only one has it"
    )


def add_screen(parser: argparse.ArgumentParser) -> None:
    """--screen, of commands that start the simulator."""
    parser.add_argument(
        "--screen",
        metavar="HOST:PORT",
        type=host_port,
        help="put this real VNC server behind the simulator",
    )


def add_page_port(parser: argparse.ArgumentParser, default: int) -> None:
    """--port, of commands that serve a page."""
    text = f"of the page (default: {default})"
    parser.add_argument("--port", type=port, default=default, help=text)


def port(text: str) -> int:
    """A TCP port to listen on; 0: any free one.

    Raises:
        ArgumentTypeError: It isn't one.
    """
    if text.isascii() and text.isdecimal() and int(text) <= 65535:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is no port: 0 to 65535")


def host_port(text: str) -> str:
    """A HOST:PORT to connect to, as it was given.

    Raises:
        ArgumentTypeError: It isn't one.
    """
    host, _, number = text.rpartition(":")
    if host and number.isascii() and number.isdecimal() and 0 < int(number) <= 65535:
        return text
    raise argparse.ArgumentTypeError(f"{text!r} isn't HOST:PORT, such as 127.0.0.1:5901")
