"""The narrow interface behind which both WebSockets hide.

Nothing above a transport knows a frame: received bytes come in slices of any size whose ends mean
nothing, bytes go out as lists of slices, reading can be paused, and each reports its end once,
also to a receiver that is attached after it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from vncproxy.errors import CloseReason, Side
from vncproxy.websocket.frames import Slice

ABNORMAL = 1006
"""No close frame came. Source: RFC 6455, section 7.1.5."""

CLOSE_TIMEOUT_S = 2.0
"""How long a peer may take to answer a close before its connection is dropped."""


@dataclass(frozen=True, slots=True)
class TransportEnd:
    """How a transport ended: on whose side, with which WebSocket close code.

    Args:
        broke_rules: The peer broke WebSocket rules, and what it sent was thrown away.
        flooded: It kept sending what means nothing.
    """

    side: Side
    code: int = ABNORMAL
    broke_rules: bool = False
    flooded: bool = False

    @property
    def breach(self) -> str:
        """What the peer did wrong, in words that follow its name; "" if nothing."""
        if self.flooded:
            return "kept sending what means nothing"
        return "broke WebSocket rules" if self.broke_rules else ""


class TransportReceiver(Protocol):
    """What a transport calls, always on the event loop's thread."""

    def transport_received(self, data: bytes | memoryview) -> int:
        """Bytes came, at most an `InputFlow`'s `turn_bytes` in a turn of the event loop.

        The end of `data` means nothing. It may be kept, it won't change. Gives how many of them
        were taken: the rest comes again at a later turn, before anything else.
        """

    def transport_drained(self) -> None:
        """The backlog has fallen to nothing after having been more."""

    def transport_ended(self, end: TransportEnd) -> None:
        """The transport is over; called once, nothing follows."""


class BodyReceiver(Protocol):
    """What a transport calls with a body that is only counted: the pixels of a Raw rectangle."""

    @property
    def body_bytes(self) -> int:
        """So much of what comes next is part of such a body; 0: all has to be read."""

    def transport_passed(self, slices: Sequence[Slice], size_bytes: int) -> None:
        """The next of the body came.

        Args:
            slices: May be sent on as they are.
            size_bytes: Their length together, `body_bytes` or less.
        """


class Transport(Protocol):
    """One WebSocket or TCP connection."""

    @property
    def backlog_bytes(self) -> int:
        """Bytes handed to `send` that the operating system hasn't taken yet."""

    @property
    def sent_bytes(self) -> int:
        """Bytes that the operating system has taken since the start; grows while a peer reads."""

    def attach(self, receiver: TransportReceiver, body: BodyReceiver | None = None) -> None:
        """Start delivering, what came before and the end included; called once.

        Args:
            receiver: Gets all that comes.
            body: Gets in its place what it only counts, where that costs less.
        """

    def send(self, slices: Sequence[Slice]) -> None:
        """Send slices, in order; after the end they are thrown away."""

    def pause(self) -> None:
        """Deliver nothing until `resume`, and stop reading."""

    def resume(self) -> None:
        """Go on, from the next turn of the event loop."""

    def again(self) -> None:
        """Deliver something at the next turn, nothing if there is nothing: more is to be done."""

    def waste(self, work: int) -> None:
        """What was delivered meant nothing; of that a peer has a ration.

        Beyond it the peer is read later; one that never stops ends as `TransportEnd.flooded` says.

        Args:
            work: What it cost, in units: one is what a short message costs.
        """

    async def close(self, reason: CloseReason | None = None) -> None:
        """Send what is queued and a close frame, then drop: each within `CLOSE_TIMEOUT_S`."""

    async def shut(self) -> None:
        """End what runs for the transport, and drop its connection if that is still there."""
