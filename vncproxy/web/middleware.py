"""What every request passes on its way in and every answer on its way out."""

from __future__ import annotations

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler

from vncproxy.errors import AccessError, VncproxyError
from vncproxy.web.answers import http_refusal, refusal, server_error, unavailable
from vncproxy.web.audit_entries import refused
from vncproxy.web.base_path import own_path
from vncproxy.web.context import door, services_of

_log = structlog.get_logger("vncproxy.web")

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data: blob:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
SECURITY_HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Server": "vncproxy",
}
SECURITY_LINES = "".join(
    f"{name}: {value}\r\n" for name, value in SECURITY_HEADERS.items()
).encode()
"""The same as lines of an answer's head."""


_ENCODED = AccessError(
    415, "encoded-body", "Send the body as it is: nothing with a Content-Encoding is read."
)


@web.middleware
async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse what comes from elsewhere; turn refusals and faults into answers."""
    await services_of(request).turns.begin()
    answer = await _answer(request, handler)
    if answer.status >= 400:
        _leave_body(request, answer)
    return answer


def _leave_body(request: web.Request, answer: web.StreamResponse) -> None:
    """A refused body that is long isn't read to its end; its sender has a moment to see why."""
    size = request.content_length
    is_long = size is None or size > request.client_max_size
    if request.can_read_body and is_long and request.transport is not None:
        answer.force_close()
        request.transport.pause_reading()


async def _answer(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        if "Content-Encoding" in request.headers:
            # To inflate it would be work for a client that isn't known yet.
            services_of(request).metrics.refused(_ENCODED.word)
            return refusal(request, _ENCODED)
        door(request).check_browser(request)
        if not _is_for_anybody(request):
            await door(request).learn(request)
        return await handler(request)
    except AccessError as error:
        services_of(request).metrics.refused(error.word)
        _log.info("request.refused", word=error.word, status=error.status, door=door(request).name)
        refused(request, error)
        return refusal(request, error)
    except web.HTTPException as error:
        if error.status < 400:
            raise
        answer = refusal(request, http_refusal(error.status, error.reason))
        if "Allow" in error.headers:
            answer.headers["Allow"] = error.headers["Allow"]
        return answer
    except VncproxyError as error:
        _log.error("request.failed", error=error.public_text)
        refused(request, unavailable(error))
        return refusal(request, unavailable(error))
    except ConnectionError:
        raise
    except Exception:
        _log.exception("request.fault", route=_route(request))
        return refusal(request, server_error())


def _is_for_anybody(request: web.Request) -> bool:
    """What is answered at once, also while nobody can say whose account it is."""
    path = own_path(request)
    return path in ("/healthz", "/readyz") or path.startswith("/static/")


def _route(request: web.Request) -> str:
    """The route's pattern: the address itself may hold a ticket."""
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else "none"


async def finish_headers(request: web.Request, answer: web.StreamResponse) -> None:
    """Put the security headers on every answer; nothing is cached unless its handler allows it."""
    answer.headers.update(SECURITY_HEADERS)
    answer.headers.setdefault("Cache-Control", "no-store")
