"""The TLS settings for everything that is dialled: the API and the upstream WebSocket."""

from __future__ import annotations

import ssl
from pathlib import Path

from vncproxy.errors import ConfigError, ConfigProblem


def client_context(ca_file: Path | None) -> ssl.SSLContext:
    """Verifies against the system's certificates and, if given, those of ca_file too.

    Args: ca_file - PEM, one or more certificates. It reads files: not for the hot path.
    Raises: ConfigError when ca_file can't be read or holds no certificate.
    """
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if ca_file is None:
        return context
    found = ""
    try:
        context.load_verify_locations(cafile=ca_file)
    except ssl.SSLError:
        found = "a file without PEM certificates"
    except OSError as error:
        found = f"a file that can't be read ({error.strerror})"
    if found:
        raise ConfigError(
            [
                ConfigProblem(
                    str(ca_file),
                    "aliyun.ca_file",
                    found,
                    "a PEM file with the authority's certificate, readable by the daemon",
                )
            ]
        )
    return context
