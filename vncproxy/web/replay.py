"""The page that plays one recording, and the recording's blocks for it, on loopback only.

Only who has the key from the printed address may see it: other accounts of this machine reach the
port as well. The page sends the key with each call, from its address's fragment, which no log has.
"""

from __future__ import annotations

import asyncio
import hmac
import struct
from collections.abc import Iterator

from aiohttp import web
from aiohttp.typedefs import Handler

from vncproxy.errors import AccessError, RecordingError
from vncproxy.recording.file_format import Kind, Record
from vncproxy.recording.novnc_form import NovncForm
from vncproxy.recording.reader import Recording
from vncproxy.web.answers import http_refusal, json_answer, refusal
from vncproxy.web.middleware import finish_headers
from vncproxy.web.origin import check_fetch_site, check_host, check_origin
from vncproxy.web.page_language import for_page
from vncproxy.web.pages import page, static_file

BATCH_BYTES = 256 * 1024
"""About so much is made ready at a time; the page takes it at its own pace."""
BLOCK_END, DAMAGED = 3, 4
"""Kinds of frames besides a record's: the block is complete; it is damaged, and how."""

_FRAME = struct.Struct(">dBI")
_BEARER = "Bearer "
RECORDING = web.AppKey("recording", Recording)
KEY = web.AppKey("key", str)


def application(recording: Recording, key: str) -> web.Application:
    """The routes.

    Args:
        recording: What is played.
        key: What the page must show to get the recording.
    """
    app = web.Application(middlewares=[_guard])
    app[RECORDING] = recording
    app[KEY] = key
    app.on_response_prepare.append(finish_headers)
    app.add_routes(
        [
            web.get("/", _page),
            web.get("/static/{path:.+}", static_file),
            web.get("/api/v1/recording", _contents),
            web.get(r"/api/v1/recording/blocks/{number}", _block),
        ]
    )
    return app


@web.middleware
async def _guard(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        headers = request.headers
        hosts = headers.getall("Host", []) if request.raw_path.startswith("/") else []
        host = check_host(hosts, frozenset())
        check_origin(headers.getall("Origin", []), host, frozenset())
        check_fetch_site(headers.getall("Sec-Fetch-Site", []))
        if request.path.startswith("/api/"):
            _check_key(request)
        return await handler(request)
    except AccessError as error:
        return refusal(request, error)
    except web.HTTPException as error:
        return refusal(request, http_refusal(error.status, error.reason))
    except RecordingError as error:
        return refusal(request, AccessError(500, "damaged", error.public_text))


def _check_key(request: web.Request) -> None:
    given = request.headers.get("Authorization", "").removeprefix(_BEARER)
    if not hmac.compare_digest(given.encode(errors="replace"), request.app[KEY].encode()):
        raise AccessError(
            401, "wrong-key", "Open the whole address that vncproxy replay has printed."
        )


async def _page(request: web.Request) -> web.StreamResponse:
    return page(request, "replay.html", for_page(request).language)


async def _contents(request: web.Request) -> web.Response:
    return json_answer(contents_of(request.app[RECORDING]))


def contents_of(recording: Recording) -> dict[str, object]:
    """What the player has to know before it plays."""
    header = recording.header
    return {
        "instance": header.instance,
        "alias": header.alias,
        "region": header.region,
        "user": header.user,
        "viewer": header.viewer,
        "address": header.address,
        "started_at": header.started_at,
        "duration_ms": recording.duration_ms,
        "complete": recording.complete,
        "ended": recording.whole,
        "size_bytes": recording.size_bytes,
        "blocks": [
            {"time_ms": one.time_ms, "whole": one.whole, "continues": one.continues}
            for one in recording.blocks
        ],
        "notes": [{"time_ms": one.time_ms, "what": one.what} for one in recording.notes],
        "damage": [{"from_ms": one.from_ms, "to_ms": one.to_ms} for one in recording.damage],
    }


async def _block(request: web.Request) -> web.StreamResponse:
    return await block_of(request, request.app[RECORDING])


async def block_of(request: web.Request, recording: Recording) -> web.StreamResponse:
    """A block's records in frames; with ?live=1 without what one needs to begin at it.

    Args:
        request: Its path has the block's `number`.
        recording: It stays open until this returns.

    Raises:
        HTTPNotFound: It hasn't so many.
    """
    text = request.match_info["number"]
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise web.HTTPNotFound
    number = int(text)
    if number >= len(recording.blocks):
        raise web.HTTPNotFound
    answer = web.StreamResponse(headers={"Content-Type": "application/octet-stream"})
    await answer.prepare(request)
    batches = _batches(recording, number, live=request.query.get("live") == "1")
    while (batch := await asyncio.to_thread(next, batches, b"")) != b"":
        await answer.write(batch)
    await answer.write_eof()
    return answer


def _batches(recording: Recording, number: int, *, live: bool) -> Iterator[bytes]:
    batch = bytearray()
    try:
        for frame in _frames(recording.records(number), live=live):
            batch += frame
            if len(batch) >= BATCH_BYTES:
                yield bytes(batch)
                batch.clear()
        batch += _FRAME.pack(0.0, BLOCK_END, 0)
    except RecordingError as error:
        text = error.public_text.encode()
        batch += _FRAME.pack(0.0, DAMAGED, len(text)) + text
    yield bytes(batch)


def _frames(records: Iterator[Record], *, live: bool) -> Iterator[bytes]:
    form: NovncForm | None = None
    for record in records:
        if form is None:
            form = NovncForm(record.data)
            data = form.opening
        else:
            # Translated even if it is left out: a size may change in it.
            data = form.translated(record.data)
        if data and (record.kind is Kind.LIVE or not live):
            yield _FRAME.pack(record.time_ms, record.kind, len(data)) + data
