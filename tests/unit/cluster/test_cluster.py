"""The parts that [throttle] names."""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.current_budget import CurrentBudget
from tests.real.peers.valkey import ValkeyServer
from tests.unit.throttle.usage import usage_of
from vncproxy.cluster.cluster import Cluster, cluster_of, store_password
from vncproxy.cluster.ownership import LocalOwnership, Owner
from vncproxy.config.model import Throttle
from vncproxy.throttle.fallback_ledger import FallbackLedger
from vncproxy.throttle.ledger_interface import Booking
from vncproxy.throttle.memory_ledger import MemoryLedger
from vncproxy.throttle.reconnect_budget import Budget
from vncproxy.throttle.sqlite_ledger import SqliteLedger

pytestmark = pytest.mark.sockets

BUDGET = Budget(limit=6)


@pytest.mark.parametrize(("store", "kind"), [("memory", MemoryLedger), ("sqlite", SqliteLedger)])
async def test_a_single_daemon(tmp_path: Path, store: str, kind: type) -> None:
    """It has no others to watch, and nothing that could be degraded."""
    bastion = cluster_of(Throttle(store=store), lambda: BUDGET, tmp_path)
    assert isinstance(bastion.ledger, kind)
    assert isinstance(bastion.ownership, LocalOwnership)
    assert bastion.degraded is None
    await bastion.watch()
    await bastion.ledger.close()
    assert store_password(Throttle(store=store)) is None


def shared(
    throttle: Throttle, state: Path, budget: Callable[[], Budget] = lambda: BUDGET
) -> Cluster:
    """A daemon with this state directory, which names it."""
    state.mkdir()
    return cluster_of(throttle, budget, state, daemon_id=state.name)


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


RIGHTS = (
    "~vncproxy:* -@all +evalsha +eval +time +info +select +get +set +del +pexpire "
    "+hset +hget +hmget +hgetall +hvals +hexists +hdel "
    "+zadd +zcard +zrem +zremrangebyscore +zrevrangebyscore"
)
"""What a user of the server must be allowed, as config/README.md has it."""


def test_the_document_names_these_rights() -> None:
    """Operators copy them from there."""
    document = Path(__file__).parents[3] / "config" / "README.md"
    assert RIGHTS in " ".join(document.read_text().split())


@pytest.mark.real
async def test_the_rights_that_are_enough(tmp_path: Path, valkey_server: ValkeyServer) -> None:
    """A user of the server that may do just this can do everything for a daemon."""
    answer = valkey_server.command(
        "ACL", "SETUSER", "bastion", "reset", "on", ">hunter2", *RIGHTS.split()
    )
    assert answer == b"+OK\r\n"
    url = f"valkey://bastion:hunter2@127.0.0.1:{valkey_server.port}/1"
    current = CurrentBudget(BUDGET)
    one, two = (shared(Throttle(store=url), tmp_path / name, current) for name in ("d1", "d2"))
    assert isinstance(one.ledger, FallbackLedger)
    assert isinstance(two.ledger, FallbackLedger)
    account = replace(BUDGET, by_account=True)
    for bastion, budget in ((one.ledger, BUDGET), (two.ledger, BUDGET), (one.ledger, account)):
        current.now = budget
        await bastion._heartbeat()
        await bastion.check_writable()
        answers = [await bastion.book("i-1", 0.0) for _ in range(2)]
        first, second = (a for a in answers if isinstance(a, Booking))
        assert await bastion.spend(first)
        await bastion.cancel(second)
        assert (await usage_of(bastion, "i-1")).used > 0
    assert await one.ownership.claim("i-1") is None
    assert await two.ownership.claim("i-1") is not None
    assert await one.ownership.renew(["i-1"]) == {}
    assert await two.ownership.owner("i-1") is not None
    await one.ownership.release("i-1")
    assert one.degraded is two.degraded is None
    for bastion in (one.ledger, two.ledger):
        await bastion.close()
    refused = cluster_of(
        Throttle(store=url.replace("hunter2", "hunter3")), lambda: BUDGET, tmp_path
    )
    await refused.ledger.check_writable()
    assert "refuses the user" in (refused.degraded or "")
    await refused.ledger.close()


async def test_without_the_server_it_says_what_is_degraded(tmp_path: Path, port: int) -> None:
    """Consoles can be opened all the same, by a share of the budget."""
    changes: list[bool] = []
    bastion = cluster_of(
        Throttle(store=f"valkey://:hunter2@127.0.0.1:{port}"),
        lambda: BUDGET,
        tmp_path,
        daemon_id="d1",
        on_degraded=changes.append,
    )
    assert isinstance(await bastion.ledger.book("i-1", 0.0), Booking)
    assert bastion.degraded is not None
    assert "can't be reached" in bastion.degraded
    assert "3 of the 6" in bastion.degraded
    assert changes == [True]
    await bastion.ledger.close()


def test_the_password_to_be_hidden() -> None:
    """As it is sent to the server: percent-decoded."""
    assert store_password(Throttle(store="valkey://ops:hun%40ter@h")) == "hun@ter"
    assert store_password(Throttle(store="valkey://h")) is None
