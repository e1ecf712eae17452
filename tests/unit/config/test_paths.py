"""Which file, which folders."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

import msgspec
import pytest

from vncproxy.config import paths
from vncproxy.config.model import Access, Audit, Config, Recording, State
from vncproxy.config.paths import (
    audit_path,
    find_file,
    home_folder,
    recordings_path,
    state_folder,
    token_path,
)
from vncproxy.errors import ConfigError


@pytest.fixture
def system_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stand-in for the file in /etc."""
    file = tmp_path / "etc.toml"
    monkeypatch.setattr(paths, "SYSTEM_FILE", file)
    return file


def test_search_order(tmp_path: Path, system_file: Path) -> None:
    """The command line wins over $VNCPROXY_CONFIG, that over the home, that over /etc."""
    home = tmp_path / "home"
    user_file = home / ".config/vncproxy/vncproxy.toml"
    user_file.parent.mkdir(parents=True)
    environ = {"HOME": str(home)}
    assert find_file(None, environ) is None
    system_file.touch()
    assert find_file(None, environ) == system_file
    user_file.touch()
    assert find_file(None, environ) == user_file
    environ["VNCPROXY_CONFIG"] = "/named/by/environment"
    assert find_file(None, environ) == Path("/named/by/environment")
    assert find_file(Path("/named"), environ) == Path("/named")


def test_an_empty_variable_names_nothing(system_file: Path) -> None:
    """VNCPROXY_CONFIG= is the same as none."""
    assert find_file(None, {"HOME": "/nonexistent", "VNCPROXY_CONFIG": ""}) is None


def test_a_file_behind_a_closed_folder_is_not_passed_over(
    system_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that can't be looked at is chosen, so that reading it fails aloud."""

    def denied(_: Path) -> bool:
        raise PermissionError

    monkeypatch.setattr(Path, "exists", denied)
    assert find_file(None, {"HOME": "/h"}) == Path("/h/.config/vncproxy/vncproxy.toml")


def test_home(monkeypatch: pytest.MonkeyPatch) -> None:
    """$HOME, else the account's home, else none."""
    assert home_folder({"HOME": "/h"}) == Path("/h")
    assert home_folder({}) == Path(pwd.getpwuid(os.getuid()).pw_dir)

    def nobody(_: int) -> pwd.struct_passwd:
        raise KeyError

    monkeypatch.setattr(pwd, "getpwuid", nobody)
    assert home_folder({}) is None
    with pytest.raises(ConfigError, match="without a home"):
        state_folder(Config(), {})


def test_state_folder() -> None:
    """The setting, else systemd's first folder, else one under the home."""
    given = msgspec.structs.replace(Config(), state=State(directory=Path("/s")))
    environ = {"HOME": "/h", "STATE_DIRECTORY": "/var/lib/a:/var/lib/b"}
    assert state_folder(given, environ) == Path("/s")
    assert state_folder(Config(), environ) == Path("/var/lib/a")
    assert state_folder(Config(), {"HOME": "/h"}) == Path("/h/.local/state/vncproxy")


def test_token_path() -> None:
    """The setting, else `token` in the state folder."""
    assert token_path(Config(), Path("/s")) == Path("/s/token")
    given = Config(access=Access(token_file=Path("/t")))
    assert token_path(given, Path("/s")) == Path("/t")


def test_audit_path() -> None:
    """The setting, else `audit.jsonl` in the state folder."""
    assert audit_path(Config(), Path("/s")) == Path("/s/audit.jsonl")
    given = Config(audit=Audit(file=Path("/a")))
    assert audit_path(given, Path("/s")) == Path("/a")


def test_recordings_path() -> None:
    """The setting, else `recordings` in the state folder."""
    assert recordings_path(Config(), Path("/s")) == Path("/s/recordings")
    given = Config(recording=Recording(directory=Path("/r")))
    assert recordings_path(given, Path("/s")) == Path("/r")
