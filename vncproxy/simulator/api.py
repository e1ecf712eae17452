"""The ECS API over HTTP, version 2014-05-26: VncUrls, instances, and `instance_operations`.

Source: ECS API reference; x-acs-retry-after is in milliseconds, as the official SDK reads it.
"""

from __future__ import annotations

import asyncio
import uuid
from collections import deque
from collections.abc import Callable, Mapping
from email.utils import formatdate
from urllib.parse import parse_qsl

from aiohttp import web

from vncproxy.simulator.api_errors import status_and_message
from vncproxy.simulator.faults import ApiFault, ApiFaultKind, FaultQueue
from vncproxy.simulator.instance_operations import POWER_ACTIONS, Operations, is_true
from vncproxy.simulator.inventory import InstanceList
from vncproxy.simulator.record import Call, Record
from vncproxy.simulator.session import cut
from vncproxy.simulator.settings import AccessKey
from vncproxy.simulator.signature import Refused, SignatureCheck, SignedCall

VERSION = "2014-05-26"
_HTML = "<html><head><title>Bad Gateway</title></head><body><h1>Bad Gateway</h1></body></html>"


class Api:
    """Answers calls: checks the signature, then applies a queued fault, then does what is asked."""

    def __init__(
        self,
        check: SignatureCheck,
        inventory: InstanceList,
        record: Record,
        make_url: Callable[[str], str],
        operations: Operations,
        *,
        clock: Callable[[], float],
        wall_clock: Callable[[], float],
        calls_per_minute: int = 0,
    ) -> None:
        """Answer calls for an inventory.

        Args:
            check: Checks signatures.
            inventory: The instances.
            record: Where calls are noted.
            make_url: A fresh VncUrl for an id.
            operations: Answers the calls about one instance.
            clock: Monotonic seconds.
            wall_clock: Seconds since 1970.
            calls_per_minute: More are answered with Throttling; 0: no limit.
        """
        self.faults: FaultQueue[ApiFault] = FaultQueue()
        self._check = check
        self._inventory = inventory
        self._record = record
        self._make_url = make_url
        self._operations = operations
        self._clock = clock
        self._wall_clock = wall_clock
        self._calls_per_minute = calls_per_minute
        self._recent: dict[str, deque[float]] = {}
        self._closing = asyncio.Event()

    def close(self) -> None:
        """Let calls that hang end."""
        self._closing.set()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one call."""
        body = await request.read()
        action = request.headers.get("x-acs-action", "")
        fault = self.faults.take(action)
        outcome = "OK"
        try:
            key = self._verify(request, body)
            if fault is not None and fault.kind is ApiFaultKind.ERROR:
                raise Refused(fault.code)
            self._admit(key, action)
            answer = await self._perform(request, action, body)
            status = 200
        except Refused as refused:
            outcome = refused.code
            status, message = status_and_message(refused.code)
            answer = {
                "Code": refused.code,
                "Message": refused.message or message,
                "HostId": request.host,
                "Recommend": "https://api.example.invalid/troubleshoot",
            }
        self._record.calls.append(Call(self._clock(), action, fault.kind if fault else outcome))
        return await self._respond(request, status, answer, fault)

    def _verify(self, request: web.Request, body: bytes) -> AccessKey:
        path, _, query = request.raw_path.partition("?")
        headers = tuple(request.headers.items())
        call = SignedCall(request.method, path, query, headers, body)
        return self._check.verify(call, self._wall_clock())

    def _admit(self, key: AccessKey, action: str) -> None:
        if action in key.denied_actions:
            raise Refused("Forbidden.RAM")
        if not self._calls_per_minute:
            return
        now_s = self._clock()
        recent = self._recent.setdefault(key.key_id, deque())
        while recent and recent[0] <= now_s - 60.0:
            recent.popleft()
        if len(recent) >= self._calls_per_minute:
            raise Refused("Throttling.User")
        recent.append(now_s)

    async def _perform(self, request: web.Request, action: str, body: bytes) -> dict[str, object]:
        if request.headers.get("x-acs-version") != VERSION:
            raise Refused("InvalidParameter", f"x-acs-version is not {VERSION}.")
        parameters = _parameters(request, body)
        match action:
            case "DescribeInstanceVncUrl":
                instance = self._inventory.for_vnc(parameters)
                return {"VncUrl": self._make_url(instance.instance_id)}
            case "DescribeInstances":
                page = self._inventory.page(parameters)
                if is_true(parameters, "DryRun"):
                    raise Refused("DryRunOperation")
                return page
            case "GetInstanceScreenshot":
                return await self._operations.screenshot(parameters)
            case "GetInstanceConsoleOutput":
                return self._operations.console_output(parameters)
            case _ if action in POWER_ACTIONS:
                return self._operations.power(action, parameters)
            case _:
                raise Refused("InvalidAction.NotFound")

    async def _respond(
        self,
        request: web.Request,
        status: int,
        answer: dict[str, object],
        fault: ApiFault | None,
    ) -> web.StreamResponse:
        date_s = self._wall_clock()
        headers = {}
        if fault is not None:
            status = fault.status or status
            if fault.retry_after_s is not None:
                headers["x-acs-retry-after"] = str(round(fault.retry_after_s * 1000))
            match fault.kind:
                case ApiFaultKind.HANG | ApiFaultKind.SLOW:
                    await self._pause(fault.delay_s)
                case ApiFaultKind.WRONG_DATE:
                    date_s += fault.date_offset_s
            if fault.kind in {ApiFaultKind.HANG, ApiFaultKind.RESET}:
                if request.transport is not None:
                    cut(request.transport, reset=True)
                return web.Response(status=503)
        headers["Date"] = formatdate(date_s, usegmt=True)
        if fault is not None and fault.kind is ApiFaultKind.HTML:
            return web.Response(
                status=status, text=_HTML, content_type="text/html", headers=headers
            )
        if fault is not None and fault.kind is ApiFaultKind.HTTP_500:
            return web.Response(status=500, headers=headers)
        request_id = str(uuid.uuid4()).upper()
        headers["x-acs-request-id"] = request_id
        return web.json_response({"RequestId": request_id} | answer, status=status, headers=headers)

    async def _pause(self, delay_s: float) -> None:
        try:
            async with asyncio.timeout(delay_s):
                await self._closing.wait()
        except TimeoutError:
            return


def _parameters(request: web.Request, body: bytes) -> Mapping[str, str]:
    """The parameters of the query and of a form body."""
    query = request.raw_path.partition("?")[2]
    parameters = dict(parse_qsl(query, keep_blank_values=True))
    if request.content_type == "application/x-www-form-urlencoded":
        parameters |= dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
    return parameters
