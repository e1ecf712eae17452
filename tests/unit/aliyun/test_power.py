"""Which power call wants which status, and what an error of one means."""

from __future__ import annotations

import pytest

from vncproxy.aliyun.errors import refused, transient, unreadable
from vncproxy.aliyun.power import PowerAction, may_have_arrived, that_fit
from vncproxy.errors import CloudError


@pytest.mark.parametrize(
    ("status", "actions"),
    [
        ("Running", ["stop", "restart"]),
        ("Stopped", ["start"]),
        ("Starting", []),
        ("Stopping", []),
        ("Pending", []),
        ("", []),
    ],
)
def test_only_what_fits_the_status_can_be_done(status: str, actions: list[str]) -> None:
    """Nothing while it changes."""
    assert that_fit(status) == actions


def test_the_calls_have_the_apis_names() -> None:
    """And lead to a status."""
    assert [(one.api_action, one.leads_to) for one in PowerAction] == [
        ("StartInstance", "Running"),
        ("StopInstance", "Stopped"),
        ("RebootInstance", "Running"),
    ]


@pytest.mark.parametrize(
    ("error", "lost"),
    [
        (transient("The ECS API didn't answer within 10 s."), True),
        (unreadable(502), True),
        (refused(500, "InternalError", action="StopInstance"), True),
        (refused(503, "ServiceUnavailable", action="StopInstance"), True),
        (refused(400, "SignatureNonceUsed", action="StopInstance"), True),
        (refused(400, "Throttling.User", action="StopInstance"), False),
        (refused(403, "IncorrectInstanceStatus", action="StopInstance"), False),
        (refused(403, "InstanceLockedForSecurity", action="StopInstance"), False),
        (refused(403, "Forbidden.RAM", action="StopInstance"), False),
    ],
)
def test_a_call_without_a_clear_refusal_may_have_arrived(error: CloudError, lost: bool) -> None:
    """It isn't sent again then."""
    assert may_have_arrived(error) is lost
