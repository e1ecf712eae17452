"""Several daemons behind HAProxy, with the configuration that this project ships."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import aiohttp

from tests.real.peers.presence import need
from tests.real.peers.process import answers, free_port, until
from tests.real.peers.process import running as running_program
from tests.real.peers.valkey import valkey_server
from tests.setup import Running, Viewer, running
from tests.setup import until as until_true
from vncproxy.config.model import Throttle
from vncproxy.simulator.settings import SimulatedInstance, SimulatorSettings
from vncproxy.simulator.simulator import Simulator

EXAMPLE = Path(__file__).parents[2] / "config" / "haproxy.example.cfg"
NAMES = [f"vm-{n}" for n in range(8)]
SETTINGS = SimulatorSettings(
    instances=tuple(
        SimulatedInstance(instance_id=f"i-bp1behind{n}", name=name) for n, name in enumerate(NAMES)
    ),
    animated=False,
)


@asynccontextmanager
async def haproxy(folder: Path, daemons: list[Running]) -> AsyncIterator[int]:
    """The example with these daemons, without TLS; gives its port."""
    program = need("haproxy", "haproxy")
    port = free_port()
    text = re.sub(r"bind :443 .*", f"bind 127.0.0.1:{port}", EXAMPLE.read_text())
    assert len(re.findall(r"10\.0\.0\.\d:6080 check", text)) == len(daemons)
    for daemon in daemons:
        server = f"127.0.0.1:{daemon.daemon.servers[0].port} check"
        text = re.sub(r"10\.0\.0\.\d:6080 check", server, text, count=1)
    # Loopback names are always allowed.
    text = text.replace("Host bastion.example.com", "Host localhost")
    file = folder / "haproxy.cfg"
    file.write_text(text)
    log = folder / "haproxy.log"
    async with running_program(program, "-f", str(file), log=log) as process:

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
                async with asyncio.timeout(20):
                    assert (await page.receive_json())["type"] == "state"
                await page.close()
            async with http.get(f"{base}/console/{name}") as answer:
                assert answer.status == 200
            where = [await _open_at(daemon) for daemon in daemons]
            [places[name]] = [n for n in range(2) if name in where[n]]
        assert len(cloud.dials) == len(NAMES)
        assert set(places.values()) == {0, 1}
        assert not cloud.breaches


async def _picture(viewer: Viewer) -> None:
    await until_true(lambda: viewer.decoder.updates, "a picture")


async def _open_at(daemon: Running) -> set[str]:
    async with daemon.http.get(f"{daemon.base}/api/v1/consoles") as answer:
        return {row["alias"] for row in (await answer.json())["consoles"]}
