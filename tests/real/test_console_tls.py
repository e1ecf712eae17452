"""The console over https and wss, with certificates of an authority of the tests' own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from tests.authority import Authority
from tests.setup import Closed, Running, running, until
from vncproxy.config.model import Aliyun, Limits
from vncproxy.errors import CloseCode
from vncproxy.simulator import Simulator
from vncproxy.simulator.settings import SimulatorSettings

GATEWAY = "hz01-vncproxy.cloud.test"
"""A name that no resolver knows."""
PATIENCE = Limits(max_wait=5.0)


@asynccontextmanager
async def over_tls(
    folder: Path, cloud: SimulatorSettings, **aliyun: object
) -> AsyncIterator[Running]:
    """A daemon whose cloud speaks TLS only.

    Args:
        folder: For the state directory.
        cloud: The simulator's settings.
        **aliyun: Keys of that section.
    """
    async with Simulator(cloud) as simulator:
        section = Aliyun(endpoint=simulator.endpoint, **aliyun)  # type: ignore[arg-type]
        async with running(folder, cloud=simulator, aliyun=section, limits=PATIENCE) as setup:
            yield setup


def secured(authority: Authority, *names: str, expired: bool = False) -> SimulatorSettings:
    """A cloud with a certificate for these names."""
    files = authority.issue(*names, expired=expired)
    return SimulatorSettings(animated=False, certificate=files.certificate, key=files.key)


async def refused(setup: Running) -> Closed:
    """How a viewer is closed that can't have the console."""
    viewer = await setup.connect()
    with pytest.raises(Closed) as closed:
        await viewer.shake_hands()
    return closed.value


async def test_the_console_opens_over_tls(authority: Authority, tmp_path: Path) -> None:
    """API and gateway are trusted by ca_file; the picture is right and a key arrives."""
    cloud = secured(authority)
    async with over_tls(tmp_path, cloud, ca_file=authority.ca_file) as setup:
        assert setup.cloud.make_url("i-1").startswith("wss%3A")
        viewer = await setup.viewer()
        await until(lambda: setup.shows(viewer), "the screen")
        await viewer.type("tls")
        await until(lambda: setup.cloud.typed_text == "tls", "the keys")
        assert not setup.cloud.breaches


async def test_connect_host_is_dialled_while_the_urls_host_is_verified(
    authority: Authority, tmp_path: Path
) -> None:
    """The gateway's name resolves nowhere here; its certificate is what counts."""
    cloud = replace(secured(authority, GATEWAY, "127.0.0.1"), gateway_host=GATEWAY)
    aliyun = {"ca_file": authority.ca_file, "connect_host": "127.0.0.1"}
    async with over_tls(tmp_path, cloud, **aliyun) as setup:
        viewer = await setup.viewer()
        await until(lambda: setup.shows(viewer), "the screen")
        assert len(setup.cloud.dials) == 1
        assert not setup.cloud.breaches


async def test_a_certificate_for_another_name_is_refused_for_good(
    authority: Authority, tmp_path: Path
) -> None:
    """4502 without a second try, and no VncUrl reaches who that is."""
    cloud = replace(secured(authority, "127.0.0.1"), gateway_host=GATEWAY)
    aliyun = {"ca_file": authority.ca_file, "connect_host": "127.0.0.1"}
    async with over_tls(tmp_path, cloud, **aliyun) as setup:
        closed = await refused(setup)
        assert closed.args[0] == CloseCode.UPSTREAM_REFUSED
        assert [call.action for call in setup.cloud.calls] == ["DescribeInstanceVncUrl"]
        assert not setup.cloud.dials
        assert GATEWAY not in setup.log.getvalue()


@pytest.mark.parametrize("expired", [False, True], ids=["unknown-authority", "expired"])
async def test_an_api_that_isnt_trusted_is_refused_for_good(
    authority: Authority, tmp_path: Path, expired: bool
) -> None:
    """4502: nothing signed is sent to who answers there."""
    trust = {"ca_file": authority.ca_file} if expired else {}
    async with over_tls(tmp_path, secured(authority, expired=expired), **trust) as setup:
        closed = await refused(setup)
        assert closed.args[0] == CloseCode.UPSTREAM_REFUSED
        assert not setup.cloud.calls
        assert not setup.cloud.dials
