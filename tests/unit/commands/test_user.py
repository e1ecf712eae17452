"""`vncproxy user`: the users of users_file."""

from __future__ import annotations

from pathlib import Path

import pytest

from vncproxy.access.identity import ANYONE, OWNER, UNKNOWN
from vncproxy.access.users import Users
from vncproxy.cli import main
from vncproxy.commands.command import FAILED
from vncproxy.commands.user import add, listed, remove
from vncproxy.config.model import Access, Config
from vncproxy.errors import ConfigError, LocalError
from vncproxy.recording.reader import UNKNOWN as UNKNOWN_HEADER


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
    for name in (ANYONE.user, OWNER, UNKNOWN.user, UNKNOWN_HEADER.user, "Owner"):
        with pytest.raises(LocalError, match="rules and the audit call others so"):
            add(config, name, [])
    assert len(listed(config)) == 1


def test_without_a_file() -> None:
    """The configuration has to say where users are."""
    for act in (lambda: add(Config(), "ann", []), lambda: remove(Config(), "a")):
        with pytest.raises(ConfigError, match="users_file"):
            act()
    with pytest.raises(ConfigError, match="users_file"):
        listed(Config())


def test_a_token_that_cannot_be_printed_is_told_to_be_lost(
    config: Config, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("VNCPROXY_ACCESS__USERS_FILE", str(config.access.users_file))
    monkeypatch.setenv("HOME", str(config.access.users_file.parent))  # type: ignore[union-attr]
    with Path("/dev/full").open("w") as full:
        monkeypatch.setattr("sys.stdout", full)
        assert main(["user", "add", "ann"]) == FAILED
    told = capsys.readouterr().err
    assert "nobody has the token; to begin anew: vncproxy user remove ann" in told
    assert len(listed(config)) == 1
