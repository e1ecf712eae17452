"""What `vncproxy check` finds of the cloud, for each thing that may be wrong."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.authority import Authority
from tests.real.peers.process import free_port
from tests.unit.commands.surroundings import (
    DEMO,
    DENIED,
    KEY,
    SETTINGS,
    Installation,
    failures,
    found,
)
from vncproxy.commands.checks import check
from vncproxy.config.model import (
    Aliyun,
    Instance,
)
from vncproxy.simulator.faults import ApiFault
from vncproxy.simulator.settings import AccessKey, SimulatorSettings
from vncproxy.simulator.simulator import Simulator

pytestmark = pytest.mark.sockets


async def test_discovery_that_shows_nothing(installation: Installation) -> None:
    """The region is named, in which there may be none."""
    settings = replace(SETTINGS, instances=(replace(DEMO, region="cn-beijing"),))
    async with Simulator(settings) as cloud:
        other = Installation(cloud, installation.folder, installation.port)
        aliyun = Aliyun(endpoint=cloud.endpoint, discover=True)
        findings = await found(other.loaded(instance=(), aliyun=aliyun))
    assert failures(findings) == ["instances"]
    assert "cn-hangzhou" in findings["instances"].text


async def test_a_wrong_secret(installation: Installation) -> None:
    """The signature is refused; the secret isn't shown."""
    wrong = AccessKey(KEY.key_id, "planted-wrong-secret")
    findings = await found(installation.loaded(), wrong)
    assert failures(findings) == ["list of instances", "demo permission"]
    assert "secret" in findings["demo permission"].text
    assert not any("planted" in str(finding) for finding in findings.values())


async def test_an_unknown_key(installation: Installation) -> None:
    """The cloud doesn't know it."""
    findings = await found(installation.loaded(), AccessKey("unknown-key", "x"))
    assert failures(findings) == ["list of instances", "demo permission"]
    assert "AccessKey" in findings["demo permission"].text


async def test_keys_that_no_cloud_gives(installation: Installation) -> None:
    """A line break pasted along is found before anything is sent."""
    findings = await found(installation.loaded(), AccessKey("key id", "x"))
    assert failures(findings) == ["cloud settings"]
    assert not installation.cloud.calls


