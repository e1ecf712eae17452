"""What one turn of the event loop does for one peer, and what becomes of one that never stops."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.console.fakes import settle, until
from vncproxy.websocket import input_flow_control as module
from vncproxy.websocket.input_flow_control import (
    IDLE_WORK_BURST,
    IDLE_WORK_PATIENCE_S,
    IDLE_WORK_PER_S,
    TURN_BYTES,
    TURN_PIECES,
    InputFlow,
    Ration,
)

Buffer = bytes | memoryview


class Peer:
    """A flow whose transport and receiver are the test; `most` is taken of each piece."""

    def __init__(self, most: int = 1 << 30) -> None:
        """Nothing was read."""
        self.taken = b""
        self.pieces: list[int] = []
        self.most = most
        self.reading = True
        self.floods = 0
        self.turn = 0
        self.by_turn: dict[int, int] = {}
        self.then: Callable[[], None] = lambda: None
        self.flow = InputFlow(self.take, self)

    def take(self, data: Buffer) -> int:
        """Some of it."""
        taken = min(len(data), self.most)
        self.taken += data[:taken]
        self.pieces.append(taken)
        self.by_turn[self.turn] = self.by_turn.get(self.turn, 0) + taken
        self.then()
        return taken

    def input_wanted(self, on: bool) -> None:
        """The transport starts or stops."""
        self.reading = on

    def input_flooded(self) -> None:
        """Never stops."""
        self.floods += 1

    async def turns(self) -> None:
        """Let turns pass until nothing is held."""
        while self.flow.held_bytes:
            self.turn += 1
            await asyncio.sleep(0)


def opened(most: int = 1 << 30) -> Peer:
    """One that has begun."""
    peer = Peer(most)
    peer.flow.resume()
    return peer


async def test_a_key_is_given_at_once() -> None:
    """What is little isn't put off to another turn."""
    peer = opened()
    await settle()
    peer.flow.put(b"key")
    assert peer.taken == b"key"
    assert peer.reading


