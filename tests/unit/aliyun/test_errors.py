"""The table of cloud errors."""

from __future__ import annotations

import pytest

from vncproxy.aliyun.errors import permanent, refused, transient, unreadable
from vncproxy.errors import CloudErrorKind

PERMANENT, WAITS = CloudErrorKind.PERMANENT, CloudErrorKind.WAITS
CREDENTIALS, TRANSIENT = CloudErrorKind.CREDENTIALS, CloudErrorKind.TRANSIENT
CLOCK = CloudErrorKind.CLOCK


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (404, "InvalidInstanceId.NotFound", PERMANENT),
        (404, "InvalidRegionId.NotFound", PERMANENT),
        (400, "InvalidRegionInstance", PERMANENT),
        (400, "MissingParameter", PERMANENT),
        (400, "InvalidParameter", PERMANENT),
        (400, "InvalidParameter.InstanceId", PERMANENT),
        (403, "Forbidden.RAM", PERMANENT),
        (403, "Forbidden", PERMANENT),
        (404, "InvalidAccessKeyId.NotFound", PERMANENT),
        (403, "InvalidAccessKeyId.Inactive", PERMANENT),
        (503, "Forbidden.AccessKeyDisabled", PERMANENT),
        (400, "SignatureDoesNotMatch", PERMANENT),
        (400, "IncompleteSignature", PERMANENT),
        (400, "InvalidTimeStamp.Format", PERMANENT),
        (418, "SomethingNew", PERMANENT),
        (500, "Forbidden.RAM", PERMANENT),
        (403, "IncorrectInstanceStatus", WAITS),
        (403, "IncorrectInstanceStatus.Initializing", WAITS),
        (403, "InstanceNotReady", WAITS),
        (400, "InvalidSecurityToken.Expired", CREDENTIALS),
        (400, "InvalidSecurityToken.Malformed", CREDENTIALS),
        (400, "Throttling", TRANSIENT),
        (400, "Throttling.User", TRANSIENT),
        (429, "Throttling.Api", TRANSIENT),
        (503, "ServiceUnavailable", TRANSIENT),
        (500, "InternalError", TRANSIENT),
        (400, "InternalError", TRANSIENT),
        (502, "SomethingNew", TRANSIENT),
        (500, "", TRANSIENT),
        (400, "InvalidTimeStamp.Expired", CLOCK),
        (400, "SignatureNonceUsed", TRANSIENT),
    ],
)
def test_each_code_has_its_kind(status: int, code: str, kind: CloudErrorKind) -> None:
    """The code decides, by its prefix; the status only where the code is unknown."""
    error = refused(status, code, action="DescribeInstanceVncUrl")
    assert error.kind is kind
    assert error.code == code
    assert error.public_text.endswith(".")
    assert "{" not in error.public_text


@pytest.mark.parametrize(
    ("code", "words"),
    [("Throttling", "10 s"), ("Throttling.User", "its API"), ("Throttling.Api", "its API")],
)
def test_only_plain_throttling_is_about_one_picture(code: str, words: str) -> None:
    """The others are about the account's calls."""
    assert words in refused(400, code, action="GetInstanceScreenshot").public_text


def test_a_missing_permission_names_the_action() -> None:
    """The sentence says which action to grant."""
    text = refused(403, "Forbidden.RAM", action="DescribeInstances").public_text
    assert "ecs:DescribeInstances" in text
    assert "grant" in text


@pytest.mark.parametrize("code", ["InvalidAccessKeyId.Inactive", "Forbidden.AccessKeyDisabled"])
def test_a_disabled_access_key_is_logged_to_be(code: str) -> None:
    """And not one that lacks a permission, or that nobody knows."""
    text = refused(403, code, action="DescribeInstances").public_text
    assert "disabled" in text
    assert "RAM user may not" not in text
    assert "doesn't know" not in text


def test_an_unsafe_code_is_not_repeated() -> None:
    """A code with anything but letters, digits, dots, dashes and underscores is dropped."""
    error = refused(400, "Evil wss://x?s=1\r\n", action="A")
    assert error.code == ""
    assert "Evil" not in error.public_text
    assert error.close_reason().reason == "upstream-refused"


def test_an_unsafe_code_still_has_its_kind() -> None:
    """What follows the prefix doesn't matter for the kind."""
    assert refused(400, "Throttling\n", action="A").kind is TRANSIENT


def test_facts_for_the_log_are_kept() -> None:
    """Request id and the wait that was asked for go along, not into the public text."""
    error = refused(400, "Throttling", action="A", request_id="R-1", retry_after_s=2.5)
    assert (error.request_id, error.retry_after_s) == ("R-1", 2.5)
    assert "R-1" not in error.public_text


def test_errors_without_a_code() -> None:
    """Unreadable answers are transient; our own words for permanent ones reach the close reason."""
    assert unreadable(200, 1.0).retry_after_s == 1.0
    assert unreadable(200).kind is transient("x").kind is TRANSIENT
    assert permanent("x", "NoCredentials").close_reason().reason == (
        "upstream-refused: NoCredentials"
    )
