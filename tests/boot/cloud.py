"""The simulated cloud inside the machine, found by DNS and trusted by the system's certificates."""

from __future__ import annotations

import shutil
import socket
from pathlib import Path

from tests.authority import Authority
from tests.boot.machine import PYTHON, WAIT_S, must, until
from tests.boot.name_server import ADDRESS
from vncproxy.simulator.settings import DEMO_KEY_ID, DEMO_KEY_SECRET

HOST = "ecs.example.test"
PORT = 9443
ENDPOINT = f"https://{HOST}:{PORT}"
INSTANCE = "i-bp1xxxxxxxxxxxxxxxxx"
"""As config/service.toml has it."""
SECRETS = (DEMO_KEY_SECRET,)
_FOLDER = Path("/opt/check")

_CLOUD_SETTINGS = f"""
host = "{ADDRESS}"
port = {PORT}
gateway_host = "{HOST}"
certificate = "/opt/check/cloud.pem"
key = "/opt/check/cloud.key"
animated = false
width = 320
height = 320

[[instance]]
instance_id = "{INSTANCE}"
name = "web-1"
"""

_UNIT = """
[Unit]
Description={what}
[Service]
WorkingDirectory=/opt/check
ExecStartPre=ip address replace {address}/32 dev lo
ExecStart={command}
[Install]
WantedBy=multi-user.target
"""

ENVIRONMENT = f"""ALIBABA_CLOUD_ACCESS_KEY_ID={DEMO_KEY_ID}
ALIBABA_CLOUD_ACCESS_KEY_SECRET={DEMO_KEY_SECRET}
"""


def authority() -> Authority:
    """An authority that the whole machine trusts from now on."""
    made = Authority(_FOLDER)
    shutil.copy(made.ca_file, "/usr/local/share/ca-certificates/example.crt")
    must("update-ca-certificates")
    return made


def start(signer: Authority) -> None:
    """Let the cloud and its name server run, also after a reboot."""
    issued = signer.issue(HOST)
    shutil.copy(issued.certificate, _FOLDER / "cloud.pem")
    shutil.copy(issued.key, _FOLDER / "cloud.key")
    (_FOLDER / "cloud.toml").write_text(_CLOUD_SETTINGS)
    Path("/etc/resolv.conf").write_text("nameserver 127.0.0.1\n")
    for name, command in (
        ("names", f"{PYTHON} -m tests.boot.name_server"),
        ("cloud", f"{PYTHON} -m vncproxy simulate --config /opt/check/cloud.toml"),
    ):
        text = _UNIT.format(what=f"The {name} of the checks", address=ADDRESS, command=command)
        Path(f"/etc/systemd/system/{name}.service").write_text(text)
    must("systemctl", "daemon-reload")
    must("systemctl", "enable", "--now", "names.service", "cloud.service")
    until(listens, "the simulated cloud")


def listens() -> bool:
    """Whether the cloud takes connections."""
    try:
        socket.create_connection((HOST, PORT), timeout=WAIT_S).close()
    except OSError:
        return False
    return True
