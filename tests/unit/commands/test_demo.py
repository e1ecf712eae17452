"""`vncproxy demo`: its arguments; what it does is tested in test_demo_daemon.py."""

from __future__ import annotations

import pytest

from tests.unit.commands.surroundings import options_of, refuses


def test_its_arguments() -> None:
    """The page's port has a default, no screen is the built-in one."""
    given = options_of("demo")
    assert (given.port, given.screen) == (6080, None)
    given = options_of("demo", "--port", "0", "--screen", "[::1]:5901")
    assert (given.port, given.screen) == (0, "[::1]:5901")


@pytest.mark.parametrize("port", ["x", "65536", "-1", "٣"])
def test_ports_that_are_none(port: str) -> None:
    """Wrong usage."""
    assert refuses("demo", "--port", port)


@pytest.mark.parametrize("screen", ["5901", "host:0", ":5901"])
def test_screens_that_are_none(screen: str) -> None:
    """Wrong usage."""
    assert refuses("demo", "--screen", screen)
