"""`vncproxy open`: what becomes of the link; the link itself is test_console_url.py's."""

from __future__ import annotations

import webbrowser
from pathlib import Path
from typing import Any

import pytest

from tests.real.peers.process import free_port
from tests.unit.commands.surroundings import options_of, refuses
from vncproxy.cli import main
from vncproxy.commands import console_url

LINK = "http://127.0.0.1:6080/enter#the-ticket"

pytestmark = pytest.mark.sockets


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """What the browser was given; there is a daemon that gives `LINK`."""
    found: list[str] = []

    async def link(*_: Any) -> str:
        return LINK

    def show(url: str) -> bool:
        found.append(url)
        return True

    monkeypatch.setattr(console_url, "console_url", link)
    monkeypatch.setattr(webbrowser, "open", show)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("DISPLAY", ":0")
    return found


def test_its_arguments() -> None:
    """As those of `url`."""
    assert options_of("open", "demo", "--base-url", "https://h/vnc").base_url == "https://h/vnc"
    assert refuses("open")
    assert refuses("open", "demo", "--base-url", "h")


def test_it_is_opened(shown: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """And the link isn't printed."""
    assert main(["open", "demo"]) == 0
    assert shown == [LINK]
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("how", ["no display", "refused", "fault"])
def test_without_a_browser(
    shown: list[str],
    how: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """It says so, and prints what `url` would: status 1."""

    def fault(_: str) -> bool:
        raise webbrowser.Error

    if how == "no display":
        for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setattr("sys.platform", "linux")
    else:
        monkeypatch.setattr(webbrowser, "open", fault if how == "fault" else lambda _: False)
    assert main(["open", "demo"]) == 1
    said = capsys.readouterr()
    assert said.out == f"{LINK}\n"
    assert said.err.startswith("no browser could be started here")
    assert shown == []


def test_without_a_daemon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """No daemon is started, and no browser."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr(webbrowser, "open", pytest.fail)
    file = tmp_path / "vncproxy.toml"
    file.write_text(f'[[listen]]\naddress = "127.0.0.1:{free_port()}"\n')
    assert main(["open", "demo", "--config", str(file)]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert "start it with: vncproxy serve" in said.err
