"""What the audit records of requests."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.owner_client import OwnerClient, owner_client
from tests.setup import running, until
from vncproxy.config.model import Listen

pytestmark = pytest.mark.sockets


@dataclass
class Audited:
    """A daemon behind a token, and its audit."""

    owner: OwnerClient
    path: Path

    async def records(self, event: str, count: int = 1) -> list[dict[str, Any]]:
        """The records of this kind, once there are so many."""
        return await self.owner.setup.audited(event, count)


@pytest.fixture
async def audited(tmp_path: Path) -> AsyncIterator[Audited]:
    """See the class."""
    async with running(tmp_path, access="token") as setup:
        yield Audited(owner_client(setup), setup.daemon.state / "audit.jsonl")


async def test_a_log_in_names_its_proof(audited: Audited) -> None:
    """The token, or a ticket that was given to somebody."""
    owner = audited.owner
    await owner.log_in()
    made = await owner.post("/api/v1/tickets", {}, owner.bearer)
    used = await owner.post("/api/v1/session", {"ticket": made.json["ticket"]}, owner.origin)
    assert used.status == 200
    first, second = await audited.records("login", 2)
    assert (first["user"], first["identity"]) == ("owner", "bearer")
    assert (second["user"], second["identity"]) == ("owner", "ticket")
    assert {first["door"], second["door"]} == {"local"}
    assert {first["address"], second["address"]} == {"127.0.0.1"}


async def test_a_log_out_counts_where_somebody_was_logged_in(audited: Audited) -> None:
    """Once."""
    owner = audited.owner
    cookie = await owner.log_in()
    for _ in range(2):
        await owner.ask("/api/v1/session", cookie, owner.origin, method="DELETE")
    await owner.log_in()
    await audited.records("login", 2)
    assert [record["identity"] for record in await audited.records("logout")] == ["cookie"]


async def test_a_wrong_token_is_a_refusal(audited: Audited) -> None:
    """Without a user, since nobody knows who it was, and without the token."""
    owner = audited.owner
    assert (await owner.post("/api/v1/session", {"token": "planted-wrong"})).status == 401
    assert (await owner.ask("/api/v1/consoles", "Authorization: Bearer planted")).status == 401
    first, *_ = await audited.records("refusal")
    assert (first["code"], first["reason"], first["text"]) == (
        401,
        "wrong-token",
        "The token is wrong.",
    )
    assert "user" not in first
    assert "planted" not in audited.path.read_text()


async def test_the_same_refusal_is_not_recorded_each_time(audited: Audited) -> None:
    """Who knocks without end doesn't fill the disk; other refusals are recorded."""
    owner = audited.owner
    for _ in range(20):
        assert (await owner.ask("/api/v1/consoles")).status == 401
    assert (await owner.ask("/api/v1/consoles", host="evil.example")).status == 421
    assert [r["reason"] for r in await audited.records("refusal", 2)] == ["log-in", "foreign-host"]


async def test_an_account_is_one_from_all_addresses_of_this_machine(audited: Audited) -> None:
    """It has all of 127/8 to come from: the audit grows by one record."""
    owner = audited.owner
    for number in range(1, 40):
        connector = aiohttp.TCPConnector(local_addr=(f"127.0.0.{number}", 0))
        async with (
            aiohttp.ClientSession(connector=connector) as http,
            http.get(f"http://127.0.0.1:{owner.port}/api/v1/consoles") as answer,
        ):
            assert answer.status == 401
    assert (await owner.ask("/api/v1/consoles", host="evil.example")).status == 421
    assert [r["reason"] for r in await audited.records("refusal", 2)] == ["log-in", "foreign-host"]


async def test_a_refused_path_is_not_repeated(audited: Audited) -> None:
    """What somebody put into an address may be anything; an instance is named if it is known."""
    owner = audited.owner
    unknown = await owner.ask("/api/v1/consoles/planted-name/admission", owner.bearer)
    assert unknown.status == 404
    closed = await owner.ask("/api/v1/consoles/demo", owner.bearer, method="DELETE")
    assert closed.status == 404
    first, second = await audited.records("refusal", 2)
    assert "instance" not in first
    assert (first["user"], second["user"]) == ("owner", "owner")
    assert second["alias"] == "demo"
    assert "planted" not in audited.path.read_text()


async def test_who_comes_through_a_unix_socket(tmp_path: Path, short_path: Path) -> None:
    """Has no address but that."""
    socket = short_path / "s"
    listen = (Listen(address=f"unix:{socket}", access="token"),)
    async with running(tmp_path, listen=listen) as setup:
        async with (
            aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(socket))) as http,
            http.get("http://localhost/api/v1/consoles") as answer,
        ):
            assert answer.status == 401
        path = setup.daemon.state / "audit.jsonl"
        await until(lambda: b'"refusal"' in path.read_bytes(), "the record")
    record = json.loads(path.read_bytes().splitlines()[1])
    assert record["address"] == "unix"
