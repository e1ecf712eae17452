"""Statuses of error codes."""

from __future__ import annotations

import pytest

from vncproxy.simulator.api_errors import status_and_message


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("InvalidRegionInstance", 400),
        ("IncorrectInstanceStatus", 403),
        ("InstanceNotReady", 403),
        ("InvalidInstanceId.NotFound", 404),
        ("InvalidRegionId.NotFound", 404),
        ("InternalError", 500),
        ("Throttling", 400),
        ("Throttling.User", 400),
        ("Throttling.Api", 400),
        ("MissingParameter", 400),
        ("SignatureNonceUsed", 400),
        ("InvalidTimeStamp.Expired", 400),
        ("InvalidAccessKeyId.NotFound", 404),
        ("Forbidden.RAM", 403),
        ("ServiceUnavailable", 503),
        ("Something.New", 400),
    ],
)
def test_a_code_has_the_documented_status(code: str, status: int) -> None:
    """Throttling is a 400; what is unknown is one too."""
    assert status_and_message(code)[0] == status
