"""A reload of the running daemon: what is new counts at once, and no session notices."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from msgspec.structs import replace

from tests.authority import Authority
from tests.fault.test_audit import records
from tests.owner_client import owner_client
from tests.setup import Closed, Running, Viewer, running, until
from tests.unit.access.test_users import add
from vncproxy.audit.verification import verify
from vncproxy.config.model import (
    Access,
    Aliyun,
    Audit,
    Config,
    Instance,
    Limits,
    Listen,
    Log,
    Metrics,
    Rule,
    State,
)
from vncproxy.errors import ConfigError, ConfigProblem
from vncproxy.simulator.settings import SimulatedInstance, SimulatorSettings


class File:
    """The configuration file, as `change` left it."""

    def __init__(self) -> None:
        """As it was at the start."""
        self.change: Callable[[Config], Config] = lambda config: config

    def read(self, config: Config) -> Config:
        """What stands in it now; raises what `change` raises."""
        return self.change(config)


@asynccontextmanager
async def serving(folder: Path, **how: Any) -> AsyncIterator[tuple[Running, File]]:
    """A daemon with a file, and a viewer's picture on its console."""
    file = File()
    async with running(folder, reread=file.read, **how) as setup:
        yield setup, file


async def reload(setup: Running) -> dict[str, Any]:
    """Reload, and give the event that tells how it went."""
    words = ("reload.done", "reload.refused")
    before = sum(event["event"] in words for event in setup.events)
    setup.daemon.reload()
    await until(
        lambda: sum(event["event"] in words for event in setup.events) > before, "the answer"
    )
    return [event for event in setup.events if event["event"] in words][-1]


async def still_shows(setup: Running, viewer: Viewer) -> None:
    """Whether the viewer goes on seeing what happens on the screen."""
    updates = viewer.decoder.updates
    await viewer.type("x")
    await viewer.send(viewer.request(0))
    await until(lambda: viewer.decoder.updates > updates, "another picture")
    assert not viewer.socket.closed


async def test_a_session_does_not_notice(tmp_path: Path) -> None:
    """The instance is renamed, the limits and the log's level change: the viewer stays on."""
    async with serving(tmp_path, log=Log(format="json", level="info")) as (setup, file):
        viewer = await setup.viewer()
        await until(lambda: setup.shows(viewer), "the picture")
        file.change = lambda config: replace(
            config,
            limits=Limits(max_viewers=1),
            log=Log(format="json", level="debug"),
            instance=(replace(config.instance[0], alias="renamed"),),
        )
        assert (await reload(setup))["event"] == "reload.done"
        await still_shows(setup, viewer)
        assert len(setup.cloud.sessions) == 1
        async with setup.http.get(f"{setup.base}/api/v1/instances") as answer:
            (row,) = (await answer.json())["instances"]
        assert row["alias"] == "renamed"
        setup.alias = "renamed"
        # The console that is open keeps its limits.
        other = await setup.viewer()
        await until(lambda: setup.shows(other), "a second viewer's picture")


async def test_limits_of_new_consoles(tmp_path: Path) -> None:
    """max_viewers counts for a console that is opened afterwards."""
    async with serving(tmp_path) as (setup, file):
        file.change = lambda config: replace(config, limits=Limits(max_viewers=1))
        await reload(setup)
        viewer = await setup.viewer()
        await until(lambda: setup.shows(viewer), "the picture")
        with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
            await setup.connect()
        assert refusal.value.status == 429


async def test_a_wrong_configuration_changes_nothing(tmp_path: Path) -> None:
    """Neither one that can't be read nor one whose files can't; the reason is in the log."""
    async with serving(tmp_path) as (setup, file):
        viewer = await setup.viewer()
        await until(lambda: setup.shows(viewer), "the picture")

        def unreadable(config: Config) -> Config:
            raise ConfigError([ConfigProblem("[limits]", "linger", "'long'", "seconds")])

        def without_password(config: Config) -> Config:
            missing = replace(config.instance[0], alias="new", password_file=tmp_path / "missing")
            return replace(config, instance=(missing,))

        for change, part in ((unreadable, "'long'"), (without_password, "missing")):
            file.change = change
            event = await reload(setup)
            assert event["event"] == "reload.refused"
            assert part in event["text"]
        await still_shows(setup, viewer)
        async with setup.http.get(f"{setup.base}/api/v1/instances") as answer:
            (row,) = (await answer.json())["instances"]
        assert row["alias"] == "demo"


