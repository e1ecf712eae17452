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
"""At most for one pass through the chain: the metadata service has 1 s for each try, STS has 15."""

_VISIBLE = re.compile(r"[\x21-\x7e]{1,16384}")


@dataclass(frozen=True, slots=True, repr=False)
class Credentials:
    """Keys to sign with; what prints them shows the provider alone.

    Args:
        security_token: With temporary (STS) keys.
        provider: Where they come from, as in `env` or `cli_profile/static_ak`, for `vncproxy check`
            and the log.

    Raises:
        CloudError: Permanent; a key has characters that no key has, and that would break a header.
    """

    access_key_id: str
    access_key_secret: str
    security_token: str | None
    provider: str

    def __post_init__(self) -> None:
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
        return f"<Credentials from {self.provider}, hidden>"


class CredentialsSource(Protocol):
    """Where credentials come from."""

    async def get(self) -> Credentials:
        """The current credentials.

        Raises:
            CloudError: The cloud refused, or can't be reached.
        """

    async def refresh(self, stale: Credentials | None = None) -> Credentials:
        """New credentials, read anew from where they come from.

        Args:
            stale: Those that the cloud refused: when others have come since, these are given and
                nothing is fetched.

        Raises:
            CloudError: The cloud refused, or can't be reached.
        """


class StaticCredentials:
    """One fixed set of keys; a refresh gives the same again."""

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials

    async def get(self) -> Credentials:
        """The keys; raises nothing."""
        return self._credentials

    async def refresh(self, stale: Credentials | None = None) -> Credentials:
        """The same keys again: a process's environment doesn't change. Raises nothing."""
        return self._credentials


class WatchedCredentials:
    """A source that passes on all that it gives, so that the log can hide it."""

    def __init__(
        self, source: CredentialsSource, on_credentials: Callable[[Credentials], None]
    ) -> None:
        """Wrap a source.

        Args:
            source: Where the credentials come from.
            on_credentials: Called with each set before it is returned, also with one returned
                before.
        """
        self._source = source
        self._on_credentials = on_credentials

    async def get(self) -> Credentials:
        """See `CredentialsSource.get`."""
        credentials = await self._source.get()
        self._on_credentials(credentials)
        return credentials

    async def refresh(self, stale: Credentials | None = None) -> Credentials:
        """See `CredentialsSource.refresh`."""
        credentials = await self._source.refresh(stale)
        self._on_credentials(credentials)
        return credentials
