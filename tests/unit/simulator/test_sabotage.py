"""What a fault does to the server's stream."""

from __future__ import annotations

import random
import struct

import pytest

from tests.unit.simulator.test_watch import VERSION, running
from vncproxy.simulator import Ending, GatewayFault, GatewayFaultKind, Step
from vncproxy.simulator.sabotage import Sabotage
from vncproxy.simulator.watch import ClientWatch


def sabotage(fault: GatewayFault | None, watch: ClientWatch | None = None) -> Sabotage:
    """Repeatable."""
    return Sabotage(fault, watch or ClientWatch(), random.Random(1))


def test_without_a_fault_all_passes() -> None:
    """Unchanged."""
    passed = sabotage(None).pass_on(b"bytes")
    assert (passed.data, passed.ending) == (b"bytes", None)


@pytest.mark.parametrize(
    ("fault", "ending"),
    [
        (GatewayFault.reset_after(5), Ending.RESET),
        (GatewayFault.close_after(5), Ending.CLOSE),
        (GatewayFault.stall_after(5), Ending.STALL),
    ],
)
def test_the_stream_ends_after_so_many_bytes(fault: GatewayFault, ending: Ending) -> None:
    """To the byte, over several pieces."""
    spoiled = sabotage(fault)
    assert spoiled.pass_on(b"abc").ending is None
    passed = spoiled.pass_on(b"defg")
    assert (passed.data, passed.ending) == (b"de", ending)


def test_the_end_comes_at_the_step_asked_for() -> None:
    """The version passes, the list of security types doesn't."""
    watch = ClientWatch()
    spoiled = sabotage(GatewayFault.close_at(Step.SECURITY_TYPES), watch)
    assert spoiled.pass_on(VERSION).data == VERSION
    watch.feed_server(VERSION)
    watch.feed_client(VERSION)
    passed = spoiled.pass_on(b"\1\1")
    assert (passed.data, passed.ending) == (b"", Ending.DROP)


def test_a_frozen_session_has_shaken_hands() -> None:
    """From then on nothing goes either way."""
    shaking = sabotage(GatewayFault.freeze())
    assert not shaking.frozen
    assert shaking.pass_on(VERSION).data == VERSION
    frozen = sabotage(GatewayFault.freeze(), running())
    assert frozen.frozen
    passed = frozen.pass_on(b"bytes")
    assert (passed.data, passed.ending) == (b"", Ending.STALL)


def test_garbage_replaces_the_version() -> None:
    """Then silence."""
    passed = sabotage(GatewayFault(GatewayFaultKind.GARBAGE)).pass_on(VERSION)
    assert not passed.data.startswith(b"RFB")
    assert passed.ending is Ending.STALL


@pytest.mark.parametrize("kind", [GatewayFaultKind.BAD_RECTANGLE, GatewayFaultKind.UNKNOWN_MESSAGE])
def test_the_first_update_is_replaced(kind: GatewayFaultKind) -> None:
    """By a rectangle outside the screen, or by a message that nobody knows."""
    watch = running()
    spoiled = sabotage(GatewayFault(kind), watch)
    assert spoiled.pass_on(b"\2").data == b"\2"
    watch.feed_client(struct.pack(">BBHHHH", 3, 0, 0, 0, 8, 6))
    data = spoiled.pass_on(b"an update").data
    if kind is GatewayFaultKind.UNKNOWN_MESSAGE:
        assert data[0] not in {0, 1, 2, 3, 150, 248, 250, 255}
    else:
        assert data[0] == 0
        assert struct.unpack(">H", data[4:6])[0] > 8
