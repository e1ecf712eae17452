"""Links to consoles, against a daemon."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import aiohttp
import pytest
from msgspec.structs import replace as struct_replace

from tests.real.peers.valkey import ValkeyServer
from tests.setup import running
from tests.unit.commands.surroundings import DEMO, SETTINGS, Installation, environ
from tests.unit.throttle.usage import usage_of
from vncproxy.cluster.valkey_ownership import SharedOwnership
from vncproxy.commands.console_url import console_url, official_url
from vncproxy.commands.daemon_client import NoDaemonError
from vncproxy.config.model import Aliyun, Config, Instance, Limits, Listen, State, Throttle
from vncproxy.errors import AccessError, CloudError, ConfigError, LedgerError, LocalError
from vncproxy.simulator.faults import ApiFault
from vncproxy.simulator.simulator import Simulator
from vncproxy.throttle.reconnect_budget import Budget
from vncproxy.throttle.sqlite_ledger import FILE_NAME, SqliteLedger
from vncproxy.throttle.valkey_connection import StoreAddress, ValkeyStore
from vncproxy.throttle.valkey_ledger import ValkeyLedger

pytestmark = pytest.mark.sockets


async def test_a_link_opens_once(installation: Installation) -> None:
    """It leads to the page with a ticket in its fragment, which makes a cookie once."""
    config = installation.config()
    async with running(
        installation.folder, cloud=installation.cloud, listen=config.listen
    ) as setup:
        link = await console_url(config, {}, "demo", None)
        parts = urlsplit(link)
        assert (parts.netloc, parts.path) == (f"127.0.0.1:{installation.port}", "/enter")
        async with setup.http.get(link) as page:
            assert page.status == 200
        body = {"ticket": parts.fragment}
        async with setup.http.post(f"{setup.base}/api/v1/session", json=body) as answer:
            assert await answer.json() == {"next": "/console/demo"}
        async with setup.http.post(f"{setup.base}/api/v1/session", json=body) as answer:
            assert answer.status == 401


async def test_links_for_another_base(installation: Installation, short_path: Path) -> None:
    """As the browser reaches the daemon; with a Unix door only, it must be given."""
    unix = (Listen(address=f"unix:{short_path}/d.sock", access="token", base_path="/vnc"),)
    async with running(installation.folder, cloud=installation.cloud, listen=unix):
        config = installation.config(listen=unix)
        with pytest.raises(ConfigError, match="--base-url"):
            await console_url(config, {}, "demo", None)
        for base in ("https://bastion.example/vnc/", "https://bastion.example/"):
            link = await console_url(config, {}, "demo", base)
            assert link.startswith("https://bastion.example/vnc/enter#"), base
        with pytest.raises(LocalError, match=r"/tools/vnc, which .* set base_path = \"/tools/vnc"):
            await console_url(config, {}, "demo", "https://bastion.example/tools/vnc")


async def test_links_below_a_path(installation: Installation) -> None:
    """Without --base-url, too."""
    [door] = installation.config().listen
    listen = (struct_replace(door, base_path="/vnc"),)
    async with running(installation.folder, cloud=installation.cloud, listen=listen) as setup:
        link = await console_url(installation.config(listen=listen), {}, "demo", None)
        assert link.startswith(f"http://127.0.0.1:{installation.port}/vnc/enter#")
        async with setup.http.get(link) as page:
            assert page.status == 200


async def test_links_lead_to_a_door_that_takes_them(
    installation: Installation, short_path: Path
) -> None:
    """A ticket of the token's owner is none at a door for users."""
    users = Listen(name="users", address="127.0.0.1:1", access="users")
    unix = Listen(name="unix", address=f"unix:{short_path}/d.sock", access="token")
    tcp = Listen(name="tcp", address=f"127.0.0.1:{installation.port}")
    async with running(installation.folder, cloud=installation.cloud, listen=(unix, tcp)):
        link = await console_url(installation.config(listen=(users, unix, tcp)), {}, "demo", None)
        assert urlsplit(link).netloc == f"127.0.0.1:{installation.port}"
        with pytest.raises(ConfigError, match="--base-url"):
            await console_url(installation.config(listen=(users, unix)), {}, "demo", None)


async def test_links_to_doors_where_people_prove_who_they_are(installation: Installation) -> None:
    """A plain address, of an instance that there is, by its alias."""
    users = (Listen(address=f"127.0.0.1:{installation.port}", access="users"),)
    config = installation.config(listen=users)
    async with running(installation.folder, cloud=installation.cloud, listen=users):
        for name in ("demo", DEMO.instance_id):
            link = await console_url(config, {}, name, None)
            assert link == f"http://127.0.0.1:{installation.port}/console/demo"
        with pytest.raises(AccessError, match="nope"):
            await console_url(config, {}, "nope", None)


