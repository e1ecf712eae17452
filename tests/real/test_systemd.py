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

ROOT = Path(__file__).resolve().parents[2]
SERVICE = ROOT / "systemd" / "vncproxy.service"
PROGRAM = "/opt/vncproxy/bin/vncproxy"

# systemd's exposure, 0 to 10, times ten; a unit without any hardening gets 96.
EXPOSURE_MAX = 15


def run(*command: str) -> subprocess.CompletedProcess[str]:
    """Run it and keep what it says."""
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def settings() -> dict[str, list[str]]:
    """The unit's settings, all values of each."""
    found: dict[str, list[str]] = {}
    for line in SERVICE.read_text().splitlines():
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
    return copy


def test_systemd_understands_the_unit(unit: Path) -> None:
    """`systemd-analyze verify` finds nothing to say."""
    result = run(need("systemd-analyze", "systemd"), "verify", "--man=no", str(unit))
    assert result.stderr.strip() == ""
    assert result.returncode == 0


def test_a_mistake_in_the_unit_would_be_found(unit: Path) -> None:
    """The check above isn't blind."""
    unit.write_text(unit.read_text().replace("Type=notify", "Type=notfiy"))
    result = run(need("systemd-analyze", "systemd"), "verify", "--man=no", str(unit))
    assert "notfiy" in result.stderr


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
    assert "PrivateUsers" not in unit
    assert "ProcSubset" not in unit
    example = tomllib.loads((ROOT / "config" / "vncproxy.example.toml").read_text())
    drain_timeout_s = example.get("limits", {}).get("drain_timeout", 8.0)
    assert float(unit["TimeoutStopSec"][0]) > drain_timeout_s + 1


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
    made = run(
        need("systemd-tmpfiles", "systemd"), "--create", f"--root={tmp_path}", "vncproxy.conf"
    )
    assert made.returncode == 0, made.stderr
    made_folder = (tmp_path / "etc" / "vncproxy").stat()
    assert stat.S_IMODE(made_folder.st_mode) == 0o750
    assert made_folder.st_gid == int(user.split(":")[3])
