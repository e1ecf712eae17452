"""`vncproxy check`: what listens at a door."""

from __future__ import annotations

import asyncio
import errno
import socket
from pathlib import Path

import pytest

from tests.authority import Authority
from tests.real.peers.process import free_port
from tests.setup import running
from tests.unit.commands.surroundings import (
    Installation,
    failures,
    found,
)
from vncproxy.access.login_sessions import daemon_id, known_daemon_id
from vncproxy.config.model import (
    Listen,
)

pytestmark = pytest.mark.sockets


async def test_doors(installation: Installation, short_path: Path, authority: Authority) -> None:
    """One that is free or is the daemon's own is well, one of another program isn't."""
    files = authority.issue()
    plain = Listen(name="plain", address=f"127.0.0.1:{installation.port}")
    secure = Listen(
        name="secure",
        address=f"127.0.0.1:{free_port()}",
        certificate=files.certificate,
        key=files.key,
    )
    unix = Listen(name="unix", address=f"unix:{short_path}/d.sock")
    doors = (plain, secure, unix)
    assert failures(await found(installation.loaded(listen=doors))) == []
    async with running(installation.folder, cloud=installation.cloud, listen=doors):
        findings = await found(installation.loaded(listen=doors))
        assert failures(findings) == []
        assert "a daemon listens" in findings["door plain"].text
        assert "a daemon listens" in findings["door secure"].text
        assert "a daemon listens" in findings["door unix"].text
    nowhere = Listen(name="nowhere", address=f"unix:{short_path}/missing/d.sock")
    foreign = Listen(name="foreign", address="192.0.2.1:6080", insecure=True)
    with socket.socket() as other:
        other.bind(("127.0.0.1", installation.port))
        findings = await found(installation.loaded(listen=(plain, nowhere, foreign)))
    assert failures(findings) == ["door plain", "door nowhere", "door foreign"]
    assert "another program" in findings["door plain"].text
    path = short_path / "d.sock"
    async with await asyncio.start_unix_server(lambda _, writer: writer.close(), path):
        findings = await found(installation.loaded(listen=(unix,)))
        assert failures(findings) == ["door unix"]
        assert "another program" in findings["door unix"].text


async def test_a_daemon_of_somebody_else(
    installation: Installation, short_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a port, and on a Unix socket: whose it is shows by its state directory."""
    other = installation.folder / "other"
    plain = Listen(name="plain", address=f"127.0.0.1:{installation.port}")
    unix = Listen(name="unix", address=f"unix:{short_path}/d.sock", access="peer")
    async with running(other, cloud=installation.cloud, listen=(plain, unix)):
        theirs = known_daemon_id(other / "state")
        # Nothing has run with this configuration; a peer door may be that of a command's alone.
        findings = await found(installation.loaded(listen=(plain, unix)))
        assert failures(findings) == ["door plain", "rules"]
        for what in ("door plain", "door unix"):
            assert "another daemon is there" in findings[what].text
            assert (
                f"its id is {theirs}, none has run with {installation.folder}"
                in findings[what].text
            )
            assert "its state directory differs" in findings[what].text
        own = daemon_id(installation.folder / "state")
        findings = await found(installation.loaded(listen=(plain, unix)))
        assert failures(findings) == ["door plain", "door unix", "rules"]
        assert f"that of {installation.folder / 'state'} is {own}" in findings["door plain"].text

        def unreadable(folder: Path) -> None:
            raise PermissionError(errno.EACCES, "Permission denied")

        monkeypatch.setattr("vncproxy.commands.door_checks.known_daemon_id", unreadable)
        findings = await found(installation.loaded(listen=(plain, unix)))
        assert failures(findings) == ["rules"]
        assert "can't be told" in findings["door plain"].text
