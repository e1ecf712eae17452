"""Starting, stopping and restarting an instance: the calls, and which status each wants. Pure.

Source: ECS API reference, StartInstance, StopInstance and RebootInstance.
"""

from __future__ import annotations

from enum import StrEnum

from vncproxy.errors import CloudError, CloudErrorKind


class PowerAction(StrEnum):
    """What can be done with an instance."""

    START = "start"
    STOP = "stop"
    RESTART = "restart"

    @property
    def api_action(self) -> str:
        """The API's name, as RAM policies have it."""
        return _API_ACTIONS[self]

    @property
    def wants(self) -> str:
        """The status in which it can be done."""
        return "Stopped" if self is PowerAction.START else "Running"

    @property
    def leads_to(self) -> str:
        """The status that says that it is done."""
        return "Stopped" if self is PowerAction.STOP else "Running"


_API_ACTIONS = {
    PowerAction.START: "StartInstance",
    PowerAction.STOP: "StopInstance",
    PowerAction.RESTART: "RebootInstance",
}


def that_fit(status: str) -> list[PowerAction]:
    """What can be done in this status."""
    return [action for action in PowerAction if action.wants == status]


def may_have_arrived(error: CloudError) -> bool:
    """Whether the cloud may carry out a call that failed so: its answer was lost, or is unclear.

    Throttling is a plain refusal. A nonce that was used already is none: something in between may
    have sent the call twice, and the cloud taken the first.
    """
    return error.kind is CloudErrorKind.TRANSIENT and not error.throttled
