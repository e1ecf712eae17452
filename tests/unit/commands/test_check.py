"""`vncproxy check`: its arguments; what it finds is tested in test_check_steps.py and beside it."""

from __future__ import annotations

from datetime import datetime

import pytest

from tests.unit.commands.surroundings import options_of, refuses


def test_users_and_times() -> None:
    """A user's name, and a local time."""
    given = options_of("check", "web-1", "--as", "ann@example.com", "--at", "2026-11-28 03:00")
    assert given.user == "ann@example.com"
    assert given.at == datetime(2026, 11, 28, 3)


@pytest.mark.parametrize("name", ["", "@ops", "a,b", "a\n"])
def test_names_that_no_user_has(name: str) -> None:
    """A group isn't one, nor what would be two."""
    assert refuses("check", "--as", name)


@pytest.mark.parametrize("time", ["tomorrow", "2026-02-30 03:00"])
def test_times_that_are_none(time: str) -> None:
    """Wrong usage."""
    assert refuses("check", "--as", "ann", "--at", time)


def test_what_goes_with_a_user_only() -> None:
    """Wrong usage, before any configuration is read."""
    assert refuses("check", "--at", "2026-11-28 03:00")
    assert refuses("check", "--door", "local")