async def test_what_needs_a_restart(tmp_path: Path) -> None:
    """It is named and stays; what else changed counts."""
    async with serving(tmp_path) as (setup, file):
        file.change = lambda config: replace(
            config,
            listen=(Listen(name="other"),),
            state=State(directory=tmp_path / "elsewhere"),
            metrics=Metrics(access="open"),
        )
        event = await reload(setup)
        assert event["restart"] == ["[[listen]]", "[state]"]
        assert not (tmp_path / "elsewhere").exists()
        # Reported again until somebody does it.
        assert (await reload(setup))["restart"] == ["[[listen]]", "[state]"]


async def test_the_door_is_another_on_connections_that_stay(tmp_path: Path) -> None:
    """Allowed hosts, the metrics' access and the token count for the next request on the same
    connection; an exchanged token ends log-ins.
    """
    token = tmp_path / "token"
    token.touch(mode=0o600)
    token.write_text("the-first-token-of-this-daemon-0000")
    async with serving(tmp_path, access=Access(token_file=token)) as (setup, file):
        owner = client_of(setup, token)
        cookie = await owner.log_in()
        assert (await owner.ask("/api/v1/instances", cookie)).status == 200
        bearer = owner.bearer
        viewer = await owner.viewer()
        reader, writer = await asyncio.open_connection("127.0.0.1", owner.port)

        async def status(*headers: str) -> int:
            lines = ("GET /metrics HTTP/1.1", *headers)
            writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
            head = await reader.readuntil(b"\r\n\r\n")
            size = next(x for x in head.split(b"\r\n") if x.lower().startswith(b"content-length"))
            await reader.readexactly(int(size.partition(b":")[2]))
            return int(head.split()[1])

        assert await status("Host: localhost") == 401
        assert await status("Host: localhost", bearer) == 200
        assert await status("Host: bastion.example", bearer) == 421
        token.write_text("the-second-token-of-this-daemon-000")
        file.change = lambda config: replace(
            config, access=replace(config.access, allowed_hosts=("bastion.example",))
        )
        assert (await reload(setup))["event"] == "reload.done"
        assert await status("Host: bastion.example", bearer) == 401
        await until(lambda: viewer.socket.closed, "the end of what the old token opened")
        assert viewer.socket.close_code == 4403
        fresh = client_of(setup, token).bearer
        assert await status("Host: bastion.example", fresh) == 200
        assert (await owner.ask("/api/v1/instances", cookie)).status == 401
        file.change = lambda config: replace(config, metrics=Metrics(access="open"))
        await reload(setup)
        assert await status("Host: localhost") == 200
        writer.close()


def client_of(setup: Running, token: Path) -> Any:
    """The client whose token is in a file of its own."""
    (setup.daemon.state / "token").write_text(token.read_text())
    return owner_client(setup)


async def test_a_renewed_certificate(tmp_path: Path, authority: Authority) -> None:
    """The next handshake shows it, on a door that never closed; one that is wrong isn't taken."""
    files, renewed, other = authority.issue(), authority.issue(), authority.issue()
    door = Listen(address="127.0.0.1:0", certificate=files.certificate, key=files.key)
    async with serving(tmp_path, listen=(door,)) as (setup, _):
        port = setup.daemon.servers[0].port
        context = authority.client_context()

        async def serial() -> str:
            _, writer = await asyncio.open_connection(
                "127.0.0.1", port, ssl=context, server_hostname="localhost"
            )
            tls: ssl.SSLObject = writer.get_extra_info("ssl_object")
            shown = str((tls.getpeercert() or {})["serialNumber"])
            writer.close()
            await writer.wait_closed()
            return shown

        first = await serial()
        stays = await asyncio.open_connection(
            "127.0.0.1", port, ssl=context, server_hostname="localhost"
        )
        files.certificate.write_bytes(renewed.certificate.read_bytes())
        files.key.write_bytes(renewed.key.read_bytes())
        assert await serial() == first
        assert (await reload(setup))["event"] == "reload.done"
        second = await serial()
        assert second != first
        files.key.write_bytes(other.key.read_bytes())
        event = await reload(setup)
        assert (event["event"], "certificate" in event["text"]) == ("reload.refused", True)
        assert await serial() == second
        stays[1].write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert b" 200 " in await stays[0].readline()
        stays[1].close()


async def test_new_ways_to_the_cloud(tmp_path: Path) -> None:
    """The endpoint counts for the next link, of a console that is open too."""
    async with serving(tmp_path, limits=Limits(linger=0.0)) as (setup, file):
        file.change = lambda config: replace(config, aliyun=Aliyun(endpoint="http://127.0.0.1:1"))
        await reload(setup)
        async with setup.http.get(f"{setup.base}/api/v1/instances") as answer:
            assert (await answer.json())["problem"]["text"]
        file.change = lambda config: config
        await reload(setup)
        viewer = await setup.viewer()
        await until(lambda: setup.shows(viewer), "the picture")


