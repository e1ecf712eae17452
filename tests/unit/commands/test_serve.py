"""`vncproxy serve`: hands the daemon its configuration, and a way to read it again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tests.unit.commands.surroundings import refuses
from vncproxy import app
from vncproxy.cli import main
from vncproxy.config.model import Config
from vncproxy.errors import ConfigError


def test_its_arguments() -> None:
    """Only --config: all else is configured."""
    assert refuses("serve", "extra")
    assert refuses("serve", "--port", "1")


def test_a_reload_reads_the_file_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also one that is wrong by now."""
    file = tmp_path / "vncproxy.toml"
    intervals: list[float] = []

    async def serve(config: Config, environ: Mapping[str, str], load: Callable[[], Config]) -> None:
        intervals.append(config.limits.linger)
        file.write_text("[limits]\nlinger = 2.0\n")
        intervals.append(load().limits.linger)
        file.write_text("[limits]\nlinger = 'x'\n")
        with pytest.raises(ConfigError):
            load()

    monkeypatch.setattr(app, "serve", serve)
    file.write_text("[limits]\nlinger = 1.0\n")
    assert main(["serve", "--config", str(file)]) == 0
    assert intervals == [1.0, 2.0]
