"""Recordings, for administrators of the recorded instance: listed, played, downloaded."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from aiohttp import hdrs, web

from vncproxy.access.identity import Identity
from vncproxy.errors import AccessError, RecordingError
from vncproxy.instances.instance_list import ConsoleInstance
from vncproxy.recording.reader import Recording
from vncproxy.recording.recording_index import IndexedRecording, RecordingQuery
from vncproxy.tasks import in_turns
from vncproxy.web import audit_entries
from vncproxy.web.answers import json_answer
from vncproxy.web.context import door, services_of
from vncproxy.web.page_language import for_call
from vncproxy.web.past_lists import PATIENCE_S
from vncproxy.web.past_query import moment_text, past_query, place_text
from vncproxy.web.past_rights import past_rights
from vncproxy.web.replay import block_of, contents_of

_PER_TURN = 64


@dataclass(frozen=True, slots=True)
class _Recorded:
    """An instance as recordings name it."""

    id: str
    alias: str
    region: str


async def recordings(request: web.Request) -> web.Response:
    """`GET /api/v1/recordings`: the newest that are looked for; the query as of past sessions."""
    identity = door(request).identify(request)
    lists = services_of(request).past
    wanted = past_query(request.query)
    rights = await past_rights(request, identity)
    is_whole = await lists.recordings_refresh.done(PATIENCE_S)
    seen: list[_Recorded] = []
    async for names in in_turns(await lists.call(lists.recordings.instances), _PER_TURN):
        if rights.may_see(one := _Recorded(*names)):
            seen.append(one)
    await rights.require_administrator(seen)
    ids = {one.id for one in seen if wanted.is_about(rights.instance(one), one.alias)}
    query = RecordingQuery(ids, wanted.user, wanted.since_ms, wanted.until_ms, wanted.before)
    limit = wanted.limit
    found = await lists.call(partial(lists.recordings.find, query, limit + 1))
    total = await lists.call(partial(lists.recordings.count, query))
    shown = found[:limit]
    problems = [*lists.recordings.problems] if rights.everything else []
    if lists.recordings_refresh.problem is not None:
        problems.append(lists.recordings_refresh.problem)
    said = for_call(request).said
    return json_answer(
        {
            "recordings": [
                recording_row(one, said, rights.name_of(one.instance))
                async for one in in_turns(shown, _PER_TURN)
            ],
            "more": place_text(shown[-1].started_ms, shown[-1].name) if found[limit:] else None,
            "total": total,
            "read": 1.0 if is_whole else lists.recordings_refresh.progress,
            "problems": list(map(said, problems)),
            # Where it is is the business of who may see everything.
            "folder": str(lists.folder) if rights.everything else None,
        }
    )


def recording_row(
    recording: IndexedRecording, said: Callable[[str], str], instance_name: str | None
) -> dict[str, object]:
    """A row, as the API gives it.

    Args:
        recording: What is known of it.
        said: Puts a sentence into the reader's language.
        instance_name: The cloud's, if it is known.
    """
    return {
        "name": recording.name,
        "instance": recording.instance,
        "instance_name": instance_name,
        "alias": recording.alias,
        "region": recording.region,
        "user": recording.user,
        "viewer": recording.viewer,
        "address": recording.address,
        "started_at": moment_text(recording.started_ms),
        "duration_s": recording.duration_ms / 1000,
        "size_bytes": recording.size_bytes,
        "state": recording.state,
        "running": recording.running,
        "ended": recording.ended,
        "gaps": recording.gaps,
        "damaged": recording.damaged,
        "problem": said(recording.problem) or None,
        "caution": said(recording.caution) or None,
    }


async def contents(request: web.Request) -> web.Response:
    """`GET /api/v1/recordings/{recording}`: what the player has to know; it is in the audit."""
    async with _permitted(request, anew=True) as (identity, instance, recording):
        await _record_viewing(request, identity, instance)
        return json_answer(contents_of(recording))


async def block(request: web.Request) -> web.StreamResponse:
    """`GET /api/v1/recordings/{recording}/blocks/{number}`: a part of it, for the player."""
    async with _permitted(request) as (identity, instance, recording):
        # A page asks for the contents first; a program may not.
        if not services_of(request).viewings_recorded.has_logged(
            _viewing(request, identity), time.monotonic()
        ):
            await _record_viewing(request, identity, instance)
        return await block_of(request, recording)


async def download(request: web.Request) -> web.StreamResponse:
    """`GET /api/v1/recordings/{recording}/file`: the file; it is in the audit."""
    name = _name(request)
    async with _permitted(request) as (identity, instance, recording):
        await audit_entries.looked(
            request, identity, instance, "recording-download", file=recording.path.name
        )
    return web.FileResponse(
        services_of(request).past.folder / name,
        headers={
            hdrs.CONTENT_TYPE: "application/octet-stream",
            hdrs.CONTENT_DISPOSITION: f'attachment; filename="{name}"',
        },
    )


@asynccontextmanager
async def _permitted(
    request: web.Request, *, anew: bool = False
) -> AsyncIterator[tuple[Identity, ConsoleInstance, Recording]]:
    """Who asks, the recorded instance, and the recording, open as long as the block lasts.

    Raises:
        AccessError: 404: there is none, or the user isn't its instance's administrator; 409: it
            can't be played.
    """
    identity = door(request).identify(request)
    rights = await past_rights(request, identity)
    refusal = AccessError(
        404, "unknown-recording", "There is no recording of this name, or it isn't yours to see."
    )
    name = _name(request)
    try:
        async with services_of(request).past.reading(name, anew=anew) as recording:
            header = recording.header
            recorded = _Recorded(
                header.instance if recording.known else "", header.alias, header.region
            )
            if not rights.may_see(recorded):
                raise refusal
            if not recording.blocks:
                raise AccessError(409, "unplayable", f"Nothing was shown in {name}.")
            yield identity, rights.instance(recorded), recording
    except FileNotFoundError:
        raise refusal from None
    except RecordingError as error:
        # Whose it is isn't known.
        if not rights.everything:
            raise refusal from None
        raise AccessError(409, "unplayable", error.public_text) from error


def _name(request: web.Request) -> str:
    return Path(request.match_info["recording"]).name


def _viewing(request: web.Request, identity: Identity) -> tuple[str, str, str, str]:
    return (door(request).name, identity.kind, identity.user, _name(request))


async def _record_viewing(
    request: web.Request, identity: Identity, instance: ConsoleInstance
) -> None:
    await audit_entries.looked(request, identity, instance, "recording", file=_name(request))
    services_of(request).viewings_recorded.seen(_viewing(request, identity), time.monotonic())
