"""What an error of the ECS API means: its kind, and its text for people.

The table is design.md's, "Errors of the cloud". Codes are matched by prefix and not by status:
throttling, for one, is mostly a 400. Source: ECS API reference, error codes of
DescribeInstanceVncUrl, GetInstanceScreenshot and RebootInstance, and the public error codes.
"""

from __future__ import annotations

from dataclasses import dataclass

from vncproxy.errors import REQUEST_ID_LOGGED, CloudError, CloudErrorKind, safe_cloud_code

NONCE_USED = "SignatureNonceUsed"
DRY_RUN = "DryRunOperation"
LOCKED = "InstanceLockedForSecurity"
NOT_SUPPORTED = "NotSupported"
NO_CREDENTIALS = "NoCredentials"
CERTIFICATE = "CertificateUnverified"
TLS_REFUSED = "TlsRefused"
PROXY_REFUSED = "ProxyRefused"
GATEWAY_REFUSED = "GatewayRefused"
"""Said of a refusal that no other words are known for."""


@dataclass(frozen=True, slots=True)
class _Row:
    prefixes: tuple[str, ...]
    kind: CloudErrorKind
    text: str
    actions: tuple[str, ...] = ()
    """Those that it is about; none: all."""
    exact: bool = False
    """Whether the codes are whole ones."""

    def is_about(self, code: str, action: str) -> bool:
        """Whether this row tells what the code means for the action."""
        named = code in self.prefixes if self.exact else code.startswith(self.prefixes)
        return named and (not self.actions or action in self.actions)


_PICTURE, _BOOT_LOG = ("GetInstanceScreenshot",), ("GetInstanceConsoleOutput",)
_POWER = ("StartInstance", "StopInstance", "RebootInstance")

_ROWS = (
    _Row(
        ("InvalidInstanceId.NotFound",),
        CloudErrorKind.PERMANENT,
        "The cloud knows no instance of this id in this region. "
        "Check id and region in the configuration; the instance may have been released.",
    ),
    _Row(
        ("InvalidRegionId.NotFound", "InvalidRegionInstance"),
        CloudErrorKind.PERMANENT,
        "The cloud doesn't know this region, or the instance is in another one. "
        "Correct the region in the configuration.",
    ),
    _Row(
        ("MissingParameter", "InvalidParameter"),
        CloudErrorKind.PERMANENT,
        "The cloud refused the parameters of ecs:{action}. "
        "Check id and region of the instance in the configuration.",
    ),
    _Row(
        (
            "InvalidAccessKeyId.Inactive",
            "Forbidden.AccessKey",
            "AccessKeyDisabled",
            "InactiveAccess",
        ),
        CloudErrorKind.PERMANENT,
        "The AccessKey is disabled. Enable it in the RAM console, or give another one, in "
        "ALIBABA_CLOUD_ACCESS_KEY_ID for instance.",
    ),
    _Row(
        ("Forbidden",),
        CloudErrorKind.PERMANENT,
        "The RAM user may not call ecs:{action} on this instance; "
        "grant it this action in a RAM policy that names the instance.",
    ),
    _Row(
        ("InvalidAccessKeyId",),
        CloudErrorKind.PERMANENT,
        "The cloud doesn't know the AccessKey, or it is disabled. "
        "Give a valid one, in ALIBABA_CLOUD_ACCESS_KEY_ID for instance.",
    ),
    _Row(
        ("SignatureDoesNotMatch", "IncompleteSignature"),
        CloudErrorKind.PERMANENT,
        "The cloud refused the signature: the AccessKey secret doesn't belong to the AccessKey id. "
        "Correct it, in ALIBABA_CLOUD_ACCESS_KEY_SECRET for instance.",
    ),
    _Row(
        ("IncorrectInstanceStatus", "InstanceNotReady"),
        CloudErrorKind.WAITS,
        "The instance isn't running, so there is no picture of its screen.",
        _PICTURE,
    ),
    _Row(
        ("IncorrectInstanceStatus", "InstanceNotReady"),
        CloudErrorKind.WAITS,
        "The instance's status doesn't allow it.",
        _POWER,
    ),
    _Row(
        (NOT_SUPPORTED,),
        CloudErrorKind.PERMANENT,
        "The cloud gives no pictures of instances of this type.",
        _PICTURE,
    ),
    _Row(
        (NOT_SUPPORTED,),
        CloudErrorKind.PERMANENT,
        "The cloud has no boot log of Windows, and none of instances of this type.",
        _BOOT_LOG,
    ),
    _Row(
        (LOCKED,),
        CloudErrorKind.PERMANENT,
        "The cloud has locked the instance for security reasons: it can't be started, stopped or "
        "restarted. The ECS console says why.",
    ),
    _Row(
        ("Throttling",),
        CloudErrorKind.TRANSIENT,
        "The cloud gives a picture of an instance every 10 s at most. It is tried again.",
        _PICTURE,
        # Throttling.User and Throttling.Api are about how often anything is called.
        exact=True,
    ),
    _Row(
        ("IncorrectInstanceStatus",),
        CloudErrorKind.WAITS,
        "The instance is in a state in which it has no console. Start it, or wait until it runs.",
    ),
    _Row(
        ("InstanceNotReady",),
        CloudErrorKind.WAITS,
        "The instance isn't ready yet. Wait until it runs.",
    ),
    _Row(
        ("InvalidSecurityToken", "SecurityTokenExpired"),
        CloudErrorKind.CREDENTIALS,
        "The STS token has expired or isn't valid, and a new one didn't help. "
        "Renew the credentials.",
    ),
    _Row(
        ("Throttling",),
        CloudErrorKind.TRANSIENT,
        "The cloud limits how often its API is called. It is tried again.",
    ),
    _Row(
        ("ServiceUnavailable", "InternalError"),
        CloudErrorKind.TRANSIENT,
        "The ECS API has a fault. It is tried again.",
    ),
    _Row(
        ("InvalidTimeStamp.Expired",),
        CloudErrorKind.CLOCK,
        "This machine's clock differs too much from the cloud's. Set it, by NTP for instance.",
    ),
    _Row(
        (NONCE_USED,),
        CloudErrorKind.TRANSIENT,
        "The cloud took the call for a repeated one. It is tried again.",
    ),
)


