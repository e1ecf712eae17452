"""Error codes of the ECS API: HTTP status and message of each.

Source: ECS API reference, DescribeInstanceVncUrl, GetInstanceScreenshot, RebootInstance, and
"Common error codes". The same code may have another status with another call.
"""

from __future__ import annotations

ERRORS: dict[str, tuple[int, str]] = {
    "DryRunOperation": (400, "The request would have been carried out, but DryRun was set."),
    "Forbidden.RAM": (403, "The key's user is not authorized for this operation."),
    "IncompleteSignature": (400, "The request is not signed as the rules ask."),
    "IncorrectInstanceStatus": (403, "The instance's status does not allow this operation."),
    "InstanceLockedForSecurity": (
        403,
        "The operation is denied, since the instance is locked for security reasons.",
    ),
    "InstanceNotReady": (403, "The instance is not ready."),
    "InternalError": (500, "The request has failed by an unknown error of the server."),
    "InvalidAccessKeyId.Inactive": (403, "The access key is disabled."),
    "InvalidAccessKeyId.NotFound": (404, "The access key is not found."),
    "InvalidAction.NotFound": (404, "There is no such action."),
    "InvalidInstanceId.NotFound": (404, "The instance does not exist."),
    "InvalidParameter": (400, "A parameter's value is not valid."),
    "InvalidRegionId.NotFound": (404, "The region does not exist."),
    "InvalidRegionInstance": (400, "The instance is not in this region."),
    "InvalidSecurityToken.Expired": (400, "The security token has expired."),
    "InvalidSecurityToken.Malformed": (400, "The security token is malformed."),
    "InvalidSecurityToken.MismatchWithAccessKey": (
        400,
        "The security token does not belong to this access key.",
    ),
    "InvalidTimeStamp.Expired": (400, "The time stamp is too far from the server's clock."),
    "InvalidTimeStamp.Format": (400, "The time stamp's format is wrong."),
    "MissingParameter": (400, "A required parameter is missing."),
    "MissingSecurityToken": (400, "This access key needs a security token."),
    "NotSupported": (405, "This operation isn't supported for the instance."),
    "ServiceUnavailable": (503, "The service is unavailable for now."),
    "SignatureDoesNotMatch": (400, "The signature does not match the server's."),
    "SignatureNonceUsed": (400, "The signature nonce was used already."),
    "Throttling": (400, "The request was denied by flow control."),
    "Throttling.Api": (400, "The request was denied by the API's flow control."),
    "Throttling.User": (400, "The request was denied by the user's flow control."),
}


def status_and_message(code: str) -> tuple[int, str]:
    """The HTTP status and message of a code; an unknown one is a 400."""
    return ERRORS.get(code, (400, "The request was refused."))
