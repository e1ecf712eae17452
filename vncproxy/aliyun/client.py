"""Calls to the ECS API: signed, bounded in time and size, with typed errors.

What can be put right within a call is (design.md, "Errors of the cloud"): a refused STS token is
renewed, a wrong clock is corrected by the server's, a nonce is replaced; each once. Everything else
is raised; pauses and retries are up to the caller (console/retry_policy.py).
"""

from __future__ import annotations

import asyncio
import json
import secrets
import ssl
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, assert_never

import aiohttp
import structlog

from vncproxy.addresses import is_loopback
from vncproxy.aliyun.answers import Answer
from vncproxy.aliyun.credentials import Credentials, CredentialsSource
from vncproxy.aliyun.endpoint import Endpoint
from vncproxy.aliyun.errors import (
    DRY_RUN,
    GATEWAY_REFUSED,
    LOCKED,
    NONCE_USED,
    NOT_SUPPORTED,
    off_limits,
    permanent,
    transient,
    unreadable,
)
from vncproxy.aliyun.gateway_host import is_listed, why_off_limits
from vncproxy.aliyun.http_exchange import Failure, exchange
from vncproxy.aliyun.instances import EcsInstance, check_instance_id, check_region, instance_of
from vncproxy.aliyun.power import PowerAction
from vncproxy.aliyun.proxies import EnvironmentProxies, Proxy
from vncproxy.aliyun.screenshots import (
    BOOT_LOG_MAX_BYTES,
    PICTURE_MAX_BYTES,
    BootLog,
    Picture,
    boot_log_of,
    picture_of,
)
from vncproxy.aliyun.signing import canonical_query, signed_headers
from vncproxy.aliyun.vncurl import VncUrl
from vncproxy.errors import CloudError, CloudErrorKind
from vncproxy.observe.times import utc_text

EVENT_CALL = "aliyun.call"
EVENT_CLOCK = "aliyun.clock"

API_VERSION = "2014-05-26"
VNC_URL_MAX_BYTES = 1024 * 1024
INSTANCES_MAX_BYTES = 8 * 1024 * 1024
POWER_MAX_BYTES = 64 * 1024
_AROUND_BASE64 = 64 * 1024
PAGE_INSTANCES = 100
"""The most that DescribeInstances takes, for MaxResults as for InstanceIds."""
MAX_PAGES = 1000

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class ActionPermission:
    """Whether an action is permitted.

    Args:
        action: As RAM policies name it, such as `ecs:DescribeInstances`.
        text: One sentence for people.
    """

    action: str
    granted: bool
    text: str


class _Correction(Enum):
    """What a call corrects by itself, each at most once, before it gives up."""

    CREDENTIALS = 1
    CLOCK = 2
    NONCE = 3


@dataclass(frozen=True, slots=True)
class _Call:
    action: str
    region: str
    parameters: dict[str, str]
    max_bytes: int
    once: bool = False
    """Not even a nonce that was used already is a reason to send it again."""


@dataclass(frozen=True, slots=True)
class _Reply:
    fields: dict[str, Any] = field(repr=False)
    asked_at: float


