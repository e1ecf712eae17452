"""Several daemons behind HAProxy, with the configuration that this project ships."""

from __future__ import annotations

import asyncio
import os
import re
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from tests.authority import Authority, Certificate
from tests.real.peers.presence import need
from tests.real.peers.process import answers, free_port, until
from tests.real.peers.process import running as running_program
from tests.real.peers.valkey import valkey_server
from tests.setup import Running, Viewer, running
from tests.setup import until as until_true
from vncproxy.config.model import Listen, Rule, Throttle
from vncproxy.simulator.settings import SimulatedInstance, SimulatorSettings
from vncproxy.simulator.simulator import Simulator

EXAMPLE = Path(__file__).parents[2] / "config" / "haproxy.example.cfg"
SECRET = "known-to-haproxy-and-the-daemons-only"
NAMES = [f"vm-{n}" for n in range(8)]
SETTINGS = SimulatorSettings(
    instances=tuple(
        SimulatedInstance(instance_id=f"i-bp1behind{n}", name=name) for n, name in enumerate(NAMES)
    ),
    animated=False,
)


@dataclass(frozen=True)
class Tls:
    """Who signs, and what HAProxy shows."""

    authority: Authority
    own: Certificate


@asynccontextmanager
async def haproxy(
    folder: Path, daemons: list[Running], tls: Tls | None = None
) -> AsyncIterator[int]:
    """The example with these daemons, gives its port.

    Args:
        folder: For its configuration and certificates.
        daemons: That it leads to.
        tls: Certificates of the bastion and of its people; None: neither side has any.
    """
    program = need("haproxy", "haproxy")
    port = free_port()
    text = EXAMPLE.read_text()
    if tls is None:
        text = re.sub(r"bind :443 .*", f"bind 127.0.0.1:{port}", text)
    else:
        own = folder / "bastion.pem"
        own.write_bytes(tls.own.certificate.read_bytes() + tls.own.key.read_bytes())
        text = text.replace("bind :443", f"bind 127.0.0.1:{port}")
        text = text.replace("/etc/haproxy/bastion.pem", str(own))
        for name in ("people", "daemons"):
            text = text.replace(f"/etc/haproxy/{name}.pem", str(tls.authority.ca_file))
    servers = re.compile(r"10\.0\.0\.\d:6080 check(.*)")
    assert len(servers.findall(text)) == 2
    for daemon in daemons:
        rest = r"\1" if tls is not None else ""
        server = f"127.0.0.1:{daemon.daemon.servers[0].port} check{rest}"
        text = servers.sub(server, text, count=1)
    # Of the two some may be enough.
    text = re.sub(r"    server .*10\.0\.0.*\n?", "", text)
    # Loopback names are always allowed.
    text = text.replace("Host bastion.example.com", "Host localhost")
    file = folder / "haproxy.cfg"
    file.write_text(text)
    log = folder / "haproxy.log"
    environ = {**os.environ, "VNCPROXY_SECRET": SECRET}
    async with running_program(program, "-f", str(file), log=log, env=environ) as process:

        async def listens() -> bool:
            return await answers(port)

        await until(listens, "HAProxy starts", process=process, log=log)
        yield port


async def test_all_who_want_a_console_meet_at_one_daemon(tmp_path: Path, short_path: Path) -> None:
    """Page, admission and both WebSockets of an instance go to one daemon, others to another."""
    async with AsyncExitStack() as stack:
        store = stack.enter_context(valkey_server(short_path / "v"))
        cloud = await stack.enter_async_context(Simulator(SETTINGS))
        daemons = [
            await stack.enter_async_context(
                running(tmp_path / name, cloud=cloud, throttle=Throttle(store=store.url, name=name))
            )
            for name in ("bastion-1", "bastion-2")
        ]
        port = await stack.enter_async_context(haproxy(tmp_path, daemons))
        base = f"http://127.0.0.1:{port}"
        http = await stack.enter_async_context(aiohttp.ClientSession())
        places = {}
        for name in NAMES:
            daemons[0].alias = name
            await _picture(await daemons[0].viewer(base=base))
            for _ in range(3):
                # The daemon that hasn't got it would answer 409.
                path = f"{base}/api/v1/consoles/{name}/admission"
                async with http.get(path) as answer:
                    assert answer.status == 200
                    ticket = (await answer.json())["ticket"]
                origin = {"Origin": base}
                page = await http.ws_connect(
                    f"{base}/control/{name}?ticket={ticket}", headers=origin
                )
                async with asyncio.timeout(60):
                    assert (await page.receive_json())["type"] == "state"
                await page.close()
            async with http.get(f"{base}/console/{name}") as answer:
                assert answer.status == 200
            where = [await _open_at(daemon) for daemon in daemons]
            [places[name]] = [n for n in range(2) if name in where[n]]
        assert len(cloud.dials) == len(NAMES)
        assert set(places.values()) == {0, 1}
        assert not cloud.breaches


async def test_nobody_names_himself(tmp_path: Path, authority: Authority) -> None:
    """Who comes by the example is whom the certificate names, whatever else is sent."""
    secret, files = tmp_path / "proxy.secret", authority.issue()
    secret.touch(mode=0o600)
    secret.write_text(f"{SECRET}\n")
    door = Listen(
        address="127.0.0.1:0",
        certificate=files.certificate,
        key=files.key,
        access="header",
        trusted_proxies=("127.0.0.1",),
        header_secret_file=secret,
    )
    rule = Rule(users=("olga",), instances=("*",), role="admin")
    async with (
        running(tmp_path, listen=(door,), rule=(rule,)) as setup,
        haproxy(tmp_path, [setup], Tls(authority, authority.issue())) as port,
    ):

        def known_as(name: str) -> ssl.SSLContext:
            own = authority.issue(name)
            context = authority.client_context()
            context.load_cert_chain(own.certificate, own.key)
            return context

        claims = {"X-Forwarded-User": "olga", "X-Vncproxy-Secret": SECRET}
        url = f"https://localhost:{port}/api/v1/instances"
        for name, instances in (("ann", 0), ("olga", 1)):
            async with setup.http.get(url, headers=claims, ssl=known_as(name)) as answer:
                session = await answer.json()
            assert (session["user"], len(session["instances"])) == (name, instances)
        nobody = authority.client_context()
        # Without a certificate there is no connection.
        with pytest.raises(aiohttp.ClientError):
            await setup.http.get(url, headers=claims, ssl=nobody)


async def _picture(viewer: Viewer) -> None:
    await until_true(lambda: viewer.decoder.updates, "a picture")


async def _open_at(daemon: Running) -> set[str]:
    async with daemon.http.get(f"{daemon.base}/api/v1/consoles") as answer:
        return {row["alias"] for row in (await answer.json())["consoles"]}
