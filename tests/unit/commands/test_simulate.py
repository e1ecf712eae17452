"""`vncproxy simulate`: its arguments and its settings."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.commands.surroundings import refuses
from vncproxy.cli import main
from vncproxy.simulator import command
from vncproxy.simulator.settings import SimulatorSettings

SETTINGS = """\
port = 7001

[[instance]]
instance_id = "i-1"
name = "one"

[[instance]]
instance_id = "i-2"
name = "two"
screen = "127.0.0.1:5900"
"""


def test_screens_that_are_none() -> None:
    """Wrong usage."""
    assert refuses("simulate", "--screen", ":5901")


def test_wrong_settings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Status 78, as for any configuration."""
    (tmp_path / "s.toml").write_text("url_tl_s = 1\n")
    assert main(["simulate", "--config", str(tmp_path / "s.toml")]) == 78
    assert "url_ttl_s" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "port", "screens"),
    [
        ((), 7001, [None, "127.0.0.1:5900"]),
        (("--port", "0"), 0, [None, "127.0.0.1:5900"]),
        (("--screen", "h:1"), 7001, ["h:1", "h:1"]),
    ],
)
def test_options_come_before_the_settings(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    port: int,
    screens: list[str | None],
) -> None:
    """The port is the option's, else the file's; the screen is every instance's."""
    ran: list[SimulatorSettings] = []

    async def run(settings: SimulatorSettings, *_: object) -> None:
        ran.append(settings)

    monkeypatch.setattr(command, "run", run)
    (tmp_path / "s.toml").write_text(SETTINGS)
    assert main(["simulate", "--config", str(tmp_path / "s.toml"), *arguments]) == 0
    assert [(one.port, [i.screen for i in one.instances]) for one in ran] == [(port, screens)]
