"""The state page, for tools and tests in other processes.

`GET /_simulator/state` lists rules, breaches, dials and sessions; `POST /_simulator/...` steers.
Only loopback may use it, and only with a JSON body, which no foreign web page can send unasked.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict
from itertools import islice
from typing import Any

from aiohttp import web

from vncproxy.simulator.cloud import Cloud
from vncproxy.simulator.faults import (
    ANY,
    ApiFault,
    ApiFaultKind,
    GatewayFault,
    GatewayFaultKind,
    Step,
)
from vncproxy.simulator.sabotage import Ending

_SHOWN = 2000
"""Entries of each journal in one answer, the newest."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Fields = Mapping[str, Any]


class StatePage:
    """Shows and steers a cloud over HTTP; the bodies' keys are the arguments' names."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    def add_to(self, app: web.Application) -> None:
        """Add the routes."""
        app.router.add_route("GET", "/_simulator/state", _local(self._state))
        app.router.add_route("GET", "/_simulator/framebuffer", _local(self._framebuffer))
        for name, act in {
            "faults": self._fault,
            "gateway-faults": self._gateway_fault,
            "clear-faults": self._clear_faults,
            "drop": self._drop,
            "resize": self._resize,
            "status": self._status,
        }.items():
            app.router.add_route("POST", f"/_simulator/{name}", _local(_posted(act)))

    async def _state(self, request: web.Request) -> web.StreamResponse:
        cloud = self._cloud
        return web.json_response(
            {
                "endpoint": cloud.endpoint,
                "rules": cloud.settings.rules(),
                "limits": {
                    "url_ttl_s": cloud.settings.url_ttl_s,
                    "idle_timeout_s": cloud.settings.idle_timeout_s,
                    "reconnects_per_minute": cloud.settings.reconnects_per_minute,
                    "window_s": cloud.settings.window_s,
                },
                "breaches": dict(cloud.breaches),
                "most_dials": cloud.most_dials(),
                "dial_count": len(cloud.dials),
                "dials": [asdict(dial) for dial in _newest(cloud.dials)],
                "calls": [asdict(call) for call in _newest(cloud.calls)],
                "sessions": cloud.idle_seconds(),
                "endings": _newest(cloud.endings),
                "messages": dict(cloud.messages),
                "typed": [asdict(key) for key in _newest(cloud.typed)],
                "typed_text": cloud.typed_text[-_SHOWN:],
                "powered": [asdict(call) for call in _newest(cloud.powered)],
                "pointed": [asdict(event) for event in _newest(cloud.pointed)],
            }
        )

    async def _framebuffer(self, request: web.Request) -> web.StreamResponse:
        """A built-in screen as a PPM picture (P6): `?instance_id=`, by default the first."""
        instance_id = request.query.get("instance_id")
        try:
            width, height = self._cloud.screen_size(instance_id)
            rgb = self._cloud.framebuffer(instance_id)
        except KeyError as error:
            raise web.HTTPNotFound from error
        head = f"P6\n{width} {height}\n255\n".encode()
        return web.Response(body=head + rgb, content_type="image/x-portable-pixmap")

    def _fault(self, fields: Fields) -> object:
        fault = ApiFault(
            ApiFaultKind(fields["kind"]),
            code=str(fields.get("code", "")),
            status=int(fields.get("status", 0)),
            retry_after_s=fields.get("retry_after_s"),
            delay_s=float(fields.get("delay_s", 0.0)),
            date_offset_s=float(fields.get("date_offset_s", 0.0)),
        )
        self._cloud.faults.next(fields.get("action", ANY), fault, int(fields.get("times", 1)))
        return len(self._cloud.faults)

    def _gateway_fault(self, fields: Fields) -> object:
        fault = GatewayFault(
            GatewayFaultKind(fields["kind"]),
            status=int(fields.get("status", 503)),
            step=Step(fields.get("step", Step.VERSION)),
            after_bytes=int(fields.get("after_bytes", 0)),
            delay_s=float(fields.get("delay_s", 3600.0)),
        )
        target = fields.get("instance_id", ANY)
        self._cloud.gateway_faults.next(target, fault, int(fields.get("times", 1)))
        return len(self._cloud.gateway_faults)

    def _clear_faults(self, fields: Fields) -> object:
        self._cloud.faults.clear()
        self._cloud.gateway_faults.clear()
        return 0

    def _drop(self, fields: Fields) -> object:
        ending = Ending(fields.get("ending", Ending.DROP))
        return self._cloud.drop(fields.get("instance_id"), ending)

    def _resize(self, fields: Fields) -> object:
        width, height = int(fields["width"]), int(fields["height"])
        return self._cloud.resize(width, height, fields.get("instance_id"))

    def _status(self, fields: Fields) -> object:
        self._cloud.set_status(fields["status"], fields.get("instance_id"))
        return fields["status"]


def _newest(journal: Any) -> list[Any]:
    return list(islice(journal, max(len(journal) - _SHOWN, 0), None))


def _local(handler: Handler) -> Handler:
    async def guarded(request: web.Request) -> web.StreamResponse:
        try:
            is_local = ipaddress.ip_address(request.remote or "").is_loopback
        except ValueError:
            is_local = False
        if not is_local:
            raise web.HTTPForbidden
        return await handler(request)

    return guarded


def _posted(act: Callable[[Fields], object]) -> Handler:
    async def carry_out(request: web.Request) -> web.StreamResponse:
        if request.content_type != "application/json":
            raise web.HTTPUnsupportedMediaType
        try:
            fields = await request.json()
            if not isinstance(fields, dict):
                raise TypeError("the body is not a JSON object")
            return web.json_response({"result": act(fields)})
        except (KeyError, TypeError, ValueError) as error:
            return web.json_response({"error": str(error)}, status=400)

    return carry_out