async def test_links_by_the_name_that_the_cloud_has(installation: Installation) -> None:
    """Where only one has it."""
    users = (Listen(address=f"127.0.0.1:{installation.port}", access="users"),)
    instance = (Instance(id=DEMO.instance_id, alias="web", region=DEMO.region),)
    config = installation.config(listen=users, instance=instance)
    async with running(
        installation.folder, cloud=installation.cloud, listen=users, instance=instance
    ):
        link = await console_url(config, {}, DEMO.name, None)
        assert link == f"http://127.0.0.1:{installation.port}/console/web"
        with pytest.raises(AccessError, match="no instance  is"):
            await console_url(config, {}, "", None)


async def test_links_that_cannot_be(installation: Installation) -> None:
    """No daemon, or no such instance."""
    config = installation.config()
    with pytest.raises(NoDaemonError):
        await console_url(config, {}, "demo", None)
    async with running(installation.folder, cloud=installation.cloud, listen=config.listen):
        with pytest.raises(AccessError) as refusal:
            await console_url(config, {}, "unknown", None)
        assert refusal.value.status == 404


# The cloud's own page, and the permit that it takes


async def official(config: Config, name: str = "demo", **how: Any) -> str:
    """The cloud's own page, for who has the keys."""
    options = {"force": False, "with_password": False, "announce": lambda text: None, **how}
    return await official_url(config, environ(), name, **options)


async def used(installation: Installation, key: str = DEMO.instance_id) -> int:
    """Permits of the reconnect ledger that are spent or booked."""
    ledger = SqliteLedger(installation.folder / "state" / FILE_NAME, Budget)
    try:
        return (await usage_of(ledger, key)).used
    finally:
        await ledger.close()


async def test_the_official_page(installation: Installation) -> None:
    """A fresh VncUrl in the cloud's own address, and one permit less; nothing is dialled."""
    config = installation.config()
    address = await official(config)
    start, _, query = address.partition("?")
    assert start == config.aliyun.official_page
    found = parse_qs(query, strict_parsing=True)
    assert set(found) == {"vncUrl", "instanceId", "isWindows"}
    assert found["instanceId"] == [DEMO.instance_id]
    assert found["isWindows"] == ["false"]
    assert await used(installation) == 1
    assert len(installation.cloud.dials) == 0
    # The page decodes it once and dials it.
    async with (
        aiohttp.ClientSession() as http,
        http.ws_connect(found["vncUrl"][0], protocols=("binary",)) as socket,
    ):
        assert (await socket.receive_bytes()).startswith(b"RFB ")
    assert not installation.cloud.breaches


async def test_the_official_page_is_refused_while_it_is_open(installation: Installation) -> None:
    """The cloud allows one at a time; --force does it all the same."""
    config = installation.config()
    async with running(
        installation.folder, cloud=installation.cloud, listen=config.listen
    ) as setup:
        token = (installation.folder / "state" / "token").read_text().strip()
        socket = await setup.http.ws_connect(
            f"{setup.base}/websockify/demo", headers={"Authorization": f"Bearer {token}"}
        )
        await socket.receive()
        for name in ("demo", DEMO.instance_id):
            with pytest.raises(LocalError, match="--force"):
                await official(config, name)
        assert await used(installation) == 1
        assert "vncUrl=" in await official(config, force=True)
        assert await used(installation) == 2
        await socket.close()


@pytest.mark.real
async def test_the_official_page_is_refused_while_another_daemon_has_it(
    installation: Installation, valkey_server: ValkeyServer
) -> None:
    """The command says which; --force does it all the same, and counts for all daemons."""
    config = installation.config(throttle=Throttle(store=valkey_server.url))
    store = ValkeyStore(StoreAddress(host="127.0.0.1", port=valkey_server.port))
    other = SharedOwnership(store, "other", "bastion-2", "https://b2.example.com")
    await other.claim(DEMO.instance_id)
    with pytest.raises(LocalError, match="bastion-2") as caught:
        await official(config)
    assert caught.value.public_text.endswith("https://b2.example.com Or say --force.")
    shared = ValkeyLedger(store, Budget)
    assert (await usage_of(shared, DEMO.instance_id)).used == 0
    assert "vncUrl=" in await official(config, force=True)
    assert (await usage_of(shared, DEMO.instance_id)).used == 1
    await other.close()
    assert "vncUrl=" in await official(config)
    await shared.close()


