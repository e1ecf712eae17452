"""The service's files, judged by systemd itself; no running systemd is needed."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import tomllib
from pathlib import Path

import pytest

from tests.real.peers.presence import need
from vncproxy.config.model import Listen

ROOT = Path(__file__).resolve().parents[2]
SERVICE = ROOT / "systemd" / "vncproxy.service"
SOCKET = ROOT / "systemd" / "vncproxy.socket"
PROGRAM = "/opt/vncproxy/bin/vncproxy"

# systemd's exposure, 0 to 10, times ten; a unit without any hardening gets 96.
EXPOSURE_MAX = 15


def run(*command: str) -> subprocess.CompletedProcess[str]:
    """Run it and keep what it says."""
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def settings(file: Path = SERVICE) -> dict[str, list[str]]:
    """The unit's settings, all values of each."""
    found: dict[str, list[str]] = {}
    for line in file.read_text().splitlines():
        if "=" in line and not line.startswith("#"):
            name, value = line.split("=", 1)
            found.setdefault(name, []).append(value)
    return found


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit with a program that is there, since the verdict counts a missing one as an error."""
    program = tmp_path / "vncproxy"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    copy = tmp_path / "units" / SERVICE.name
    copy.parent.mkdir()
    copy.write_text(SERVICE.read_text().replace(PROGRAM, str(program)))
    shutil.copy(SOCKET, copy.parent)
    return copy


def verified(*units: Path) -> subprocess.CompletedProcess[str]:
    """What systemd says of these units."""
    return run(need("systemd-analyze", "systemd"), "verify", "--man=no", *map(str, units))


def test_systemd_understands_the_unit(unit: Path) -> None:
    """`systemd-analyze verify` finds nothing to say, with the socket and without it."""
    result = verified(unit, unit.with_name(SOCKET.name))
    assert result.stderr.strip() == ""
    assert result.returncode == 0
    unit.with_name(SOCKET.name).unlink()
    result = verified(unit)
    assert result.stderr.strip() == ""
    assert result.returncode == 0


def test_a_mistake_in_the_unit_would_be_found(unit: Path) -> None:
    """The check above isn't blind."""
    unit.write_text(unit.read_text().replace("Type=notify", "Type=notfiy"))
    assert "notfiy" in verified(unit).stderr


def test_the_unit_is_hardened(unit: Path) -> None:
    """Its exposure stays under the threshold."""
    result = run(
        need("systemd-analyze", "systemd"),
        *("security", "--offline=true", "--no-pager", f"--threshold={EXPOSURE_MAX}", str(unit)),
    )
    assert result.returncode == 0, result.stdout


def test_the_unit_keeps_the_contract() -> None:
    """Command, state directory and stop time are the ones that the daemon counts on."""
    unit = settings()
    assert unit["Type"] == ["notify"]
    assert unit["ExecStart"] == [f"{PROGRAM} serve --config /etc/vncproxy/vncproxy.toml"]
    assert unit["RestartPreventExitStatus"] == ["78"]
    assert (unit["StateDirectory"], unit["StateDirectoryMode"]) == (["vncproxy"], ["0700"])
    # It would take a socket that systemd made there away from its group.
    assert "RuntimeDirectory" not in unit
    assert unit["ReadWritePaths"] == ["-/run/vncproxy"]
    assert "PrivateUsers" not in unit
    assert "ProcSubset" not in unit
    assert unit["ExecReload"] == ["/bin/kill -HUP $MAINPID"]
    assert float(unit["WatchdogSec"][0]) >= 10.0
    assert "AF_NETLINK" in unit["RestrictAddressFamilies"][0].split()
    # In this order: @privileged has chown in it.
    assert unit["SystemCallFilter"][-2:] == ["~@privileged @resources", "@chown"]
    example = tomllib.loads((ROOT / "config" / "vncproxy.example.toml").read_text())
    drain_timeout_s = example.get("limits", {}).get("drain_timeout", 8.0)
    assert float(unit["TimeoutStopSec"][0]) > drain_timeout_s + 1


def test_the_socket_fits_the_service_and_the_default_door() -> None:
    """The door without any configuration, by its name and address; systemd takes connections."""
    door = Listen()
    unit = settings(SOCKET)
    assert unit["FileDescriptorName"] == [door.name]
    assert unit["ListenStream"] == [door.address]
    assert unit["Service"] == [SERVICE.name]
    assert unit["Accept"] == ["no"]
    assert settings()["Sockets"] == [SOCKET.name]


def test_the_user_and_the_folder_can_be_made(tmp_path: Path) -> None:
    """The user is made, and the folder that only root and the user may enter."""
    for folder, name in (("sysusers.d", "vncproxy.sysusers"), ("tmpfiles.d", "vncproxy.tmpfiles")):
        place = tmp_path / "usr" / "lib" / folder
        place.mkdir(parents=True)
        shutil.copy(ROOT / "systemd" / name, place / "vncproxy.conf")
    (tmp_path / "etc").mkdir()
    made = run(need("systemd-sysusers", "systemd"), f"--root={tmp_path}", "vncproxy.conf")
    assert made.returncode == 0, made.stderr
    user = (tmp_path / "etc" / "passwd").read_text()
    assert user.startswith("vncproxy:")
    if os.geteuid() != 0:
        pytest.skip("only root can give the folder to its owner")
    for file, mode in (("vncproxy.toml", 0o644), ("key.pem", 0o600)):
        path = tmp_path / "etc" / "vncproxy" / file
        path.parent.mkdir(exist_ok=True)
        path.touch()
        path.chmod(mode)
    made = run(
        need("systemd-tmpfiles", "systemd"), "--create", f"--root={tmp_path}", "vncproxy.conf"
    )
    assert made.returncode == 0, made.stderr
    made_folder = (tmp_path / "etc" / "vncproxy").stat()
    assert stat.S_IMODE(made_folder.st_mode) == 0o750
    group = int(user.split(":")[3])
    sockets = (tmp_path / "run" / "vncproxy").stat()
    assert (stat.S_IMODE(sockets.st_mode), sockets.st_gid) == (0o755, group)
    assert sockets.st_uid == int(user.split(":")[2])
    assert made_folder.st_gid == group
    for path in (tmp_path / "etc" / "vncproxy").iterdir():
        found = path.stat()
        assert (stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid) == (0o640, 0, group)
