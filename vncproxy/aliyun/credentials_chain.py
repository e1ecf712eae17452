"""The official credentials chain, in a thread of its own and with time limits.

What `alibabacloud_credentials` (1.0) does that a daemon can't have, and what is done about it:
- it blocks, its async calls too: it runs in a thread of its own, one at a time;
- a thread can't be stopped: it is a daemon thread, so that a hanging provider never delays the
  exit, and calls that come while it hangs wait for the same thread;
- its default ECS provider starts a scheduler's thread that nothing ends: the chain is put together
  here, in the official order, without that;
- its loggers print to the standard error, error answers with keys in them included: silenced;
- it may fall back to the metadata service's first version, which any SSRF reaches: switched off;
- it sends the metadata call through HTTP_PROXY, whatever NO_PROXY is set to: never here;
- it caches what it has read: a refresh puts a new chain together.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import structlog

from vncproxy.addresses import is_loopback
from vncproxy.aliyun.credentials import KEY_ID, KEY_SECRET, Credentials
from vncproxy.aliyun.errors import NO_CREDENTIALS, permanent, transient
from vncproxy.aliyun.proxies import METADATA_HOST
from vncproxy.errors import CloudError
from vncproxy.threads import call_in_loop

EVENT_CREDENTIALS = "aliyun.credentials"

_log = structlog.get_logger()
_LOGGERS = ("credentials", "alibabacloud-tea")


class ChainCredentials:
    """Credentials from the CLI profile, credentials.ini, OIDC, the ECS RAM role and so on."""

    def __init__(self, fetch_timeout_s: float, chain: Callable[[], Chain] | None = None) -> None:
        """Nothing is imported or fetched yet.

        Args:
            fetch_timeout_s: At most for one fetch.
            chain: Makes the chain, in the fetch's thread (for tests).
        """
        self._fetch_timeout_s = fetch_timeout_s
        self._make_chain = chain or Chain
        self._chain: Chain | None = None
        self._current: Credentials | None = None
        self._lock = asyncio.Lock()
        self._fetch: asyncio.Future[Credentials | CloudError] | None = None

    async def get(self) -> Credentials:
        """The current credentials; the chain refreshes those that expire.

        Cancelling it leaves the fetch running for the next call.

        Raises:
            CloudError: Permanent when there are none anywhere, transient when they don't come in
                time or a service that gives them can't be reached.
        """
        async with self._lock:
            return await self._fetched()

    async def refresh(self, stale: Credentials | None = None) -> Credentials:
        """Credentials read anew, as `CredentialsSource.refresh`; raises as `get`."""
        async with self._lock:
            if stale is not None and self._current is not None and self._current != stale:
                return self._current
            self._chain = None
            return await self._fetched()

    async def _fetched(self) -> Credentials:
        if self._fetch is None:
            self._fetch = asyncio.get_running_loop().create_future()
            _start_thread(self._fetch_now, self._fetch)
        done, _ = await asyncio.wait({self._fetch}, timeout=self._fetch_timeout_s)
        if not done:
            raise transient(
                f"The credentials didn't come within {self._fetch_timeout_s:g} s. "
                "It is tried again; see where they come from."
            )
        outcome = self._fetch.result()
        self._fetch = None
        if isinstance(outcome, CloudError):
            raise outcome
        if self._current is None or self._current.provider != outcome.provider:
            _log.info(EVENT_CREDENTIALS, provider=outcome.provider)
        self._current = outcome
        return outcome

    def _fetch_now(self) -> Credentials | CloudError:
        if self._chain is None:
            self._chain = self._make_chain()
        return self._chain.credentials()


class Chain:
    """The official providers, in the official order. For one thread at a time; it blocks."""

    def __init__(self) -> None:
        from alibabacloud_credentials import provider  # noqa: PLC0415 - 100 ms, seldom needed
        from alibabacloud_credentials.utils import auth_util  # noqa: PLC0415

        _silence()
        _keep_from_proxies(auth_util.environment_credentials_uri)
        # Also for the ECS RAM role that a CLI profile or credentials.ini names.
        auth_util.environment_imds_v1_disabled = "true"
        self._kept: Any = None
        self._providers: list[Any] = []
        if auth_util.enable_oidc_credential:
            self._providers.append(provider.OIDCRoleArnCredentialsProvider())
        self._providers.append(provider.CLIProfileCredentialsProvider())
        self._providers.append(provider.ProfileCredentialsProvider())
        if auth_util.environment_ecs_metadata_disabled.lower() != "true":
            self._providers.append(
                provider.EcsRamRoleCredentialsProvider(
                    disable_imds_v1=True, async_update_enabled=False
                )
            )
        if auth_util.environment_credentials_uri:
            self._providers.append(provider.URLCredentialsProvider())

    def credentials(self) -> Credentials | CloudError:
        """Those of the first provider that has any, which is then kept; else why there are none."""
        unreachable = []
        for provider in [self._kept] if self._kept else self._providers:
            try:
                found = provider.get_credentials()
            except Exception as error:
                # Its text may hold a whole answer, keys included: only the class is used.
                if type(error).__name__ == "RetryError" and not _only_tried(provider):
                    unreachable.append(provider.get_provider_name())
                continue
            self._kept = provider
            return _checked(found)
        if self._kept:
            unreachable = [self._kept.get_provider_name()]
        if unreachable:
            return transient(
                "The service that gives the credentials can't be reached, or gave none "
                f"({', '.join(unreachable)}). It is tried again."
            )
        tried = ", ".join(provider.get_provider_name() for provider in self._providers)
        return permanent(
            f"There are no usable Alibaba Cloud credentials (looked at: env, {tried}). "
            f"Set {KEY_ID} and {KEY_SECRET}, or configure the Alibaba Cloud CLI for the user that "
            "runs the daemon, or give the machine an ECS RAM role.",
            NO_CREDENTIALS,
        )


def _checked(found: Any) -> Credentials | CloudError:
    try:
        return Credentials(
            found.get_access_key_id() or "",
            found.get_access_key_secret() or "",
            found.get_security_token() or None,
            found.get_provider_name() or "chain",
        )
    except CloudError as error:
        # The frames of its traceback hold the keys.
        return error.with_traceback(None)


def _only_tried(provider: Any) -> bool:
    """Whether it is in the chain unasked: off ECS the metadata service is never reached."""
    return provider.get_provider_name() == "ecs_ram_role" and not provider._role_name


def _start_thread(
    fetch: Callable[[], Credentials | CloudError],
    future: asyncio.Future[Credentials | CloudError],
) -> None:
    loop = future.get_loop()

    def settle(outcome: Credentials | CloudError) -> None:
        if not future.done():
            future.set_result(outcome)

    def run() -> None:
        try:
            outcome = fetch()
        except Exception as error:
            # Its text and its frames may hold keys: only the class is logged.
            kind = type(error).__name__
            _log.error("aliyun.credentials_fault", error=kind)
            outcome = permanent(
                f"The credentials can't be read: the SDK failed ({kind}).", NO_CREDENTIALS
            )
        call_in_loop(loop, settle, outcome)

    threading.Thread(target=run, name="credentials", daemon=True).start()


def _silence() -> None:
    for name in _LOGGERS:
        logger = logging.getLogger(name)
        logger.handlers = [logging.NullHandler()]
        logger.propagate = False


def _keep_from_proxies(credentials_uri: str | None) -> None:
    import requests  # noqa: PLC0415 - the SDK's own dependency
    from Tea.core import TeaCore  # noqa: PLC0415

    class Direct(requests.Session):
        trust_env = False

        def send(self, request: Any, **options: Any) -> Any:
            return super().send(request, **{**options, "proxies": {}})

    keys = [f"http://{METADATA_HOST}:80"]
    uri = urlsplit(credentials_uri or "")
    if uri.hostname and is_loopback(uri.hostname):
        keys.append(f"{uri.scheme}://{uri.hostname}:{uri.port}")
    for key in keys:
        TeaCore._sessions.setdefault(key, Direct())
