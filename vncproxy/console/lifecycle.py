"""A console's life as a table.

Laws:
1. Nothing is dialled but after a permit: `FETCHING_URL` is entered from `WAITING_BUDGET` only.
2. A VncUrl is used at once or never: `CONNECTING` is entered from `FETCHING_URL` only.
3. `CLOSED` is the end: nothing leads out of it.
"""

from __future__ import annotations

from enum import Enum

from vncproxy.errors import LocalError


class _ByIdentity(Enum):
    """An Enum whose members are looked up by what they are: cheaper than its own way, by name."""

    __hash__ = object.__hash__


class State(_ByIdentity):
    """Where a console is; the value is its name in the API."""

    IDLE = "idle"
    WAITING_BUDGET = "waiting-budget"
    FETCHING_URL = "fetching-url"
    CONNECTING = "connecting"
    HANDSHAKE = "handshake"
    PASSWORD = "password"  # noqa: S105 - a state's name
    RUNNING = "running"
    RESUMING = "resuming"
    OPAQUE = "opaque"
    CLOSED = "closed"


class Trigger(_ByIdentity):
    """What moves a console on."""

    WANTED = "a viewer wants the console"
    PERMIT_GRANTED = "the ledger granted a permit"
    URL_OBTAINED = "the cloud gave a VncUrl"
    CONNECTED = "the WebSocket is open"
    READY = "ServerInit came"
    UNKNOWN_SECURITY = "the upstream's security is unknown"
    PASSWORD_WANTED = "the upstream wants a VNC password that nobody gave"  # noqa: S105
    PASSWORD_GIVEN = "somebody gave the VNC password"  # noqa: S105
    ATTEMPT_FAILED = "this attempt failed, another may do better"
    LINK_LOST = "a link that had worked is gone"
    ENDED = "nobody wants it any more, or it can't be had"


TRANSITIONS: dict[tuple[State, Trigger], State] = {
    (State.IDLE, Trigger.WANTED): State.WAITING_BUDGET,
    (State.WAITING_BUDGET, Trigger.PERMIT_GRANTED): State.FETCHING_URL,
    (State.WAITING_BUDGET, Trigger.ATTEMPT_FAILED): State.RESUMING,
    (State.FETCHING_URL, Trigger.URL_OBTAINED): State.CONNECTING,
    (State.FETCHING_URL, Trigger.ATTEMPT_FAILED): State.RESUMING,
    (State.CONNECTING, Trigger.CONNECTED): State.HANDSHAKE,
    (State.CONNECTING, Trigger.ATTEMPT_FAILED): State.RESUMING,
    (State.HANDSHAKE, Trigger.READY): State.RUNNING,
    (State.HANDSHAKE, Trigger.UNKNOWN_SECURITY): State.OPAQUE,
    (State.HANDSHAKE, Trigger.PASSWORD_WANTED): State.PASSWORD,
    (State.HANDSHAKE, Trigger.ATTEMPT_FAILED): State.RESUMING,
    (State.PASSWORD, Trigger.PASSWORD_GIVEN): State.WAITING_BUDGET,
    (State.RUNNING, Trigger.LINK_LOST): State.RESUMING,
    (State.RESUMING, Trigger.WANTED): State.WAITING_BUDGET,
    **{(state, Trigger.ENDED): State.CLOSED for state in State if state is not State.CLOSED},
}


class Lifecycle:
    """Where one console is, and the only way to move it."""

    def __init__(self) -> None:
        """Begin idle."""
        self.state = State.IDLE

    def advance(self, trigger: Trigger) -> State:
        """The state after `trigger`.

        Raises:
            LocalError: The table has no such transition.
        """
        try:
            self.state = TRANSITIONS[self.state, trigger]
        except KeyError:
            raise LocalError(
                f"a console that is {self.state.value} can't be told: {trigger.value}"
            ) from None
        return self.state
