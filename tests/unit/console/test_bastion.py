"""The parts that [throttle] names."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from tests.real.peers.valkey import ValkeyServer
from vncproxy.config.model import Throttle
from vncproxy.console.bastion import Bastion, bastion_of, store_password
from vncproxy.console.ownership import LocalOwnership, Owner
from vncproxy.throttle.budget import Budget
from vncproxy.throttle.fallback import FallbackLedger
from vncproxy.throttle.ledger import Booking
from vncproxy.throttle.memory import MemoryLedger
from vncproxy.throttle.sqlite import SqliteLedger

BUDGET = Budget(limit=6)


@pytest.mark.parametrize(("store", "kind"), [("memory", MemoryLedger), ("sqlite", SqliteLedger)])
async def test_a_single_daemon(tmp_path: Path, store: str, kind: type) -> None:
    """It has no others to watch, and nothing that could be degraded."""
    bastion = bastion_of(Throttle(store=store), BUDGET, tmp_path)
    assert isinstance(bastion.ledger, kind)
    assert isinstance(bastion.ownership, LocalOwnership)
    assert bastion.degraded is None
    await bastion.watch()
    await bastion.ledger.close()
    assert store_password(Throttle(store=store)) is None


def shared(throttle: Throttle, state: Path) -> Bastion:
    """A daemon with this state directory, which names it."""
    state.mkdir()
    return bastion_of(throttle, BUDGET, state, daemon_id=state.name)


@pytest.mark.real
async def test_daemons_that_share_a_server(tmp_path: Path, valkey_server: ValkeyServer) -> None:
    """They share the budget and know of each other's consoles, by name and address."""
    by_tcp = Throttle(store=valkey_server.url, name="b1", url="https://b1")
    one = shared(by_tcp, tmp_path / "d1")
    two = shared(Throttle(store=f"valkey+unix://{valkey_server.socket}"), tmp_path / "d2")
    assert isinstance(one.ledger, FallbackLedger)
    for _ in range(6):
        answer = await one.ledger.book("i-1", 0.0)
        assert isinstance(answer, Booking)
        assert await one.ledger.spend(answer)
    assert not isinstance(await two.ledger.book("i-1", 0.0), Booking)
    assert await one.ownership.claim("i-1") is None
    assert await two.ownership.claim("i-1") == Owner("b1", "https://b1")
    assert await two.ownership.claim("i-2") is None
    assert await one.ownership.claim("i-2") == Owner(socket.gethostname())
    assert one.degraded is two.degraded is None
    for bastion in (one, two):
        await bastion.ownership.close()
        await bastion.ledger.close()


async def test_without_the_server_it_says_what_is_degraded(tmp_path: Path, port: int) -> None:
    """Consoles can be opened all the same, by a share of the budget."""
    said: list[bool] = []
    bastion = bastion_of(
        Throttle(store=f"valkey://:hunter2@127.0.0.1:{port}"),
        BUDGET,
        tmp_path,
        daemon_id="d1",
        said=said.append,
    )
    assert isinstance(await bastion.ledger.book("i-1", 0.0), Booking)
    assert bastion.degraded is not None
    assert "can't be reached" in bastion.degraded
    assert "3 of the 6" in bastion.degraded
    assert said == [True]
    await bastion.ledger.close()


def test_the_password_to_be_hidden() -> None:
    """As it is sent to the server: percent-decoded."""
    assert store_password(Throttle(store="valkey://ops:hun%40ter@h")) == "hun@ter"
    assert store_password(Throttle(store="valkey://h")) is None
