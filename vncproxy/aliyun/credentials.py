"""Credentials for the API, from the environment or from the official chain.

Static keys in the environment come first, as in the official chain, and need none of its code.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from vncproxy.aliyun.errors import NO_CREDENTIALS, permanent

KEY_ID = "ALIBABA_CLOUD_ACCESS_KEY_ID"
KEY_SECRET = "ALIBABA_CLOUD_ACCESS_KEY_SECRET"  # noqa: S105 - a variable's name
TOKEN = "ALIBABA_CLOUD_SECURITY_TOKEN"  # noqa: S105 - a variable's name

FETCH_TIMEOUT_S = 20.0
"""At most for one look through the chain: the metadata service has 1 s for each try, STS has 15."""

_VISIBLE = re.compile(r"[\x21-\x7e]{1,16384}")


@dataclass(frozen=True, slots=True, repr=False)
class Credentials:
    """Keys to sign with; what prints them shows the provider alone.

    Args: security_token - with temporary (STS) keys; provider - where they come from, as in `env`
    or `cli_profile/static_ak`, for `vncproxy check` and the log.
    Raises: CloudError (permanent) for keys with characters that no key has: in a header they would
    break the request.
    """

    access_key_id: str
    access_key_secret: str
    security_token: str | None
    provider: str

    def __post_init__(self) -> None:
        """Refuse what can't be sent."""
        for name, value in (
            ("AccessKey id", self.access_key_id),
            ("AccessKey secret", self.access_key_secret),
            ("STS token", self.security_token or "-"),
        ):
            if not _VISIBLE.fullmatch(value):
                raise permanent(
                    f"The {name} is empty or has characters that no key has, such as a space or a "
                    f"line break. Correct it where the credentials come from.",
                    NO_CREDENTIALS,
                )

    def __repr__(self) -> str:
        """Hides the keys."""
        return f"<Credentials from {self.provider}, hidden>"


class CredentialsSource(Protocol):
    """Where credentials come from."""

    async def get(self) -> Credentials:
        """The current credentials. Raises: CloudError."""

    async def refresh(self, stale: Credentials | None = None) -> Credentials:
        """New credentials, read anew from where they come from.

        Args: stale - those that the cloud refused: when others have come since, these are given
        and nothing is fetched. Raises: CloudError.
        """


class StaticCredentials:
    """One fixed set of keys; a refresh gives the same again."""

    def __init__(self, credentials: Credentials) -> None:
        """Keep the keys."""
        self._credentials = credentials

    async def get(self) -> Credentials:
        """The keys. Raises: nothing."""
        return self._credentials

    async def refresh(self, stale: Credentials | None = None) -> Credentials:
        """The keys again: a process's environment doesn't change. Raises: nothing."""
        return self._credentials


class WatchedCredentials:
    """A source of which somebody is told all that it gives, such as who hides it in the log."""

    def __init__(self, source: CredentialsSource, tell: Callable[[Credentials], None]) -> None:
        """Args: tell - called with every set before it is given, also with one given before."""
        self._source = source
        self._tell = tell

    async def get(self) -> Credentials:
        """See `CredentialsSource.get`."""
        credentials = await self._source.get()
        self._tell(credentials)
        return credentials

    async def refresh(self, stale: Credentials | None = None) -> Credentials:
        """See `CredentialsSource.refresh`."""
        credentials = await self._source.refresh(stale)
        self._tell(credentials)
        return credentials