async def test_no_credentials(
    installation: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing after them is tried."""
    monkeypatch.setenv("HOME", str(tmp_path))
    findings = {
        f.what: f async for f in check(installation.loaded(), {"HOME": str(tmp_path)}, None)
    }
    assert failures(findings) == ["credentials"]
    assert list(findings)[-1] == "credentials"


async def test_a_forbidden_call(installation: Installation) -> None:
    """The action that the RAM policy lacks is named."""
    findings = await found(installation.loaded(), DENIED)
    assert failures(findings) == ["demo permission"]
    assert "ecs:DescribeInstanceVncUrl" in findings["demo permission"].text


async def test_a_stopped_instance(installation: Installation) -> None:
    """Its state is reported; the permission is there all the same."""
    findings = await found(installation.loaded("stopped"))
    assert failures(findings) == ["stopped status"]
    assert "Stopped" in findings["stopped status"].text
    assert findings["stopped permission"].ok


async def test_a_stopped_instance_that_may_not_be_listed(installation: Installation) -> None:
    """Without DescribeInstances the VncUrl's own answer tells."""
    installation.cloud.faults.next("DescribeInstances", ApiFault.error("Forbidden.RAM"))
    findings = await found(installation.loaded("stopped"))
    assert failures(findings) == ["stopped VncUrl"]
    assert findings["list of instances"].ok
    assert "not permitted" in findings["list of instances"].text


async def test_a_list_that_the_cloud_fails_to_give(installation: Installation) -> None:
    """Anything but a missing permission fails, and nothing is stated to be tried again."""
    for _ in range(9):
        installation.cloud.faults.next("DescribeInstances", ApiFault.error("InternalError"))
    findings = await found(installation.loaded())
    assert failures(findings) == ["list of instances"]
    assert "tried again" not in findings["list of instances"].text
    assert "Try again later." in findings["list of instances"].text


async def test_discovery_that_is_not_permitted(installation: Installation) -> None:
    """There the list is needed."""
    installation.cloud.faults.next("DescribeInstances", ApiFault.error("Forbidden.RAM"))
    aliyun = Aliyun(endpoint=installation.cloud.endpoint, discover=True)
    assert failures(await found(installation.loaded(aliyun=aliyun))) == ["list of instances"]


async def test_one_instance(installation: Installation) -> None:
    """With a name only that one is looked at, by alias or id; an unknown name fails."""
    loaded = installation.loaded("demo", "stopped")
    assert failures(await found(loaded)) == ["stopped status"]
    for name in (DEMO.name, DEMO.instance_id):
        assert failures(await found(loaded, name=name)) == []
    assert failures(await found(loaded, name="unknown")) == ["unknown"]


async def test_an_instance_that_is_gone(installation: Installation) -> None:
    """A released instance, or a mistyped id."""
    instance = Instance(id="i-bp1gone0000000000000", alias="gone")
    findings = await found(installation.loaded(instance=(instance,)))
    assert failures(findings) == ["gone permission"]
    assert "no instance of this id" in findings["gone permission"].text


async def test_an_instance_of_another_region(installation: Installation) -> None:
    """The region is what must be corrected."""
    instance = Instance(id=DEMO.instance_id, alias="demo", region="cn-beijing")
    findings = await found(installation.loaded(instance=(instance,)))
    assert failures(findings) == ["demo permission"]
    assert "region" in findings["demo permission"].text


async def test_an_endpoint_that_does_not_answer(installation: Installation) -> None:
    """Nobody listens there."""
    aliyun = Aliyun(endpoint=f"http://127.0.0.1:{free_port()}")
    findings = await found(installation.loaded(aliyun=aliyun))
    assert "endpoint of cn-hangzhou" in failures(findings)
    assert "demo permission" in failures(findings)


async def test_a_clock_that_is_off(installation: Installation) -> None:
    """How far it is off is reported; as calls are corrected for it, that alone is no failure."""
    for offset_s, advice in ((1200.0, True), (-700.0, True), (60.0, False)):
        async with Simulator(replace(SETTINGS, clock_offset_s=offset_s)) as cloud:
            findings = await found(
                Installation(cloud, installation.folder, installation.port).loaded()
            )
        assert failures(findings) == []
        report = findings["endpoint of cn-hangzhou"].text
        assert ("set this clock" in report) is advice
        assert any(f"{abs(offset_s) + d:.0f} s" in report for d in (-1, 0, 1)), report


async def test_a_gateway_that_does_not_answer(installation: Installation) -> None:
    """The API answers, but the VncUrl's host isn't let through."""
    async with Simulator(replace(SETTINGS, gateway_host="127.0.0.9")) as cloud:
        findings = await found(Installation(cloud, installation.folder, installation.port).loaded())
        assert failures(findings) == ["demo gateway"]
        assert "127.0.0.9" in findings["demo gateway"].text
        aliyun = Aliyun(endpoint=cloud.endpoint, connect_host="127.0.0.1")
        findings = await found(
            Installation(cloud, installation.folder, installation.port).loaded(aliyun=aliyun)
        )
        assert failures(findings) == []


async def test_certificates(installation: Installation, authority: Authority) -> None:
    """An authority that isn't trusted is reported at the API and at the gateway; ca_file helps."""
    files = authority.issue()
    settings = SimulatorSettings(certificate=files.certificate, key=files.key, animated=False)
    async with Simulator(settings) as cloud:
        secure = Installation(cloud, installation.folder, installation.port)
        findings = await found(secure.loaded())
        assert "endpoint of cn-hangzhou" in failures(findings)
        aliyun = Aliyun(endpoint=cloud.endpoint, ca_file=authority.ca_file)
        assert failures(await found(secure.loaded(aliyun=aliyun))) == []


async def test_a_gateway_with_another_certificate(
    installation: Installation, authority: Authority
) -> None:
    """Its name must be the VncUrl's."""
    files = authority.issue("127.0.0.1")
    settings = SimulatorSettings(
        certificate=files.certificate, key=files.key, gateway_host="localhost", animated=False
    )
    async with Simulator(settings) as cloud:
        aliyun = Aliyun(endpoint=cloud.endpoint, ca_file=authority.ca_file)
        findings = await found(
            Installation(cloud, installation.folder, installation.port).loaded(aliyun=aliyun)
        )
    assert failures(findings) == ["demo gateway"]
    assert "ca_file" in findings["demo gateway"].text


async def test_a_password_that_cannot_be_read(installation: Installation, tmp_path: Path) -> None:
    """One that was taken away since the configuration was read."""
    instance = Instance(id=DEMO.instance_id, password_file=tmp_path / "missing")
    findings = await found(installation.loaded(instance=(instance,)))
    assert failures(findings) == ["instances"]
