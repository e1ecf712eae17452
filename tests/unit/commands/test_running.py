"""The configuration and the event loop of a command."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
from contextlib import ExitStack
from pathlib import Path

import pytest
import uvloop

from vncproxy.commands.command import DONE
from vncproxy.commands.running import (
    load_config,
    log_errors_only,
    run_async,
    run_until_ctrl_c,
    run_with_config,
    while_it_is_read,
)
from vncproxy.config.model import Config
from vncproxy.errors import ConfigError, LocalError


@pytest.fixture
def options(tmp_path: Path) -> argparse.Namespace:
    """As the command line gives them, with a configuration."""
    file = tmp_path / "vncproxy.toml"
    file.write_text("[limits]\nlinger = 2.0\n")
    return argparse.Namespace(config=file, resources=ExitStack())


def test_the_configuration(options: argparse.Namespace) -> None:
    """The file's; a wrong one is an error."""
    assert load_config(options).config.limits.linger == 2.0
    options.config.write_text("[limits]\nlingr = 2.0\n")
    with pytest.raises(ConfigError):
        load_config(options)


def test_the_loop_is_left_open_until_its_owner_closes_it(options: argparse.Namespace) -> None:
    """A process that ends doesn't wait for its threads."""
    loops: list[asyncio.AbstractEventLoop] = []

    async def work() -> int:
        loops.append(asyncio.get_running_loop())
        return 3

    assert run_async(options, work()) == 3
    assert isinstance(loops[0], uvloop.Loop)
    assert not loops[0].is_closed()
    options.resources.close()
    assert loops[0].is_closed()


def test_errors_come_through(options: argparse.Namespace) -> None:
    """They are for the command line to print."""

    async def work(config: Config) -> int:
        assert config.limits.linger == 2.0
        raise LocalError("no")

    with options.resources, pytest.raises(LocalError):
        run_with_config(options, work)


def test_warnings_are_not_logged(capsys: pytest.CaptureFixture[str]) -> None:
    """Errors are."""
    log_errors_only()
    logger = logging.getLogger("vncproxy.test_running")
    logger.warning("a-warning")
    logger.error("an-error")
    out, err = capsys.readouterr()
    assert out == ""
    assert "a-warning" not in err
    assert "an-error" in err


def test_what_prints_without_end_ends_with_its_reader(
    options: argparse.Namespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also if it never prints; and until then it runs on."""
    reader, writer = os.pipe()
    begun: list[bool] = []

    async def work() -> None:
        asyncio.get_running_loop().call_soon(begun.append, True)
        asyncio.get_running_loop().call_later(0.01, os.close, reader)
        await asyncio.Event().wait()

    with options.resources, os.fdopen(writer, "w") as stdout:
        monkeypatch.setattr("sys.stdout", stdout)
        with pytest.raises(BrokenPipeError):
            run_async(options, while_it_is_read(work()))
    assert begun


def test_a_file_has_no_reader_that_leaves(
    options: argparse.Namespace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async def work() -> None:
        await asyncio.sleep(0.01)
        raise LocalError("its own end")

    with options.resources, (tmp_path / "out").open("w") as stdout:
        monkeypatch.setattr("sys.stdout", stdout)
        with pytest.raises(LocalError, match="its own end"):
            run_async(options, while_it_is_read(work()))


def test_ctrl_c_is_how_what_prints_without_end_ends(
    options: argparse.Namespace,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Nothing went wrong, so nothing is said; on a terminal the next prompt has its own line."""
    ended: list[bool] = []

    async def work(_: Config) -> None:
        asyncio.get_running_loop().call_soon(signal.raise_signal, signal.SIGINT)
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(True)

    with options.resources:
        assert run_until_ctrl_c(options, work) == DONE
        assert capfd.readouterr() == ("", "")
        monkeypatch.setattr("sys.stderr.isatty", lambda: True)
        assert run_until_ctrl_c(options, work) == DONE
        assert capfd.readouterr() == ("", "\n")
    assert ended == [True, True]