def refused(
    status: int,
    code: str,
    *,
    action: str,
    request_id: str = "",
    retry_after_s: float | None = None,
) -> CloudError:
    """The error for an answer of the API that carries a code.

    Args:
        status: HTTP status, which decides only where the code doesn't.
        code: As answered: it is repeated only if it is harmless.
        action: The API action, as the RAM policy names it.
        request_id: The cloud's.
        retry_after_s: What the cloud asked to wait.
    """
    safe = safe_cloud_code(code)
    for row in _ROWS:
        if row.is_about(code, action):
            kind, text = row.kind, row.text.format(action=action)
            break
    else:
        named = f" ({safe})" if safe else ""
        if status >= 500:
            kind = CloudErrorKind.TRANSIENT
            text = f"The ECS API has a fault{named}. It is tried again."
        else:
            kind = CloudErrorKind.PERMANENT
            refusal = f"The cloud refused ecs:{action}{named}."
            text = f"{refusal} {REQUEST_ID_LOGGED}"
    return CloudError(
        text,
        kind,
        code=safe,
        request_id=request_id,
        action=action,
        retry_after_s=retry_after_s,
    )


def unreadable(status: int, retry_after_s: float | None = None) -> CloudError:
    """The error for an answer that isn't what the API answers, such as a proxy's HTML page."""
    return transient(
        f"The ECS API, or something in between, gave an answer (HTTP {status}) "
        "that isn't the API's. It is tried again.",
        retry_after_s,
    )


def transient(text: str, retry_after_s: float | None = None) -> CloudError:
    """An error without a code that is worth trying again."""
    return CloudError(text, CloudErrorKind.TRANSIENT, retry_after_s=retry_after_s)


def permanent(text: str, code: str = "") -> CloudError:
    """An error that trying again doesn't help.

    Args:
        text: One sentence for people.
        code: A word of ours for the close reason.
    """
    return CloudError(text, CloudErrorKind.PERMANENT, code=code)


def off_limits(why: str) -> str:
    """The text about a VncUrl that isn't dialled.

    Args:
        why: What it leads to, such as "this machine itself".
    """
    return (
        f"The cloud's VncUrl leads to {why}, where no gateway of the cloud is: it isn't dialled. "
        "See who answers as the ECS API, and what the name service here says."
    )
