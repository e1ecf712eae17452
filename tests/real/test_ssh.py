"""OpenSSH's `ssh -L` to the daemon: who logs in on the bastion is known as that account."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.fault.test_native import instance, proved
from tests.fault.test_native_rules import let_in, refusal
from tests.real.peers.accounts import Accounts
from tests.real.peers.openssh import Forwarded, Sshd
from tests.real.peers.openssh import sshd as start_sshd
from tests.setup import Running, Viewer, key, running, until
from vncproxy.config.model import Listen, Rule
from vncproxy.simulator.settings import SimulatedInstance, SimulatorSettings

CLOUD = SimulatorSettings(
    animated=False,
    width=320,
    height=240,
    instances=(SimulatedInstance(), SimulatedInstance("i-bp1spare000000000002", "spare")),
)
KINDS = pytest.mark.parametrize("kind", ["unix", "tcp"])


@dataclass(frozen=True)
class Cluster:
    """A daemon whose doors know accounts, and the sshd before it."""

    setup: Running
    ssh: Sshd
    socket: Path

    def target(self, kind: str) -> Path | int:
        """Where to forward to."""
        return self.socket if kind == "unix" else self.setup.daemon.servers[1].port


@asynccontextmanager
async def bastion_of(
    folder: Path,
    place: Path,
    accounts: Accounts,
    socket_group: str | None = None,
    *,
    cloud: SimulatorSettings | None = CLOUD,
    **config: Any,
) -> AsyncIterator[Cluster]:
    """A cluster of one whose Unix socket is everybody's, or this group's."""
    socket = place / "vncproxy.sock"
    unix = Listen(name="bastion", address=f"unix:{socket}", access="peer", socket_mode="0666")
    if socket_group is not None:
        unix = Listen(
            name="bastion",
            address=f"unix:{socket}",
            access="peer",
            socket_mode="0660",
            socket_group=socket_group,
        )
    doors = (unix, Listen(name="loopback", address="127.0.0.1:0", access="peer"))
    rules = (
        Rule(users=(accounts.one,), instances=("demo",), role="watch"),
        Rule(users=(f"@{accounts.group}",), instances=("*",), role="control"),
        # It may never get in by being called so.
        Rule(users=("root",), instances=("*",), role="admin"),
    )
    async with (
        running(folder, cloud=cloud, listen=doors, rule=rules, **config) as setup,
        start_sshd(place) as ssh,
    ):
        yield Cluster(setup, ssh, socket)


@pytest.fixture
async def bastion(
    tmp_path: Path, meeting_place: Path, accounts: Accounts
) -> AsyncIterator[Cluster]:
    """The daemon and sshd, running."""
    async with bastion_of(tmp_path, meeting_place, accounts) as found:
        yield found


async def ask(
    setup: Running, way: Forwarded, target: str, **headers: str
) -> tuple[int, dict[str, object]]:
    """A request through the forwarded port; its status and its JSON, if it has any."""
    sent = {name.replace("_", "-"): text for name, text in headers.items()}
    async with setup.http.get(f"{way.base}{target}", headers=sent) as answer:
        is_json = answer.content_type == "application/json"
        return answer.status, await answer.json() if is_json else {}


async def opened(setup: Running, way: Forwarded) -> Viewer:
    """A console, as the page opens it."""
    status, admission = await ask(setup, way, "/api/v1/consoles/demo/admission")
    assert status == 200
    query = f"?ticket={admission['ticket']}"
    viewer = await setup.connect(query, base=way.base, headers={"Origin": way.base})
    await viewer.begin()
    await until(lambda: setup.shows(viewer), "the picture")
    return viewer


@KINDS
async def test_each_is_the_account_that_logged_in(
    bastion: Cluster, accounts: Accounts, kind: str
) -> None:
    """One may watch one console and nothing else, the other may type into any."""
    setup, target = bastion.setup, bastion.target(kind)
    async with (
        bastion.ssh.forward(accounts.one, target) as ones,
        bastion.ssh.forward(accounts.other, target) as others,
    ):
        for account, way, may in (
            (accounts.one, ones, {"demo": "watch"}),
            (accounts.other, others, {"demo": "control", "spare": "control"}),
        ):
            status, answer = await ask(setup, way, "/api/v1/instances")
            assert (status, answer["user"]) == (200, account)
            rows = answer["instances"]
            assert isinstance(rows, list)
            assert {row["alias"]: row["role"] for row in rows} == may
            assert (await ask(setup, way, "/console/demo"))[0] == 200
            status, _ = await ask(setup, way, "/api/v1/consoles/spare/admission")
            assert status == (200 if "spare" in may else 404)
        watching = await opened(setup, ones)
        controlling = await opened(setup, others)
        await watching.type("no")
        await controlling.type("yes")
        await until(lambda: setup.cloud.typed_text == "yes", "the keys of the one who may")
        row = await ask(setup, others, "/api/v1/consoles")
        assert "control" in str(row)


@KINDS
async def test_other_sites_are_kept_out(bastion: Cluster, accounts: Accounts, kind: str) -> None:
    """The port on the laptop is the account, so no foreign page may use it."""
    setup = bastion.setup
    async with bastion.ssh.forward(accounts.other, bastion.target(kind)) as way:
        for headers, status in (
            ({"Origin": "http://evil.example"}, 403),
            ({"Origin": "null"}, 403),
            ({"Host": "evil.example"}, 421),
            ({"Sec-Fetch-Site": "cross-site"}, 403),
        ):
            assert (await ask(setup, way, "/api/v1/instances", **headers))[0] == status
        _, admission = await ask(setup, way, "/api/v1/consoles/demo/admission")
        with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
            await setup.connect(
                f"?ticket={admission['ticket']}",
                base=way.base,
                headers={"Origin": "http://evil.example"},
            )
        assert refusal.value.status == 403


@KINDS
async def test_a_port_that_is_open_to_others_has_no_name(
    bastion: Cluster, accounts: Accounts, kind: str
) -> None:
    """With -g or GatewayPorts other machines' browsers call it by names that aren't known."""
    target = bastion.target(kind)
    async with bastion.ssh.forward(accounts.other, target, "-g", address="127.0.0.2") as way:
        for host in (f"127.0.0.2:{way.port}", f"laptop.example:{way.port}", "10.0.0.7"):
            url = f"http://127.0.0.2:{way.port}/api/v1/instances"
            async with bastion.setup.http.get(url, headers={"Host": host}) as answer:
                assert answer.status == 421


@KINDS
async def test_root_is_nobody(bastion: Cluster, kind: str) -> None:
    """Who logs in as root isn't known by that: rules for the name give nothing."""
    async with bastion.ssh.forward("root", bastion.target(kind)) as way:
        status, answer = await ask(bastion.setup, way, "/api/v1/instances")
        assert (status, "no-account" in str(answer)) == (401, True)


