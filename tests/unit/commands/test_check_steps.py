"""What `vncproxy check` finds of the installation and its state."""

from __future__ import annotations

import asyncio
import errno
import socket
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.authority import Authority
from tests.real.peers.process import free_port
from tests.real.peers.valkey import ValkeyServer
from tests.setup import running
from tests.unit.commands.surroundings import (
    DEMO,
    DENIED,
    KEY,
    SETTINGS,
    Installation,
    failures,
    found,
)
from vncproxy.access.login_sessions import daemon_id, known_daemon_id
from vncproxy.commands.check_steps import check
from vncproxy.commands.output import Finding
from vncproxy.commands.user import add
from vncproxy.config.load import Loaded
from vncproxy.config.model import (
    Access,
    Aliyun,
    Config,
    Instance,
    Listen,
    Recording,
    Rule,
    State,
    Throttle,
)
from vncproxy.simulator.faults import ApiFault
from vncproxy.simulator.settings import AccessKey, SimulatorSettings
from vncproxy.simulator.simulator import Simulator
from vncproxy.web import pages

pytestmark = pytest.mark.sockets


async def test_all_is_well(installation: Installation) -> None:
    """Every part is looked at, nothing is dialled."""
    findings = await found(installation.loaded())
    assert failures(findings) == []
    assert list(findings) == [
        "configuration",
        "page",
        "state and ledger",
        "door local",
        "credentials",
        "endpoint of cn-hangzhou",
        "demo permission",
        "demo picture and boot log",
        "demo gateway",
    ]
    assert str(findings["configuration"]).startswith("ok    configuration: ")
    assert len(installation.cloud.dials) == 0
    assert not installation.cloud.breaches


async def test_without_a_configuration(installation: Installation) -> None:
    """The defaults are stated to be in use, and that no instance is configured."""
    config = installation.config(instance=())
    findings = await found(Loaded(config, None))
    assert failures(findings) == ["instances"]
    assert "[[instance]]" in findings["instances"].text
    assert "defaults" in findings["configuration"].text


