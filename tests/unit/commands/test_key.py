"""`vncproxy key`: its arguments; what it sends is tested in test_key_sender.py and real/."""

from __future__ import annotations

import pytest

from tests.unit.commands.surroundings import options_of, refuses
from vncproxy.cli import main
from vncproxy.commands.command import USAGE


def test_its_arguments() -> None:
    """An instance, and combinations."""
    options = options_of("key", "web-1", "ctrl-alt-del", "enter")
    assert (options.instance, options.combinations) == ("web-1", ["ctrl-alt-del", "enter"])
    assert refuses("key", "web-1")
    assert refuses("key", "", "enter")


def test_no_key_is_sent_of_a_row_with_an_unknown_one(capsys: pytest.CaptureFixture[str]) -> None:
    """It is said before any daemon is asked."""
    assert main(["key", "web-1", "enter", "ctrl-alt-delet"]) == USAGE
    problem = "vncproxy: there is no key 'delet'; did you mean delete?\n"
    assert capsys.readouterr().err == problem
