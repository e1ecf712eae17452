"""The service as systemd/README.md installs it: its files, and commands next to it."""

from __future__ import annotations

import asyncio
import os
import re
import stat
import subprocess
from pathlib import Path

import pytest

from tests.fault.serving import ROOT, VNCPROXY, answers, simulated
from tests.real.peers.presence import need
from tests.real.peers.process import free_port, running
from tests.setup import WAIT_S
from vncproxy.simulator.settings import DEMO_INSTANCE_ID, DEMO_KEY_ID, DEMO_KEY_SECRET


async def test_commands_find_the_daemon_that_systemd_started(tmp_path: Path) -> None:
    """The daemon alone has $STATE_DIRECTORY; the configuration leads the commands to its token."""
    state, home, port = tmp_path / "state", tmp_path / "home", free_port()
    home.mkdir()
    text = (ROOT / "config" / "service.toml").read_text()
    text = text.replace('"/var/lib/vncproxy"', f'"{state}"')
    text = re.sub(r'"i-bp1x+"', f'"{DEMO_INSTANCE_ID}"', text)
    assert str(state) in text
    file = tmp_path / "vncproxy.toml"
    file.write_text(f'{text}\n[[listen]]\naddress = "127.0.0.1:{port}"\n')
    log = tmp_path / "daemon.log"
    async with simulated(tmp_path, "animated = false\n") as endpoint:
        plain = {
            **{name: text for name, text in os.environ.items() if name != "STATE_DIRECTORY"},
            "HOME": str(home),
            "PYTHONPATH": str(ROOT),
            "VNCPROXY_CONFIG": str(file),
            "VNCPROXY_ALIYUN__ENDPOINT": endpoint,
        }
        service = {
            **plain,
            "STATE_DIRECTORY": str(state),
            "ALIBABA_CLOUD_ACCESS_KEY_ID": DEMO_KEY_ID,
            "ALIBABA_CLOUD_ACCESS_KEY_SECRET": DEMO_KEY_SECRET,
        }
        async with running(*VNCPROXY, "serve", log=log, env=service) as process:
            await answers(f"http://127.0.0.1:{port}/healthz", process, log)
            command = await asyncio.create_subprocess_exec(
                *VNCPROXY, "url", "web-1", env=plain, stdout=subprocess.PIPE, stderr=subprocess.PIPE
            )
            async with asyncio.timeout(WAIT_S):
                out, err = await command.communicate()
    assert (command.returncode, err.decode()) == (0, "")
    assert out.decode().startswith(f"http://127.0.0.1:{port}/")
    assert list(home.iterdir()) == []


def test_what_commands_need_is_installed() -> None:
    """The configuration that names the state directory of the unit."""
    readme = (ROOT / "systemd" / "README.md").read_text()
    assert "config/service.toml /etc/vncproxy/vncproxy.toml" in readme
    unit = (ROOT / "systemd" / "vncproxy.service").read_text()
    (name,) = re.findall(r"^StateDirectory=(.*)$", unit, flags=re.MULTILINE)
    assert f'directory = "/var/lib/{name}"' in (ROOT / "config" / "service.toml").read_text()


@pytest.mark.real
def test_modes_of_the_configuration_folder(tmp_path: Path) -> None:
    """Passwords may be read by the service's group, credentials by their owner alone."""
    tool = need("systemd-tmpfiles", "systemd")
    folder = tmp_path / "etc" / "vncproxy"
    folder.mkdir(parents=True)
    for name in ("environment", "web-1.password"):
        (folder / name).write_text("planted\n")
        (folder / name).chmod(0o644)
    text = (ROOT / "systemd" / "vncproxy.tmpfiles").read_text()
    # The accounts are another machine's; here only the modes count.
    text = re.sub(r" (root|vncproxy) (root|vncproxy) -$", " - - -", text, flags=re.MULTILINE)
    text = text.replace("/etc/vncproxy", str(folder)).replace("/run/", f"{tmp_path}/")
    rules = tmp_path / "vncproxy.conf"
    rules.write_text(text)
    subprocess.run([tool, "--create", str(rules)], check=True, timeout=WAIT_S)
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()}
    assert modes == {"environment": 0o600, "web-1.password": 0o640}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o750


def test_nobody_is_reported_to_share_the_group_that_reads_passwords() -> None:
    """Both examples of a Unix socket name a group of its users, which the service's user is in."""
    socket = (ROOT / "systemd" / "vncproxy.socket").read_text()
    example = (ROOT / "config" / "vncproxy.example.toml").read_text()
    users = (ROOT / "systemd" / "vncproxy.sysusers").read_text().splitlines()
    assert re.findall(r"SocketGroup=(\S+)", socket) == ["vncproxy-users"]
    assert re.findall(r'socket_group = "([^"]+)"', example) == ["vncproxy-users"]
    assert {"g vncproxy-users -", "m vncproxy vncproxy-users"} <= set(users)
