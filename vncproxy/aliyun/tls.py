"""The TLS settings for everything that is dialled: the API and the upstream WebSocket."""

from __future__ import annotations

import ssl
from pathlib import Path

from vncproxy.errors import ConfigError, ConfigProblem
from vncproxy.languages.text import Text

_ALERTS = {
    "SSLV3_ALERT_HANDSHAKE_FAILURE": "handshake failure",
    "SSLV3_ALERT_BAD_CERTIFICATE": "bad certificate",
    "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE": "unsupported certificate",
    "SSLV3_ALERT_CERTIFICATE_REVOKED": "certificate revoked",
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": "certificate expired",
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN": "certificate unknown",
    "TLSV1_ALERT_UNKNOWN_CA": "unknown authority",
    "TLSV1_ALERT_ACCESS_DENIED": "access denied",
    "TLSV1_ALERT_PROTOCOL_VERSION": "protocol version",
    "TLSV1_ALERT_INSUFFICIENT_SECURITY": "insufficient security",
    "TLSV1_UNRECOGNIZED_NAME": "unrecognized name",
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": "certificate required",
}
"""Alerts by which the other side refuses us for good, by OpenSSL's name. Without a certificate that
it wants, TLS 1.2 says handshake failure. Source: RFC 8446, section 6.2; OpenSSL, sslerr.h."""


def client_context(ca_file: Path | None) -> ssl.SSLContext:
    """Verifies against the system's certificates and, if given, those of ca_file too.

    Args:
        ca_file: PEM, one or more certificates.

    Raises:
        ConfigError: When ca_file can't be read or holds no certificate.
    """
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if ca_file is None:
        return context
    found = ""
    try:
        context.load_verify_locations(cafile=ca_file)
    except ssl.SSLError:
        found = Text("a file without PEM certificates")
    except OSError as error:
        found = Text("a file that can't be read ({reason})", reason=error.strerror)
    if found:
        raise ConfigError(
            [
                ConfigProblem(
                    str(ca_file),
                    "aliyun.ca_file",
                    found,
                    Text("a PEM file with the authority's certificate, readable by the daemon"),
                )
            ]
        )
    return context


def refusal_by_alert(fault: BaseException | None) -> str | None:
    """The name of the TLS alert by which the other side refused us for good, or None.

    Args:
        fault: As a library raised it; the alert may be in its chain of causes.
    """
    seen: set[int] = set()
    while fault is not None and id(fault) not in seen:
        seen.add(id(fault))
        # aiohttp's errors are SSLErrors without a reason of their own.
        if isinstance(fault, ssl.SSLError) and (alert := getattr(fault, "reason", "")) in _ALERTS:
            return _ALERTS[alert]
        fault = fault.__cause__ or fault.__context__
    return None


def refused_in_words(whose: str, alert: str) -> str:
    """What an alert of `refusal_by_alert` means and what to do.

    Args:
        whose: Who sent it.
        alert: As `refusal_by_alert` gives it.
    """
    return (
        f"TLS was refused by {whose}, or by what inspects TLS on the way (alert: {alert}). It may "
        "want a certificate of this machine, which vncproxy doesn't have: let vncproxy's "
        "connections past the inspection."
    )
