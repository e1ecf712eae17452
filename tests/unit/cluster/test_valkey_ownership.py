"""Who has a console, over several daemons and a real server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import pytest
from structlog.testing import capture_logs

from tests.real.peers.valkey import ValkeyServer
from tests.unit.throttle.switched_store import SwitchedStore
from vncproxy.cluster.ownership import LEASE_S, Owner
from vncproxy.cluster.valkey_ownership import SharedOwnership
from vncproxy.throttle.valkey_connection import StoreAddress

pytestmark = [pytest.mark.real, pytest.mark.sockets]

ONE = Owner("bastion-1", "https://one.example.com")
TWO = Owner("bastion-2")


@dataclass
class Daemon:
    """One daemon's view, and its way to the server."""

    ownership: SharedOwnership
    store: SwitchedStore


Maker = Callable[[str, Owner], Daemon]


@pytest.fixture
async def make(store_address: StoreAddress) -> AsyncIterator[Maker]:
    stores: list[SwitchedStore] = []

    def make(daemon_id: str, owner: Owner) -> Daemon:
        stores.append(SwitchedStore(store_address))
        return Daemon(SharedOwnership(stores[-1], daemon_id, owner.name, owner.url), stores[-1])

    yield make
    for store in stores:
        store.cut = False
        await store.close()


@pytest.fixture
def one(make: Maker) -> SharedOwnership:
    return make("d-1", ONE).ownership


@pytest.fixture
def two(make: Maker) -> SharedOwnership:
    return make("d-2", TWO).ownership


async def test_the_first_who_claims_has_it(one: SharedOwnership, two: SharedOwnership) -> None:
    """The second learns who, and where; other consoles are free."""
    assert await one.claim("i-1") is None
    assert await two.claim("i-1") == ONE
    assert await two.owner("i-1") == ONE
    assert await one.owner("i-1") is None
    assert await two.claim("i-2") is None
    assert await one.owner("i-2") == TWO


async def test_a_look_claims_nothing(one: SharedOwnership, two: SharedOwnership) -> None:
    """Asking who has a console leaves it free."""
    assert await one.owner("i-1") is None
    assert await two.claim("i-1") is None


async def test_claiming_again_is_harmless(one: SharedOwnership, two: SharedOwnership) -> None:
    """A console that is ours stays ours."""
    assert await one.claim("i-1") is None
    assert await one.claim("i-1") is None
    assert await two.claim("i-1") == ONE


async def test_a_released_console_is_free(one: SharedOwnership, two: SharedOwnership) -> None:
    """Who asks next has it."""
    await one.claim("i-1")
    await one.release("i-1")
    assert await two.claim("i-1") is None


async def test_what_another_has_can_not_be_released(
    one: SharedOwnership, two: SharedOwnership, valkey_server: ValkeyServer
) -> None:
    """A claim that was lost meanwhile is left alone."""
    await one.claim("i-1")
    valkey_server.command("DEL", "vncproxy:console:i-1")
    await two.claim("i-1")
    await one.release("i-1")
    assert await one.owner("i-1") == TWO


async def test_a_claim_ends_by_itself_and_renewing_keeps_it(
    one: SharedOwnership, valkey_server: ValkeyServer
) -> None:
    """Its life on the server is the lease, from the last renewal on."""
    await one.claim("i-1")
    key = "vncproxy:console:i-1"
    lease_ms = LEASE_S * 1000
    assert 0 < int(valkey_server.command("PTTL", key)[1:]) <= lease_ms
    valkey_server.command("PEXPIRE", key, "1000")
    assert await one.renew(["i-1"]) == {}
    assert 1000 < int(valkey_server.command("PTTL", key)[1:]) <= lease_ms


async def test_a_lost_claim_is_reported(
    one: SharedOwnership, two: SharedOwnership, valkey_server: ValkeyServer
) -> None:
    """Renewing says which consoles another daemon has taken; a free one is taken back."""
    for name in ("i-1", "i-2", "i-3"):
        await one.claim(name)
    valkey_server.command("DEL", "vncproxy:console:i-1", "vncproxy:console:i-2")
    await two.claim("i-1")
    assert await one.renew(["i-1", "i-2", "i-3"]) == {"i-1": TWO}
    assert await two.owner("i-2") == ONE


