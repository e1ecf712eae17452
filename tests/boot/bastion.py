"""The service as a bastion has it: doors of every kind, accounts, rules, secrets."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.authority import Authority
from tests.boot.cloud import ENDPOINT, ENVIRONMENT, INSTANCE
from tests.boot.machine import DOOR, SERVICE, UNIX_DOOR, must

SETTINGS = Path("/etc/vncproxy/vncproxy.toml")
SECRET = "said-by-the-proxy-only-0123456789abcdef"
UNITS = Path("/etc/systemd/system")
DROP_INS = UNITS / f"{SERVICE}.d"
CERTIFICATE, KEY = Path("/etc/vncproxy/door.pem"), Path("/etc/vncproxy/door.key")
TLS_PORT, ACCOUNTS_PORT, PROXY_PORT = 6443, 6081, 6082
SELF_MADE = Path("/run/vncproxy/self-made.sock")
"""A Unix socket that the daemon makes itself."""

TEXT = f"""
[[listen]]
name = "local"
address = "127.0.0.1:6080"

[[listen]]
name = "bastion"
address = "unix:/run/vncproxy/vncproxy.sock"
access = "peer"
socket_mode = "0660"
socket_group = "vncproxy-users"

[[listen]]
name = "self-made"
address = "unix:{SELF_MADE}"
access = "peer"
socket_mode = "0660"
socket_group = "vncproxy-users"

[[listen]]
name = "accounts"
address = "127.0.0.1:{ACCOUNTS_PORT}"
access = "peer"

[[listen]]
name = "tls"
address = "127.0.0.1:{TLS_PORT}"
certificate = "{CERTIFICATE}"
key = "{KEY}"

[[listen]]
name = "proxy"
address = "127.0.0.1:{PROXY_PORT}"
access = "header"
trusted_proxies = ["127.0.0.1"]
header_secret_file = "/run/credentials/vncproxy.service/header"

[state]
directory = "/var/lib/vncproxy"

[aliyun]
endpoint = "{ENDPOINT}"

[[instance]]
alias = "web-1"
id = "{INSTANCE}"
region = "cn-hangzhou"

[[rule]]
users = ["ann"]
instances = ["web-1"]
role = "watch"

[[rule]]
users = ["@boot-ops", "carl"]
instances = ["web-1"]
role = "control"
record = true
"""


def accounts() -> None:
    """Ann and bob may use the Unix socket, bob is in a group with rights, carl may not use it."""
    must("groupadd", "boot-ops")
    for name, groups in (
        ("ann", "vncproxy-users"),
        ("bob", "vncproxy-users,boot-ops"),
        ("carl", ""),
    ):
        must("useradd", "--no-create-home", "--shell", "/bin/sh", "--groups", groups, name)


def renew_certificate(signer: Authority) -> None:
    """Another certificate in the same files."""
    issued = signer.issue("localhost", "127.0.0.1")
    for source, target in ((issued.certificate, CERTIFICATE), (issued.key, KEY)):
        shutil.copy(source, target)
    must("systemd-tmpfiles", "--create", "vncproxy.conf")


def drop_in(name: str, text: str, unit: str = SERVICE, section: str = "Service") -> None:
    """More settings of a unit; of the service from its next start on."""
    folder = UNITS / f"{unit}.d"
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.conf").write_text(f"[{section}]\n{text}\n")
    must("systemctl", "daemon-reload")


def settle(signer: Authority) -> None:
    """Write it all, the second door's unit as systemd/README.md says, and start anew."""
    accounts()
    SETTINGS.write_text(TEXT)
    renew_certificate(signer)
    Path("/etc/vncproxy/environment").write_text(ENVIRONMENT)
    Path("/etc/vncproxy/header.secret").write_text(SECRET)
    must("systemd-tmpfiles", "--create", "vncproxy.conf")
    unit = (UNITS / DOOR).read_text()
    unit = unit.replace("FileDescriptorName=local", "FileDescriptorName=bastion")
    unit = unit.replace("ListenStream=127.0.0.1:6080\n", "")
    for line in ("ListenStream=/run", "SocketMode=", "SocketGroup="):
        unit = unit.replace(f"#{line}", line)
    (UNITS / UNIX_DOOR).write_text(unit)
    service = (UNITS / SERVICE).read_text()
    service = service.replace(f"\nSockets={DOOR}\n", f"\nSockets={DOOR} {UNIX_DOOR}\n")
    service = service.replace("\n#LoadCredential=", "\nLoadCredential=")
    (UNITS / SERVICE).write_text(service)
    drop_in(
        "probe",
        "Environment=PYTHONPATH=/opt/check\n"
        "ExecStartPost=/opt/vncproxy/bin/python -m tests.boot.probe",
    )
    must("systemctl", "enable", UNIX_DOOR)
    must("systemctl", "restart", SERVICE)
