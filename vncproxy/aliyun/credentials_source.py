"""Which credentials an environment names."""

from __future__ import annotations

from collections.abc import Mapping

from vncproxy.aliyun.credentials import (
    FETCH_TIMEOUT_S,
    KEY_ID,
    KEY_SECRET,
    TOKEN,
    Credentials,
    CredentialsSource,
    StaticCredentials,
)


def credentials_source(
    environ: Mapping[str, str], fetch_timeout_s: float = FETCH_TIMEOUT_S
) -> CredentialsSource:
    """The source for this environment.

    Static keys give `StaticCredentials`; else the official chain, whose code is imported at its
    first use. A reload makes a new source. Raises: CloudError for keys that can't be right.
    """
    key_id, secret = (environ.get(name, "").strip() for name in (KEY_ID, KEY_SECRET))
    if key_id and secret:
        token = environ.get(TOKEN, "").strip() or None
        return StaticCredentials(Credentials(key_id, secret, token, "env"))
    from vncproxy.aliyun.credentials_chain import (  # noqa: PLC0415 - it is seldom needed
        ChainCredentials,
    )

    return ChainCredentials(fetch_timeout_s)