async def test_a_new_budget(tmp_path: Path) -> None:
    """It counts for the next dial, of whichever console, and so does what is counted for."""
    instances = tuple(
        SimulatedInstance(instance_id=f"i-bp1demo{name}", name=name) for name in "abc"
    )
    cloud = SimulatorSettings(instances=instances, animated=False)
    limits = Limits(reconnects_per_minute=2, linger=0.0, max_wait=20.0)
    async with serving(tmp_path, cloud=cloud, limits=limits) as (setup, file):

        async def come(name: str) -> bool:
            """Whether a viewer of this instance gets a picture."""
            setup.alias = name
            viewer = await setup.connect()
            with suppress(Closed):
                await viewer.begin()
                await until(lambda: viewer.decoder.updates, "a picture")
                await viewer.close()
                await until(lambda: not setup.daemon.components.registry.consoles, "the end")
                return True
            assert viewer.socket.close_code == 4429
            return False

        async def with_limits(**new: Any) -> None:
            file.change = lambda config: replace(config, limits=replace(limits, **new))
            assert (await reload(setup))["event"] == "reload.done"

        assert [await come(name) for name in "aaab"] == [True, True, False, True]
        await with_limits(reconnects_per_minute=3)
        assert [await come(name) for name in "aa"] == [True, False]
        # Four dials of the account's six are made, whatever they were counted for then.
        await with_limits(reconnects_per_minute=6, reconnects_key="account")
        assert [await come(name) for name in "cbc"] == [True, True, False]
        await with_limits(reconnects_per_minute=6)
        # Those of the account may have been this instance's.
        assert [await come(name) for name in "cccc"] == [True, True, True, True]
        assert not await come("c")
        assert not setup.cloud.breaches


async def test_another_audit_file(tmp_path: Path) -> None:
    """The chain goes on there before anything else counts; both files are whole."""
    old, new = tmp_path / "state" / "audit.jsonl", tmp_path / "new.jsonl"
    async with serving(tmp_path) as (setup, file):
        file.change = lambda config: replace(config, audit=Audit(file=new))
        assert (await reload(setup))["event"] == "reload.done"
        await (await setup.viewer()).close()
    first, second = (
        [json.loads(line) for line in one.read_text().splitlines()] for one in (old, new)
    )
    kinds = [[record["event"] for record in records] for records in (first, second)]
    assert kinds[0] == ["start", "continued"]
    assert kinds[1][:3] == ["rotated", "reload", "open"]
    assert kinds[1][-1] == "stop"
    [end, *_] = [event["hash"] for event in setup.events if event["event"] == "audit.head"]
    for one, head in ((old, end), (new, None)):
        with one.open("rb") as lines:
            assert verify(lines, head).intact
    assert second[0]["prev"] == first[-1]["hash"] == end


async def test_an_audit_file_that_can_not_be_had(tmp_path: Path, port: int) -> None:
    """The reload is refused, and nothing of it counts; ports that it opened are closed again."""
    secret = tmp_path / "native"
    secret.touch(mode=0o600)
    secret.write_text("abc123")
    link = tmp_path / "link.jsonl"
    link.symlink_to(tmp_path / "elsewhere")
    async with serving(tmp_path) as (setup, file):
        file.change = lambda config: replace(
            config,
            audit=Audit(file=link),
            limits=Limits(max_viewers=1, reconnects_per_minute=1),
            instance=(replace(config.instance[0], tcp_port=port, tcp_password_file=secret),),
        )
        event = await reload(setup)
        assert (event["event"], "symbolic link" in event["text"]) == ("reload.refused", True)
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", port)
        viewers = [await setup.viewer() for _ in range(2)]
        await until(lambda: all(setup.shows(one) for one in viewers), "both pictures")
    with (tmp_path / "state" / "audit.jsonl").open("rb") as lines:
        assert verify(lines).intact


async def test_ports_of_native_viewers(tmp_path: Path, port: int) -> None:
    """A new one opens, one that is gone closes; one that is taken refuses the reload."""
    secret = tmp_path / "native"
    secret.touch(mode=0o600)
    secret.write_text("abc123")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        async with serving(tmp_path) as (setup, file):

            def on(native: int | None) -> Callable[[Config], Config]:
                file_of = secret if native else None
                return lambda config: replace(
                    config,
                    instance=(
                        replace(config.instance[0], tcp_port=native, tcp_password_file=file_of),
                        *config.instance[1:],
                    ),
                )

            async def greets() -> bool:
                try:
                    reader, writer = await asyncio.open_connection("127.0.0.1", port)
                except ConnectionRefusedError:
                    return False
                greeting = await reader.readexactly(12)
                writer.close()
                return greeting == b"RFB 003.008\n"

            assert not await greets()
            file.change = on(port)
            assert (await reload(setup))["event"] == "reload.done"
            assert await greets()
            file.change = on(taken.getsockname()[1])
            assert (await reload(setup))["event"] == "reload.refused"
            assert await greets()
            file.change = on(None)
            assert (await reload(setup))["event"] == "reload.done"
            assert not await greets()


