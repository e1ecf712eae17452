"""What `vncproxy check` finds of the installation and its state."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.real.peers.valkey import ValkeyServer
from tests.unit.commands.surroundings import (
    Installation,
    failures,
    found,
)
from vncproxy.commands.checks import check
from vncproxy.commands.user import add
from vncproxy.config.load import Loaded
from vncproxy.config.model import (
    Access,
    Config,
    Listen,
    Recording,
    Rule,
    State,
    Throttle,
)
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
    monkeypatch.setattr("vncproxy.commands.checks.knows_owners", lambda: known)
    port = (msgspec.structs.replace(installation.config("demo").instance[0], tcp_port=5901),)
    rule = Rule(users=("ann",), instances=("*",))
    findings = await found(installation.loaded(instance=port, rule=(rule,)))
    assert failures(findings) == ([] if known else ["native viewers"])
    assert "account" in findings["native viewers"].text
    for sections in ({"rule": (rule,)}, {"instance": port}):
        assert "native viewers" not in await found(installation.loaded(**sections))