class EcsClient:
    """The part of the ECS API that vncproxy needs. One for the daemon; calls may overlap."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        credentials: CredentialsSource,
        *,
        endpoint: str | None,
        call_timeout_s: float,
        ssl_context: ssl.SSLContext,
        proxies: EnvironmentProxies,
        gateway_hosts: Sequence[str] = (),
        socks_session: aiohttp.ClientSession | None = None,
        on_call: Callable[[str, str, float], None] | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        """Nothing is sent yet.

        Args:
            session: The owner's, with trust_env off.
            credentials: Where the keys come from.
            endpoint: None: by region.
            call_timeout_s: At most for one HTTP exchange, of which a call has at most four.
            ssl_context: For TLS with the API.
            proxies: Which proxy a call goes through.
            gateway_hosts: Suffixes of the hosts that a VncUrl may name; empty: any that may be one.
            socks_session: For what goes through `proxies.socks`, if there is one.
            on_call: Called after each exchange with the action, the code ("OK", the cloud's, or a
                word of ours) and the seconds that it took.
            monotonic: Seconds of a clock that never jumps.
            wall_clock: Seconds since 1970.

        Raises:
            ValueError: For an endpoint that isn't https://, or http:// on loopback.
        """
        self._session = session
        self._socks_session = socks_session
        self._credentials = credentials
        self._endpoint = Endpoint.parse(endpoint) if endpoint else None
        self._call_timeout_s = call_timeout_s
        self._ssl_context = ssl_context
        self._proxies = proxies
        self._gateway_hosts = tuple(gateway_hosts)
        self._on_call = on_call
        self._monotonic = monotonic
        self._wall_clock = wall_clock
        self._clock_offset_s = 0.0

    async def vnc_url(self, instance_id: str, region: str) -> VncUrl:
        """A fresh VncUrl, to be dialled at once and once only.

        Cancelling it is safe: a VncUrl that isn't dialled lapses by itself.
        Source: ECS API reference, DescribeInstanceVncUrl.

        Raises:
            CloudError: The cloud refused, or can't be reached.
        """
        check_instance_id(instance_id)
        reply = await self._call(
            "DescribeInstanceVncUrl", region, {"InstanceId": instance_id}, VNC_URL_MAX_BYTES
        )
        url = VncUrl.decode(reply.fields.get("VncUrl"), reply.asked_at)
        self._check_gateway(url.host)
        return url

    async def instances(self, region: str, ids: Iterable[str] | None = None) -> list[EcsInstance]:
        """All instances of a region that the credentials may see, or those of these ids.

        Ids that the cloud doesn't know are left out.
        Source: ECS API reference, DescribeInstances.

        Raises:
            CloudError: The cloud refused, or can't be reached.
        """
        if ids is None:
            return await self._listed(region, {})
        wanted = list(dict.fromkeys(ids))
        for instance_id in wanted:
            check_instance_id(instance_id)
        found: list[EcsInstance] = []
        for start in range(0, len(wanted), PAGE_INSTANCES):
            chunk = json.dumps(wanted[start : start + PAGE_INSTANCES])
            found += await self._listed(region, {"InstanceIds": chunk})
        return found

    async def status(self, instance_id: str, region: str) -> str:
        """The instance's Status, such as Running; empty if the cloud doesn't show the instance.

        Source: ECS API reference, DescribeInstances.

        Raises:
            CloudError: The cloud refused, or can't be reached.
        """
        found = await self.instances(region, [instance_id])
        return found[0].status if found else ""

    async def screenshot(self, instance_id: str, region: str, *, wake: bool = False) -> Picture:
        """The instance's screen, without a VNC session.

        Source: ECS API reference, GetInstanceScreenshot: running instances only, at least 10 s
        between two calls for one.

        Args:
            instance_id: Which.
            region: Its.
            wake: Wake a screen that sleeps, by a key stroke.

        Raises:
            CloudError: The cloud refused, or can't be reached, or it isn't a picture.
        """
        check_instance_id(instance_id)
        parameters = {"InstanceId": instance_id, "WakeUp": "true" if wake else "false"}
        max_bytes = PICTURE_MAX_BYTES // 3 * 4 + _AROUND_BASE64
        reply = await self._call("GetInstanceScreenshot", region, parameters, max_bytes)
        return await asyncio.to_thread(picture_of, reply.fields)

    async def boot_log(self, instance_id: str, region: str) -> BootLog:
        """What the instance's system printed at its last start, restart or stop.

        Source: ECS API reference, GetInstanceConsoleOutput: Linux only.

        Raises:
            CloudError: The cloud refused, or can't be reached, or it isn't text.
        """
        check_instance_id(instance_id)
        max_bytes = BOOT_LOG_MAX_BYTES // 3 * 4 + _AROUND_BASE64
        parameters = {"InstanceId": instance_id}
        reply = await self._call("GetInstanceConsoleOutput", region, parameters, max_bytes)
        return await asyncio.to_thread(boot_log_of, reply.fields)

    async def power(
        self, action: PowerAction, instance_id: str, region: str, *, force: bool = False
    ) -> None:
        """Start, stop or restart an instance; returns once the cloud has taken the call.

        Never call it again because of an error for which `may_have_arrived`: ask for the status.
        Source: ECS API reference, StartInstance, StopInstance, RebootInstance.

        Args:
            action: Which call.
            instance_id: Which instance.
            region: Its.
            force: Cut the power instead of asking the system.

        Raises:
            CloudError: The cloud refused, or its answer didn't come.
        """
        await self._power(action, instance_id, region, {"ForceStop": "true"} if force else {})

    async def may_power(
        self, action: PowerAction, instance_id: str, region: str
    ) -> ActionPermission:
        """Whether the credentials may do this; nothing is done, by DryRun.

        The permission comes before the instance's status, so one that doesn't fit is no obstacle.

        Raises:
            CloudError: The answer leaves the question open, as a time-out does.
        """

        async def dry_run() -> None:
            await self._power(action, instance_id, region, {"DryRun": "true"})
            # Not what the API documents: it answers a dry run by an error.
            raise unreadable(200)

        return await _permission(action.api_action, dry_run(), _is_past_the_permission)

    async def _power(
        self, action: PowerAction, instance_id: str, region: str, more: dict[str, str]
    ) -> None:
        check_instance_id(instance_id)
        parameters = {"InstanceId": instance_id, **more}
        await self._call(action.api_action, region, parameters, POWER_MAX_BYTES, once=True)

    async def may_look(self, instance_id: str, region: str) -> list[ActionPermission]:
        """Whether the credentials may ask for the instance's picture and boot log.

        Neither call documents a DryRun, so both are called for good: they change nothing.

        Raises:
            CloudError: An answer leaves the question open, as a time-out does.
        """
        return [
            await _permission(action, call(instance_id, region), _is_about_the_instance)
            for action, call in (
                ("GetInstanceScreenshot", self.screenshot),
                ("GetInstanceConsoleOutput", self.boot_log),
            )
        ]

    async def may_open(self, instance_id: str, region: str) -> ActionPermission:
        """Whether the credentials may ask for this instance's VncUrl.

        DescribeInstanceVncUrl documents no DryRun, so it is called for good, and the VncUrl dropped
        undialled: that costs nothing of the reconnect budget. DryRun is sent along all the same: a
        cloud that knows it answers DryRunOperation. The permission comes before the instance's
        state, so an instance that isn't running is no obstacle.

        Raises:
            CloudError: The answer leaves the question open, as a time-out does.
        """
        check_instance_id(instance_id)
        action, parameters = "DescribeInstanceVncUrl", {"InstanceId": instance_id, "DryRun": "true"}
        call = self._call(action, region, parameters, VNC_URL_MAX_BYTES)
        return await _permission(action, call, _is_past_the_permission)

    async def server_time_offset(self, region: str) -> float:
        """The cloud's clock minus this machine's, in seconds, to about one second.

        An unsigned request: it needs no credentials.

        Raises:
            CloudError: The cloud refused, or can't be reached.
        """
        check_region(region)
        asked = self._wall_clock()
        outcome = await self._exchange("GET", region, "/", {}, VNC_URL_MAX_BYTES)
        if isinstance(outcome, Failure):
            raise outcome.error
        server = outcome.date_unix_s
        if server is None:
            raise unreadable(outcome.status)
        # The header has whole seconds, cut off.
        return server + 0.5 - (asked + self._wall_clock()) / 2

    def way(self, region: str) -> tuple[Endpoint, Proxy | None]:
        """The endpoint of a region's calls, and the proxy that they go through, if any."""
        endpoint = self._endpoint or Endpoint.of_region(region)
        proxy = self._proxies.proxy_for(endpoint.host, endpoint.port, secure=endpoint.secure)
        return endpoint, proxy

    @property
    def is_local(self) -> bool:
        """Whether the API is on this machine, as a simulator is: its gateway may be there, too."""
        return self._endpoint is not None and is_loopback(self._endpoint.host)

    def _check_gateway(self, host: str) -> None:
        if self._gateway_hosts and not is_listed(host, self._gateway_hosts):
            raise permanent(
                f"The cloud's VncUrl names the host {host}, which isn't listed in gateway_hosts "
                "under [aliyun]. List it, or the end of its name, if it is the cloud's.",
                GATEWAY_REFUSED,
            )
        if not self.is_local and (why := why_off_limits(host)) is not None:
            raise permanent(off_limits(why), GATEWAY_REFUSED)

    async def _listed(self, region: str, parameters: dict[str, str]) -> list[EcsInstance]:
        parameters = {**parameters, "MaxResults": str(PAGE_INSTANCES)}
        found: list[EcsInstance] = []
        seen: set[str] = set()
        for _ in range(MAX_PAGES):
            reply = await self._call("DescribeInstances", region, parameters, INSTANCES_MAX_BYTES)
            holder = reply.fields.get("Instances")
            rows = holder.get("Instance") if isinstance(holder, dict) else None
            if not isinstance(rows, list):
                raise unreadable(200)
            found += [one for row in rows if (one := instance_of(row, region)) is not None]
            token = reply.fields.get("NextToken")
            if not token or not isinstance(token, str):
                return found
            if token in seen:
                break
            seen.add(token)
            parameters = {**parameters, "NextToken": token}
        raise transient("The cloud's list of instances doesn't end. It is tried again.")

    async def _call(
        self,
        action: str,
        region: str,
        parameters: dict[str, str],
        max_bytes: int,
        *,
        once: bool = False,
    ) -> _Reply:
        check_region(region)
        call = _Call(action, region, {**parameters, "RegionId": region}, max_bytes, once)
        credentials = await self._credentials.get()
        mended: set[_Correction] = set()
        while True:
            outcome = await self._attempt(call, credentials)
            if isinstance(outcome, _Reply):
                return outcome
            mend = _correction_for(outcome)
            if mend is None or mend in mended or (call.once and mend is _Correction.NONCE):
                try:
                    raise outcome
                finally:
                    # Its traceback holds this frame, which mustn't hold it.
                    del outcome
            mended.add(mend)
            match mend:
                case _Correction.CREDENTIALS:
                    credentials = await self._credentials.refresh(credentials)
                case _Correction.CLOCK:
                    assert outcome.clock_offset_s is not None, "or the clock isn't corrected"
                    self._clock_offset_s = outcome.clock_offset_s
                    _log.warning(EVENT_CLOCK, cloud_ahead_s=round(outcome.clock_offset_s, 1))
                case _Correction.NONCE:
                    pass  # Every attempt has a nonce of its own.
                case _:
                    assert_never(mend)

    async def _attempt(self, call: _Call, credentials: Credentials) -> _Reply | CloudError:
        asked_at = self._monotonic()
        query = canonical_query(call.parameters)
        headers = signed_headers(
            method="POST",
            host=self.way(call.region)[0].host_header,
            action=call.action,
            version=API_VERSION,
            parameters=call.parameters,
            access_key_id=credentials.access_key_id,
            access_key_secret=credentials.access_key_secret,
            security_token=credentials.security_token,
            date=utc_text(self._wall_clock() + self._clock_offset_s),
            nonce=secrets.token_hex(16),
        )
        outcome = await self._exchange("POST", call.region, f"/?{query}", headers, call.max_bytes)
        if isinstance(outcome, Failure):
            self._log_call(call, outcome.word, asked_at)
            return outcome.error
        fields = outcome.fields(call.action)
        if isinstance(fields, CloudError):
            self._log_call(
                call, fields.code or f"HTTP-{outcome.status}", asked_at, fields.request_id
            )
            if fields.kind is CloudErrorKind.CLOCK and outcome.date_unix_s is not None:
                fields.clock_offset_s = outcome.date_unix_s - self._wall_clock()
            return fields
        self._log_call(call, "OK", asked_at)
        return _Reply(fields, asked_at)

    async def _exchange(
        self, method: str, region: str, target: str, headers: dict[str, str], max_bytes: int
    ) -> Answer | Failure:
        endpoint, proxy = self.way(region)
        by_socks = self._socks_session if proxy is not None and proxy.socks else None
        return await exchange(
            by_socks or self._session,
            method,
            endpoint.origin + target,
            headers=headers,
            ssl_context=self._ssl_context,
            proxy=proxy,
            timeout_s=self._call_timeout_s,
            max_bytes=max_bytes,
        )

    def _log_call(self, call: _Call, code: str, asked_at: float, request_id: str = "") -> None:
        seconds = self._monotonic() - asked_at
        log = _log.debug if code in {"OK", DRY_RUN} else _log.warning
        log(
            EVENT_CALL,
            action=call.action,
            region=call.region,
            code=code,
            ms=round(seconds * 1000),
            request_id=request_id,
        )
        if self._on_call is not None:
            self._on_call(call.action, code, seconds)