async def test_the_password_goes_with_it_on_request(
    installation: Installation, tmp_path: Path
) -> None:
    """Only then is it in the address, and only if there is one."""
    secret = tmp_path / "password"
    secret.touch(mode=0o600)
    secret.write_text("abc123\n")
    instance = Instance(id=DEMO.instance_id, alias="demo", password_file=secret, windows=True)
    config = installation.config(instance=(instance,))
    assert "abc123" not in await official(config)
    found = parse_qs((await official(config, with_password=True)).partition("?")[2])
    assert (found["password"], found["isWindows"]) == (["abc123"], ["true"])
    with pytest.raises(LocalError, match="password_file"):
        await official(installation.config(), with_password=True)
    assert await used(installation) == 2


async def test_the_budget_counts(installation: Installation) -> None:
    """With no permit left it says when there is one, and asks the cloud for nothing."""
    limits = Limits(reconnects_per_minute=2, max_wait=1.0)
    config = installation.config(limits=limits)
    for _ in range(2):
        await official(config)
    calls = len(installation.cloud.calls)
    with pytest.raises(LocalError, match=r"the next time is in \d+ s"):
        await official(config)
    assert len(installation.cloud.calls) == calls


class _EnoughError(Exception):
    """What the test wanted has happened."""


async def test_a_wait_is_reported(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Within max_wait it waits for the permit, and says for how long."""
    slept: list[float] = []

    async def sleep(delay_s: float) -> None:
        slept.append(delay_s)
        raise _EnoughError

    config = installation.config(limits=Limits(reconnects_per_minute=1))
    await official(config)
    monkeypatch.setattr("vncproxy.commands.console_url.asyncio", SimpleNamespace(sleep=sleep))
    said: list[str] = []
    with pytest.raises(_EnoughError):
        await official(config, announce=said.append)
    assert said == [f"waiting {slept[0]:.0f} s for the reconnect budget"]
    assert 50 < slept[0] < 70


async def test_the_account_as_the_budgets_key(installation: Installation) -> None:
    """The permit is booked where the daemon books it."""
    await official(installation.config(limits=Limits(reconnects_key="account")))
    # One for the account counts for every instance.
    assert await used(installation, "i-another") == 1
    await official(installation.config())
    assert await used(installation, "i-another") == 1
    assert await used(installation) == 2


async def test_a_refusal_of_the_cloud_costs_no_permit(installation: Installation) -> None:
    """There is nothing to dial then."""
    with pytest.raises(CloudError) as refusal:
        await official(installation.config("stopped"), "stopped")
    assert refusal.value.code == "IncorrectInstanceStatus"
    assert await used(installation, "i-bp1demo0000000000002") == 0


async def test_without_a_ledger_it_refuses(installation: Installation) -> None:
    """One that is in the daemon's memory, or can't be written: nothing may be dialled."""
    with pytest.raises(LedgerError, match="memory"):
        await official(installation.config(throttle=Throttle(store="memory")))
    (installation.folder / "state").mkdir(mode=0o700)
    (installation.folder / "state" / "ledger.sqlite").mkdir()
    with pytest.raises(LedgerError):
        await official(installation.config())
    (installation.folder / "file").touch()
    with pytest.raises(ConfigError):
        await official(
            installation.config(state=State(directory=installation.folder / "file" / "state"))
        )
    assert not [
        call for call in installation.cloud.calls if call.action == "DescribeInstanceVncUrl"
    ]


async def test_an_unknown_instance(installation: Installation) -> None:
    """Nothing is made or booked for it."""
    with pytest.raises(AccessError, match="unknown"):
        await official(installation.config(), "unknown")
    assert not (installation.folder / "state").exists()


async def test_a_throttled_api_is_reported(installation: Installation) -> None:
    """The command doesn't try for long by itself."""
    installation.cloud.faults.next("DescribeInstanceVncUrl", ApiFault.error("Throttling.User"))
    with pytest.raises(CloudError) as refusal:
        await official(installation.config())
    assert refusal.value.code == "Throttling.User"
    assert await used(installation) == 0


async def test_discovered_instances(installation: Installation) -> None:
    """They are found by id, without being configured."""
    aliyun = Aliyun(endpoint=installation.cloud.endpoint, discover=True)
    address = await official(installation.config(instance=(), aliyun=aliyun), DEMO.instance_id)
    assert DEMO.instance_id in address


async def test_plain_vncurls(installation: Installation) -> None:
    """An answer that isn't percent-encoded gives the same page."""
    async with Simulator(replace(SETTINGS, vnc_url_encoding="plain")) as cloud:
        address = await official(
            Installation(cloud, installation.folder, installation.port).config()
        )
    assert parse_qs(address.partition("?")[2])["vncUrl"][0].startswith("ws://127.0.0.1:")
