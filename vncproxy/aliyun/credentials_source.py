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
from vncproxy.errors import CloudError, ConfigError, ConfigProblem
from vncproxy.languages.text import Text


def credentials_source(
    environ: Mapping[str, str], fetch_timeout_s: float = FETCH_TIMEOUT_S
) -> CredentialsSource:
    """The source for this environment.

    Static keys give `StaticCredentials`; else the official chain, whose code is imported at its
    first use. A reload makes a new source.

    Raises:
        ConfigError: For keys that can't be right.
    """
    key_id, secret = (environ.get(name, "").strip() for name in (KEY_ID, KEY_SECRET))
    if key_id and secret:
        token = environ.get(TOKEN, "").strip() or None
        return StaticCredentials(_static(key_id, secret, token))
    from vncproxy.aliyun.credentials_chain import (  # noqa: PLC0415 - it is seldom needed
        ChainCredentials,
    )

    return ChainCredentials(fetch_timeout_s)


def _static(key_id: str, secret: str, token: str | None) -> Credentials:
    try:
        return Credentials(key_id, secret, token, "env")
    except CloudError:
        names = f"{KEY_ID}, {KEY_SECRET}" + (f", {TOKEN}" if token else "")
    # Out here, since the other's frames hold the keys.
    found = Text("characters that no key has, such as a space or a line break")
    problem = ConfigProblem(
        Text("environment"), names, found, Text("the keys as the cloud gave them")
    )
    raise ConfigError([problem])