async def test_a_newcomer_without_anything(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both the instances and the credentials are missing, and both are stated."""
    home = str(installation.folder)
    monkeypatch.setenv("HOME", home)
    loaded = Loaded(installation.config(instance=()), None)
    findings = {one.what: one async for one in check(loaded, {"HOME": home}, None)}
    assert failures(findings) == ["instances", "credentials"]


@pytest.mark.parametrize("mode", [0o777, 0o770])
async def test_a_state_folder_of_everybody(installation: Installation, mode: int) -> None:
    """The mode is named."""
    (installation.folder / "state").mkdir()
    (installation.folder / "state").chmod(mode)
    findings = await found(installation.loaded())
    assert failures(findings) == ["state and ledger"]
    assert f"mode {mode:04o}" in findings["state and ledger"].text


async def test_a_state_folder_that_cannot_be(installation: Installation) -> None:
    """A file is in the way of the folder, or a folder in the way of the ledger."""
    (installation.folder / "file").touch()
    state = State(directory=installation.folder / "file" / "state")
    assert failures(await found(installation.loaded(state=state))) == ["state and ledger"]
    (installation.folder / "state").mkdir(mode=0o700)
    (installation.folder / "state" / "ledger.sqlite").mkdir()
    assert failures(await found(installation.loaded())) == ["state and ledger"]


async def test_an_incomplete_installation(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without noVNC there is no page."""
    monkeypatch.setattr(pages, "is_complete", lambda: False)
    assert failures(await found(installation.loaded())) == ["page"]


async def test_where_sessions_are_recorded(installation: Installation, tmp_path: Path) -> None:
    """A folder for recordings is looked at by writing to it; one that others may write to fails."""
    place = tmp_path / "seen"
    loaded = Loaded(installation.config(recording=Recording(directory=place)), None)
    assert (await found(loaded))["recordings"].ok
    assert list(place.iterdir()) == []
    place.chmod(0o777)
    finding = (await found(loaded))["recordings"]
    assert not finding.ok
    assert "0777" in finding.text


@pytest.mark.real
async def test_a_shared_store(
    installation: Installation, valkey_server: ValkeyServer, port: int
) -> None:
    """It is looked at by writing to it; one that is away fails, without its password."""
    here = await found(installation.loaded(throttle=Throttle(store=valkey_server.url)))
    assert here["state and ledger"].ok
    assert "so can the store" in here["state and ledger"].text
    away = Throttle(store=f"valkey://:hunter2@127.0.0.1:{port}")
    finding = (await found(installation.loaded(throttle=away)))["state and ledger"]
    assert not finding.ok
    assert "can't be reached" in finding.text
    assert "hunter2" not in str(finding)


async def test_passing_on(installation: Installation) -> None:
    """What it takes besides is reported, all at once; without it nothing is stated."""
    assert "passing on" not in await found(installation.loaded())
    alone = (await found(installation.loaded(throttle=Throttle(pass_on=True))))["passing on"]
    assert not alone.ok
    for part in ("without a shared store", "without url", "allowed_origins"):
        assert part in alone.text
    throttle = Throttle(store="valkey://127.0.0.1:1", url="https://b1.example.com", pass_on=True)
    unknown = (await found(installation.loaded(throttle=throttle)))["passing on"]
    assert "the host of url isn't among allowed_hosts" in unknown.text
    access = Access(allowed_hosts=("b1.example.com",), allowed_origins=("https://b2.example.com",))
    well = (await found(installation.loaded(throttle=throttle, access=access)))["passing on"]
    assert well.ok
    assert "https://b1.example.com" in well.text


async def test_doors_that_tell_people_apart(installation: Installation) -> None:
    """Without a rule, or without users, nobody may do anything there."""
    door = Listen(address=f"127.0.0.1:{installation.port}", access="users")
    access = Access(users_file=installation.folder / "users.json")
    rule = Rule(users=("ann",), instances=("*",))

    async def rules(**sections: Any) -> tuple[bool, str]:
        loaded = installation.loaded(**sections)
        (found,) = [one async for one in check(loaded, {}, None) if one.what == "rules"]
        return found.ok, found.text

    assert (await rules(listen=(door,), access=access))[0] is False
    ok, text = await rules(listen=(door,), access=access, rule=(rule,))
    assert (ok, "user add" in text) == (False, True)
    add_user(access, "ann")
    assert await rules(listen=(door,), access=access, rule=(rule,)) == (
        True,
        "1 rule; 1 in users_file",
    )
    peer = Listen(address=f"127.0.0.1:{installation.port}", access="peer")
    assert await rules(listen=(peer,), rule=(rule, rule)) == (True, "2 rules")


def add_user(access: Access, name: str) -> None:
    """As `vncproxy user add` does."""
    add(Config(access=access), name, [])


@pytest.mark.parametrize("known", [True, False])
async def test_native_viewers_that_no_rule_could_let_in(
    installation: Installation, monkeypatch: pytest.MonkeyPatch, known: bool
) -> None:
    """Where there are rules the kernel has to say who connects; nothing is stated without any."""
    monkeypatch.setattr("vncproxy.commands.check_steps.knows_owners", lambda: known)
    port = (msgspec.structs.replace(installation.config("demo").instance[0], tcp_port=5901),)
    rule = Rule(users=("ann",), instances=("*",))
    findings = await found(installation.loaded(instance=port, rule=(rule,)))
    assert failures(findings) == ([] if known else ["native viewers"])
    assert "account" in findings["native viewers"].text
    for sections in ({"rule": (rule,)}, {"instance": port}):
        assert "native viewers" not in await found(installation.loaded(**sections))


# `vncproxy check`: what listens at a door


async def test_doors(installation: Installation, short_path: Path, authority: Authority) -> None:
    """One that is free or is the daemon's own is well, one of another program isn't."""
    files = authority.issue()
    plain = Listen(name="plain", address=f"127.0.0.1:{installation.port}")
    secure = Listen(
        name="secure",
        address=f"127.0.0.1:{free_port()}",
        certificate=files.certificate,
        key=files.key,
    )
    unix = Listen(name="unix", address=f"unix:{short_path}/d.sock")
    doors = (plain, secure, unix)
    assert failures(await found(installation.loaded(listen=doors))) == []
    async with running(installation.folder, cloud=installation.cloud, listen=doors):
        findings = await found(installation.loaded(listen=doors))
        assert failures(findings) == []
        assert "a daemon listens" in findings["door plain"].text
        assert "a daemon listens" in findings["door secure"].text
        assert "a daemon listens" in findings["door unix"].text
    nowhere = Listen(name="nowhere", address=f"unix:{short_path}/missing/d.sock")
    foreign = Listen(name="foreign", address="192.0.2.1:6080", insecure=True)
    with socket.socket() as other:
        other.bind(("127.0.0.1", installation.port))
        findings = await found(installation.loaded(listen=(plain, nowhere, foreign)))
    assert failures(findings) == ["door plain", "door nowhere", "door foreign"]
    assert "another program" in findings["door plain"].text
    path = short_path / "d.sock"
    async with await asyncio.start_unix_server(lambda _, writer: writer.close(), path):
        findings = await found(installation.loaded(listen=(unix,)))
        assert failures(findings) == ["door unix"]
        assert "another program" in findings["door unix"].text


async def test_a_daemon_of_somebody_else(
    installation: Installation, short_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a port, and on a Unix socket: whose it is shows by its state directory."""
    other = installation.folder / "other"
    plain = Listen(name="plain", address=f"127.0.0.1:{installation.port}")
    unix = Listen(name="unix", address=f"unix:{short_path}/d.sock", access="peer")
    async with running(other, cloud=installation.cloud, listen=(plain, unix)):
        theirs = known_daemon_id(other / "state")
        # Nothing has run with this configuration; a peer door may be that of a command's alone.
        findings = await found(installation.loaded(listen=(plain, unix)))
        assert failures(findings) == ["door plain", "rules"]
        for what in ("door plain", "door unix"):
            assert "another daemon is there" in findings[what].text
            assert (
                f"its id is {theirs}, none has run with {installation.folder}"
                in findings[what].text
            )
            assert "its state directory differs" in findings[what].text
        own = daemon_id(installation.folder / "state")
        findings = await found(installation.loaded(listen=(plain, unix)))
        assert failures(findings) == ["door plain", "door unix", "rules"]
        assert f"that of {installation.folder / 'state'} is {own}" in findings["door plain"].text

        def unreadable(folder: Path) -> None:
            raise PermissionError(errno.EACCES, "Permission denied")

        monkeypatch.setattr("vncproxy.commands.check_steps.known_daemon_id", unreadable)
        findings = await found(installation.loaded(listen=(plain, unix)))
        assert failures(findings) == ["rules"]
        assert "can't be told" in findings["door plain"].text


# What `vncproxy check` finds of the cloud, for each thing that may be wrong


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
    """Its state is told; the permission is there all the same."""
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
    """Anything but a missing permission fails, and nothing is said to be tried again."""
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
    """How far it is off is told; as calls are corrected for it, that alone is no failure."""
    for offset_s, advice in ((1200.0, True), (-700.0, True), (60.0, False)):
        async with Simulator(replace(SETTINGS, clock_offset_s=offset_s)) as cloud:
            findings = await found(
                Installation(cloud, installation.folder, installation.port).loaded()
            )
        assert failures(findings) == []
        said = findings["endpoint of cn-hangzhou"].text
        assert ("set this clock" in said) is advice
        assert any(f"{abs(offset_s) + d:.0f} s" in said for d in (-1, 0, 1)), said


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
    """An authority that isn't trusted is told at the API and at the gateway; ca_file helps."""
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


async def test_power_is_tried_by_dry_runs_where_somebody_has_it(
    installation: Installation,
) -> None:
    """Nothing is done; what the RAM policy lacks is named."""
    aliyun = Aliyun(endpoint=installation.cloud.endpoint, power=True)
    findings = await found(installation.loaded(aliyun=aliyun))
    assert failures(findings) == []
    assert findings["demo power"].text == "start, stop and restart are permitted"
    assert findings["demo picture and boot log"].text == "permitted"
    assert "demo power" not in await found(installation.loaded())
    poor = AccessKey("poor", "poor-secret", denied_actions=frozenset({"RebootInstance"}))
    async with Simulator(replace(SETTINGS, keys=(poor,))) as cloud:
        other = Installation(cloud, installation.folder, installation.port)
        aliyun = Aliyun(endpoint=cloud.endpoint, power=True)
        findings = await found(other.loaded(aliyun=aliyun), poor)
        assert failures(findings) == ["demo power"]
        assert "ecs:RebootInstance" in findings["demo power"].text
        assert not cloud.powered


async def test_pictures_are_no_need_of_consoles(installation: Installation) -> None:
    """That they aren't permitted is said, and is no failure."""
    poor = AccessKey("poor", "poor-secret", denied_actions=frozenset({"GetInstanceScreenshot"}))
    async with Simulator(replace(SETTINGS, keys=(poor,))) as cloud:
        other = Installation(cloud, installation.folder, installation.port)
        findings = await found(other.loaded(), poor)
    assert failures(findings) == []
    assert "ecs:GetInstanceScreenshot" in findings["demo picture and boot log"].text


# One line of `vncproxy check`


def test_for_people_and_for_programs() -> None:
    """Failures stand out; what stands after the mark lines up."""
    assert str(Finding("page", True, "is there")) == "ok    page: is there"
    assert str(Finding("page", False, "is missing")) == "FAIL  page: is missing"
    assert Finding("page", True, "x").row == {"what": "page", "ok": True, "text": "x"}
