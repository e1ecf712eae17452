"""`GET /api/v1/sessions`: past sessions, from the audit, for administrators of their instances."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial

from aiohttp import hdrs, web

from vncproxy.audit.session_index import (
    PastSession,
    RecordedInstance,
    SessionQuery,
)
from vncproxy.errors import AccessError
from vncproxy.recording.recording_state import RecordingState
from vncproxy.tasks import in_turns
from vncproxy.web.answers import json_answer
from vncproxy.web.context import door, services_of
from vncproxy.web.csv_rows import BYTE_ORDER_MARK, csv_text
from vncproxy.web.page_language import for_call
from vncproxy.web.past_lists import PATIENCE_S, PastLists
from vncproxy.web.past_query import PastQuery, moment_text, past_query, place_text
from vncproxy.web.past_rights import past_rights
from vncproxy.web.query_names import one_of

CSV_PATIENCE_S = 8.0
"""How long an export waits for what is new: half a list would be taken for the whole."""
CSV_BATCH = 1000
CSV_HEADINGS = (
    "started",
    "ended",
    "seconds",
    "state",
    "user",
    "identity",
    "door",
    "address",
    "rule",
    "instance",
    "alias",
    "region",
    "viewer",
    "opened to",
    "side",
    "code",
    "reason",
    "text",
    "recording",
    "recording state",
)
_PER_TURN = 64


async def sessions(request: web.Request) -> web.StreamResponse:
    """The newest that are looked for; `?format=csv`: all of them, as a file.

    The query: `user`, `instance` (what the name has in it), `since`, `until` (open at some time
    between), `limit`, `before` (the answer's `more`).
    """
    identity = door(request).identify(request)
    lists = services_of(request).past
    wanted = past_query(request.query)
    as_csv = one_of(request.query, "format", ("json", "csv")) == "csv"
    rights = await past_rights(request, identity)
    is_whole, _ = await asyncio.gather(
        lists.sessions_refresh.done(CSV_PATIENCE_S if as_csv else PATIENCE_S),
        # For what is said of each session's recording.
        lists.recordings_refresh.done(PATIENCE_S),
    )
    seen: list[RecordedInstance] = []
    async for one in in_turns(await lists.call(lists.sessions.instances), _PER_TURN):
        if rights.may_see(one):
            seen.append(one)
    await rights.require_administrator(seen)
    keys = [one.key for one in seen if wanted.is_about(rights.instance(one), one.alias)]
    query = _session_query(wanted, keys)
    if as_csv:
        if (problem := lists.sessions_refresh.problem) is not None:
            raise AccessError(503, "unavailable", f"Half a list isn't exported. {problem}")
        if not is_whole:
            raise AccessError(
                503, "still-reading", "The audit is still being read; export it in a while.", 10.0
            )
        return await _send_csv(request, lists, query)
    limit = wanted.limit
    found = await lists.call(partial(lists.sessions.find, query, limit + 1))
    total = await lists.call(partial(lists.sessions.count, query))
    shown = found[:limit]
    states = await lists.call(partial(_states, lists, shown))
    problems = [] if not rights.everything else await lists.call(lambda: lists.sessions.problems)
    if lists.sessions_refresh.problem is not None:
        problems = [lists.sessions_refresh.problem, *problems]
    said = for_call(request).said
    return json_answer(
        {
            "sessions": [
                {
                    **_row(one, states, said),
                    "instance_name": rights.name_of(one.instance.id),
                }
                async for one in in_turns(shown, _PER_TURN)
            ],
            "more": place_text(shown[-1].started_ms, shown[-1].key) if found[limit:] else None,
            "total": total,
            "read": 1.0 if is_whole else lists.sessions_refresh.progress,
            "problems": list(map(said, problems)),
        }
    )


def _session_query(wanted: PastQuery, keys: Iterable[int]) -> SessionQuery:
    before = None
    if wanted.before is not None:
        time_ms, key = wanted.before
        if not (key.isascii() and key.isdecimal() and len(key) < 16):
            raise AccessError(400, "bad-query", "before is what the answer before gave as more.")
        before = time_ms, int(key)
    return SessionQuery(list(keys), wanted.user, wanted.since_ms, wanted.until_ms, before)


def _state(session: PastSession) -> str:
    if session.ended_ms is not None:
        return "ended"
    return "open" if session.lost_ms is None else "lost"


def _states(lists: PastLists, sessions: Iterable[PastSession]) -> dict[str, RecordingState]:
    """What the recordings of these sessions are, by their names. For a thread."""
    return lists.recordings.states({one.recording for one in sessions if one.recording})


def _row(
    session: PastSession, states: Mapping[str, RecordingState], said: Callable[[str], str]
) -> dict[str, object]:
    watching = session.watching
    return {
        "user": session.user,
        "identity": session.identity,
        "door": session.door,
        "address": session.address,
        "rule": session.rule,
        "instance": session.instance.id,
        "alias": session.instance.alias,
        "region": session.instance.region,
        "viewer": session.viewer,
        "opened_to": None if watching is None else "watch" if watching else "control",
        "started_at": moment_text(session.started_ms),
        "ended_at": moment_text(session.ended_ms),
        "state": _state(session),
        "lost_at": moment_text(session.lost_ms),
        "seconds": session.seconds,
        "side": session.side,
        "code": session.code,
        "reason": session.reason,
        "text": said(session.text),
        "recording": session.recording or None,
        "recording_state": states.get(session.recording),
    }


def _csv_row(session: PastSession, states: Mapping[str, RecordingState]) -> list[object]:
    row = _row(session, states, str)
    order = (
        *("started_at", "ended_at", "seconds", "state", "user", "identity", "door", "address"),
        *("rule", "instance", "alias", "region", "viewer", "opened_to", "side", "code"),
        *("reason", "text", "recording", "recording_state"),
    )
    return [row[name] for name in order]


async def _send_csv(
    request: web.Request, lists: PastLists, query: SessionQuery
) -> web.StreamResponse:
    text, place = await lists.call(partial(_csv_batch, lists, query))
    answer = web.StreamResponse(
        headers={
            hdrs.CONTENT_TYPE: "text/csv; charset=utf-8; header=present",
            hdrs.CONTENT_DISPOSITION: 'attachment; filename="vncproxy-sessions.csv"',
        }
    )
    await answer.prepare(request)
    await answer.write(BYTE_ORDER_MARK.encode() + csv_text([CSV_HEADINGS]))
    while place is not None:
        await answer.write(text)
        # Not by an offset: each batch costs the same.
        query = replace(query, before=place)
        text, place = await lists.call(partial(_csv_batch, lists, query))
    await answer.write_eof()
    return answer


def _csv_batch(lists: PastLists, query: SessionQuery) -> tuple[bytes, tuple[int, int] | None]:
    """The next lines, and the place after them; None: there are no more. For a thread."""
    batch = lists.sessions.find(query, CSV_BATCH)
    if not batch:
        return b"", None
    states = _states(lists, batch)
    return csv_text(_csv_row(one, states) for one in batch), (batch[-1].started_ms, batch[-1].key)