async def test_a_rule_that_is_gone_ends_its_sessions(tmp_path: Path) -> None:
    """Whom a rule let in is closed with 4403; whom another one lets in stays."""
    rules = (Rule(users=("anyone",), instances=("*",), role="control"),)
    async with serving(tmp_path, rule=rules) as (setup, file):
        viewer = await setup.viewer()
        await until(lambda: setup.shows(viewer), "the picture")
        file.change = lambda config: replace(config, limits=Limits(linger=1.0))
        await reload(setup)
        await still_shows(setup, viewer)
        file.change = lambda config: replace(
            config, rule=(Rule(users=("somebody",), instances=("*",)),)
        )
        await reload(setup)
        assert await viewer.ended() == 4403


async def test_an_instance_that_is_gone(tmp_path: Path) -> None:
    """It can't be opened any more; who is on stays."""
    async with serving(tmp_path) as (setup, file):
        viewer = await setup.viewer()
        await until(lambda: setup.shows(viewer), "the picture")
        file.change = lambda config: replace(config, instance=(Instance(id="i-other"),))
        await reload(setup)
        await still_shows(setup, viewer)
        with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
            await setup.connect()
        assert refusal.value.status == 404


async def test_the_audit_has_the_rules_and_users_in_force(tmp_path: Path) -> None:
    """At the start and after each change, so that "rule 2" says something years later."""
    path = tmp_path / "users.json"
    add(path, "ann", "ops")
    ops = Rule(users=("@ops",), instances=("web-*",), role="watch")
    bob = Rule(users=("bob",), instances=("*",), record=True)
    doors = (Listen(address="127.0.0.1:0"), Listen(name="u", address="127.0.0.1:0", access="users"))
    access = Access(users_file=path)
    async with serving(tmp_path, listen=doors, access=access, rule=(ops,)) as (setup, file):
        file.change = lambda config: replace(config, rule=(bob, ops))
        assert (await reload(setup))["event"] == "reload.done"
        add(path, "bob")
        await reload(setup)
        file.change = lambda config: replace(config, rule=())
        await reload(setup)
    logged = [
        (record["event"], record.get("rule") or record.get("reason"), record.get("users"))
        for record in records(tmp_path)
        if record["event"] in ("rule", "users")
    ]
    names = [
        (*key, users and [one.partition(" token")[0] for one in users]) for *key, users in logged
    ]
    assert names == [
        ("rule", "rule 1", ["@ops"]),
        ("users", "known", ["ann (ops)"]),
        ("rule", "rule 1", ["bob"]),
        ("rule", "rule 2", ["@ops"]),
        ("users", "added", ["bob ()"]),
        ("rule", None, None),
    ]


async def test_what_looks_like_an_accident_is_refused(tmp_path: Path) -> None:
    """An empty file, or users that are gone: nobody's session ends by it."""
    path = tmp_path / "users.json"
    add(path, "ann")
    doors = (Listen(address="127.0.0.1:0", access="open"),)
    access = Access(users_file=path)
    async with serving(tmp_path, listen=doors, access=access) as (setup, file):
        viewer = await setup.viewer()
        await until(lambda: setup.shows(viewer), "the picture")
        file.change = lambda config: replace(config, instance=())
        assert "at least one, as before" in (await reload(setup))["text"]
        counted = 'vncproxy_audit_records_total{event="reload-refused"} 1.0'
        await until(lambda: counted in setup.daemon.metrics.render().decode(), "the count")
        file.change = lambda config: config
        path.unlink()
        assert "it is gone" in (await reload(setup))["text"]
        await still_shows(setup, viewer)


async def test_an_open_door_that_loses_its_rules_is_logged(tmp_path: Path) -> None:
    """In the log, and so in the status and the audit."""
    doors = (Listen(name="hall", address="127.0.0.1:0", access="open"),)
    rule = Rule(users=("anyone",), instances=("*",))
    async with serving(tmp_path, listen=doors, rule=(rule,)) as (setup, file):
        file.change = lambda config: replace(config, rule=())
        [note] = (await reload(setup))["notes"]
        assert "open door (hall) may do everything" in note
