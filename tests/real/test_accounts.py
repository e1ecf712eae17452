"""Two accounts of this machine, made by the test, and what each may do through their doors."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.real.peers.accounts import Accounts, as_account, python
from tests.setup import Running, running
from vncproxy.config.model import Listen, Rule

WAIT_S = 60.0

ASK = """
import http.client, json, socket, sys
kind, place, method, target, *headers = sys.argv[1:]
if kind == "unix":
    connection = http.client.HTTPConnection("localhost")
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.connect(place)
else:
    connection = http.client.HTTPConnection("127.0.0.1", int(place))
connection.request(method, target, headers=dict(one.split(": ") for one in headers))
answer = connection.getresponse()
print(json.dumps([answer.status, answer.read().decode()]))
"""


@dataclass
class AccountDoors:
    """A daemon whose doors know accounts."""

    setup: Running
    socket: Path

    async def ask(
        self, account: str | None, kind: str, target: str, *headers: str, method: str = "GET"
    ) -> tuple[int, dict[str, object]]:
        """One request of a program that runs as an account; None: as the one that tests."""
        place = str(self.socket) if kind == "unix" else str(self.setup.daemon.servers[1].port)
        command = [python(), "-I", "-c", ASK, kind, place, method, target, *headers]
        if account is not None:
            command = as_account(account, command)
        process = await asyncio.create_subprocess_exec(
            *command, cwd="/", stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        async with asyncio.timeout(WAIT_S):
            out, err = await process.communicate()
        assert process.returncode == 0, err.decode()
        status, body = json.loads(out)
        return status, json.loads(body) if body else {}


@asynccontextmanager
async def doors_of(folder: Path, place: Path, accounts: Accounts) -> AsyncIterator[AccountDoors]:
    """A Unix socket and a loopback port, both for accounts."""
    socket = place / "vncproxy.sock"
    doors = (
        Listen(name="bastion", address=f"unix:{socket}", access="peer", socket_mode="0666"),
        Listen(name="loopback", address="127.0.0.1:0", access="peer"),
    )
    rules = (
        Rule(users=(f"@{accounts.group}",), instances=("*",), role="admin"),
        Rule(users=(accounts.one,), instances=("demo",), role="watch"),
        # These may never get in by being called so.
        Rule(users=("root", "nobody", "www-data", "owner"), instances=("*",), role="admin"),
    )
    async with running(folder, listen=doors, rule=rules) as setup:
        yield AccountDoors(setup, socket)


@pytest.fixture
async def doors(
    tmp_path: Path, meeting_place: Path, accounts: Accounts
) -> AsyncIterator[AccountDoors]:
    """The daemon, running."""
    async with doors_of(tmp_path, meeting_place, accounts) as found:
        yield found


@pytest.mark.parametrize("kind", ["unix", "tcp"])
async def test_each_account_has_its_own_rights(
    doors: AccountDoors, accounts: Accounts, kind: str
) -> None:
    """The kernel says who asks, without any log-in; a Unix group gives rights, too."""
    for account, role in ((accounts.one, "watch"), (accounts.other, "admin")):
        status, answer = await doors.ask(account, kind, "/api/v1/instances")
        assert (status, answer["user"], answer["session"]) == (200, account, False)
        rows = answer["instances"]
        assert isinstance(rows, list)
        assert [row["role"] for row in rows] == [role]
    target = "/api/v1/consoles/demo"
    status, _ = await doors.ask(accounts.one, kind, target, method="DELETE")
    assert status == 403
    status, answer = await doors.ask(accounts.other, kind, target, method="DELETE")
    assert (status, "not-open" in str(answer)) == (404, True)
    status, answer = await doors.ask(accounts.one, kind, f"{target}/admission")
    assert (status, answer["may_control"]) == (200, False)


@pytest.mark.parametrize("kind", ["unix", "tcp"])
async def test_root_is_nobody_in_particular(doors: AccountDoors, kind: str) -> None:
    """Port forwarders and proxies run as root: rules for that name give nothing."""
    status, answer = await doors.ask(None, kind, "/api/v1/instances")
    assert (status, "no-account" in str(answer)) == (401, True)


@pytest.mark.parametrize("kind", ["unix", "tcp"])
async def test_a_service_s_account_is_nobody_in_particular(doors: AccountDoors, kind: str) -> None:
    """Most proxies don't say for whom they ask: Debian's web servers run as www-data."""
    status, answer = await doors.ask("www-data", kind, "/api/v1/instances")
    assert (status, "no-account" in str(answer)) == (401, True)


@pytest.mark.parametrize("kind", ["unix", "tcp"])
async def test_browsers_are_checked_all_the_same(
    doors: AccountDoors, accounts: Accounts, kind: str
) -> None:
    """Who reaches the other end of `ssh -L` is the account: so other sites are kept out."""
    for headers, status in (
        (("Origin: http://evil.example",), 403),
        (("Origin: null",), 403),
        (("Host: evil.example",), 421),
        (("Sec-Fetch-Site: cross-site",), 403),
        (("X-Forwarded-For: 10.0.0.5",), 401),
        (("Via: 1.1 proxy",), 401),
        (("Authorization: Bearer wrong",), 200),
        (("Cookie: vncproxy-x=y",), 200),
    ):
        found, _ = await doors.ask(accounts.other, kind, "/api/v1/instances", *headers)
        assert found == status, headers


async def test_another_account_s_ticket_is_void(doors: AccountDoors, accounts: Accounts) -> None:
    """A ticket stands for who asked for it, and each request shows who that is."""
    _, answer = await doors.ask(accounts.other, "tcp", "/api/v1/consoles/demo/admission")
    port = doors.setup.daemon.servers[1].port
    upgrade = (
        *("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13"),
        *("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", f"Origin: http://127.0.0.1:{port}"),
    )
    target = f"/websockify/demo?ticket={answer['ticket']}"
    status, refusal = await doors.ask(accounts.one, "tcp", target, *upgrade)
    assert (status, "used-ticket" in str(refusal)) == (401, True)