async def test_only_the_socket_s_group_comes_through(
    tmp_path: Path, meeting_place: Path, accounts: Accounts
) -> None:
    """The others find a port that ends at once, and ssh says that the socket can't be opened."""
    async with (
        bastion_of(tmp_path, meeting_place, accounts, accounts.group) as bastion,
        bastion.ssh.forward(accounts.one, bastion.socket) as ones,
        bastion.ssh.forward(accounts.other, bastion.socket) as others,
    ):
        assert (await ask(bastion.setup, others, "/api/v1/instances"))[0] == 200
        with pytest.raises(aiohttp.ClientError):
            await ask(bastion.setup, ones, "/api/v1/instances")
        await until(lambda: "open failed" in ones.log.read_text(), "ssh's words")


async def test_native_viewers_are_the_accounts_too(
    tmp_path: Path, meeting_place: Path, accounts: Accounts, port: int
) -> None:
    """With the password, too: one watches, the other types; root learns why it may not."""
    async with (
        bastion_of(
            tmp_path, meeting_place, accounts, cloud=None, instance=instance(tmp_path, port)
        ) as bastion,
        bastion.ssh.forward(accounts.one, port) as ones,
        bastion.ssh.forward(accounts.other, port) as others,
        bastion.ssh.forward("root", port) as roots,
    ):
        _, watching, _ = await let_in(ones.port)
        watching.write(key(1, ord("w")) + key(0, ord("w")))
        _, controlling, _ = await let_in(others.port)
        controlling.write(key(1, ord("n")) + key(0, ord("n")))
        await until(lambda: bastion.setup.cloud.typed_text == "n", "the key")
        reader, wrong = await proved(others.port, "wrong")
        assert await reader.readexactly(4) == b"\0\0\0\1"
        assert "your account on this machine" in await refusal(roots.port)
        for writer in (watching, controlling, wrong):
            writer.close()
