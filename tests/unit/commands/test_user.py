"""`vncproxy user`: the users of users_file."""

from __future__ import annotations

from pathlib import Path

import pytest

from vncproxy.access.users import Users
from vncproxy.commands.user import add, listed, remove
from vncproxy.config.model import Access, Config
from vncproxy.errors import ConfigError, LocalError


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """A configuration with a file for users, which isn't there yet."""
    return Config(access=Access(users_file=tmp_path / "users.json"))


def test_added_listed_and_removed(config: Config) -> None:
    """The token is the user's, and is shown by nothing afterwards."""
    token = add(config, "ann", ["ops", "dev", "ops"])
    add(config, "bob", [])
    user = Users(config.access.users_file).by_token(token)
    assert user is not None
    assert user.name == "ann"
    rows = listed(config)
    assert [(row["name"], row["groups"]) for row in rows] == [("ann", ["ops", "dev"]), ("bob", [])]
    assert token not in str(rows)
    remove(config, "ann")
    assert [row["name"] for row in listed(config)] == ["bob"]
    assert Users(config.access.users_file).by_token(token) is None


def test_what_is_refused(config: Config) -> None:
    """A second user of a name, one that isn't there, an impossible name."""
    add(config, "ann", [])
    with pytest.raises(LocalError, match="already"):
        add(config, "ann", [])
    with pytest.raises(LocalError, match="no user bob"):
        remove(config, "bob")
    with pytest.raises(LocalError, match="can't be a name"):
        add(config, "a b", [])
    assert len(listed(config)) == 1


def test_without_a_file() -> None:
    """The configuration has to say where users are."""
    for act in (lambda: add(Config(), "ann", []), lambda: remove(Config(), "a")):
        with pytest.raises(ConfigError, match="users_file"):
            act()
    with pytest.raises(ConfigError, match="users_file"):
        listed(Config())
