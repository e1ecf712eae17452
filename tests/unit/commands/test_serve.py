"""`vncproxy serve`: hands the daemon its configuration, and a way to read it again."""

from __future__ import annotations

import gc
import ssl
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

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

    async def serve(
        config: Config,
        environ: Mapping[str, str],
        load: Callable[[], Config],
        started: Callable[[], None],
    ) -> None:
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


@pytest.mark.parametrize("at_terminal", [True, False])
def test_at_a_terminal_it_says_what_to_do(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    at_terminal: bool,
) -> None:
    """Once it listens; a service says nothing."""

    async def serve(*arguments: Any) -> None:
        assert capsys.readouterr().out == ""
        arguments[-1]()

    monkeypatch.setattr(app, "serve", serve)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: at_terminal)
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    file = tmp_path / "vncproxy.toml"
    file.write_text('[[instance]]\nid = "i-1"\nalias = "web-1"\n')
    assert main(["serve", "--config", str(file)]) == 0
    lines = capsys.readouterr().out.splitlines()
    if not at_terminal:
        assert lines == []
        return
    assert lines[0] == "The consoles are at http://127.0.0.1:6080/"
    assert f"web-1 --config {file}" in lines[-2]
    assert lines[-1] == "Ctrl+C ends it."


@pytest.mark.sockets
def test_certificates_are_read_for_the_daemon_alone() -> None:
    """The contexts that aiohttp makes itself trust nobody; the daemon's own trust whom they did."""
    program = """
import os, ssl
from vncproxy.commands.serve import _import_aiohttp
before = dict(os.environ)
_import_aiohttp()
from aiohttp import connector
from vncproxy.aliyun.tls import client_context
print(len(connector._SSL_CONTEXT_VERIFIED.get_ca_certs()))
print(connector._SSL_CONTEXT_VERIFIED.verify_mode is ssl.CERT_REQUIRED)
print(len(client_context(None).get_ca_certs()))
print(dict(os.environ) == before)
"""
    done = subprocess.run(
        (sys.executable, "-c", program), check=True, capture_output=True, text=True
    )
    ours = len(ssl.create_default_context().get_ca_certs())
    assert done.stdout.split() == ["0", "True", str(ours), "True"]


def test_the_collector_runs_while_the_daemon_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It doesn't while all is imported, and does again if the configuration is wrong."""
    enabled: list[bool] = []

    async def serve(*_: Any) -> None:
        enabled.append(gc.isenabled())

    monkeypatch.setattr(app, "serve", serve)
    file = tmp_path / "vncproxy.toml"
    file.write_text("[limits]\nlinger = 1.0\n")
    assert main(["serve", "--config", str(file)]) == 0
    assert enabled == [True]
    file.write_text("[limits]\nlinger = 'x'\n")
    assert main(["serve", "--config", str(file)]) == 78
    assert gc.isenabled()
