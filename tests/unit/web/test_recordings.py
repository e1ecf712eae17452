"""`/api/v1/recordings`: listed, played and downloaded, by whom the rules let."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.unit.web.past_site import GONE, PastSite, past_site
from vncproxy.errors import AuditError
from vncproxy.simulator.settings import DEMO_INSTANCE_ID

pytestmark = pytest.mark.sockets


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[PastSite]:
    """The daemon with its past."""
    async with past_site(tmp_path) as found:
        yield found


async def test_the_list_tells_what_there_is(site: PastSite) -> None:
    """The newest first, searched as sessions are."""
    newest, older = await site.rows("recordings")
    assert (newest["name"], newest["instance"]) == (site.gone, GONE)
    assert (older["name"], older["alias"], older["user"]) == (site.own, "demo", "user01")
    assert (older["duration_s"], older["ended"], older["running"]) == (120.0, True, False)
    assert (older["gaps"], older["damaged"], older["problem"]) == (0, False, None)
    assert (older["state"], older["caution"]) == ("complete", None)
    folder = str(site.people.setup.daemon.state / "recordings")
    assert (await site.get("recordings")).json["folder"] == folder
    assert (await site.get("recordings", "ann")).json["folder"] is None
    assert [row["name"] for row in await site.rows("recordings", "?user=user02")] == [site.gone]
    assert [row["name"] for row in await site.rows("recordings", "?instance=demo")] == [site.own]
    assert await site.rows("recordings", "?since=2026-06-01") == []
    first = (await site.get("recordings?limit=1")).json
    rest = (await site.get(f"recordings?limit=1&before={first['more']}")).json
    assert [row["name"] for row in rest["recordings"]] == [site.own]


async def test_it_is_played_in_blocks_and_the_audit_has_it_first(site: PastSite) -> None:
    """Once for each page that opens it; a program that asks for blocks alone is in it, too."""
    contents = (await site.get(f"recordings/{site.own}", "ann")).json
    assert (contents["alias"], contents["duration_ms"], len(contents["blocks"])) == (
        "demo",
        120_000,
        4,
    )
    (look,) = await site.people.setup.audited("look")
    assert (look["user"], look["reason"], look["file"]) == ("ann", "recording", site.own)
    assert (look["instance"], look["alias"]) == (DEMO_INSTANCE_ID, "demo")
    for number in range(4):
        assert len(await site.load(f"recordings/{site.own}/blocks/{number}", "ann")) > 64 * 48 * 4
    assert (await site.get(f"recordings/{site.own}/blocks/4", "ann")).status == 404
    assert len(await site.people.setup.audited("look")) == 1
    await site.load(f"recordings/{site.own}/blocks/0", "adm")
    assert [one["user"] for one in await site.people.setup.audited("look", 2)] == ["ann", "adm"]


async def test_it_is_downloaded_as_it_is(site: PastSite) -> None:
    content = await site.load(f"recordings/{site.own}/file", "ann")
    file = site.people.setup.daemon.state / "recordings" / site.own
    assert content == file.read_bytes()
    (look,) = await site.people.setup.audited("look")
    assert (look["reason"], look["file"]) == ("recording-download", site.own)


@pytest.mark.parametrize("what", ["", "/file", "/blocks/0"])
async def test_nobody_learns_of_what_no_rule_shows_them(site: PastSite, what: str) -> None:
    """What isn't theirs is told as what isn't there, and nothing else gets in."""
    names = (site.gone, "20260101T000000Z-i-x-v-x.vncrec", "..%2Faudit.jsonl", "token")
    answers = [await site.get(f"recordings/{name}{what}", "ann") for name in names]
    answers += [await site.get(f"recordings/{site.own}{what}", user) for user in ("wat", "nob")]
    assert {(one.status, one.word) for one in answers} == {(404, "unknown-recording")}
    assert {one.json["error"]["text"] for one in answers} == {
        "There is no recording of this name, or it isn't yours to see."
    }
    assert (await site.people.ask(f"/api/v1/recordings/{site.own}{what}")).status == 401
    assert [row["name"] for row in await site.rows("recordings", user="ann")] == [site.own]
    refused = await site.get("recordings", "nob")
    assert (refused.status, refused.word) == (403, "not-allowed")


@pytest.mark.parametrize("what", ["", "/file", "/blocks/0"])
async def test_nothing_is_shown_that_the_audit_cannot_have(
    site: PastSite, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    async def full(*_: object) -> None:
        raise AuditError("The audit can't be written: its disk is full.")

    monkeypatch.setattr(site.people.setup.daemon.components.services.audit, "record", full)
    assert (await site.get(f"recordings/{site.own}{what}")).status == 503


async def test_the_page_plays_it(site: PastSite) -> None:
    """The page itself holds nothing."""
    answer = await site.people.ask(f"/replay/{site.own}", "Accept: text/html")
    assert answer.status == 200
    assert site.own.encode() not in answer.body


async def test_a_link_in_the_folder_is_nothing(site: PastSite) -> None:
    folder = site.people.setup.daemon.state / "recordings"
    name = "20260101T000000Z-i-x-v-x.vncrec"
    (folder / name).symlink_to(folder / site.own)
    assert len(await site.rows("recordings")) == 2
    assert (await site.get(f"recordings/{name}")).status in (404, 409)


async def test_what_cannot_be_played_is_a_sentence_for_who_may_see_everything(
    site: PastSite,
) -> None:
    """Its name tells an instance that others may not know."""
    folder = site.people.setup.daemon.state / "recordings"
    name = "20260101T000000Z-i-secret-v-x.vncrec"
    (folder / name).write_bytes(b"something else")
    os.utime(folder / name, (1e9, 1e9))
    rows = {row["name"]: row for row in await site.rows("recordings")}
    assert len(rows) == 3
    assert "no recording of vncproxy" in rows[name]["problem"]
    assert len(await site.rows("recordings", user="ann")) == 1
    answer = await site.get(f"recordings/{name}")
    assert (answer.status, answer.word) == (409, "unplayable")
    assert (await site.get(f"recordings/{name}", "ann")).word == "unknown-recording"
