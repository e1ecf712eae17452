"""Queues of faults."""

from __future__ import annotations

import pytest

from vncproxy.simulator import ANY, ApiFault, ApiFaultKind, FaultQueue, GatewayFault, Step
from vncproxy.simulator.faults import MAX_QUEUED


def test_a_fault_hits_once_and_in_order() -> None:
    """Each waits for its action, first come first served."""
    queue: FaultQueue[ApiFault] = FaultQueue()
    queue.next("A", ApiFault.html())
    queue.next("A", ApiFault.error("Throttling"), times=2)
    first, second, third = queue.take("A"), queue.take("A"), queue.take("A")
    assert first is not None
    assert first.kind is ApiFaultKind.HTML
    assert second == third == ApiFault.error("Throttling")
    assert queue.take("A") is None


def test_any_stands_for_all_but_comes_second() -> None:
    """A fault for the very action is used before one for any."""
    queue: FaultQueue[ApiFault] = FaultQueue()
    queue.next(ANY, ApiFault.reset())
    queue.next("A", ApiFault.http_500())
    assert queue.take("B") == ApiFault.reset()
    assert queue.take("A") == ApiFault.http_500()
    assert len(queue) == 0


def test_a_queue_is_bounded() -> None:
    """More than its bound is refused."""
    queue: FaultQueue[GatewayFault] = FaultQueue()
    queue.next("i-1", GatewayFault.close_at(Step.VERSION), times=MAX_QUEUED)
    with pytest.raises(ValueError, match="waiting"):
        queue.next("i-1", GatewayFault.refuse())
    queue.clear()
    assert queue.take("i-1") is None
