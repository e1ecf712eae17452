"""`/api/v1/sessions`: who was on what, for whom that is."""

from __future__ import annotations

import asyncio
import csv
import io
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.bench.past import write_recording
from tests.setup import WAIT_S
from tests.unit.web.past_site import GONE, PastSite, past_site
from vncproxy.audit.record import Entry, Event
from vncproxy.config.model import Rule
from vncproxy.simulator.settings import DEMO_INSTANCE_ID
from vncproxy.web import past_sessions

pytestmark = pytest.mark.sockets


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[PastSite]:
    """The daemon with its past."""
    async with past_site(tmp_path) as found:
        yield found


async def test_who_what_when_how_long_and_why(site: PastSite) -> None:
    """The newest first."""
    answer = await site.get("sessions")
    assert answer.json["total"] == 3
    assert answer.json["problems"] == []
    assert answer.json["read"] == 1.0
    newest, crashed, first = answer.json["sessions"]
    assert (newest["user"], newest["instance"], newest["seconds"]) == ("eve", GONE, 7.0)
    assert (newest["state"], newest["reason"], newest["side"]) == ("ended", "viewer-left", "viewer")
    assert newest["started_at"] == "2026-05-28T20:26:44Z"
    assert newest["ended_at"] == "2026-05-28T20:26:45Z"
    # The daemon that had it recorded no end, and this one has started since.
    assert (crashed["state"], crashed["opened_to"]) == ("lost", "watch")
    assert crashed["lost_at"]
    assert first["address"] == "192.0.2.1"


async def test_it_is_searched_by_user_instance_and_time(site: PastSite) -> None:
    async def users(query: str) -> list[str]:
        return [row["user"] for row in await site.rows("sessions", query)]

    assert await users("?user=AN") == ["ann"]
    assert await users("?instance=alias-i-gone") == ["eve"]
    # Its alias now, which isn't the one in the audit.
    assert await users("?instance=demo") == ["=cmd()", "ann"]
    assert await users("?until=2026-05-28T20:26:41Z") == ["ann"]
    assert await users("?since=2026-05-28T20:26:45Z") == ["eve", "=cmd()"]
    assert await users("?user=nobody") == []


@pytest.mark.parametrize(
    "query",
    ["?since=yesterday", "?limit=0", "?limit=x", "?before=x", "?before=1.x", f"?user={'x' * 300}"],
)
async def test_what_cannot_be_asked_for_is_refused(site: PastSite, query: str) -> None:
    assert (await site.get(f"sessions{query}")).status == 400


async def test_pages_go_on_where_the_last_ended(site: PastSite) -> None:
    first = (await site.get("sessions?limit=2")).json
    assert [row["user"] for row in first["sessions"]] == ["eve", "=cmd()"]
    assert first["total"] == 3
    rest = (await site.get(f"sessions?limit=2&before={first['more']}")).json
    assert [row["user"] for row in rest["sessions"]] == ["ann"]
    assert rest["more"] is None


async def test_nobody_learns_of_what_no_rule_shows_them(site: PastSite) -> None:
    """What was an alias once may be another's now; whoever administers nothing is told so."""
    rows = await site.rows("sessions", user="ann")
    assert {row["instance"] for row in rows} == {DEMO_INSTANCE_ID}
    answer = await site.get("sessions?instance=gone", "ann")
    assert (answer.json["sessions"], answer.json["total"]) == ([], 0)
    for user in ("wat", "nob"):
        refused = await site.get("sessions", user)
        assert (refused.status, refused.word) == (403, "not-allowed")
    assert (await site.people.ask("/api/v1/sessions")).status == 401


async def test_a_rule_that_names_the_id_still_shows_one_that_is_gone(tmp_path: Path) -> None:
    rule = (Rule(users=("ann",), instances=(GONE,), role="admin"),)
    async with past_site(tmp_path, rule=rule) as site:
        rows = await site.rows("sessions", user="ann")
        assert [row["user"] for row in rows] == ["eve"]


