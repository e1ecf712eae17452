"""What a gateway fault does to the server's stream of one session. Sans-I/O."""

from __future__ import annotations

import random
import struct
from dataclasses import dataclass
from enum import StrEnum

from vncproxy.simulator.faults import GatewayFault, GatewayFaultKind
from vncproxy.simulator.watch import ClientWatch

_GARBAGE_BYTES = 4096
_UNKNOWN_MESSAGE = b"\x63" + bytes(31)


class Ending(StrEnum):
    """How a session is ended."""

    DROP = "drop"
    RESET = "reset"
    CLOSE = "close"
    STALL = "stall"
    MALFORMED_CLOSE = "malformed-close"
    """A close frame with the code 1006, which is for nobody to send."""


@dataclass(frozen=True, slots=True)
class Passed:
    """What becomes of a piece of the server's stream: bytes to send, then perhaps an end."""

    data: bytes
    ending: Ending | None = None


class Sabotage:
    """Lets the server's bytes pass until the fault's moment has come."""

    def __init__(
        self, fault: GatewayFault | None, watch: ClientWatch, randomness: random.Random
    ) -> None:
        self._fault = fault
        self._watch = watch
        self._random = randomness
        self._passed_bytes = 0

    @property
    def frozen(self) -> bool:
        """Whether the client's messages are ignored."""
        return (
            self._fault is not None
            and self._fault.kind is GatewayFaultKind.FREEZE
            and self._watch.running
        )

    def pass_on(self, data: bytes) -> Passed:
        """What of these bytes goes to the client.

        Call it before the watch sees them: `watch.step` is what they are.
        """
        fault, watch = self._fault, self._watch
        if fault is None:
            return Passed(data)
        if self.frozen:
            return Passed(b"", Ending.STALL)
        match fault.kind:
            case GatewayFaultKind.CLOSE_AT if watch.step is fault.step:
                return Passed(b"", Ending.DROP)
            case GatewayFaultKind.GARBAGE if watch.step is fault.step:
                return Passed(self._random.randbytes(_GARBAGE_BYTES), Ending.STALL)
            case GatewayFaultKind.RESET_AFTER:
                return self._end_after(data, fault.after_bytes, Ending.RESET)
            case GatewayFaultKind.CLOSE_AFTER:
                return self._end_after(data, fault.after_bytes, Ending.CLOSE)
            case GatewayFaultKind.STALL_AFTER:
                return self._end_after(data, fault.after_bytes, Ending.STALL)
            case GatewayFaultKind.BAD_RECTANGLE if watch.request_outstanding:
                return Passed(_bad_rectangle(), Ending.STALL)
            case GatewayFaultKind.UNKNOWN_MESSAGE if watch.request_outstanding:
                return Passed(_UNKNOWN_MESSAGE, Ending.STALL)
            case _:
                return Passed(data)

    def _end_after(self, data: bytes, limit_bytes: int, ending: Ending) -> Passed:
        room = limit_bytes - self._passed_bytes
        self._passed_bytes += len(data)
        if len(data) < room:
            return Passed(data)
        return Passed(data[: max(room, 0)], ending)


def _bad_rectangle() -> bytes:
    """An update whose only rectangle, in Raw, lies outside of any framebuffer."""
    return struct.pack(">BxHHHHHi", 0, 1, 60000, 60000, 5000, 5000, 0) + bytes(64)
