"""What somebody at a terminal is told about opening a console."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from vncproxy.commands.first_steps import (
    command_line,
    has_browser,
    is_at_terminal,
    is_found_by_itself,
    opening,
)
from vncproxy.config.model import Config, Instance, Listen

BROWSER = {"DISPLAY": ":0"}


def test_the_program_as_it_was_called(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By its path, unless a shell finds it by its name; below the current folder by a short one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    for folder in ("bin", "a venv"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "vncproxy").touch(0o755)
    monkeypatch.setattr(sys, "argv", [str(tmp_path / "bin" / "vncproxy")])
    assert command_line("open", "a b") == "vncproxy open 'a b'"
    monkeypatch.setattr(sys, "argv", ["a venv/vncproxy"])
    assert command_line("check") == "'a venv/vncproxy' check"
    monkeypatch.chdir(tmp_path / "bin")
    monkeypatch.setattr(sys, "argv", [str(tmp_path / "a venv" / "vncproxy")])
    assert command_line("check") == f"'{tmp_path}/a venv/vncproxy' check"
    monkeypatch.setattr(sys, "argv", ["/x/vncproxy/__main__.py"])
    assert command_line("check") == f"{sys.executable} -m vncproxy check"


def test_with_a_browser(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is opened; the file is named where the commands wouldn't find it."""
    monkeypatch.setattr(sys, "argv", ["pytest"])
    config = Config(instance=(Instance(id="i-1", alias="web-1"),))
    assert opening(config, BROWSER, None) == [
        "The consoles are at http://127.0.0.1:6080/",
        "In another terminal, to open one: vncproxy open web-1",
    ]
    assert opening(config, BROWSER, Path("/a/b"))[1].endswith("open web-1 --config /a/b")


def test_without_a_browser(monkeypatch: pytest.MonkeyPatch) -> None:
    """The link is printed; who comes by SSH needs a tunnel to where it leads."""
    monkeypatch.setattr(sys, "argv", ["pytest"])
    config = Config(listen=(Listen(address="[::1]:7000", base_path="/vnc"),))
    lines = opening(config, {"SSH_CONNECTION": "1 2 3 4"}, None)
    assert lines == [
        "The consoles are at http://[::1]:7000/vnc/",
        "From your machine: ssh -N -L 7000:[::1]:7000 HOST",
        "In another terminal, for the link to one: vncproxy url INSTANCE",
    ]
    assert opening(config, {}, None) == [lines[0], lines[2]]


def test_at_a_socket() -> None:
    """Browsers reach it by a tunnel only."""
    lines = opening(Config(listen=(Listen(address="unix:/run/v.sock", access="peer"),)), {}, None)
    assert lines[1] == "From your machine: ssh -N -L 6080:/run/v.sock HOST"
    assert "http://localhost:6080/" in lines[2]


def test_browsers(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that shows pages needs a screen, unless somebody named it."""
    monkeypatch.setattr(sys, "platform", "linux")
    assert has_browser(BROWSER)
    assert has_browser({"WAYLAND_DISPLAY": "wayland-0"})
    assert has_browser({"BROWSER": "wslview"})
    assert not has_browser({"DISPLAY": "", "TERM": "xterm"})


def test_who_reads_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody at a terminal; no service manager, whose console may be one."""
    assert not is_at_terminal({})
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert is_at_terminal({})
    assert not is_at_terminal({"NOTIFY_SOCKET": "/run/x"})


def test_files_that_commands_find(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one of the environment, else the first of the usual places."""
    monkeypatch.setenv("VNCPROXY_CONFIG", str(tmp_path / "a.toml"))
    assert is_found_by_itself(tmp_path / "a.toml")
    assert not is_found_by_itself(tmp_path / "b.toml")