async def test_a_session_of_now_is_in_it(site: PastSite) -> None:
    """Open, then ended."""
    socket = await site.people.socket("/websockify/demo", "ann")
    await socket.receive_bytes()
    (row, *_) = await site.rows("sessions")
    assert (row["user"], row["state"], row["opened_to"]) == ("ann", "open", "control")
    await socket.close()
    await site.people.setup.audited("close", 3)
    states: list[str] = []
    while "ended" not in states:
        states.append((await site.rows("sessions", "?limit=1"))[0]["state"])


async def test_a_recording_can_be_played_as_soon_as_its_session_is_listed(site: PastSite) -> None:
    """Whether its list was ever looked at or not; one that is gone can't."""
    folder = site.people.setup.daemon.state / "recordings"
    old, new, gone = (write_recording(folder, n, instance=DEMO_INSTANCE_ID) for n in (3, 4, 5))
    os.utime(folder / new)
    (folder / gone).unlink()
    audit = site.people.setup.daemon.components.services.audit
    for viewer, name in (("v-1", old), ("v-2", new), ("v-3", gone)):
        await audit.record(Entry(event=Event.RECORDED, viewer=viewer, file=name))
    rows = await site.rows("sessions")
    assert [row["recording"] for row in rows] == [gone, new, old]
    states = ["gone", "complete", "complete"]
    assert [row["recording_state"] for row in rows] == states
    text = (await site.load("sessions?format=csv")).decode()
    lines = list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"))))
    assert [(row["recording"], row["recording state"]) for row in lines] == list(
        zip((gone, new, old), states, strict=True)
    )


async def test_csv_has_all_and_starts_no_formula(
    site: PastSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In batches, which the reader doesn't see."""
    monkeypatch.setattr(past_sessions, "CSV_BATCH", 2)
    text = (await site.load("sessions?format=csv")).decode()
    assert text.startswith("\ufeff")
    rows = list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"))))
    assert [row["user"] for row in rows] == ["eve", "'=cmd()", "ann"]
    assert rows[0]["seconds"] == "7.0"
    assert rows[1]["state"] == "lost"
    only = await site.load("sessions?format=csv&user=ann", "ann")
    assert len(only.decode().splitlines()) == 2


async def test_a_list_is_not_exported_by_half(
    site: PastSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    lists = site.people.setup.daemon.components.services.past
    monkeypatch.setattr(lists.sessions_refresh, "done", _never)
    answer = await site.get("sessions?format=csv")
    assert (answer.status, answer.word) == (503, "still-reading")
    monkeypatch.setattr(lists.sessions_refresh, "problem", "The index can't be used: full.")
    answer = await site.get("sessions?format=csv")
    assert (answer.status, answer.word) == (503, "unavailable")
    assert answer.json["error"]["text"].endswith("The index can't be used: full.")
    # The list says so, and shows what it has.
    found = (await site.get("sessions")).json
    assert found["problems"][0] == "The index can't be used: full."
    assert len(found["sessions"]) == 3


async def test_both_indexes_are_brought_up_to_date_at_the_same_time(
    site: PastSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So nobody waits for one after the other."""
    lists = site.people.setup.daemon.components.services.past
    both = asyncio.Barrier(2)

    async def done(patience_s: float | None) -> bool:
        async with asyncio.timeout(WAIT_S):
            await both.wait()
        return True

    monkeypatch.setattr(lists.sessions_refresh, "done", done)
    monkeypatch.setattr(lists.recordings_refresh, "done", done)
    assert len((await site.get("sessions")).json["sessions"]) == 3


async def _never(patience_s: float | None) -> bool:
    return False


async def test_what_is_wrong_with_the_files_is_a_sentence(site: PastSite) -> None:
    """For who may see everything; the rest of the list works."""
    state = site.people.setup.daemon.state
    (state / "audit.jsonl.1").symlink_to(state / "audit.jsonl")
    found = (await site.get("sessions")).json
    assert found["problems"] == ["audit.jsonl.1 isn't read: it is a symbolic link."]
    assert len(found["sessions"]) == 3
    assert (await site.get("sessions", "ann")).json["problems"] == []