async def _permission(
    action: str, call: Awaitable[object], is_granted: Callable[[CloudError], bool]
) -> ActionPermission:
    """Whether an action is permitted, by the answer to a call of it.

    Args:
        action: As the API names it.
        call: Calls it.
        is_granted: Whether this error means that the action is permitted.

    Raises:
        CloudError: The answer leaves the question open.
    """
    try:
        await call
    except CloudError as error:
        if error.code.startswith("Forbidden") or error.code == LOCKED:
            return ActionPermission(action, False, error.public_text)
        if not is_granted(error):
            raise
    return ActionPermission(action, True, f"ecs:{action} is permitted.")


def _is_past_the_permission(error: CloudError) -> bool:
    """Whether a call would have been done, or was refused for the instance's state alone."""
    return error.code == DRY_RUN or error.kind is CloudErrorKind.WAITS


def _is_about_the_instance(error: CloudError) -> bool:
    """Whether a call was refused for what the instance is or does, and not for want of a right."""
    return error.throttled or error.code == NOT_SUPPORTED or error.kind is CloudErrorKind.WAITS


def _correction_for(error: CloudError) -> _Correction | None:
    """What is to be corrected before the call is repeated at once; None: it isn't repeated."""
    if error.kind is CloudErrorKind.CREDENTIALS:
        return _Correction.CREDENTIALS
    if error.kind is CloudErrorKind.CLOCK:
        return _Correction.CLOCK if error.clock_offset_s is not None else None
    return _Correction.NONCE if error.code.startswith(NONCE_USED) else None
