"""Arguments that several commands have; ports and screens are tested in test_demo.py."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from vncproxy.commands.arguments import add_config, add_instance, add_json, host_port


def test_what_most_commands_take() -> None:
    """A file, an instance, JSON; each only where it was added."""
    parser = argparse.ArgumentParser()
    add_config(parser)
    add_json(parser)
    add_instance(parser)
    assert vars(parser.parse_args(["web-1"])) == {
        "config": None,
        "json": False,
        "instance": "web-1",
    }
    given = parser.parse_args(["--config", "a.toml", "--json", "web-1"])
    assert (given.config, given.json) == (Path("a.toml"), True)


@pytest.mark.parametrize("text", ["h:+1", "h:1_0", "h: 1", "h:١", "h:65536"])
def test_what_int_would_take(text: str) -> None:
    """A port has digits only."""
    with pytest.raises(argparse.ArgumentTypeError, match="such as"):
        host_port(text)
