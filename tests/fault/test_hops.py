"""A hop on the way to the cloud that refuses for good: reported in words, and not asked again."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.authority import Authority
from tests.hops import LOGIN, leading_proxy, refusing_proxy
from tests.setup import WAIT_S, Closed, running, until
from vncproxy.config.model import Aliyun, Limits
from vncproxy.simulator.settings import SimulatorSettings
from vncproxy.simulator.simulator import Simulator

ENDPOINT = Aliyun(endpoint="https://ecs.example.test")
PATIENT = Limits(max_wait=60.0)


@pytest.mark.parametrize("status", [401, 407])
async def test_a_proxy_that_refuses_its_login_is_asked_once(tmp_path: Path, status: int) -> None:
    """However many viewers come, and lists are asked for: wrong passwords lock accounts."""
    async with (
        refusing_proxy(status) as proxy,
        running(
            tmp_path, aliyun=ENDPOINT, limits=PATIENT, environ={"HTTPS_PROXY": proxy.url}
        ) as setup,
    ):
        for _ in range(3):
            viewer = await setup.connect()
            async with asyncio.timeout(WAIT_S):
                with pytest.raises(Closed) as closed:
                    await viewer.shake_hands()
            assert closed.value.args == (4502, "upstream-refused: ProxyRefused")
        async with setup.http.get(f"{setup.base}/api/v1/instances") as answer:
            problem = (await answer.json())["problem"]
        assert problem["code"] == "ProxyRefused"
        text = problem["text"]
        assert f"HTTPS_PROXY names (127.0.0.1:{proxy.port})" in text
        assert f"HTTP {status}" in text
        assert "Correct them in HTTPS_PROXY" in text
        assert len(proxy.heads) == 1
        failures = [one for one in setup.events if one["event"] == "link.failed"]
        assert [one["code"] for one in failures] == ["ProxyRefused"] * 3
        assert text in {one["error"] for one in failures}
        shown = setup.log.getvalue() + text
        assert not any(part in shown for part in (*LOGIN.split(":"), "hunter2"))


async def test_a_proxy_that_lets_nobody_through_ends_it_at_once(tmp_path: Path) -> None:
    """One question for each viewer, and which host to have allowed."""
    async with (
        refusing_proxy(403) as proxy,
        running(
            tmp_path, aliyun=ENDPOINT, limits=PATIENT, environ={"https_proxy": proxy.url}
        ) as setup,
    ):
        viewer = await setup.connect()
        assert await viewer.ended() == 4502
        await until(
            lambda: any(one["event"] == "link.failed" for one in setup.events), "the reason"
        )
        text = next(one["error"] for one in setup.events if one["event"] == "link.failed")
        assert "ecs.example.test:443" in text
        assert f"https_proxy names (127.0.0.1:{proxy.port})" in text
        assert len(proxy.heads) == 1


@pytest.mark.parametrize("gateway", ["127.0.0.1", "2130706433", "0x7f.1", "localhost."])
async def test_a_vnc_url_to_this_machine_is_never_dialled(
    tmp_path: Path, authority: Authority, gateway: str
) -> None:
    """What answers as the API is elsewhere, and leads the daemon to its own machine."""
    files = authority.issue("ecs.example.test", "localhost", "127.0.0.1")
    settings = SimulatorSettings(
        certificate=files.certificate, key=files.key, gateway_host=gateway, animated=False
    )
    aliyun = Aliyun(endpoint="https://ecs.example.test", ca_file=authority.ca_file)
    async with (
        Simulator(settings) as cloud,
        leading_proxy(cloud.port) as proxy,
        running(tmp_path, cloud=cloud, aliyun=aliyun, environ={"HTTPS_PROXY": proxy.url}) as setup,
    ):
        viewer = await setup.connect()
        async with asyncio.timeout(WAIT_S):
            with pytest.raises(Closed) as closed:
                await viewer.shake_hands()
        assert closed.value.args == (4502, "upstream-refused: GatewayRefused")
        assert len(cloud.dials) == 0
        assert {head.split()[1] for head in proxy.heads} == {"ecs.example.test:443"}


async def test_a_link_without_tls_is_reported(tmp_path: Path) -> None:
    """The cloud documents ws://, so it stays; log and page say what that means."""
    settings = SimulatorSettings(gateway_host="gateway.example.test", animated=False)
    async with Simulator(settings) as cloud:
        aliyun = Aliyun(endpoint=cloud.endpoint, connect_host="127.0.0.1")
        async with running(tmp_path, cloud=cloud, aliyun=aliyun) as setup:
            viewer = await setup.viewer()
            await until(lambda: setup.shows(viewer), "a picture")
            logged = [one for one in setup.events if one["event"] == "link.not_encrypted"]
            assert [one["level"] for one in logged] == ["warning"]
            assert "can be read" in logged[0]["text"]
            assert setup.daemon.components.registry.consoles[0].supervisor.encrypted is False
