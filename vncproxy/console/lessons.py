"""What a console learned, between its keepalive and the store."""

from __future__ import annotations

from vncproxy.console.keepalive_memory import Learned, Opaque
from vncproxy.rfb.keepalive import KeepaliveClass, KeepaliveMemory


def to_memory(learned: Learned | None) -> KeepaliveMemory | None:
    """The keepalive's memory in a lesson; None if there is none that this version knows."""
    if learned is None:
        return None
    try:
        kind = KeepaliveClass(learned.keepalive_class)
    except ValueError:
        return None
    return KeepaliveMemory(kind, learned.evidence, learned.earlier_s)


def to_lesson(
    memory: KeepaliveMemory, *, unknown: str, opaque: Opaque | None, learned_at: float
) -> Learned:
    """A lesson to store; `learned_at` is in seconds of the wall clock."""
    return Learned(
        memory.kind.value, memory.evidence, memory.earlier_ts, unknown, opaque, learned_at
    )