async def test_a_turn_takes_no_more_than_its_share() -> None:
    """The rest waits, in order; nothing more is read meanwhile."""
    peer = opened()
    await settle()
    data = bytes(range(256)) * (5 * TURN_BYTES // 256)
    peer.flow.put(data)
    assert len(peer.taken) == TURN_BYTES
    assert not peer.reading
    peer.flow.put(b"read already")
    await peer.turns()
    assert peer.taken == data + b"read already"
    assert max(peer.by_turn.values()) <= TURN_BYTES
    await settle()
    assert peer.reading


async def test_a_turn_takes_so_many_pieces() -> None:
    """However small they are, and however often a transport gives one within a turn."""
    peer = opened()
    await settle()
    for number in range(10 * TURN_PIECES):
        peer.flow.put(bytes([number % 256]))
    assert len(peer.taken) == TURN_PIECES
    await peer.turns()
    assert peer.taken == bytes(number % 256 for number in range(10 * TURN_PIECES))
    assert max(peer.by_turn.values()) <= TURN_PIECES


async def test_the_others_have_their_turn() -> None:
    """Between two portions of one, all that is due of the others runs."""
    loud, quiet, order = opened(), opened(), []
    await settle()
    loud.then = lambda: order.append("loud")
    quiet.then = lambda: order.append("quiet")
    loud.flow.put(bytes(4 * TURN_BYTES))
    asyncio.get_running_loop().call_soon(quiet.flow.put, b"key")
    await loud.turns()
    assert sorted(order) == ["loud"] * 4 + ["quiet"]
    assert order.index("quiet") <= 2


async def test_what_is_not_taken_comes_again() -> None:
    """At a later turn, before anything else."""
    peer = opened(most=100)
    await settle()
    peer.flow.put(bytes(range(250)))
    assert len(peer.taken) == 100
    await peer.turns()
    assert peer.taken == bytes(range(250))
    assert peer.pieces == [100, 100, 50]


async def test_nothing_comes_while_paused() -> None:
    """Nor is anything read; it comes after `resume`, not in the midst of it."""
    peer = Peer()
    peer.flow.put(b"early")
    assert (peer.taken, peer.reading) == (b"", False)
    peer.flow.resume()
    assert peer.taken == b""
    await settle()
    assert (peer.taken, peer.reading) == (b"early", True)
    peer.then = peer.flow.pause
    peer.flow.put(b"one")
    assert not peer.reading
    peer.flow.put(b"two")
    assert (peer.taken, peer.reading) == (b"earlyone", False)
    peer.then = lambda: None
    peer.flow.resume()
    await settle()
    assert peer.taken == b"earlyonetwo"


async def test_a_receiver_that_is_not_done() -> None:
    """It is called at the next turn, also with nothing, and till then nothing is read."""
    peer = opened()
    await settle()
    peer.then = peer.flow.again
    peer.flow.put(b"much to do")
    assert (peer.pieces, peer.reading) == ([10], False)
    peer.then = lambda: None
    await settle()
    assert (peer.pieces, peer.reading) == ([10, 0], True)


async def test_a_receiver_that_is_not_done_is_called_once() -> None:
    """With what came meanwhile if there is any; and not before it wants something again."""
    peer = opened()
    await settle()
    peer.flow.again()
    peer.flow.put(b"came meanwhile")
    assert peer.pieces == []
    await settle()
    assert (peer.pieces, peer.reading) == ([14], True)
    peer.flow.again()
    peer.flow.pause()
    await settle()
    assert peer.pieces == [14]
    peer.flow.resume()
    await settle()
    assert peer.pieces == [14, 0]


STOPS: dict[str, Callable[[Peer], None]] = {
    "paused": lambda peer: peer.flow.pause(),
    "not done": lambda peer: peer.flow.again(),
    "over its ration": lambda peer: peer.flow.waste(IDLE_WORK_BURST + IDLE_WORK_PER_S // 100),
}


@pytest.mark.parametrize("stops", STOPS.values(), ids=STOPS)
async def test_nothing_more_is_given_in_a_turn_that_the_receiver_stopped(
    stops: Callable[[Peer], None],
) -> None:
    """However much is held; it comes later, each byte once."""
    peer = Peer()
    peer.then = lambda: stops(peer)
    for data in (b"first", b"second"):
        peer.flow.put(data)
    peer.flow.resume()
    await asyncio.sleep(0)
    assert peer.taken == b"first"
    peer.then = lambda: None
    peer.flow.resume()
    await until(lambda: not peer.flow.held_bytes)
    assert peer.taken == b"firstsecond"


async def test_what_comes_while_something_is_taken_comes_after_it() -> None:
    """Once, and in order."""
    peer = opened()
    await settle()

    def more() -> None:
        peer.then = lambda: None
        peer.flow.put(b" second")

    peer.then = more
    peer.flow.put(b"first")
    await peer.turns()
    assert peer.taken == b"first second"


@pytest.mark.parametrize("paused", [False, True])
async def test_after_a_stop_all_is_thrown_away(paused: bool) -> None:
    """What is held and what comes; nothing is read any more, and the end is reported at once."""
    peer = opened()
    await settle()
    if paused:
        peer.flow.pause()
        peer.flow.put(b"held")
    peer.flow.stop()
    reading, ends = peer.reading, []
    peer.flow.put(b"late")
    peer.flow.end(lambda: ends.append(len(peer.taken)))
    assert ends == [0]
    peer.flow.resume()
    await settle()
    assert (peer.taken, peer.flow.held_bytes, peer.reading) == (b"", 0, reading)


async def test_the_receiver_may_stop_it_while_it_takes() -> None:
    """Then nothing of what is held follows."""
    peer = opened()
    await settle()
    peer.then = peer.flow.stop
    peer.flow.put(bytes(3 * TURN_BYTES))
    await settle()
    assert (len(peer.taken), peer.flow.held_bytes) == (TURN_BYTES, 0)


async def test_the_end_comes_last() -> None:
    """After all that was read; at once where nothing waits."""
    peer = opened()
    await settle()
    ends: list[int] = []
    peer.flow.put(bytes(3 * TURN_BYTES))
    peer.flow.end(lambda: ends.append(len(peer.taken)))
    assert ends == []
    await until(lambda: ends)
    assert ends == [3 * TURN_BYTES]


async def test_the_end_waits_for_what_is_being_taken() -> None:
    """Also where it is reported in the midst of that, as a close frame and a lost connection do."""
    peer, ends = opened(), []
    await settle()
    peer.then = lambda: peer.flow.end(lambda: ends.append(len(peer.taken)))
    peer.flow.put(bytes(3 * TURN_BYTES))
    await until(lambda: len(ends) == 3)
    assert ends == [3 * TURN_BYTES] * 3


def test_a_ration_is_refilled() -> None:
    """Short bursts are free; beyond, all waits until what was too much is paid for."""
    ration = Ration(0.0)
    assert ration.spend(IDLE_WORK_BURST, 0.0) == 0
    assert ration.spend(IDLE_WORK_PER_S // 2, 0.0) == pytest.approx(0.5)
    assert ration.spend(1, 0.6) == 0
    assert ration.spend(1 << 30, 0.6) <= 1.0


@given(st.lists(st.tuples(st.integers(1, 3000), st.floats(0, 2)), max_size=50))
def test_no_more_than_the_ration_is_ever_had(inputs: list[tuple[int, float]]) -> None:
    """Over any time: the burst, what the time gave, and one second's debt."""
    ration, now, spent = Ration(0.0), 0.0, 0
    for work, pause in inputs:
        rest = ration.spend(work, now)
        spent += min(work, 3000)
        now += max(rest, pause)
        assert spent - work <= IDLE_WORK_BURST + IDLE_WORK_PER_S * now + 1


def test_one_that_never_stops_is_ended() -> None:
    """Not one that only says much for a while."""
    ration, now = Ration(0.0), 0.0
    while now < IDLE_WORK_PATIENCE_S:
        assert not ration.exceeded
        now += ration.spend(IDLE_WORK_PER_S, now) + 0.01
    for _ in range(9):
        now += ration.spend(IDLE_WORK_PER_S, now)
    assert ration.exceeded


def test_one_that_recovers_is_never_ended() -> None:
    """Neither one that is quiet between its bursts, nor one that just keeps within its ration."""
    bursts, now = Ration(0.0), 0.0
    for _ in range(100):
        rest_s = bursts.spend(IDLE_WORK_BURST + IDLE_WORK_PER_S // 2, now)
        assert rest_s > 0
        assert not bursts.exceeded
        now += rest_s + IDLE_WORK_BURST / IDLE_WORK_PER_S
    steady = Ration(0.0)
    steady.spend(IDLE_WORK_BURST * 9 // 10, 0.0)
    for tenths in range(1, 10 * int(2 * IDLE_WORK_PATIENCE_S)):
        assert steady.spend(IDLE_WORK_PER_S // 10, tenths / 10) == 0
        assert not steady.exceeded


async def test_what_is_within_the_ration_holds_up_nothing() -> None:
    """Reading goes on."""
    peer = opened()
    await settle()
    peer.flow.waste(IDLE_WORK_BURST // 2)
    assert peer.reading
    peer.flow.put(b"key")
    assert peer.taken == b"key"


@pytest.mark.usefixtures("idle_clock")
async def test_what_means_nothing_is_read_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond its ration a peer is paused, though nobody else holds it back; then it goes on."""
    monkeypatch.setattr(module, "IDLE_WORK_BURST", 100)
    monkeypatch.setattr(module, "IDLE_WORK_PER_S", 2000)
    peer = opened()
    await settle()
    peer.then = lambda: peer.flow.waste(300)
    peer.flow.put(b"idle")
    peer.then = lambda: None
    assert not peer.reading
    peer.flow.put(b"more")
    await settle()
    assert peer.taken == b"idle"
    await until(lambda: peer.taken == b"idlemore")
    await until(lambda: peer.reading)
    assert not peer.floods


@pytest.mark.usefixtures("idle_clock")
async def test_one_that_never_stops_is_reported_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """And nothing more of it is given."""
    monkeypatch.setattr(module, "IDLE_WORK_BURST", 10)
    monkeypatch.setattr(module, "IDLE_WORK_PATIENCE_S", 0.0)
    peer = opened()
    await settle()
    peer.then = lambda: peer.flow.waste(1000)
    peer.flow.put(b"idle")
    await asyncio.sleep(0.001)
    peer.flow.waste(1000)
    peer.flow.waste(1000)
    peer.flow.put(b"more")
    await settle()
    assert (peer.taken, peer.floods) == (b"idle", 1)