async def test_closing_releases_everything(one: SharedOwnership, two: SharedOwnership) -> None:
    """A daemon that stops leaves its consoles to the others at once."""
    await one.claim("i-1")
    await one.claim("i-2")
    await one.close()
    await one.close()
    assert await two.renew(["i-1", "i-2"]) == {}


async def test_a_daemon_that_comes_back_finds_its_claims(make: Maker, one: SharedOwnership) -> None:
    """After a crash the same daemon isn't locked out by itself."""
    await one.claim("i-1")
    again = make("d-1", ONE).ownership
    assert await again.claim("i-1") is None


async def test_without_the_server_every_claim_is_granted(make: Maker) -> None:
    """The log says so once, and once when it is over; nobody waits for the server meanwhile."""
    one, two = make("d-1", ONE), make("d-2", TWO)
    await one.ownership.claim("i-1")
    two.store.cut = True
    with capture_logs() as events:
        assert await two.ownership.claim("i-1") is None
        calls = two.store.calls
        assert await two.ownership.claim("i-1") is None
        assert await two.ownership.owner("i-1") is None
        await two.ownership.release("i-1")
        await two.ownership.close()
        assert two.store.calls == calls
        assert await two.ownership.renew(["i-1"]) == {}
        two.store.cut = False
        assert await two.ownership.renew(["i-1"]) == {"i-1": ONE}
    assert [(event["event"], event["log_level"]) for event in events] == [
        ("ownership.unknown", "warning"),
        ("ownership.known_again", "info"),
    ]
    assert events[0]["why"] == "the shared store is away"
    assert await two.ownership.claim("i-1") == ONE


async def test_consoles_opened_meanwhile_are_claimed_when_it_is_back(make: Maker) -> None:
    """The first who renews has it."""
    one, two = make("d-1", ONE), make("d-2", TWO)
    one.store.cut = two.store.cut = True
    for daemon in (one, two):
        assert await daemon.ownership.claim("i-1") is None
    one.store.cut = two.store.cut = False
    assert await one.ownership.renew(["i-1"]) == {}
    assert await two.ownership.renew(["i-1"]) == {"i-1": ONE}


async def test_with_nothing_open_the_server_is_still_asked(make: Maker) -> None:
    """An idle daemon notices that it is back."""
    one = make("d-1", ONE)
    one.store.cut = True
    await one.ownership.claim("i-1")
    one.store.cut = False
    assert await one.ownership.renew([]) == {}
    with capture_logs() as events:
        await one.ownership.claim("i-2")
    assert events == []
    assert await make("d-2", TWO).ownership.owner("i-2") == ONE


async def test_a_strange_claim_is_somebody_s(
    one: SharedOwnership, valkey_server: ValkeyServer
) -> None:
    """What can't be read was written by a daemon that isn't known."""
    valkey_server.command("SET", "vncproxy:console:i-1", "garbage")
    assert await one.claim("i-1") == Owner("another one")


@pytest.mark.parametrize("pass_on", [True, False])
async def test_whether_pages_go_on_is_this_daemon_s_own_choice(
    one: SharedOwnership, store_address: StoreAddress, pass_on: bool
) -> None:
    """Whatever the other one has."""
    assert await one.claim("i-1") is None
    store = SwitchedStore(store_address)
    mine = SharedOwnership(store, "d-3", "bastion-3", "", pass_on=pass_on)
    found = await mine.claim("i-1")
    assert found is not None
    assert found.refusal().pass_on is pass_on
    await store.close()


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ('{"daemon":"x","name":"b-9","url":"javascript:alert(1)"}', Owner("b-9")),
        ('{"daemon":"x","name":"b-9","url":"https://b-9@evil.example"}', Owner("b-9")),
        (
            '{"daemon":"x","name":"b 9 <b>","url":"https://b9/"}',
            Owner("another one", "https://b9/"),
        ),
        ('{"daemon":"x","name":"' + "b" * 64 + '"}', Owner("another one")),
        ('{"daemon":"x"}', Owner("another one")),
        ("[" * 100_000, Owner("another one")),
    ],
)
async def test_what_others_wrote_is_shown_only_if_it_is_harmless(
    two: SharedOwnership, valkey_server: ValkeyServer, written: str, shown: Owner
) -> None:
    """Names that are names, addresses that are addresses; the claim counts in any case."""
    valkey_server.command("SET", "vncproxy:console:i-1", written)
    assert await two.claim("i-1") == shown
