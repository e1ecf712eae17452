"""What the checks use of the machine that they run in: commands, units, accounts, requests."""

from __future__ import annotations

import http.client
import json
import pwd
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

WAIT_S = 240.0
"""How long to wait for what must happen: the machine may be emulated, and its host busy."""
POLL_INTERVAL_S = 0.2
COMMAND_TIMEOUT_S = 600.0
"""How long a command may take: on a busy host, update-ca-certificates was seen to take 270 s."""
BIN = "/opt/vncproxy/bin"
PYTHON = "/opt/check/venv/bin/python"
"""The checks' own, with a copy of vncproxy: what is installed comes and goes."""
TOKEN = Path("/var/lib/vncproxy/token")
SOCKET = Path("/run/vncproxy/vncproxy.sock")
SERVICE, DOOR = "vncproxy.service", "vncproxy.socket"
UNIX_DOOR = "vncproxy-unix.socket"


@dataclass(frozen=True, slots=True)
class Done:
    """How a command ended, and all that it sent."""

    status: int
    output: str


def run(*command: str, stdin: str = "") -> Done:
    """Run a command to its end."""
    done = subprocess.run(
        command,
        input=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=COMMAND_TIMEOUT_S,
        check=False,
    )
    return Done(done.returncode, done.stdout)


def must(*command: str, stdin: str = "") -> str:
    """What a command says.

    Raises:
        AssertionError: It failed.
    """
    done = run(*command, stdin=stdin)
    assert done.status == 0, f"{' '.join(command)}: status {done.status}: {done.output[-1500:]}"
    return done.output


def unit(name: str, *properties: str) -> tuple[str, ...]:
    """Properties of a unit, in the order asked for."""
    output = must("systemctl", "show", name, *(f"--property={one}" for one in properties))
    found = dict(line.split("=", 1) for line in output.splitlines() if "=" in line)
    return tuple(found[one] for one in properties)


def status_text() -> str:
    """The service's line for `systemctl status`."""
    return unit(SERVICE, "StatusText")[0]


def main_pid() -> int:
    """The daemon's process."""
    return int(unit(SERVICE, "MainPID")[0])


def until(condition: Callable[[], object], what: str, timeout_s: float = WAIT_S) -> float:
    """Wait until `condition` holds; the seconds that it took.

    Raises:
        AssertionError: It didn't in time.
    """
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < timeout_s, f"not within {timeout_s:.0f} s: {what}"
        time.sleep(POLL_INTERVAL_S)
    return time.monotonic() - began


def serves() -> bool:
    """Whether the service runs, as systemd sees it."""
    return unit(SERVICE, "ActiveState", "SubState") == ("active", "running")


def journal(*arguments: str) -> str:
    """What the service's journal says."""
    return must("journalctl", "--no-pager", "--output=cat", f"--unit={SERVICE}", *arguments)


@dataclass(frozen=True, slots=True)
class Answer:
    """Status and body of an answer."""

    status: int
    text: str = field(repr=False)

    @property
    def json(self) -> dict[str, object]:
        """The body, read."""
        found = json.loads(self.text)
        assert isinstance(found, dict)
        return found


def ask(
    port: int | Path, target: str, headers: Mapping[str, str] | None = None, method: str = "GET"
) -> Answer:
    """A request of this process.

    Args:
        port: On loopback, or a Unix socket.
        target: Path and query.
        headers: Besides Host.
        method: Of HTTP.
    """
    connection = http.client.HTTPConnection(
        "127.0.0.1", port if isinstance(port, int) else 80, timeout=WAIT_S
    )
    if isinstance(port, Path):
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.settimeout(WAIT_S)
        connection.sock.connect(str(port))
    connection.request(method, target, headers={"Host": "localhost", **(headers or {})})
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return Answer(answer.status, text)


def bearer() -> dict[str, str]:
    """The owner's proof."""
    return {"Authorization": f"Bearer {TOKEN.read_text().strip()}"}


def as_account(account: str, command: Sequence[str]) -> list[str]:
    """A command, to be run with the ids and groups of an account."""
    ids = pwd.getpwnam(account)
    return [
        *("setpriv", f"--reuid={ids.pw_uid}", f"--regid={ids.pw_gid}", "--init-groups"),
        *command,
    ]


def nobody_answers(port: int) -> None:
    """A connection to it is refused.

    Raises:
        AssertionError: It isn't.
    """
    try:
        ask(port, "/healthz")
    except ConnectionRefusedError:
        return
    raise AssertionError(f"somebody answers on port {port}")


def ask_as(account: str, port: int | Path, target: str) -> Answer:
    """A request of an account's process."""
    program = (
        "import sys; from pathlib import Path; from tests.boot.machine import ask;"
        "where = sys.argv[1]; port = int(where) if where.isdecimal() else Path(where);"
        "answer = ask(port, sys.argv[2]); print(answer.status, answer.text)"
    )
    command = [PYTHON, "-c", program, str(port), target]
    status, _, text = must(*as_account(account, command)).partition(" ")
    return Answer(int(status), text)
